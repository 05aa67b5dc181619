"""Builds the extension against the Cartwright of this repository and takes its library and environment plugins along.

`pip install .` builds the repository first (`./setup build`, which installs Debian packages that are missing) unless it
is built. CARTWRIGHT_BUILD names another build tree, CARTWRIGHT_SOURCE the repository when this folder is a copy."""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("CARTWRIGHT_SOURCE", HERE.parent.parent)).resolve()
BUILD = Path(os.environ.get("CARTWRIGHT_BUILD", ROOT / "build")).resolve()
PLUGINS = ("webshop", "synthetic")


def pkg_config(flag, *names):
    return subprocess.run(["pkg-config", flag, *names], check=True, capture_output=True, text=True).stdout.split()


class BuildWithCore(build_ext):
    def run(self):
        libraries = BUILD / ".libs"
        if not (libraries / "libcartwright.so").exists():
            if "CARTWRIGHT_BUILD" in os.environ or not (ROOT / "setup").exists():
                raise SystemExit(f"cartwright: {libraries}/libcartwright.so is not there; build Cartwright first "
                                 "(./setup build in the repository)")
            subprocess.run([ROOT / "setup", "build"], check=True)
        extension = self.extensions[0]
        extension.include_dirs = [str(ROOT / "core" / "include")]
        extension.extra_compile_args = ["-std=gnu17", "-fvisibility=hidden", *pkg_config("--cflags", "glib-2.0")]
        extension.extra_link_args = [f"-L{libraries}", "-lcartwright", *pkg_config("--libs", "glib-2.0"),
                                     "-Wl,-rpath,$ORIGIN"]
        super().run()
        package = (HERE if self.inplace else Path(self.build_lib)) / "cartwright"
        (package / "plugins").mkdir(parents=True, exist_ok=True)
        soname = next(p.name for p in libraries.glob("libcartwright.so.?") if p.is_symlink())
        shutil.copy(libraries / soname, package / soname)
        for plugin in PLUGINS:
            shutil.copy(libraries / f"{plugin}.so", package / "plugins" / f"{plugin}.so")


setup(
    ext_modules=[Extension("cartwright._core", ["cartwright/_core.c", "cartwright/_vector.c", "cartwright/_candidates.c"],
                           depends=["cartwright/_core.h"], py_limited_api=True)],
    cmdclass={"build_ext": BuildWithCore},
)
