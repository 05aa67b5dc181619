#!/bin/sh
# A policy that acts in words, in whole runs: learnt, generated, imitated, evaluated, shown.
. "$srcdir/tests/tap.sh"

cat >words.yaml <<'YAML'
name: words
environment: {plugin: toy_environment}
policy: {plugin: toy_words}
stages:
  - {algorithm: grpo, updates: 30, groups: 6, group_size: 8, learning_rate: 0.5, reference_coefficient: 0}
  - {generate: {agent: policy, split: train, episodes: 40, successful_only: true}, into: words.jsonl}
  - {algorithm: bc, trajectories: words.jsonl, epochs: 4, learning_rate: 0.5}
evaluate: {episodes: 12, keep_episodes: 12, agents: [initial, final], selection: sample, advisor: best}
YAML

value() { sed -n "s/.*\"agent\": \"$1\".*\"$2\": \([0-9.]*\).*/\1/p" words/evaluation.json; }

run 0 run words.yaml --out words --quiet
same "" "$status$(cat err)" "a run in words goes through"
initial=$(value initial score) final=$(value final score)
ok "$(awk "BEGIN { print !($final > $initial + 10) }")" "grpo and bc learn from words: score $initial, then $final"
ok "$([ "$(value initial invalid_answers)" -gt 0 ]; echo $?)" "answers without an action are counted in evaluation.json"
ok "$(grep -q 'initial sample: [0-9]* of [0-9]* answers held no action' out; echo $?)" "and printed"
ok "$(grep -q '"action": *"take' words/trajectories/words.jsonl; echo $?)" "trajectories hold the words"
run 0 view words --into page.html
same "" "$status$(grep -q 'Hello!' page.html || echo missing)" "the page has what was said"
run 0 export words --format inspect --into logs
same "" "$status$(grep -lq 'say hello' logs/*initial* || echo missing)" "so do the logs of Inspect"

run 2 run words.yaml --out toy --quiet --set 'stages.0={algorithm: toy_algorithm}'
ok "$(grep -q "algorithm 'toy_algorithm': episode 0 .*: the action \"[a-z ]*\" is in words, none of the candidates" err; echo $?)" \
  "an algorithm that learns from candidates only refuses words"
finish
