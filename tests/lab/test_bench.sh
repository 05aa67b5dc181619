#!/bin/sh
# cartwright bench: its usage, and that it measures what it says. No times are looked at.
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
rollout: {slots: 4}
stages:
  - {algorithm: toy_algorithm, updates: 3}
evaluate: {episodes: 6, agents: [random], selection: greedy}
YAML

# Usage.
run 0 bench --help
same "1" "$status$(grep -c '^  policy  *decisions per second' out)" "bench --help lists what can be measured"
fails 2 "cartwright bench: expected SUBJECT ...
try 'cartwright bench --help'" "a subject is missing" bench
run 2 bench polcy toy.yaml
same "cartwright bench: nothing is called 'polcy'; there is" "$status$(sed -n '1s/:[^:]*$//p' err)" "an unknown subject"
run 0 bench policy --help
same "1" "$status$(grep -c '^  cartwright bench policy .OPTION' out)" "bench policy --help"
fails 2 "cartwright bench policy: expected EXPERIMENT.yaml | RUN
try 'cartwright bench policy --help'" "an experiment is missing" bench policy
fails 2 "cartwright bench policy: --rounds must be at least 1
try 'cartwright bench policy --help'" "no rounds" bench policy toy.yaml --rounds 0
fails 2 "cartwright bench policy: --trajectories excludes --agent and --split
try 'cartwright bench policy --help'" "two sources" bench policy toy.yaml --trajectories x --agent best
fails 2 "cartwright: error: --batch: expected numbers from 1 to 1000000 with commas between, found 'x'" "a batch that is no number" \
  bench policy toy.yaml --batch 4,x --quiet
fails 2 "cartwright: error: --agent: no agent 'bset'; there are random, policy, best, worst, broken" "an unknown agent" \
  bench policy toy.yaml --agent bset --quiet
grep -v ^policy toy.yaml | sed '/stages/d;/algorithm/d' >bare.yaml
fails 2 "cartwright: error: the experiment has no policy to measure" "no policy" bench policy bare.yaml --quiet

# bench env.
run 0 bench --help
same "1" "$status$(grep -c '^  env  *steps and resets per second' out)" "bench --help lists env"
fails 2 "cartwright bench env: --seconds must be above 0
try 'cartwright bench env --help'" "no time" bench env toy.yaml --seconds 0
fails 2 "cartwright bench env: --rounds must be at least 1
try 'cartwright bench env --help'" "no rounds of env" bench env toy.yaml --rounds 0
fails 2 "cartwright bench env: --seed must be at least 0
try 'cartwright bench env --help'" "a negative seed" bench env toy.yaml --seed -2
run 2 bench env toy.yaml --split nowhere
same "1" "$status$(grep -c "no split 'nowhere'; it has: " err)" "an unknown split"
run 0 bench env bare.yaml --rounds 2 --seconds 0.01 --seed 4 --json env.json
same "environment 'toy_environment'" "$status$(sed -n '1s/,.*//p' out)" "bench env needs no policy"
same "steps, resets included
resets
step: take a" "$(sed -n 's/^\(steps, resets included\|resets\|step: take a\)  *[0-9].*/\1/p' out)" "a line for each kind of work"
same "1" "$(grep -c '"per_second": {"steps, resets included": \[[0-9.e+]*, [0-9.e+]*\], "resets": ' env.json)" "env --json"

# The table.
work() { sed -n 's/^\(score, [a-z]* *[a-z]*\|train\)  *\(rollout\|[0-9]*\) .*/\1 \2/p' out | tr -s ' ' | sed 's, $,,'; }
run 0 bench policy toy.yaml --agent best --episodes 5 --rounds 2 --batch 3,7 --quiet
same "9 decisions of 5 episodes in 3 calls" "$status$(sed -n '1s/, .*//p' out)" "decisions come in rounds of the slots"
same "score, forgetting rollout
score, from nothing rollout
score, again rollout
train 3
train 7" "$(work)" "a line for each kind of work"
run 0 bench policy toy.yaml --agent random --episodes 5 --rounds 1 --work train --decisions 4 --quiet --json times.json
same "train 16" "$status$(work)" "only training"
same '{"decisions": 4, "tokens":' "$(cut -d ' ' -f 1-3 times.json)" "--decisions and --json"

# The stream: four slots, an episode after another in each.
run 0 generate toy.yaml --agent best --split dev --episodes 5 --out best.jsonl --quiet
run 0 bench policy toy.yaml --trajectories best.jsonl --export stream.jsonl --quiet
same "0 0 0 0 1 1 1 2 2" "$status$(sed 's/.*"call": \([0-9]*\),.*/\1/' stream.jsonl | tr '\n' ' ' | sed 's/ $//')" \
  "--export writes the decisions with the number of their call"
same "9" "$(grep -c '"candidates": \["take a", .*\], "chosen": [0-9]' stream.jsonl)" "and what was chosen"
run 1 bench policy toy.yaml --trajectories nothing.jsonl --quiet
same "1" "$status$(grep -c 'nothing.jsonl' err)" "a file that is not there"

# The policy of a run; a backend with counters.
run 0 run toy.yaml --out run --quiet
run 0 bench policy run --episodes 3 --rounds 1 --quiet
same "4" "$status$(work | grep -c .)" "bench policy RUN"
cat >bert.yaml <<YAML
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $srcdir/tests/bert_cpu/model, initialize: random}
evaluate: {episodes: 6, agents: [random]}
YAML
CARTWRIGHT_PLUGIN_PATH="$builddir/tests/toy/.libs:$builddir/.libs"
run 0 bench policy bert.yaml --agent best --episodes 4 --rounds 1 --quiet
same "decisions 0.0 %,decisions 100.0 %" \
  "$status$(sed -n 's/^score, \(forgetting\|again\) .* \(decisions [0-9.]* %\).*/\2/p' out | tr '\n' ',' | sed 's/,$//')" \
  "what a policy looked up"
finish
