#!/bin/sh
# cartwright export --format inspect: the logs, and that inspect_ai reads them, where python3 has it ($PYTHON: another).
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: a toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
stages:
  - {algorithm: toy_algorithm, updates: 3}
evaluate: {episodes: 6, keep_episodes: 4, agents: [random, best, final], selection: greedy, advisor: best}
YAML
run 0 run toy.yaml --quiet --out toy
run 0 export toy --format inspect --into logs
same "3 logs of Inspect: logs" "$status$(cat out)" "a log for each agent"
same "a-toy-best a-toy-final-greedy a-toy-random" \
  "$(ls logs | sed -n 's/^20[-0-9]*T[-0-9]*+00-00_\(.*\)_[0-9a-f]\{22\}\.json$/\1/p' | sort | tr '\n' ' ' | sed 's/ $//')" \
  "under names that Inspect looks for"
run 0 export toy --format inspect --into again
same "" "$(diff -r logs again)" "the same bytes every time"
rm -r toy/episodes
fails 2 "cartwright: error: toy: has no kept episodes to export; keep some with 'cartwright evaluate toy --keep-episodes 100'" \
  "a run without episodes" export toy --format inspect --into none
fails 2 "cartwright import: --format is of export, and must be inspect
try 'cartwright import --help'" "an import has no format" import toy --format inspect --into none
fails 2 "cartwright export: --format is of export, and must be inspect
try 'cartwright export --help'" "an unknown format" export toy --format zip --into none

python=${PYTHON:-python3}
if "$python" -c 'import inspect_ai' 2>/dev/null; then
  "$python" - >found 2>err <<'PY'
from inspect_ai.log import list_eval_logs, read_eval_log
logs = {log.eval.model: log for log in map(read_eval_log, list_eval_logs("logs"))}
log = logs["cartwright/best"]
print(sorted(logs), log.status, log.eval.task, log.results.total_samples, len(log.samples))
print({score.name: score.metrics["mean"].value for score in log.results.scores})
sample = log.samples[1]
print(sample.id, [message.role for message in sample.messages], sample.messages[1].text, sample.output.completion, sample.scores["reward"].value)
event = logs["cartwright/final-greedy"].samples[1].events[0]
print(event.event, event.data["advice"], round(sum(c["probability"] for c in event.data["candidates"]), 3))
PY
  same "['cartwright/best', 'cartwright/final-greedy', 'cartwright/random'] success a toy 6 4
{'success': 1.0, 'reward': 1.0}
1 ['user', 'assistant', 'user', 'assistant'] take b take c 1.0
info take b 1.0" "$(cat found err)" "inspect_ai reads them"
else
  number=$((number + 1))
  echo "ok $number - inspect_ai reads them # SKIP $python has no package inspect_ai"
fi
finish
