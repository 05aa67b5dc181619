#!/bin/sh
# Sweeps: the runs that there are, the report, going on after every kind of stop, and what is refused beforehand.
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
checkpoint: {every: 1}
stages:
  - {algorithm: toy_algorithm, updates: 4, group_size: 2}
evaluate: {episodes: 6, agents: [best, final], selection: greedy}
YAML

run 0 sweep toy.yaml --seeds 1..2,5 --grid stages.0.learning_rate=0.1,0.5 --grid stages.0.group_size=1,2 --out swept --jobs 2
same "12" "$status$(ls -d swept/*-[125] | wc -l | tr -d ' ')" "a run for every point of the grid and every seed"
same "learning_rate=0.1,group_size=2" "$(sed -n 's/^name: "\{0,1\}\([^" ]*\).*/\1/p' swept/learning_rate=0.1,group_size=2-5/config.yaml)" \
  "named for its point"
same "5 2 0.1" "$(sed -n 's/^seed: \([0-9]*\).*/\1/p; s/.* learning_rate: \([0-9.]*\).*/\1/p; s/.* group_size: \([0-9]*\).*/\1/p' \
  swept/learning_rate=0.1,group_size=2-5/config.yaml | sort -r | tr '\n' ' ' | sed 's/ $//')" "with its values"
same "4" "$(grep -c '^learning_rate=.* final  *greedy  *3 ' out)" "the report pools the seeds of each"
same "1 1" "$(grep -c '^report: swept/report/report.md$' out) $(grep -c '95% ' swept/report/report.md | sed 's/[1-9][0-9]*/1/')" \
  "with intervals, and is written"
same "12" "$(grep -c 'runs: .* is done$' err)" "every run is said to be done"
same "cartwright: swept: 12 runs, 2 at a time" "$(grep 'at a time' err)" "so many at a time"
run 0 run toy.yaml --out alone --quiet --set seed=5 --set stages.0.learning_rate=0.1 --set stages.0.group_size=2
same "" "$status$(cmp alone/metrics.jsonl swept/learning_rate=0.1,group_size=2-5/metrics.jsonl 2>&1)" \
  "a run is what it is by itself"

# The same again does nothing anew.
cp swept/report/report.json before.json
find swept -name 'step-*' -newer before.json >newer
run 0 sweep toy.yaml --seeds 1..2,5 --grid stages.0.learning_rate=0.1,0.5 --grid stages.0.group_size=1,2 --out swept --quiet
same "" "$status$(find swept -name 'step-*' -newer before.json | diff newer -)" "what has finished is not run again"

# Interrupted: the sweep gets a signal, and passes it on.
cat >slow.yaml <<'YAML'
name: slow
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
checkpoint: {every: 1}
stages:
  - {algorithm: toy_algorithm, updates: 600, group_size: 2, learning_rate: 1e-6}
evaluate: {episodes: 6, agents: [final], selection: greedy}
YAML
"$cartwright" sweep slow.yaml --seeds 1..3 --out stopped --jobs 2 --quiet >out 2>err &
sweeper=$!
for _ in $(seq 200); do
  ! ls -d stopped/slow-1/checkpoints/step-* >/dev/null 2>&1 || break
  sleep 0.05
done
kill -TERM $sweeper
wait $sweeper
same "130 cartwright: interrupted; the same command goes on" "$? $(tail -n 1 err)" "an interrupted sweep says how to go on"
same "1" "$(grep -c 'interrupted after update .* continue with --resume' stopped/slow-1.log)" "and its runs have written checkpoints"
same "no" "$(test -e stopped/slow-3 && echo yes || echo no)" "what had not begun does not"
run 0 sweep slow.yaml --seeds 1..3 --out stopped --quiet --set checkpoint.every=100
same "3" "$status$(ls stopped/slow-[123]/evaluation.json | wc -l | tr -d ' ')" "the same command goes on"
run 0 run slow.yaml --out whole --quiet --set seed=1
same "" "$status$(cmp whole/metrics.jsonl stopped/slow-1/metrics.jsonl 2>&1)" "to the bytes of a run that was never stopped"

# Killed: the runs get a signal, and the same command goes on.
rm -rf stopped
"$cartwright" sweep slow.yaml --seeds 1..2 --out stopped --jobs 2 --quiet >out 2>err &
sweeper=$!
for _ in $(seq 200); do
  ! ls -d stopped/slow-1/checkpoints/step-* >/dev/null 2>&1 || break
  sleep 0.05
done
real=$(cat /proc/$sweeper/task/$sweeper/children 2>/dev/null)
kill -KILL $sweeper
wait $sweeper 2>/dev/null
for _ in $(seq 400); do
  alive=
  for child in $real; do [ ! -e "/proc/$child" ] || alive=1; done
  [ -n "$alive" ] || break
  sleep 0.05
done
run 0 sweep slow.yaml --seeds 1..2 --out stopped --quiet --set checkpoint.every=100
same "" "$status$(cmp whole/metrics.jsonl stopped/slow-1/metrics.jsonl 2>&1)" "a killed sweep goes on to the same bytes"

# One run fails: the others do not, and it is tried again.
run 1 sweep toy.yaml --seeds 1,2 --grid stages.0.nan_at=0,3 --out failing --quiet
same "2 cartwright: error: 2 of 4 runs failed and are not in the report; the same command tries them again and leaves the others as they are" \
  "$status$(grep -c 'warning: nan_at=3-[12] failed (exit status 1, see failing/nan_at=3-[12].log): .*not finite' err) $(tail -n 1 err)" \
  "runs that fail are named"
same "1" "$(grep -c '^nan_at=0 .* 2 ' out | sed 's/[1-9].*/1/')" "the others are reported"

# What is refused before anything runs.
fails 2 "cartwright: error: --seeds: expected seeds such as 1..5 or 1,4,7, found 'x'" "seeds" sweep toy.yaml --seeds x
fails 2 "cartwright: error: --grid: expected KEY=VALUE,VALUE such as stages.1.learning_rate=1e-4,1e-3, found 'seed'" \
  "a key without values" sweep toy.yaml --grid seed
fails 2 "cartwright: error: --grid: seed is what --seeds is for" "a grid of seeds" sweep toy.yaml --grid seed=1,2
fails 2 "cartwright: error: --grid: environment.steps makes other environments, whose results cannot be reported together; sweep each by itself" \
  "a grid of environments" sweep toy.yaml --grid environment.steps=2,3
fails 2 "cartwright: error: two runs of the sweep are called refused/updates=1-1; name every value and every seed once" \
  "the same twice" sweep toy.yaml --out refused --seeds 1 --grid stages.0.updates=1,1
fails 2 "updates=x:
<command line>: --set #3: error: updates in algorithm 'toy_algorithm' is 'x'; expected an integer" \
  "a value that is none" sweep toy.yaml --out refused --seeds 1 --grid stages.0.updates=1,x
fails 2 "swept/learning_rate=0.1,group_size=1-1/config.yaml: this run cannot be resumed with other values: stages.0.updates was 4, is 5 (--set #3). Set them back, or start a new run with --out DIR" \
  "a directory of another sweep" sweep toy.yaml --seeds 1..2,5 --grid stages.0.learning_rate=0.1,0.5 \
  --grid stages.0.group_size=1,2 --out swept --set stages.0.updates=5
same "no" "$(test -e refused && echo yes || echo no)" "and nothing is left"
finish
