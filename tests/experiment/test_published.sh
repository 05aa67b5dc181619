#!/bin/sh
# Every configuration of configs/ by itself, with every backend (what is for another one is left out, nothing is
# unknown), and with a shop elsewhere.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH=
configs=$(cd "$srcdir/configs" && pwd)

# Files that the configurations read, empty.
ln -s "$configs" configs
for run in paper/imitation-1 paper/generated-1 paper-synthetic/imitation-1 paper-synthetic/generated-1; do
  mkdir -p "runs/$run/trajectories"
  for name in sessions generated rejected; do : >"runs/$run/trajectories/$name.jsonl"; done
done
mkdir -p shared/webshop-1k here
: >shared/webshop-1k/expert_trajectories.jsonl
mv configs runs here
cd here || exit 99

# missing FILE NAME: whether the file names a policy that was not built; then the test NAME is skipped.
missing() {
  for optional in openai bert_cuda; do
    grep -q "$optional" "$1" && ! "$cartwright" plugins "$optional" >/dev/null 2>&1 || continue
    number=$((number + 1))
    echo "ok $number - $2 # SKIP $optional was not built"
    return 0
  done
  return 1
}

for file in configs/*.yaml configs/*/*.yaml; do
  ! missing "$file" "$file leaves nothing out" || continue
  run 0 config "$file"
  same "" "$status$(cat err)" "$file leaves nothing out"
done

for policy in linear bert_cpu bert_cuda; do
  if ! "$cartwright" plugins "$policy" >out 2>&1; then
    number=$((number + 1))
    echo "ok $number # SKIP $policy was not built"
    continue
  fi
  for file in configs/*.yaml configs/*/*.yaml; do
    # A file without a policy has nothing to take the place of; a BERT needs its folder.
    ! missing "$file" "$file with policy.plugin=$policy" || continue
    model=
    grep -q '^policy:\|^base:' "$file" || [ "$policy" = linear ] || model='--set policy.model=models/shop-bert'
    run 0 config "$file" --set "policy.plugin=$policy" $model
    same "  plugin: $policy" "$status$(sed -n '/^policy:/,/^rollout:/s/^\(  plugin: [a-z_]*\).*/\1/p' out)" \
      "$file with policy.plugin=$policy"
  done
done

# One option moves the shop and what is read from it.
mkdir elsewhere
: >elsewhere/expert_trajectories.jsonl
rm ../shared/webshop-1k/expert_trajectories.jsonl
for file in configs/webshop-1k-bc.yaml configs/paper/imitation.yaml; do
  run 0 config "$file" --set environment.shop=elsewhere
  same "      sessions: elsewhere/expert_trajectories.jsonl" "$status$(sed -n 's/ #.*//; /sessions:/p' out)" \
    "$file: environment.shop is enough"
done
finish
