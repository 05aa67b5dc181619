#!/bin/sh
# A language model in whole runs: evaluated, stopped in the middle and taken up again, and teacher of a small policy.
. "$srcdir/tests/tap.sh"
no_proxy=127.0.0.1
export no_proxy
mkfifo input
python3 "$srcdir/tests/openai/server.py" 0.1 <input >port &
server=$!
exec 3>input
while [ ! -s port ]; do sleep 0.05; done

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
while [ "$(cat answers/answers-0 2>/dev/null | wc -c)" -lt 400 ]; do sleep 0.05; done
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

exec 3>&-
wait "$server"
finish
