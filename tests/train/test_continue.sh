#!/bin/sh
# A finished run is complete in itself: moved, and without the model and the files that it began with, it evaluates,
# resumes and trains on; and a run that was trained on is, to the byte, one that was longer from the start.
. "$srcdir/tests/tap.sh"

# Trained on: with toys, and with every algorithm and a linear policy. The schedule is constant, the end is one of the
# updates after which is evaluated.
cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
checkpoint: {every: 2, keep: 30}
stages:
  - {generate: {agent: random, episodes: 10}, into: random.jsonl}
  - {algorithm: toy_algorithm, updates: 4, group_size: 2, reference: true, evaluate_every: 2, evaluate_episodes: 6}
evaluate: {episodes: 6, agents: [random, initial, final]}
YAML
same_run() { # LONGER FOUND NAME
  last=$(ls "$1/checkpoints" | sed 's/step-//' | sort -n | tail -n 1)
  difference=$(cmp "$1/metrics.jsonl" "$2/metrics.jsonl" 2>&1; diff -r "$1/checkpoints/step-$last" "$2/checkpoints/step-$last" 2>&1
    results "$1" >one; results "$2" | diff one - 2>&1)
  same "" "$difference" "$3"
}
results() { sed -e 's/"seconds": [^,]*,//; s/"decisions_per_second": [^,]*,//; /^  "seconds"/d' "$1/evaluation.json"; }

run 0 run toy.yaml --out longer --quiet --set stages.1.updates=7
run 0 run toy.yaml --out short --quiet
cp -R short kept
run 0 run short --continue updates=+3 --quiet
same "" "$status" "a finished run is trained on"
same_run longer short "and ends as one that was longer from the start"
same "    updates: 7 # --set #1" "$(grep '^    updates: 7' short/config.yaml)" "its configuration says so"
run 0 run toy.yaml --out short --resume --quiet --set stages.1.updates=7
same_run longer short "and resumes as such"
run 0 run short --continue updates=9 --quiet
run 0 run toy.yaml --out longer --overwrite --quiet --set stages.1.updates=9
same "" "$status$(cmp longer/checkpoints/step-9/policy/toy.txt short/checkpoints/step-9/policy/toy.txt 2>&1)" \
  "again, from an end at which nobody else evaluates: the weights are the same"

# Interrupted and killed on the way.
run 0 run toy.yaml --out longer --overwrite --quiet --set stages.1.updates=7
for update in 5 6 7; do
  rm -rf part
  cp -R kept part
  run 130 run part --continue updates=+3 --quiet --set stages.1.interrupt_at=$update
  fails 2 "cartwright: error: --continue: the run has not finished; let it finish with --resume first" \
    "what was interrupted in update $update is not trained on again" run part --continue updates=+3 --quiet
  run 0 run part --resume --quiet
  same_run longer part "but resumed"
  rm -rf part
  cp -R kept part
  run 9 run part --continue updates=+3 --quiet --set stages.1.crash_at=$update
  run 0 run part --resume --quiet --set stages.1.crash_at=0
  same_run longer part "killed in update $update, it goes on too"
done

# What cannot be.
fails 2 "cartwright: error: --continue: updates is 4 already; expected more" "not less" run kept --continue updates=3 --quiet
fails 2 "cartwright: error: --continue: 'epochs' is no whole number of algorithm 'toy_algorithm', the last stage's; those are updates, episodes, group_size" \
  "not another option" run kept --continue epochs=+1 --quiet
fails 2 "cartwright: error: --continue: expected updates=+N (so many more) or updates=N, found 'updates=more'" \
  "not a word" run kept --continue updates=more --quiet
fails 2 "cartwright run: --continue is for a run directory that has finished
try 'cartwright run --help'" "not an experiment" run toy.yaml --continue updates=+1
fails 2 "kept/config.yaml: this run cannot be resumed with other values: seed was 233, is 7 (--set #1). Set them back, or start a new run with --out DIR" \
  "nothing else may change" run kept --continue updates=+1 --set seed=7 --quiet
cp -R kept old
rm -r old/checkpoints/step-4
run 2 run old --continue updates=+1 --quiet
same "cartwright: error: --continue: the run has not finished; let it finish with --resume first" "$status$(cat err)" \
  "nor a run whose end is lost"

cat >linear.yaml <<'YAML'
name: linear
environment: {plugin: toy_environment}
policy: {plugin: linear, buckets: 64}
checkpoint: {every: 3, keep: 30}
stages:
  - {generate: {agent: random, episodes: 12}, into: random.jsonl}
  - {algorithm: bc, trajectories: random.jsonl, epochs: 2, schedule: constant, batch_decisions: 8, held_out: 0.2}
evaluate: {episodes: 6, agents: [final]}
YAML
pair() { # NAME KEY LESS MORE STAGE...
  name=$1 key=$2 less=$3 more=$4
  shift 4
  run 0 run linear.yaml --out "$name-longer" --quiet "$@" --set "stages.1.$key=$more"
  run 0 run linear.yaml --out "$name" --quiet "$@" --set "stages.1.$key=$less"
  run 0 run "$name" --continue "$key=+$((more - less))" --quiet
  same "" "$status" "$name is trained on"
  same_run "$name-longer" "$name" "$name ends as one that was longer from the start"
}
pair bc epochs 2 4
pair ppo updates 2 5 --set 'stages.1={algorithm: ppo, updates: 1, episodes: 6, schedule: constant}'
pair grpo updates 2 5 --set 'stages.1={algorithm: grpo, updates: 1, groups: 3, group_size: 2, schedule: constant}'
pair dpo updates 3 8 --set 'stages.1={algorithm: dpo, trajectories: random.jsonl, updates: 1, epochs: 0, schedule: constant}'
pair reinforce updates 2 5 --set 'stages.1={algorithm: skeleton_algorithm, updates: 1, episodes: 5}'

# Moved, without the model and the files that it began with.
mkdir model data
run 0 run linear.yaml --out first --quiet
cp first/checkpoints/step-*/policy/* model/ 2>/dev/null
cp first/trajectories/random.jsonl data/given.jsonl
cat >moved.yaml <<'YAML'
name: moved
environment: {plugin: toy_environment}
policy: {plugin: linear, model: model}
checkpoint: {every: 3, keep: 30}
stages:
  - {generate: {agent: random, episodes: 12}, into: random.jsonl}
  - {algorithm: bc, trajectories: [random.jsonl, data/given.jsonl], epochs: 2, schedule: constant, batch_decisions: 8}
evaluate: {episodes: 6, agents: [random, initial, final]}
YAML
run 0 run moved.yaml --out began --quiet
run 0 run moved.yaml --out whole --quiet --set stages.1.epochs=3
rows() { sed -n '/^agent/,/^$/p' out | sed 's/ *[0-9]*$//' | grep .; }
run 0 run began --resume --quiet
rows >table
mkdir -p far/away
mv began far/away/moved
mv model gone
mv data/given.jsonl kept.jsonl
run 0 evaluate far/away/moved --quiet --agents random,final
rows | tr -s ' -' >found
same "" "$status$(grep -v '^initial' table | tr -s ' -' | diff - found)" \
  "a moved run evaluates without the model that it began with"
run 0 evaluate far/away/moved --quiet
same "cartwright: warning: 'initial' is not evaluated: the weights that the run began with are not there any more" \
  "$status$(cat err)" "but not what it began as"
fails 2 "cartwright: error: --agents: 'initial' cannot be had: the weights that the run began with are not there any more; put its model back, or name other agents" \
  "which no command can have" recommend far/away/moved --agents initial --quiet
run 0 compare far/away/moved --agents random --rollouts 20 --runs 1 --episodes 3 --out compared --quiet
same "" "$status" "it is compared"
run 0 run far/away/moved --resume --quiet
same "" "$status$(rows | diff table -)" "it resumes, and prints its table again"
run 0 generate far/away/moved --agent policy --episodes 2 --out rolled.jsonl --quiet
same "" "$status" "it generates"
run 2 run far/away/moved --continue epochs=+1 --quiet
same "cartwright: error: stages.1.trajectories.1: there is no file 'data/given.jsonl', which the stages that are left read; put it back" \
  "$status$(cat err)" "what it still has to read must be there"
mv kept.jsonl data/given.jsonl
run 0 run far/away/moved --continue epochs=+1 --quiet
last=$(ls whole/checkpoints | sed 's/step-//' | sort -n | tail -n 1)
same "" "$status$(cmp whole/metrics.jsonl far/away/moved/metrics.jsonl 2>&1)$(diff -r "whole/checkpoints/step-$last/policy" "far/away/moved/checkpoints/step-$last/policy")" \
  "then it trains on, to the same bytes"

# Random weights come back from the seed, whatever folder the shape is read from.
cp -R "$srcdir/tests/bert_cpu/model" bert
cat >bert.yaml <<'YAML'
name: bert
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: bert, initialize: random, threads: 1}
stages:
  - {generate: {agent: random, episodes: 12}, into: random.jsonl}
  - {algorithm: bc, trajectories: random.jsonl, epochs: 1}
evaluate: {episodes: 4, agents: [initial, final]}
YAML
run 0 run bert.yaml --out bert-run --quiet
rows >table
rm -r bert
mv bert-run elsewhere
run 0 evaluate elsewhere --quiet
same "" "$status$(cat err)$(rows | diff table -)" "random weights are those that the run began with, without the model"

# The policy of a finished run as the initial one.
cat >next.yaml <<'YAML'
name: next
environment: {plugin: toy_environment}
policy: {from: far/away/moved}
stages:
  - {algorithm: skeleton_algorithm, updates: 2, episodes: 5}
evaluate: {episodes: 6, agents: [initial, final]}
YAML
run 0 run next.yaml --out next --quiet
initial=$(rows | sed -n 's/^initial *//p')
run 0 evaluate far/away/moved --quiet --agents final
same "$(rows | sed -n 's/^final *//p')" "$status$initial" "policy.from begins with the policy of another run"
run 0 run next.yaml --out again --quiet
same "" "$status$(diff -r next/checkpoints/step-2 again/checkpoints/step-2)" "always with the same"
rm -r far/away/moved
run 0 evaluate next --quiet --agents final
same "" "$status$(cat err)" "and needs it no more once it has trained"
run 2 run next.yaml --out more --quiet
same "next.yaml:3:16: error: from in policy is 'far/away/moved'; expected a run directory or one of its checkpoints (RUN/checkpoints/step-N)" \
  "$status$(cat err)" "a new run does"
finish
