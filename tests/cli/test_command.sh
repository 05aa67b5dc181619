#!/bin/sh
# The command: usage, exit statuses, and every command but the long runs.
draws=yes
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
stages:
  - {algorithm: toy_algorithm, updates: 3}
evaluate: {episodes: 6, agents: [random, best, initial, final], selection: greedy}
YAML

# Usage.
run 2
same "usage: cartwright COMMAND [OPTION...] ..." "$status$(head -n 1 err)" "no command: usage on stderr"
run 0 --help
same "usage: cartwright COMMAND [OPTION...] ..." "$status$(head -n 1 out)" "--help: usage on stdout"
run 0 --version
same "cartwright" "$status$(cut -d ' ' -f 1 out)" "--version"
fails 2 "cartwright: unknown command 'pluggins'; did you mean 'plugins'?
try 'cartwright --help'" "an unknown command gets a suggestion" pluggins
for command in $("$cartwright" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
  run 0 "$command" --help
  same "1" "$status$(grep -c "^  cartwright $command" out)" "$command --help"
  run 2 "$command" --nonsense
  same "cartwright $command: Unknown option --nonsense
try 'cartwright $command --help'" "$status$(cat err)" "$command --nonsense"
done
fails 2 "cartwright run: expected EXPERIMENT.yaml | RUN
try 'cartwright run --help'" "a missing operand" run
fails 2 "cartwright config: unexpected argument 'b'
try 'cartwright config --help'" "an operand too many" config a b
fails 2 "cartwright run: --resume and --overwrite exclude each other
try 'cartwright run --help'" "contradicting options" run toy.yaml --resume --overwrite
fails 2 "cartwright generate: --out is missing
try 'cartwright generate --help'" "generate needs --out" generate toy.yaml
fails 2 "cartwright generate: --episodes must be between 1 and 2147483647
try 'cartwright generate --help'" "generate needs episodes" generate toy.yaml --out x --episodes 0
sed 's/toy_policy}/toy_policy, nois: 1}/' toy.yaml >wrong.yaml
fails 2 "wrong.yaml:3:30: error: unknown key 'nois' in policy 'toy_policy'; did you mean 'noise'?" \
  "a configuration error ends in 2 and names the place" config wrong.yaml
mkdir folder
fails 2 "cartwright: error: folder: is a directory without config.yaml, hence no run" "a folder that is no run" evaluate folder

# config, plugins.
run 0 config toy.yaml --set seed=7
same "seed: 7 # --set #1" "$status$(grep ^seed out)" "config prints values with their origin"
run 0 plugins
same "environment  toy_environment" "$status$(grep -o 'environment *toy_environment' out)" "plugins lists features"
run 0 plugins toy_policy
same "policy toy_policy: A few weights" "$status$(head -n 1 out)" "plugins NAME shows a feature"
same "1" "$(grep -c '^noise .*noise of the forward pass' out)" "with its options"
run 0 plugins toy
same "5" "$status$(grep -c '^plugin toy 0.1 (MIT)' out)" "plugins PLUGIN shows all its features"
run 0 plugins toy_policy --markdown
same "# policy \`toy_policy\`" "$status$(head -n 1 out)" "plugins --markdown"
fails 2 "cartwright plugins: no plugin or feature 'toy_polic'; did you mean 'toy_policy'?
try 'cartwright plugins --help'" "an unknown plugin gets a suggestion" plugins toy_polic
run 0 plugins toy_algorithm
same "needs: a policy that trains" "$status$(grep ^needs out)" "plugins NAME tells what an algorithm needs"
same "reports: toy_algorithm/loss" "$(grep ^reports out | cut -d , -f 1)" "and what it reports"
run 0 plugins --core
same "experiment environment policy rollout checkpoint algorithm stage generate import into evaluate" \
  "$status$(sed -n 's/^\([a-z]*\): .*/\1/p' out | tr '\n' ' ' | sed 's/ $//')" "plugins --core shows the core's sections"
run 0 plugins --core --markdown rollout
same "# \`rollout\`" "$status$(head -n 1 out)" "plugins --core NAME shows one"
fails 2 "cartwright plugins: no section of the core 'rolout'; did you mean 'rollout'?
try 'cartwright plugins --help'" "an unknown section gets a suggestion" plugins --core rolout

# check.
run 0 check "$builddir/.libs/linear.so"
same "0 failed" "$status$(tail -n 1 out | grep -o '0 failed')" "check passes a good plugin"
run 1 check "$builddir/tests/toy/.libs/toy.so"
same "1" "$status$(grep -c "^cartwright: error: $builddir/tests/toy/.libs/toy.so: [0-9]* of [0-9]* checks failed$" err)" \
  "check fails the toy, which is bad on demand"
same "FAILED  environment toy_environment: scripts_finish: environment 'toy_environment': script 'broken' gives up on goal 0" \
  "$(grep scripts_finish out)" "and says what failed"
fails 1 "cartwright: error: $scratch/nothing.so: expected a plugin (a shared object), found no readable file (No such file or directory); check the path" \
  "check of a file that is not there" check nothing.so

# run, evaluate.
run 0 run toy.yaml --out run --quiet
same "results: run/evaluation.json" "$status$(grep ^results: out)" "run ends with where the results are"
same "best greedy final greedy initial greedy random greedy" \
  "$(sed -n 's/^\(random\|best\|initial\|final\) .*/\1 greedy/p' out | sort | uniq | tr '\n' ' ' | sed 's/ $//')" \
  "the table has a row for every agent"
mkdir elsewhere
mv run elsewhere/moved
run 0 run elsewhere/moved --resume --quiet
same "results: elsewhere/moved/evaluation.json no" "$status$(grep ^results: out) $(test -e runs && echo yes || echo no)" \
  "run RUN --resume goes on in the directory that it names"
mv elsewhere/moved run
rows() { sed -n '/^agent/,/^$/p' out | sed 's/ *[0-9]*$//' | grep .; }
rows >table
run 0 evaluate run --quiet
same "" "$status$(rows | diff table -)" "evaluate RUN gives the run's own table"
run 0 evaluate toy.yaml --quiet --agents random --split dev --episodes 12 --set rollout.step_limit=1
same "1" "$(grep -c "warning: environment 'toy_environment', goal .*rollout.step_limit" err)" \
  "episodes that the host has to end are said, once"
run 0 evaluate toy.yaml --quiet --agents best --split dev --episodes 4 --json results.json
same "split: dev, goals 0 to 3 of 12; seed 233; score: 100 x mean reward" "$status$(grep ^split: out)" \
  "evaluate takes split and episodes"
same "1" "$(grep -c '"agent": "best", "selection": "", "split": "dev", "updates": 0, "episodes": 4, "score": 100.0' results.json)" \
  "evaluate writes JSON"
fails 2 "cartwright: error: 'final' is the policy of a finished run: name the run directory instead of the experiment" \
  "final needs a run" evaluate toy.yaml --agents final --quiet
fails 2 "cartwright: error: evaluate.agents: no agent 'bset'; there are random, initial, final, best, worst, broken" \
  "an unknown agent" evaluate toy.yaml --agents bset --quiet
fails 1 "cartwright: error: environment 'toy_environment': script 'broken' gives up on goal 0" \
  "a failure in the environment ends in 1" evaluate toy.yaml --agents broken --quiet

# protocol.
tasks=$("$cartwright" protocol toy.yaml --goals | sed -n 's/^[^ ]*\t//p')
run 0 protocol toy.yaml
same "toy: 6 episodes of split test, digest $(echo "$tasks" | sha256sum | cut -c 1-16)" "$status$(head -n 1 out)" \
  "protocol says how many episodes there are, and the digest of their tasks"
same "6 file: toy.yaml" "$(echo "$tasks" | wc -l) $(tail -n 1 out)" "and where it stands"
run 0 protocol toy.yaml --set evaluate.episodes=2
same "toy: 2 episodes of split test" "$status$(head -n 1 out | cut -d , -f 1)" "protocol takes --set"
fails 2 "cartwright: error: there is no protocol 'fixed500'; did you mean 'fixed-500'? expected an experiment's file or one of: by-product, fixed-500, full-human, verl-first-validation" \
  "an unknown protocol gets a suggestion" protocol fixed500
run 1 protocol fixed-500 --set environment.shop="$scratch/nowhere"
same "1" "$(grep -c "nowhere' does not exist" err)" "a protocol's name finds its file"

mkdir -p half/checkpoints
cp run/config.yaml half
fails 2 "cartwright: error: half/checkpoints: no checkpoint has been written yet" "a run without checkpoints" \
  evaluate half --agents final --quiet

# Experiments without policy or stages, and with an import.
cat >bare.yaml <<'YAML'
environment: {plugin: toy_environment}
evaluate: {episodes: 6, agents: [random, best]}
YAML
run 0 run bare.yaml --out bare --quiet
same "best random" "$status$(sed -n 's/^\(best\|random\) .*/\1/p' out | sort -u | tr '\n' ' ' | sed 's/ $//')" \
  "an experiment may only evaluate"
cat >sessions.jsonl <<'JSON'
{"id":"one","split":"train","goal":1,"noise":5,"actions":["say hello","take b","take c"]}
{"id":"two","split":"train","goal":1,"noise":5,"actions":["jump","take b","take c"]}
JSON
cat >import.yaml <<'YAML'
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
stages:
  - {import: {sessions: sessions.jsonl, add_searches: false}, into: sessions.jsonl}
  - {algorithm: toy_algorithm, offline: true, trajectories: sessions.jsonl, updates: 2}
evaluate: {episodes: 6, agents: [random]}
YAML
run 0 run import.yaml --out import --quiet
same "cartwright: warning: sessions.jsonl: 2 sessions: 2 kept (0 of them unfinished), 0 in other splits, 0 unsuccessful, 0 unusable; 6 actions: 4 became steps, 1 taken as free text without a step, 1 impossible, 0 after the end" \
  "$status$(cat err)" "an import tells what it left out"
same '{"step": 0, "stage": 0, "import/sessions": 2, "import/kept": 2, "import/other_split": 0, "import/unsuccessful": 0, "import/unusable": 0, "import/steps": 4, "import/free_text": 1, "import/impossible": 1, "import/after_end": 0}' \
  "$(head -n 1 import/metrics.jsonl)" "and records it"
fails 2 "cartwright: error: evaluate.split: environment 'toy_environment': no split 'tset'; it has: train, dev, test, all" \
  "an unknown split is reported before anything runs" run bare.yaml --out bare --overwrite --quiet --set evaluate.split=tset
same "yes" "$(test -e bare/evaluation.json && echo yes)" "and the old run is still there"

# generate.
run 0 generate toy.yaml --agent best --split dev --episodes 5 --out best.jsonl --quiet
same "best.jsonl: 5 episodes of 'best' on split 'dev', score 100.0, 5 successful, 5 kept" "$status$(cat out)" "generate"
same "5" "$(grep -c '"agent": *"best"' best.jsonl)" "generate writes trajectories"
run 0 generate run --agent policy --episodes 5 --out policy.jsonl --quiet
same "5" "$status$(grep -c '"agent": *"policy"' policy.jsonl)" "generate with the policy of a run"
fails 2 "cartwright: error: --agent: no agent 'expert'; there are random, policy, best, worst, broken" \
  "generate with an agent that is not there" generate toy.yaml --out x.jsonl --quiet
fails 1 "cartwright: error: nowhere/.x.jsonl.partial: cannot open for writing: No such file or directory" \
  "generate into a folder that is not there" generate toy.yaml --agent best --out nowhere/x.jsonl --quiet
fails 2 "cartwright: error: environment 'toy_environment': no split 'tset'; it has: train, dev, test, all" \
  "generate from a split that is not there" generate toy.yaml --agent best --split tset --out x.jsonl --quiet

# compare.
run 0 compare run toy.yaml --agents best,worst,random --rollouts 60 --runs 2 --episodes 5 --split dev --out comparison --quiet
same "split: dev; seed 233; 2 runs of 60 rollouts by each bandit; posterior: mean+-standard deviation" \
  "$status$(grep ^split: out)" "compare tells the terms"
same "best 100.0 best 100.0 worst 0.0 worst 0.0" \
  "$(awk '$1 == "best" || $1 == "worst" { print $1, $2 }' out | sort | tr '\n' ' ' | sed 's/ $//')" \
  "and gives fixed estimates for both measures"
same "run toy best worst random" "$(sed -n 's/^{"agent": "\([a-z]*\)".*/\1/p' comparison/comparison.json | tr '\n' ' ' | sed 's/ $//')" \
  "runs, experiments and scripts are distinguished by their names"
same "60 60 60 60" "$(sed -n '/^{"agent"/s/[^"]*"pulls": \([0-9]*\)/\n=\1\n/gp' comparison/comparison.json | sed -n 's/^=//p' |
  awk '{ sum[NR % 4] += $1 } END { print sum[1], sum[2], sum[3], sum[0] }')" \
  "all pulls are accounted for"
cp comparison/comparison.json once.json
run 0 compare run toy.yaml --agents best,worst,random --rollouts 60 --runs 2 --episodes 5 --split dev --out comparison --quiet \
  --set rollout.slots=3
same "" "$status$(cmp once.json comparison/comparison.json 2>&1)" "and the same with another number of slots"
sed 's/toy_environment}/toy_environment, steps: 2}/' toy.yaml >other.yaml
fails 2 "cartwright: error: run and other do not play in the same environment, so that their results cannot be compared: environment.steps is 3 and 2" \
  "agents of different environments are not compared" compare run other.yaml --quiet
fails 2 "cartwright: error: --agents: no agent 'bset'; there are random, best, worst, broken" \
  "an unknown agent cannot be compared" compare run --agents bset --quiet
fails 2 "cartwright compare: --selection must be sample or greedy, found 'best'
try 'cartwright compare --help'" "an unknown selection" compare run --selection best

# recommend.
run 0 recommend run --agents best,worst,final --k 4 --goals 9 --split dev --quiet
same "split: dev, goals 0 to 8; seed 233; 4 rollouts a goal, most frequent item first, ties as they came" \
  "$status$(grep ^split: out)" "recommend tells the terms"
same "best 100.0 100.0 1.000 1.000 1.0 0.0 worst 0.0 0.0 0.000 0.000" \
  "$(awk '$1 == "best" { print $1, $2, $4, $6, $8, $10, $11 } $1 == "worst" { print $1, $2, $4, $6, $8 }' out | tr '\n' ' ' | sed 's/ $//')" \
  "and judges the lists"
same "1" "$(grep -c '^final ' out)" "of a run's policy too"
fails 2 "cartwright: error: 'final' is the policy of a finished run: name the run directory instead of the experiment" \
  "an experiment has no final policy to recommend" recommend toy.yaml --agents final --quiet
fails 2 "cartwright recommend: --k must be between 1 and 1000
try 'cartwright recommend --help'" "a list needs places" recommend toy.yaml --k 0

# shell.
printf '2\njump high\n\n9\ntake c\n' >keys
run 0 shell toy.yaml --goal 1 <keys
noise=$(sed -n '1s/.*noise //p' out)
same "goal 1 step 0 hint b noise $noise

  1  take a
  2  take b
  3  take c
  4  wait

goal 1 step 1 hint c noise $noise

  1  take a
  2  take b
  3  take c
  4  wait

goal 1 step 2 hint c noise $noise

  1  take a
  2  take b
  3  take c
  4  wait
no such action: give a number from 1 to 4 or the text of an action

the episode is over: reward 1, success
  right 1
  waits 1" "$status$(cat out)" "an episode in the shell"
run 0 shell toy.yaml </dev/null
same "goal 0 step 0 hint a" "$status$(sed -n '1s/ noise.*//p' out)" "end of input leaves the shell"
fails 1 "cartwright: error: environment 'toy_environment': no goal 99 in split 'test', which has 12 (counted from 0)" \
  "a goal that is not there" shell toy.yaml --goal 99

# search, score.
printf 'red shoes\nblue\n' >queries
run 0 search toy.yaml <queries
same '{"query": "red shoes", "total": 9}
{"query": "blue", "total": 4}' "$status$(cat out)" "search answers line by line"
printf 'red\n\nblue\n' >queries
run 1 search toy.yaml <queries
same '{"query": "red", "total": 3}' "$status$(cat out)" "search stops at a query that fails"
same "cartwright: error: <stdin>:2: environment 'toy_environment': cannot answer search {\"query\": \"\"}" "$(cat err)" \
  "and names its line"
printf '{"goal": 3}\n' >jobs
run 0 score toy.yaml <jobs
same '{"reward": 3}' "$status$(cat out)" "score answers line by line"

# replay.
record='{"id":"s1","split":"train","goal":1,"noise":5,"actions":["take b","take c"],"observations":["goal 1 step 0 hint b noise 5","goal 1 step 1 hint c noise 5"'
printf '%s,"goal 1 step 2 hint a noise 5 over"]}\n\n' "$record" >sessions.jsonl
run 0 replay toy.yaml sessions.jsonl
same "turns 3, identical 3, different 0" "$status$(cat out)" "a session that replays"
printf '%s,"goal 1 step 2 hint b noise 5 over"]}\n' "$record" >>sessions.jsonl
run 1 replay toy.yaml sessions.jsonl
same "sessions.jsonl:3: session 's1', turn 3 (after take c): differs at byte 20
  recorded: goal 1 step 2 hint >>>b noise 5 over
  here:     goal 1 step 2 hint >>>a noise 5 over
turns 6, identical 5, different 1" "$status$(cat out)" "a session that differs"
echo '{"id":"s2","split":"train","goal":0,"noise":5,"actions":["take a","wait"],"observations":["goal 0 step 0 hint a noise 5",null,"more"]}' >sessions.jsonl
run 1 replay toy.yaml sessions.jsonl
same "sessions.jsonl:1: session 's2', turn 3 (after wait): the episode is over, the record goes on
turns 2, identical 1, different 1" "$status$(cat out)" "a session that goes on after the end"
echo '{"id":"s3","split":"train","goal":0,"noise":5,"actions":["take a"]}' >sessions.jsonl
fails 1 "cartwright: error: sessions.jsonl: nothing was compared: expected sessions with recorded observations, found 1 sessions and no observation in them" \
  "sessions without observations are no success" replay toy.yaml sessions.jsonl
: >sessions.jsonl
fails 1 "cartwright: error: sessions.jsonl: nothing was compared: expected sessions with recorded observations, found 0 sessions and no observation in them" \
  "nor is an empty file" replay toy.yaml sessions.jsonl
echo '[1]' >sessions.jsonl
fails 1 "cartwright: error: environment 'toy_environment': sessions.jsonl:1: expected a toy session" \
  "a malformed session" replay toy.yaml sessions.jsonl
fails 1 "cartwright: error: missing.jsonl: cannot read: No such file or directory" \
  "sessions that are not there" replay toy.yaml missing.jsonl

# import, export.
run 0 plugins toy_policy
same "cartwright import toy_policy KEY=VALUE... --into PATH: letters into a file" \
  "$status$(grep '^cartwright import' out)" "plugins NAME shows the import"
same "1" "$(grep -c '^forget .*write nothing' out)" "with its options"
run 0 import toy_policy text=abc --into letters --quiet
same "abc" "$status$(cat letters)" "import writes a file"
fails 2 "cartwright: error: letters: is already there; name another path, or replace it with --overwrite" \
  "import keeps what is there" import toy_policy text=abd --into letters
run 0 import toy_policy text=abd --into letters --overwrite --quiet
same "abd" "$status$(cat letters)" "import --overwrite"
run 0 import toy_environment --kind policy text=a --into other
same "letters 1/1 (100%)" "$status$(sed 's/ elapsed.*//' err)" "import reports its progress"
fails 2 "cartwright: error: there is an environment and a policy 'toy_environment' with an import: choose with --kind" \
  "import of two features with one name" import toy_environment text=a --into x
run 0 export toy_environment text=abc --into tree/ --quiet
same "abc" "$status$(cat tree/letters)" "export writes a folder, here of the only feature of that name that exports"
fails 2 "cartwright: error: tree: is a folder with something in it, which --overwrite does not replace; remove it, or name another path" \
  "a folder is not replaced" export toy_environment text=abc --into tree --overwrite
mkdir empty
run 0 export toy_environment text=ab --into empty --overwrite --quiet
same "ab" "$status$(cat empty/letters)" "an empty folder is"
fails 2 "cartwright: error: nowhere/x: its folder 'nowhere' does not exist; make it first" \
  "import into a folder that is not there" import toy_policy text=a --into nowhere/x
fails 2 "<command line>: argument 2: error: expected KEY=VALUE, found 'word'
<command line>: argument 3: error: unknown key 'fial' in the import of policy 'toy_policy'; did you mean 'fail'?
<command line>: argument 4: error: interrupt in the import of policy 'toy_policy' is 'maybe'; expected true or false
<command line>: argument 5: error: duplicate key 'text'" \
  "all complaints about import's options at once" import toy_policy text=b word fial=true interrupt=maybe text=a --into x
fails 2 "<command line>: error: missing key 'text' in the import of policy 'toy_policy': a string (what to write)" \
  "a missing option of an import" import toy_policy --into x
fails 2 "cartwright import: --into is missing
try 'cartwright import --help'" "import needs --into" import toy_policy text=a
fails 2 "cartwright import: --kind must be environment or policy
try 'cartwright import --help'" "import of another kind" import toy_policy text=a --kind algorithm --into x
run 2 export toy_algorithm --into x
same "cartwright: error: feature 'toy_algorithm' has no export; who has: environment 'toy_environment'" \
  "$status$(sed "s/who has: .*\(environment 'toy_environment'\).*/who has: \1/" err)" "a feature that does not export"
run 2 export lineer --kind policy --into x
same "cartwright: error: no policy 'lineer'; did you mean 'linear'? found: none" \
  "$status$(sed "s/; plugins not opened: .*//" err)" "an export of an unknown feature loads nothing"
fails 1 "cartwright: error: policy 'toy_policy': items.json:1:2: expected a toy" "an import that fails" \
  import toy_policy text=a fail=true --into x
fails 1 "cartwright: error: policy 'toy_policy': import says that it is done and wrote nothing" \
  "an import that writes nothing" import toy_policy text=a forget=true --into x
run 130 import toy_policy text=a interrupt=true --into x --quiet
same "cartwright: policy 'toy_policy': interrupted during 'letters'; nothing was written" "$status$(tail -n 1 err)" \
  "an import that is interrupted"
same "" "$(find . -name 'x*' ! -name '*.jsonl')$(find . -name '*.partial')" "and nothing is left of those that failed"

# report.
sed -e 's/random, best/best/' -e 's/updates: 3/updates: 3, evaluate_every: 1, evaluate_episodes: 4/' toy.yaml >seeds.yaml
for seed in 1 2; do
  run 0 run seeds.yaml --quiet --set "seed=$seed" --out "seed-$seed"
  run 0 run seeds.yaml --quiet --set "seed=$seed" --set name=slow --set stages.0.learning_rate=0.001 --out "slow-$seed"
done
cp -r seed-1 halfway
sed '/^  "seconds"/d' seed-1/evaluation.json >halfway/evaluation.json
cartwright_path=$CARTWRIGHT_PLUGIN_PATH
CARTWRIGHT_PLUGIN_PATH=
run 0 report halfway slow-1 seed-1 slow-2 seed-2 --against toy --out report --x decisions
CARTWRIGHT_PLUGIN_PATH=$cartwright_path
same "cartwright: warning: halfway: the run has not finished; it is left out" "$status$(grep -v 'gnuplot' err)" \
  "report leaves out what has not finished"
same "- initial, - best, slow final, toy final" \
  "$(sed -n '/^Results/,/^$/s/^\(-\|slow\|toy\)  *\([a-z]*\) .* 2  *12 .*/\1 \2/p' out | paste -s -d , | sed 's/,/, /g')" \
  "report has a row for every experiment, and untrained agents once"
same "slow 2 3" "$(sed -n '/^Training/,/^$/s/^\(slow\)  *\([0-9]*\)  *\([0-9]*\) .*/\1 \2 \3/p' out)" "and what training took"
same "- initial, - best, slow final" \
  "$(sed -n '/^Difference to toy/,/^$/s/^\(-\|slow\|toy\)  *\([a-z]*\) .*/\1 \2/p' out | paste -s -d , | sed 's/,/, /g')" \
  "and differences"
same "# slow, 2 seeds: decisions, then mean, lowest and highest of score and of success
# toy, 2 seeds: decisions, then mean, lowest and highest of score and of success" "$(grep '#' report/curves.dat)" \
  "report writes curves"
cp -r report report-before
run 0 report halfway slow-1 seed-1 slow-2 seed-2 --against toy --out report --x decisions
same "" "$status$(diff -r report report-before | grep -v 'svg\|png')" "report again gives the same"
run 0 run seeds.yaml --quiet --set environment.steps=2 --out shorter
fails 2 "cartwright: error: seed-1 and shorter do not play in the same environment, so that their results cannot be compared: environment.steps is 3 and 2" \
  "runs in different environments are not reported together" report seed-1 shorter
fails 2 "cartwright report: --x must be updates, decisions or minutes, found 'steps'
try 'cartwright report --help'" "an unknown axis" report seed-1 --x steps

# Where output goes.
if [ -w /dev/full ]; then
  "$cartwright" config toy.yaml >/dev/full 2>err
  same "1 cartwright: error: cannot write to standard output: No space left on device" "$? $(cat err)" "a full disk is reported"
fi
seq 1 20000 >queries
{ "$cartwright" search toy.yaml <queries 2>err; echo $? >code; } | head -n 1 >out
same "1 " "$(cat code) $(cat err)" "a reader that goes away ends the command without words"

# Plugins from the command line.
CARTWRIGHT_PLUGIN_PATH= run 0 config toy.yaml --plugin-path "$builddir/tests/toy/.libs"
same "" "$status" "--plugin-path finds plugins"

# view, report --html.
run 0 run toy.yaml --quiet --out viewed --set evaluate.keep_episodes=4 --set evaluate.advisor=best
same "best.jsonl final-greedy.jsonl initial-greedy.jsonl random.jsonl" "$status$(ls viewed/episodes | tr '\n' ' ' | sed 's/ $//')" \
  "an evaluation keeps its episodes"
same "4" "$(wc -l <viewed/episodes/final-greedy.jsonl | tr -d ' ')" "as many as were asked for"
run 0 view viewed
same "page: file://$(pwd -P)/viewed/run.html" "$status$(cat out)" "view says where the page is"
same "1" "$(grep -c '<title>toy · Cartwright</title>' viewed/run.html)" "the page has the run's name"
fails 2 "cartwright view: several runs need --into FILE
try 'cartwright view --help'" "several runs have no folder in common" view viewed viewed
fails 2 "cartwright view: --episodes must be between 0 and 100000
try 'cartwright view --help'" "too many episodes" view viewed --episodes -1
rm -r viewed/episodes
run 0 evaluate viewed --quiet --agents final --keep-episodes 3
same "final-greedy.jsonl" "$status$(ls viewed/episodes)" "evaluate keeps the episodes of a finished run"
run 0 report viewed --html report.html
same "page: file://$(pwd -P)/report.html" "$status$(tail -n 1 out)" "report --html says where the page is"
fails 2 "cartwright: error: evaluate.advisor: no script 'beest' in the environment; there are best, worst, broken" \
  "an advisor that does not exist" evaluate toy.yaml --quiet --set evaluate.advisor=beest
run 0 generate toy.yaml --quiet --agent policy --episodes 2 --out with.jsonl --probabilities
same "2" "$status$(grep -c '"probabilities": \[' with.jsonl)" "generate --probabilities"

finish
