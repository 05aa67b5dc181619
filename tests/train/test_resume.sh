#!/bin/sh
# A run that is interrupted, killed or damaged and then resumed must end with the
# same bytes as one that never stopped.
. "$srcdir/tests/tap.sh"

cat >toy.yaml <<'YAML'
name: toy
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
rollout: {slots: 4}
checkpoint: {every: 2, keep: 3}
stages:
  - {generate: {agent: random, episodes: 10}, into: random.jsonl}
  - {algorithm: toy_algorithm, updates: 5, group_size: 2, reference: true, evaluate_every: 2, evaluate_episodes: 6}
  - {algorithm: toy_algorithm, updates: 4, offline: true, trajectories: random.jsonl, learning_rate: 0.05}
evaluate: {episodes: 12, agents: [random, best, initial, final]}
YAML

# What a resumed run must reproduce. The results carry wall-clock figures, the table speeds.
results() {
  sed -e 's/"seconds": [^,]*,//; s/"decisions_per_second": [^,]*,//' "$1/evaluation.json"
}
equal_runs() { # FOUND NAME: compares with the run that never stopped
  if cmp -s whole/metrics.jsonl "$1/metrics.jsonl" &&
    cmp -s whole/trajectories/random.jsonl "$1/trajectories/random.jsonl" &&
    cmp -s whole/checkpoints/step-9/policy/toy.txt "$1/checkpoints/step-9/policy/toy.txt" &&
    [ "$(results whole)" = "$(results "$1")" ]; then
    ok 0 "$2"
  else
    ok 1 "$2"
    diff whole/metrics.jsonl "$1/metrics.jsonl" | sed 's/^/# /'
  fi
}

run 0 run toy.yaml --out whole --quiet
same "" "$status$(cat err)" "a quiet run says nothing"
same "9" "$(grep -c toy_algorithm/loss whole/metrics.jsonl)" "every update has a record"
same "0 2 4 5" "$(sed -n 's/^{"step": \([0-9]*\),.*evaluation.score".*/\1/p' whole/metrics.jsonl | tr '\n' ' ' | sed 's/ $//')" \
  "the curve has a point at the start, at every second update and at the end of the stage"
same "step-5 step-7 step-9" "$(ls whole/checkpoints | tr '\n' ' ' | sed 's/ $//')" "as many checkpoints as wanted are kept"
same "" "$(find whole -name '*.partial')" "nothing unfinished is left"

# Interrupted in each update of both stages.
for update in 1 2 3 4 5; do
  run 130 run toy.yaml --out stopped --overwrite --quiet --set stages.1.interrupt_at=$update
  same "
cartwright: stopping after the present update; once more stops at once
cartwright: interrupted after update $update of stage 2; checkpoint stopped/checkpoints/step-$update written, continue with --resume" \
    "$status$(cat err)" "interrupt in update $update of stage 2 finishes it, writes a checkpoint and ends in 130"
  run 0 run toy.yaml --out stopped --resume --quiet
  equal_runs stopped "resumed after update $update of stage 2"
done
for update in 1 3 4; do
  run 130 run toy.yaml --out stopped --overwrite --quiet --set stages.2.interrupt_at=$update
  run 0 run toy.yaml --out stopped --resume --quiet
  equal_runs stopped "resumed after update $update of stage 3"
done

# Interrupted in episodes: of generate (1-10), the initial policy (11-34), the curve and
# training (35-...), the final evaluations.
for episode in 5 20 30 37 50 57 70 75 82 95 110 115 125 130 135; do
  run 130 run toy.yaml --out stopped --overwrite --quiet --set environment.interrupt_at=$episode
  [ -z "$status" ] || ok 1 "interrupt in episode $episode: $status"
  run 0 run toy.yaml --out stopped --resume --quiet
  equal_runs stopped "resumed after an interrupt in episode $episode"
done

# Killed without warning: goes back to the last checkpoint and cuts what came after.
for update in 1 2 3 5; do
  run 9 run toy.yaml --out killed --overwrite --quiet --set stages.1.crash_at=$update
  run 0 run toy.yaml --out killed --resume --quiet
  equal_runs killed "resumed after being killed in update $update"
done

# The second signal does not wait: one arrives while update 1 collects, one while it learns.
run 143 run toy.yaml --out killed --overwrite --quiet --set environment.interrupt_at=42 --set stages.1.interrupt_at=1
same "" "$status" "the second signal kills"
run 0 run toy.yaml --out killed --resume --quiet
equal_runs killed "resumed after the second signal"

# Killed, interrupted, killed, interrupted.
run 9 run toy.yaml --out killed --overwrite --quiet --set stages.1.crash_at=4
run 130 run toy.yaml --out killed --resume --quiet --set stages.1.interrupt_at=4
run 9 run toy.yaml --out killed --resume --quiet --set stages.2.crash_at=2
run 130 run toy.yaml --out killed --resume --quiet --set stages.2.interrupt_at=3
run 0 run toy.yaml --out killed --resume --quiet
equal_runs killed "resumed four times"

# Another number of slots and other checkpoints change nothing.
run 0 run toy.yaml --out other --quiet --set rollout.slots=1 --set checkpoint.every=0
equal_runs other "one slot and rare checkpoints give the same run"

# A finished run resumed repeats nothing and prints the same table.
grep -v '^wall time:' out >table
run 0 run toy.yaml --out other --resume --quiet
same "" "$status$(grep -v '^wall time:' out | diff table -)" "a finished run prints its table again"
equal_runs other "a finished run is not changed by --resume"

# Damage.
run 9 run toy.yaml --out damaged --overwrite --quiet --set stages.1.crash_at=5
printf x >>damaged/checkpoints/step-4/policy/toy.txt
size=$(wc -c <damaged/checkpoints/step-4/policy/toy.txt)
run 0 run toy.yaml --out damaged --resume --quiet
same "cartwright: warning: skipping a broken checkpoint: damaged/checkpoints/step-4/policy/toy.txt: expected $((size - 1)) bytes, as the checkpoint's manifest says, found $size; use another checkpoint" \
  "$status$(cat err)" "a broken checkpoint is reported and the one before is taken"
equal_runs damaged "resumed from the checkpoint before a broken one"

run 9 run toy.yaml --out damaged --overwrite --quiet --set stages.1.crash_at=5
for checkpoint in damaged/checkpoints/step-*; do rm "$checkpoint/manifest.json"; done
run 1 run toy.yaml --out damaged --resume --quiet
same "cartwright: error: damaged/checkpoints: none of the checkpoints is valid; use --overwrite to start the run afresh" \
  "$status$(tail -n 1 err)" "a run without a valid checkpoint is not started afresh behind one's back"

run 9 run toy.yaml --out damaged --overwrite --quiet --set stages.1.crash_at=5
: >damaged/metrics.jsonl
run 1 run toy.yaml --out damaged --resume --quiet
same "1" "$(grep -c 'damaged/metrics.jsonl' err)" "metrics shorter than the checkpoint says are an error that names the file"

run 9 run toy.yaml --out damaged --overwrite --quiet --set stages.1.crash_at=5
echo '{"agents": 3}' >damaged/evaluation.json
fails 1 "cartwright: error: damaged/evaluation.json: not a file of results as cartwright writes it; remove it to have the evaluations repeated" \
  "damaged results are reported" run toy.yaml --out damaged --resume --quiet
rm damaged/evaluation.json
run 0 run toy.yaml --out damaged --resume --quiet
equal_runs damaged "lost results are evaluated again, the untrained policy too"

# The same with real parts: imitation and then REINFORCE with a linear policy, taken up at
# checkpoints all along the way, the metrics already further.
cat >linear.yaml <<'YAML'
name: linear
environment: {plugin: toy_environment}
policy: {plugin: linear, buckets: 64}
checkpoint: {every: 1, keep: 100}
stages:
  - {generate: {agent: best, episodes: 12}, into: best.jsonl}
  - {algorithm: bc, trajectories: best.jsonl, epochs: 2, evaluate_every: 3, evaluate_episodes: 4}
  - {algorithm: skeleton_algorithm, updates: 4, episodes: 5}
evaluate: {episodes: 6, agents: [final]}
YAML
run 0 run linear.yaml --out linear --quiet
last=$(ls linear/checkpoints | sed 's/step-//' | sort -n | tail -n 1)
for step in 0 1 2 $((last / 2)) $((last - 2)) $((last - 1)); do
  rm -rf again
  cp -R linear again
  for checkpoint in $(ls again/checkpoints); do
    [ "${checkpoint#step-}" -le "$step" ] || rm -r "again/checkpoints/$checkpoint"
  done
  run 0 run linear.yaml --out again --resume --quiet
  same "" "$status$(cmp linear/metrics.jsonl again/metrics.jsonl 2>&1)$(diff -r "linear/checkpoints/step-$last" "again/checkpoints/step-$last")" \
    "bc and linear: resumed from step $step of $last"
done

# What may not change.
run 130 run toy.yaml --out stopped --overwrite --quiet --set stages.1.interrupt_at=2
fails 2 "stopped/config.yaml: this run cannot be resumed with other values: seed was 233, is 7 (--set #1); stages.1.learning_rate was 0.5, is 0.1 (--set #2). Set them back, or start a new run with --out DIR" \
  "another configuration is refused with what differs" \
  run toy.yaml --out stopped --resume --set seed=7 --set stages.1.learning_rate=0.1
run 0 run toy.yaml --out stopped --resume --quiet
equal_runs stopped "a refused resumption has changed nothing"
fails 2 "cartwright: error: stopped: already holds a run; continue it with --resume, replace it with --overwrite, or give another directory with --out" \
  "a used directory is refused" run toy.yaml --out stopped
fails 2 "cartwright: error: nothing: no run to resume here: No such file or directory" \
  "resuming nothing is refused" run toy.yaml --out nothing --resume
same "no" "$(test -e nothing && echo yes || echo no)" "and leaves no directory"
mkdir empty
fails 2 "cartwright: error: empty: no run to resume here; start it without --resume" \
  "resuming an empty directory is refused" run toy.yaml --out empty --resume

# Numbers that go wrong.
fails 1 "cartwright: error: stage 2 (toy_algorithm), update 4: metric 'toy_algorithm/loss' is not finite; training has stopped, the last good checkpoint is bad/checkpoints/step-2" \
  "a NaN metric stops the run" run toy.yaml --out bad --quiet --set stages.1.nan_at=4
same "step-0 step-2" "$(ls bad/checkpoints | tr '\n' ' ' | sed 's/ $//')" "and the last good checkpoint stays the newest"
same "3" "$(grep -c toy_algorithm/loss bad/metrics.jsonl)" "and no bad number is recorded"
run 0 run toy.yaml --out bad --resume --quiet
equal_runs bad "resumed after a NaN that does not come again"
fails 1 "cartwright: error: stage 2 (toy_algorithm), evaluation after update 2: policy 'toy_policy': value of decision 0 is -inf; first bad tensor: toy.value; training has stopped, the last good checkpoint is bad/checkpoints/step-0" \
  "an exploding learning rate stops the run with the name of the tensor" \
  run toy.yaml --out bad --overwrite --quiet --set stages.1.learning_rate=1e38

# Trajectories that are not what they should be.
cat >offline.yaml <<'YAML'
name: offline
environment: {plugin: toy_environment}
policy: {plugin: toy_policy}
stages:
  - {algorithm: toy_algorithm, updates: 2, offline: true, trajectories: in.jsonl}
evaluate: {episodes: 2, agents: [random]}
YAML
head -n 2 whole/trajectories/random.jsonl >in.jsonl
run 0 run offline.yaml --out offline --quiet
same "" "$status" "trajectories can come from a file"
sed -n 3p whole/trajectories/random.jsonl | cut -c 1-100 >>in.jsonl
fails 1 "cartwright: error: stage 1 (toy_algorithm): in.jsonl:3: byte 100: expected one trajectory as JSON, found an error: '}' expected near end of file" \
  "a cut trajectory is reported with its line" run offline.yaml --out offline --overwrite --quiet

# Stages that write files go on where they were, episode by episode and session by session.
cat >search.yaml <<'YAML'
name: search
environment: {plugin: toy_environment, timeless: true, goals: 60}
policy: {plugin: toy_policy}
rollout: {slots: 4}
stages:
  - generate: {perfect: 20, per_goal: 3, prune_loops: true, rejected_into: siblings.jsonl}
    into: perfect.jsonl
  - import: {sessions: sessions.jsonl}
    into: sessions.jsonl
evaluate: {episodes: 2, agents: [random]}
YAML
for goal in 1 2 3 4 5 6 7 8 9 10; do
  echo "{\"id\":\"s\",\"split\":\"train\",\"goal\":$goal,\"noise\":5,\"actions\":[\"take a\",\"take a\",\"take a\"]}"
done >sessions.jsonl
run 0 run search.yaml --out found --quiet
same "20" "$status$(wc -l <found/trajectories/perfect.jsonl | tr -d ' ')" "as many perfect trajectories as wanted are found"
same "$(wc -l <found/trajectories/siblings.jsonl | tr -d ' ')" \
  "$(sed -n 's/.*"generate\/rejected": \([0-9]*\).*/\1/p' found/metrics.jsonl)" "and the siblings are counted"
same_files() { # FOUND NAME
  if cmp -s found/metrics.jsonl "$1/metrics.jsonl" && diff -r found/trajectories "$1/trajectories" >/dev/null; then
    ok 0 "$2"
  else
    ok 1 "$2"
    diff found/metrics.jsonl "$1/metrics.jsonl" | sed 's/^/# /'
    ls -l found/trajectories "$1/trajectories" | sed 's/^/# /'
  fi
}
resets=$(sed -n 's/.*"generate\/episodes": \([0-9]*\).*/\1/p' found/metrics.jsonl)
same "1" "$(grep -c '"import/kept": 10,' found/metrics.jsonl)" "all sessions are imported"
for episode in 1 10 35 60 $((resets - 6)); do
  run 130 run search.yaml --out search --overwrite --quiet --set environment.interrupt_at=$episode
  [ -z "$status" ] || ok 1 "interrupt in episode $episode: $status"
  # What was done is not done again: were it, this interrupt would come before the end.
  [ "$episode" -lt 35 ] || same "" "$(test -s search/trajectories/.perfect.jsonl.progress || echo lost)" \
    "an interrupt in episode $episode keeps what was found"
  run 0 run search.yaml --out search --resume --quiet
  same_files search "search resumed after an interrupt in episode $episode"
done
run 130 run search.yaml --out search --overwrite --quiet --set environment.interrupt_at=60
run 130 run search.yaml --out search --resume --quiet --set environment.interrupt_at=20
run 0 run search.yaml --out search --resume --quiet --set rollout.slots=1 --set environment.interrupt_at=$((resets - 20))
same_files search "search resumed twice, with another number of slots, repeats nothing"
# While it imports: found by the number of resets of the process before.
sed '/generate:/d; /into: perfect/d' search.yaml >import.yaml
run 0 run import.yaml --out imported --quiet
for session in 1 4 10; do
  run 130 run import.yaml --out import --overwrite --quiet --set environment.interrupt_at=$session
  run 0 run import.yaml --out import --resume --quiet --set environment.interrupt_at=$((13 - session))
  same "" "$status$(cmp imported/metrics.jsonl import/metrics.jsonl 2>&1)$(diff -r imported/trajectories import/trajectories)" \
    "import resumed after an interrupt in session $session repeats none"
done
rm search/trajectories/perfect.jsonl search/trajectories/siblings.jsonl
run 0 run search.yaml --out weights --quiet --set 'stages=[{generate: {perfect: 20, policy_from: search}, into: a.jsonl}]'
same "" "$status" "a policy can come from a run"
run 0 run search.yaml --out weights --overwrite --quiet --set \
  'stages=[{generate: {perfect: 20, policy_from: search/checkpoints/step-0}, into: a.jsonl}]'
same "" "$status" "or from one of its checkpoints"
fails 2 "cartwright: error: sessions.jsonl: expected a run directory or one of its checkpoints (RUN/checkpoints/step-N), found neither" \
  "but from nothing else" run search.yaml --out weights --overwrite --quiet \
  --set 'stages=[{generate: {perfect: 20, policy_from: sessions.jsonl}, into: a.jsonl}]'
run 0 run search.yaml --out few --quiet --set stages.0.generate.episodes=30
same "1" "$status$(grep -c 'warning: few/trajectories/perfect.jsonl: 20 perfect trajectories were wanted and [0-9]* found in the 30 episodes that .episodes. allows; going on with those' err)" \
  "a search that ends without finding enough says so"

# Trajectories that are made anew while an algorithm learns from them.
cat >refresh.yaml <<'YAML'
name: refresh
environment: {plugin: toy_environment, timeless: true, goals: 60}
policy: {plugin: toy_policy}
rollout: {slots: 4}
checkpoint: {every: 2, keep: 3}
stages:
  - generate: {perfect: 6, per_goal: 3, rejected_into: siblings.jsonl}
    into: perfect.jsonl
  - {algorithm: toy_algorithm, offline: true, updates: 8, trajectories: [perfect.jsonl, siblings.jsonl],
     refresh_every: 3, learning_rate: 0.2}
evaluate: {episodes: 2, agents: [random]}
YAML
sed 's/toy_policy}/linear, buckets: 64}/; s/toy_algorithm, offline: true, updates: 8,/dpo, epochs: 0, updates: 8, granularity: trajectory,/' \
  refresh.yaml >refresh_dpo.yaml
for mode in replace extend; do
  for file in refresh refresh_dpo; do
    run 0 run $file.yaml --out fresh --overwrite --quiet --set stages.1.refresh_mode=$mode
    [ -z "$status" ] || ok 1 "$file, $mode: $status"
    same "perfect.jsonl refresh-1-1-perfect.jsonl refresh-1-1-siblings.jsonl refresh-1-2-perfect.jsonl refresh-1-2-siblings.jsonl siblings.jsonl" \
      "$(ls fresh/trajectories | tr '\n' ' ' | sed 's/ $//')" "$file, $mode: every third update comes with new trajectories"
    resets=$(awk '{ if (match($0, /"generate\/episodes": [0-9]*/)) sum += substr($0, RSTART + 21, RLENGTH - 21) } END { print sum }' fresh/metrics.jsonl)
    first=$(sed -n '1s/.*"generate\/episodes": \([0-9]*\).*/\1/p' fresh/metrics.jsonl)
    for episode in $((first / 2)) $((first + 2)) $((resets - 5)); do
      run 130 run $file.yaml --out stopped --overwrite --quiet --set stages.1.refresh_mode=$mode \
        --set environment.interrupt_at=$episode
      [ -z "$status" ] || ok 1 "$file, interrupt in episode $episode of $resets: $status"
      run 0 run $file.yaml --out stopped --resume --quiet --set stages.1.refresh_mode=$mode --set rollout.slots=7
      same "" "$status$(cmp fresh/metrics.jsonl stopped/metrics.jsonl 2>&1)$(diff -r fresh/trajectories stopped/trajectories 2>&1)$(diff -r fresh/checkpoints/step-8/policy stopped/checkpoints/step-8/policy 2>&1)" \
        "$file, $mode: resumed after an interrupt in episode $episode"
    done
  done
done
for update in 3 4 7; do
  run 9 run refresh.yaml --out killed --overwrite --quiet --set stages.1.refresh_mode=extend --set stages.1.crash_at=$update
  run 0 run refresh.yaml --out killed --resume --quiet --set stages.1.refresh_mode=extend
  run 0 run refresh.yaml --out fresh --overwrite --quiet --set stages.1.refresh_mode=extend
  same "" "$status$(cmp fresh/metrics.jsonl killed/metrics.jsonl 2>&1)$(diff -r fresh/trajectories killed/trajectories 2>&1)" \
    "refreshes are the same after being killed in update $update"
done

finish
