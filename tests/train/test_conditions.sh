#!/bin/sh
# What the bytes of a run depend on is recorded and compared when it goes on: a difference is refused with both
# values and the cure, or accepted by name, which the results then say.
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
checkpoint: {every: 1, keep: 20}
stages:
  - {generate: {agent: random, episodes: 10}, into: random.jsonl}
  - {import: {sessions: sessions.jsonl}, into: sessions.jsonl}
  - {algorithm: toy_algorithm, updates: 4, offline: true, trajectories: [random.jsonl, more.jsonl]}
evaluate: {episodes: 4, agents: [final]}
YAML
for goal in 1 2 3; do
  echo "{\"id\":\"s\",\"split\":\"train\",\"goal\":$goal,\"noise\":5,\"actions\":[\"take a\",\"take a\",\"take a\"]}"
done >sessions.jsonl
cp sessions.jsonl sessions.before
"$cartwright" generate toy.yaml --agent best --episodes 4 --out more.jsonl --quiet --set 'stages.2.trajectories=[random.jsonl]' >/dev/null 2>&1
cp more.jsonl more.before

run 130 run toy.yaml --out stopped --quiet --set stages.2.interrupt_at=2
cut() { # RUN: as if it had been stopped at step 2
  rm -rf "$1"
  cp -R stopped "$1"
}
cut same
run 0 run toy.yaml --out same --resume --quiet
same "0" "$status$(grep -c accepted same/evaluation.json)" "nothing has changed, nothing is said"

head -n 3 more.before >more.jsonl
cut outside
run 2 run toy.yaml --out outside --resume --quiet
same "cartwright: error: outside/checkpoints/step-2: the run would not end with the bytes of one that was never stopped:
  stages.2.trajectories.1: it began with 'N bytes, CRC32C X', now it is 'N bytes, CRC32C X'
go back to what it began with, start afresh with --overwrite, or add --accept stages.2.trajectories.1, which the results will say" \
  "$status$(sed 's/[0-9]* bytes, CRC32C [0-9a-f]*/N bytes, CRC32C X/g' err)" "other trajectories from outside are refused"
cp more.before more.jsonl

cut damaged
sed 1d stopped/trajectories/random.jsonl >damaged/trajectories/random.jsonl
run 2 run toy.yaml --out damaged --resume --quiet
same "1" "$status$(grep -c '^  trajectories/random.jsonl: it began with ' err)" "and a changed file of an earlier stage"
run 2 run toy.yaml --out damaged --resume --quiet --accept trajectories/randum.jsonl
same "cartwright: error: --accept: no condition 'trajectories/randum.jsonl'; did you mean 'trajectories/random.jsonl'?" \
  "$status$(cat err)" "a name that is no condition is refused"
run 0 run toy.yaml --out damaged --resume --quiet --accept trajectories/random.jsonl
same "1 1 1" "$status$(grep -c '"accepted": {"trajectories/random.jsonl": "[0-9]* bytes, CRC32C [0-9a-f]* -> ' damaged/evaluation.json) $(
  grep -c '^accepted on resuming: another trajectories/random.jsonl: ' out) $(
  sed -n '/^\[accepted\]/,$p' damaged/checkpoints/step-4/state.ini | grep -c '^trajectories/random.jsonl=')" \
  "accepted, it goes on, and the results, the table and the checkpoints say so"
run 0 run toy.yaml --out damaged --resume --quiet
same "1" "$status$(grep -c '"accepted": ' damaged/evaluation.json)" "and go on saying so"
run 0 report damaged
same "1" "$status$(grep -c '^note: damaged went on with another trajectories/random.jsonl: ' out)" "a report too"
fails 2 "cartwright run: --accept goes with --resume
try 'cartwright run --help'" "--accept without --resume" run toy.yaml --out new --accept policy

# Before the first checkpoint, conditions.ini counts.
run 130 run toy.yaml --out early --quiet --set environment.interrupt_at=4
same "" "$status$(ls early/checkpoints)" "a run without a checkpoint"
cp early/conditions.ini before.ini
sed 's/^cartwright=[0-9].*\..*/cartwright=0.0.9/' before.ini >early/conditions.ini
run 2 run toy.yaml --out early --resume --quiet
same "1" "$status$(grep -c "^  cartwright: it began with '0.0.9', now it is '" err)" "another version is refused"
sed '/^\[builds\]/,$s/^toy_policy=.*/toy_policy=0123456789abcdef/' before.ini >early/conditions.ini
run 0 run toy.yaml --out early --resume --quiet
same "1" "$status$(grep -c "^cartwright: warning: early: the run began with another build of 'toy_policy' (0123456789ab, now " err)" \
  "another build is warned about"

# The policy of another run.
cat >from.yaml <<'YAML'
name: from
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
stages:
  - {generate: {agent: policy, policy_from: other, episodes: 10}, into: own.jsonl}
evaluate: {episodes: 4, agents: [final]}
YAML
cp -R same other
run 130 run from.yaml --out from --quiet --set environment.interrupt_at=4
rm -r other/checkpoints/step-4
run 2 run from.yaml --out from --resume --quiet
same "1" "$status$(grep -c "^  stages.0.policy_from: it began with '" err)" "another checkpoint of another run is refused"

# The instruction set that `auto` took stays.
cat >bert.yaml <<YAML
name: bert
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $srcdir/tests/bert_cpu/model, initialize: random, threads: 1}
checkpoint: {every: 1, keep: 20}
stages:
  - {generate: {agent: random, episodes: 12}, into: random.jsonl}
  - {algorithm: bc, trajectories: random.jsonl, epochs: 2}
evaluate: {episodes: 2, agents: [final]}
YAML
run 0 run bert.yaml --out bert --quiet --set policy.instruction_set=generic
last=$(ls bert/checkpoints | sed 's/step-//' | sort -n | tail -n 1)
cp -R bert again
for checkpoint in $(ls again/checkpoints); do
  [ "${checkpoint#step-}" -le 1 ] || rm -r "again/checkpoints/$checkpoint"
done
rm again/evaluation.json
cp -R again asked
run 0 run bert.yaml --out again --resume --quiet
same "" "$status$(cmp bert/metrics.jsonl again/metrics.jsonl 2>&1)$(diff -r "bert/checkpoints/step-$last" "again/checkpoints/step-$last")" \
  "auto stays with what the run began with"
same "1" "$(grep -c '"instruction_set": "generic"' again/evaluation.json)" "and the results say what it is"
if run 0 bench policy bert.yaml --set policy.instruction_set=avx2 --episodes 1 --rounds 1 && [ -z "$status" ]; then
  run 2 run bert.yaml --out asked --resume --quiet --set policy.instruction_set=avx2
  same "1" "$status$(grep -c "^  policy.instruction_set: it began with 'generic', now it is 'avx2'" err)" \
    "another one, asked for, is refused"
fi
finish
