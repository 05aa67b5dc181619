#!/bin/sh
# A language model in whole runs: evaluated, stopped in the middle and taken up again, and teacher of a small policy.
. "$srcdir/tests/tap.sh"
no_proxy=127.0.0.1
export no_proxy
mkfifo input
python3 "$srcdir/tests/openai/server.py" 0.1 <input >port &
server=$!
exec 3>input
while kill -0 "$server" 2>/dev/null && [ ! -s port ]; do sleep 0.05; done

cat >model.yaml <<YAML
name: model
environment: {plugin: toy_environment}
policy: {plugin: openai, model: number, url: "http://127.0.0.1:$(cat port)/v1", cache: answers}
rollout: {slots: 2}
evaluate: {episodes: 12, agents: [final], selection: greedy, keep_episodes: 12}
YAML

# Ctrl-C when some answers are there, wherever that is.
"$cartwright" run model.yaml --out stopped --quiet >out 2>err &
child=$!
while kill -0 "$child" 2>/dev/null && [ "$(cat answers/answers-0 2>/dev/null | wc -c)" -lt 400 ]; do sleep 0.05; done
kill -TERM "$child" # a shell lets its background jobs ignore Ctrl-C; the two are one to us
wait "$child"
same 130 "$?" "Ctrl-C in the middle of an evaluation ends it"
kept=$(wc -c <answers/answers-0)
run 0 run model.yaml --out stopped --resume --quiet
same "" "$status" "it goes on"
ok "$([ "$(wc -c <answers/answers-0)" -gt "$kept" ]; echo $?)" "with the answers that were there, and further ones"
whole=$(wc -c <answers/answers-0)
run 0 run model.yaml --out again --quiet
same "$whole" "$status$(wc -c <answers/answers-0)" "a second run asks nothing"
same "" "$(cmp stopped/episodes/final-greedy.jsonl again/episodes/final-greedy.jsonl 2>&1)" "and is the same to the byte"
ok "$(grep -q '"prompt": .*"answer": "' again/episodes/final-greedy.jsonl; echo $?)" "kept episodes hold prompts and answers"

run 0 run model.yaml --out nonsense --quiet --set policy.model=nonsense --set policy.cache=none
same "final greedy: 96 of 96 answers held no action (100.0%)" "$status$(grep 'held no action' out)" "answers without an action are counted"
run 1 run model.yaml --out gone --quiet --set policy.model=gone
ok "$(grep -q "policy 'openai': http://127.0.0.1:[0-9]*/v1/chat/completions (model 'gone'): status 404" err; echo $?)" \
  "a model that is not there is named"

# The language model teaches: a toy policy learns the game from what it did.
cat >teach.yaml <<YAML
name: teach
environment: {plugin: toy_environment}
policy: {plugin: linear, buckets: 256}
stages:
  - generate: {agent: policy, episodes: 24, successful_only: true}
    policy: {plugin: openai, model: number, url: "http://127.0.0.1:$(cat port)/v1", cache: answers}
    into: answers.jsonl
  - {algorithm: bc, trajectories: answers.jsonl, epochs: 10, learning_rate: 0.05}
evaluate: {episodes: 12, agents: [initial, final], selection: greedy}
YAML
run 0 run teach.yaml --out teach --quiet
score() { sed -n "s/.*\"agent\": \"$1\".*\"score\": \([0-9.]*\).*/\1/p" teach/evaluation.json; }
same "100.0" "$status$(score final)" "a small policy learns what the language model did (before: $(score initial))"
ok "$(grep -q '"answer": "' teach/trajectories/answers.jsonl; echo $?)" "trajectories hold what the model said"
run 0 config teach.yaml
ok "$(grep -q '^    policy:' out && grep -q '^      model: number' out; echo $?)" "the resolved experiment shows the teacher"
fails 2 "teach.yaml:6:22: error: policy next to generate is for agent 'policy', found agent 'best'" \
  "a script has no policy" config teach.yaml --set stages.0.generate.agent=best
run 2 config teach.yaml --set stages.0.policy.modle=x
ok "$(grep -q "unknown key 'modle' in policy 'openai'; did you mean 'model'?" err; echo $?)" "its options are checked"

exec 3>&-
wait "$server"
finish
