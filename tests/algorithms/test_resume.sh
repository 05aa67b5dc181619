#!/bin/sh
# PPO, GRPO and both kinds of DPO in a whole run: stopped anywhere and resumed, or with
# another number of slots or threads, it must end with the same bytes.
. "$srcdir/tests/tap.sh"

cat >run.yaml <<'YAML'
name: run
environment: {plugin: toy_environment}
policy: {plugin: linear, buckets: 64}
rollout: {slots: 4}
checkpoint: {every: 1, keep: 100}
stages:
  - {generate: {agent: best, episodes: 12}, into: best.jsonl}
  - {generate: {agent: random, episodes: 48}, into: random.jsonl}
  - {algorithm: dpo, trajectories: best.jsonl, epochs: 0, updates: 5, learning_rate: 0.02, update_trajectories: 3}
  - {algorithm: dpo, trajectories: random.jsonl, granularity: trajectory, epochs: 0, updates: 5, pairs_per_goal: 2, update_tokens: 300,
     learning_rate: 0.02, schedule: linear, warmup: 0.4}
  - {algorithm: ppo, updates: 4, episodes: 6, epochs: 2, minibatch_decisions: 7, learning_rate: 0.02, schedule: cosine,
     reference_coefficient: 0.1}
  - {algorithm: grpo, updates: 4, groups: 3, group_size: 4, minibatch_decisions: 7, learning_rate: 0.02,
     reference_coefficient: 0.1}
evaluate: {episodes: 6, agents: [final]}
YAML

run 0 run run.yaml --out whole --quiet
same "" "$status$(cat err)" "the run goes through"
same "5 5 4 4" "$(for stage in 2 3 4 5; do grep -c "\"stage\": $stage,.*/optimizer_steps" whole/metrics.jsonl; done | tr '\n' ' ' | sed 's/ $//')" \
  "every update of every stage has a record"

for step in 0 2 5 7 9 12 16; do
  rm -rf again
  cp -R whole again
  for checkpoint in $(ls again/checkpoints); do
    [ "${checkpoint#step-}" -le "$step" ] || rm -r "again/checkpoints/$checkpoint"
  done
  run 0 run run.yaml --out again --resume --quiet --set checkpoint.every=0
  same "" "$status$(cmp whole/metrics.jsonl again/metrics.jsonl 2>&1)$(diff -r whole/checkpoints/step-18 again/checkpoints/step-18)" \
    "resumed from step $step of 18"
done

run 0 run run.yaml --out slots --quiet --set checkpoint.every=0 --set rollout.slots=1
same "" "$status$(cmp whole/metrics.jsonl slots/metrics.jsonl 2>&1)$(diff -r whole/checkpoints/step-18/policy slots/checkpoints/step-18/policy)" \
  "one slot gives the same run"

# A backend whose sums depend on what a decision shares its pass with, in passes that are cut small.
cat >bert.yaml <<YAML
name: bert
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $srcdir/tests/bert_cpu/model, initialize: random, dropout: 0, threads: 1}
rollout: {slots: 4}
checkpoint: {every: 1, keep: 100}
stages:
  - {generate: {agent: random, episodes: 48}, into: random.jsonl}
  - {algorithm: dpo, trajectories: random.jsonl, epochs: 0, updates: 3, learning_rate: 1e-3, update_tokens: 200, batch_tokens: 90}
  - {algorithm: dpo, trajectories: random.jsonl, granularity: trajectory, epochs: 0, updates: 3, learning_rate: 1e-3,
     batch_tokens: 90}
  - {algorithm: ppo, updates: 2, episodes: 6, learning_rate: 1e-3, minibatch_decisions: 8, batch_tokens: 90}
evaluate: {episodes: 2, agents: [final]}
YAML
run 0 run bert.yaml --out bert --quiet
same "0.0 0.0" "$status$(sed -n 's/.*"ppo.first_ratio_deviation": \([^,]*\),.*/\1/p' bert/metrics.jsonl | tr '\n' ' ' | sed 's/ $//')" \
  "bert_cpu without dropout has ratios of exactly 1 in the first minibatch"
for step in 2 5 7; do
  rm -rf again
  cp -R bert again
  for checkpoint in $(ls again/checkpoints); do
    [ "${checkpoint#step-}" -le "$step" ] || rm -r "again/checkpoints/$checkpoint"
  done
  run 0 run bert.yaml --out again --resume --quiet --set checkpoint.every=0
  same "" "$status$(cmp bert/metrics.jsonl again/metrics.jsonl 2>&1)$(diff -r bert/checkpoints/step-8 again/checkpoints/step-8)" \
    "bert_cpu: resumed from step $step of 8"
done
for threads in 2 3 4; do
  run 0 run bert.yaml --out "threads$threads" --quiet --set checkpoint.every=0 --set policy.threads=$threads
  same "" "$status$(cmp bert/metrics.jsonl "threads$threads/metrics.jsonl" 2>&1)$(diff -r bert/checkpoints/step-8/policy "threads$threads/checkpoints/step-8/policy")" \
    "bert_cpu: $threads threads give the same run"
done

# With dropout, whose masks are numbered by the optimiser's steps.
cat >dropout.yaml <<YAML
name: dropout
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $srcdir/tests/bert_cpu/model, initialize: random, dropout: 0.3, threads: 1}
checkpoint: {every: 1, keep: 100}
stages:
  - {generate: {agent: best, episodes: 6}, into: best.jsonl}
  - {algorithm: bc, trajectories: best.jsonl, epochs: 1, batch_decisions: 4, learning_rate: 1e-3}
evaluate: {episodes: 2, agents: [final]}
YAML
run 0 run dropout.yaml --out dropout --quiet
last=$(ls dropout/checkpoints | sort -t- -k2n | tail -n 1)
same "3" "$status$(sed -n 's/^optimizer_steps=//p' dropout/checkpoints/step-3/state.ini)" "bc has taken three steps at update 3"
cp -R dropout again2
for checkpoint in $(ls again2/checkpoints); do
  [ "${checkpoint#step-}" -le 2 ] || rm -r "again2/checkpoints/$checkpoint"
done
run 0 run dropout.yaml --out again2 --resume --quiet
same "" "$status$(cmp dropout/metrics.jsonl again2/metrics.jsonl 2>&1)$(diff -r "dropout/checkpoints/$last" "again2/checkpoints/$last")" \
  "bert_cpu with dropout: resumed from step 2"
run 0 run dropout.yaml --out dry --quiet --set stages.1.dropout=false
cmp -s dropout/metrics.jsonl dry/metrics.jsonl
same "1" "$status$?" "dropout: false makes another run"

fails 2 "run.yaml:9:5: error: algorithm 'dpo' needs trajectories; add 'trajectories' to this stage" \
  "a stage without trajectories is refused before anything is loaded" \
  run run.yaml --out bad --quiet --set stages.2.trajectories=null
finish
