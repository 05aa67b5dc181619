#!/bin/sh
# The page of `cartwright view`, driven in a headless Chromium by tests/lab/test_view_page.py.
. "$srcdir/tests/tap.sh"

command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || {
  echo "1..0 # SKIP Chromium not found: install the package chromium"
  exit 0
}
command -v python3 >/dev/null && command -v bash >/dev/null || {
  echo "1..0 # SKIP python3 and bash drive the browser; one is missing"
  exit 0
}

cat >page.yaml <<'YAML'
name: page
environment: {plugin: synthetic, products: 300, step_limit: 12}
policy: {plugin: linear}
stages:
  - {generate: {agent: expert, episodes: 40}, into: expert.jsonl}
  - {algorithm: bc, trajectories: expert.jsonl, epochs: 1, evaluate_every: 10, evaluate_episodes: 4, evaluate_split: train}
evaluate: {episodes: 20, keep_episodes: 20, agents: [random, initial, final, expert], selection: greedy}
YAML
CARTWRIGHT_PLUGIN_PATH="$builddir/.libs"
"$cartwright" run page.yaml --out page --quiet >out 2>&1 || { sed 's/^/# /' out; echo "Bail out! the run failed"; exit 1; }

# An episode whose texts would like to be markup.
python3 - page/episodes/final-greedy.jsonl <<'PY'
import json, sys
path = sys.argv[1]
lines = open(path).read().splitlines()
first = json.loads(lines[0])
first["steps"][0]["observation"] += '\n</script><img src=x onerror="hacked=1">\n<!--<script>\u2028hacked=1'
first["steps"][0]["candidates"][0] = "<b>bold</b>"
first["facts"]["category"] = "<i>kind</i>"
open(path, "w").write("\n".join([json.dumps(first)] + lines[1:]) + "\n")
PY
"$cartwright" view page >out 2>&1 || { sed 's/^/# /' out; echo "Bail out! the page was not written"; exit 1; }
PYTHONPATH="$srcdir/tests/lab" timeout 300 python3 "$srcdir/tests/lab/test_view_page.py" page/run.html
