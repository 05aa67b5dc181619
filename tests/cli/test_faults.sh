#!/bin/sh
# What the command says when a plugin breaks its promises, crashes or ends the process, and what it lets through
# to the terminal.
. "$srcdir/tests/tap.sh"
mkdir plugins
cp "$builddir/tests/cli/.libs/liar.so" plugins
CARTWRIGHT_PLUGIN_PATH=$scratch/plugins
cat >liar.yaml <<'YAML'
name: liar
environment: {plugin: liar}
evaluate: {episodes: 2, agents: [random]}
YAML
ulimit -c 0

# says STATUS MESSAGE FAULT NAME: an evaluation with a fault ends with the status and that last line.
says() {
  "$cartwright" run liar.yaml --set environment.fault=$3 --out "run-$3" --quiet >out 2>err
  same "$1 $2" "$? $(grep '^cartwright' err | tail -n 1)" "$4"
}

says 0 "" nothing "an environment that keeps its promises runs"
says 1 "cartwright: error: environment 'liar': observe: candidate 1 of 2 is NULL" null_candidate "a NULL candidate"
says 1 "cartwright: error: environment 'liar': observe: expected at most 1000000 candidates, found n_candidates 2147483647" \
  many_candidates "a number of candidates that nobody counted"
says 1 "cartwright: error: environment 'liar': step: part 'p' is nan" nan_part "a part that is not a number"
says 1 "cartwright: error: environment 'liar': step: the name of part 0 of 1 is not UTF-8" part_not_utf8 "a part's name that is not UTF-8"
says 1 "cartwright: error: environment 'liar': step: expected at most 10000 parts, found 2147483647" many_parts "absurdly many parts"
says 1 "cartwright: error: environment 'liar': step: fact 'category' is NULL" null_fact "a fact without a text"
says 1 "cartwright: error: environment 'liar': step ended the process with exit(), which a plugin never does" exit \
  "exit() in a plugin is an error"
says 1 "cartwright: error: environment 'liar': step ended the process with exit(), which a plugin never does" \
  exit_at_once "so is _Exit()"

# Signals: the shell reports 128 and the number, as without the handler.
if grep -q fsanitize=address "$builddir/config.status"; then
  ok 0 "a sanitizer reports crashes itself # SKIP"
else
  says 139 "cartwright: error: environment 'liar': step crashed with SIGSEGV: it read or wrote where nothing is, or its stack was full" \
    segv "a crash names plugin and slot and is still one"
  says 134 "cartwright: error: environment 'liar': step crashed with SIGABRT: it gave up, by abort() or by a failed assertion" \
    abort "so does abort()"
  says 133 "cartwright: error: environment 'liar': step crashed with SIGTRAP: GLib gave up, for want of memory or of a thread or by a fatal error" \
    trap "and memory that cannot be had"
  says 139 "cartwright: error: environment 'liar': step crashed with SIGSEGV: it read or wrote where nothing is, or its stack was full" \
    stack "a full stack leaves room for the message"
  says 139 "cartwright: error: environment 'liar': step crashed with SIGSEGV: it read or wrote where nothing is, or its stack was full" \
    thread "a thread of the plugin's own"

  (ulimit -v 1000000 && "$cartwright" run liar.yaml --set policy.plugin=linear --set policy.buckets=67108864 --out large \
    --quiet >out 2>err)
  same "1 cartwright: error: policy 'linear': there are not the 3072 MiB of memory that 67108864 buckets take; lower buckets" \
    "$? $(cat err)" "a model that does not fit into memory is an error"

  echo 'fault: segv' >segv.yaml
  "$cartwright" check plugins/liar.so --options segv.yaml >out 2>err
  same "139 passed  environment liar: opens
passed  environment liar: describes_itself_in_pairs
passed  environment liar: knows_its_splits
environment 'liar': step crashed with SIGSEGV" \
    "$? $(cat out)
$(sed -n "s/^cartwright: error: \(.*SIGSEGV\).*/\1/p" err)" "check: a crash loses nothing of what was printed"

  cp "$builddir/tests/cli/.libs/crashing_file.so" plugins/zz.so
  "$cartwright" plugins >out 2>err
  same "139 cartwright: error: file '$scratch/plugins/zz.so': loading crashed with SIGSEGV" \
    "$? $(sed -n 's/^\(cartwright.*SIGSEGV\).*/\1/p' err)" "plugins: a file that crashes is named"
  "$cartwright" config liar.yaml --set environment.plugin=lier >out 2>err
  same "2" "$?" "a misspelt name loads no file, not even that"
  rm plugins/zz.so
fi

# Control characters.
escape=$(printf '\033')
printf 'yes\n' | "$cartwright" shell liar.yaml --split train --set environment.fault=escapes >out 2>err
same '\u001b]0;title\u0007 say \u009b something	now
please' "$(sed -n '1,2p' out)" "shell writes control characters out"
same "0" "$(cat out err | grep -c "$escape")" "and none reaches the terminal"
run 0 run liar.yaml --set environment.fault=escapes --out red --quiet
same "0" "$status$(cat out err | grep -c "$escape")" "nor from the table of results"
run 0 report red --out report
same "0 0" "$status$(cat out err | grep -c "$escape") $(grep -c "$escape" report/report.md)" "nor from a report and its Markdown"
same "1" "$(grep -c 'game\\u001b\[31m a\\u000ab' report/report.md)" "which has them written out"
"$cartwright" "$escape[31m" 2>err
same "0" "$(grep -c "$escape" err)" "nor from the command line"

# Splits.
run 2 run liar.yaml --set evaluate.split=none --out none --quiet
same "cartwright: error: evaluate.split: split 'none' has no goals; name another split, or give the environment more goals" \
  "$status$(cat err)" "an empty split is found before anything runs"
run 2 run liar.yaml --set evaluate.split=nowhere --out none --quiet
same "cartwright: error: evaluate.split: environment 'liar': no split 'nowhere'; it has: train, test" \
  "$status$(cat err)" "an unknown one too"
run 2 run liar.yaml --set "evaluate.agents=[expert]" --out none --quiet
same "" "$status$(ls -d none 2>/dev/null)" "and an agent that is not there; nothing was made"
finish
