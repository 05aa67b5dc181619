#!/bin/sh
# The example that writes queries: it conforms, it learns, and a stopped run ends with the same bytes.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH="$builddir/examples/query_writer/.libs"
yaml="$srcdir/examples/query_writer/query_writer.yaml"

run 0 check "$CARTWRIGHT_PLUGIN_PATH/query_writer.so"
same "" "$status$(grep '^FAILED' out)" "it conforms"

set -- --quiet --set environment.products=100 --set stages.0.updates=60 --set evaluate.episodes=40 \
  --set evaluate.selection=sample --set checkpoint.every=20 --set checkpoint.keep=9
run 0 run "$yaml" --out whole "$@"
score() { sed -n "s/.*\"agent\": \"$1\".*\"score\": \([0-9.]*\).*/\1/p" whole/evaluation.json; }
initial=$(score initial) final=$(score final)
ok "$(awk "BEGIN { exit !($final > $initial + 10) }"; echo $?)" "it learns: score $initial, then $final"
cp -R whole again
rm -r again/checkpoints/step-60
run 0 run "$yaml" --out again --resume "$@"
same "" "$status$(diff -r whole/checkpoints/step-60/policy again/checkpoints/step-60/policy)$(cmp whole/metrics.jsonl again/metrics.jsonl 2>&1)" \
  "resumed in the middle, it ends with the same bytes"
run 0 generate "$yaml" --agent policy --episodes 3 --out words.jsonl --quiet
ok "$(grep -q '"action": "search\[' words.jsonl; echo $?)" "its queries are words"
finish
