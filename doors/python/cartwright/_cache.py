"""Shop files of folders that were opened before. WebShop's JSON takes most of a second to read, a shop file
milliseconds; so a folder's shop is imported once into the user's cache, and again when one of its files changes.
$CARTWRIGHT_CACHE names another folder, or is "off"."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Callable

FILES = {"items_file": "items_shuffle_1000.json", "attributes_file": "items_ins_v2_1000.json",
         "human_file": "items_human_ins.json"}
LARGEST = 64 << 20  # bytes of JSON; a larger catalogue's shop file is the user's to make


def _folder() -> Path | None:
    named = os.environ.get("CARTWRIGHT_CACHE")
    if named == "off":
        return None
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cartwright/shops"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:20]


def kept(options: dict[str, Any], plugin: Path, make: Callable[[str, dict[str, Any]], None]) -> dict[str, Any] | None:
    """The options that open the kept file in the place of the folder that ``options`` name, after ``make(into, sources)``
    where there is none yet; None where the folder has to be read itself. ``plugin``: whose format it is."""
    shop, folder = options.get("shop"), _folder()
    if folder is None or not isinstance(shop, (str, os.PathLike)) or not os.path.isdir(shop):
        return None
    sources = {key: os.path.abspath(os.path.join(shop, options.get(key) or name)) for key, name in FILES.items()}
    try:
        states = [(name, os.stat(path).st_size, os.stat(path).st_mtime_ns) for name, path in sources.items()
                  if name != "human_file" or os.path.exists(path)]
        if sum(size for _, size, _ in states) > LARGEST:
            return None
        own = os.stat(plugin)
        prefix = _digest([*sources.values(), options.get("products") or 0]) + "-"
        path = folder / f"{prefix}{_digest([states, own.st_size, own.st_mtime_ns])}.shop"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            make(str(path), {"shop": shop, **{key: options[key] for key in (*FILES, "products") if options.get(key)}})
            for old in folder.glob(f"{prefix}*.shop"):
                if old != path:
                    old.unlink(missing_ok=True)
    except (OSError, RuntimeError, ValueError):
        return None  # reading the folder says what is wrong with it
    return {**{key: value for key, value in options.items() if key not in FILES and key != "products"}, "shop": str(path)}
