#!/bin/sh
# cartwright import bert_cpu: checkpoints of WebShop's choice model become model folders.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH="$builddir/tests/toy/.libs:$builddir/.libs"
pth="$srcdir/tests/torch_import/data"
base="$srcdir/tests/bert_cpu/model"

run 0 import bert_cpu file="$pth/choice_zip.pth" base="$base" --into il --quiet
same "config.json model.safetensors tokenizer_config.json vocab.txt" "$status$(ls il | tr '\n' ' ' | sed 's/ $//')" \
  "a checkpoint becomes a model folder"
run 0 import bert_cpu file="$pth/choice_legacy.pth" base="$base" --into il_legacy --quiet
same "" "$status$(cmp il/model.safetensors il_legacy/model.safetensors 2>&1)" \
  "both formats give the same bytes, the image branch is left out"
cat >il.yaml <<YAML
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $scratch/il}
evaluate: {episodes: 2, agents: [random]}
YAML
run 0 bench policy il.yaml --agent best --episodes 2 --rounds 1 --work score --quiet
same "3 decisions of 2 episodes" "$status$(head -n 1 out | sed 's/ in .*//')" "and a policy opens it"
fails 1 "cartwright: error: policy 'bert_cpu': $pth/parallel.pth: tensor 'bert.encoder.layer.1.attention.self.query.weight' is missing; the file has to hold the whole encoder that config.json describes" \
  "a checkpoint of another shape" import bert_cpu file="$pth/parallel.pth" base="$base" --into other --quiet
same "" "$(ls -d other* 2>/dev/null)" "leaves nothing behind"
fails 1 "cartwright: error: policy 'bert_cpu': $pth/harm_zip.pth: data.pkl: byte 18: the pickle asks for 'posix.system'; only tensors are read, never code: save the state dictionary, torch.save(model.state_dict(), ...)" \
  "a checkpoint that would run a command" import bert_cpu file="$pth/harm_zip.pth" base="$base" --into other --quiet
finish
