# examples/dqn and examples/a2c, built by the one line that they name: they pass every check, learn with networks of
# their own, and a run that was stopped, in the middle of episodes or of a memory, goes on to the same bytes.
. "$srcdir/tests/tap.sh"
skip_when_cross
if ! test -f "$builddir/.libs/libcartwright.so"; then
  ok 0 "no shared library was built # SKIP"
  finish
  exit 0
fi
CARTWRIGHT_PLUGIN_PATH=$scratch:$CARTWRIGHT_PLUGIN_PATH
for name in dqn a2c; do
  ${CC:-cc} -shared -fPIC -Wall -Wextra -Werror -I"$srcdir/core/include" $(pkg-config --cflags glib-2.0) -o $name.so \
    "$srcdir/examples/$name/$name.c" -L"$builddir/.libs" -lcartwright $(pkg-config --libs glib-2.0) -lm
  ok $? "$name is built by one line"
  run 0 check ./$name.so
  same "" "$status$(grep -v -e '^passed ' -e ' 0 failed, 0 skipped$' out)" "$name passes every check"
  run 0 config "$srcdir/examples/$name/$name.yaml"
  same "" "$status$(cat err)" "$name.yaml is in order"
done

cat >dqn.yaml <<'YAML'
name: dqn
environment: {plugin: toy_environment}
policy: {plugin: linear, buckets: 64}
rollout: {slots: 4}
checkpoint: {every: 1, keep: 100}
stages:
  - {algorithm: dqn, updates: 6, episodes: 5, steps: 3, batch: 8, capacity: 40, n_step: 2, target_every: 4, target_share: 0.5}
evaluate: {episodes: 4, agents: [final]}
YAML
cat >a2c.yaml <<'YAML'
name: a2c
environment: {plugin: toy_environment, steps: 5}
policy: {plugin: linear, buckets: 64}
checkpoint: {every: 1, keep: 100}
stages:
  - {algorithm: a2c, updates: 6, episodes: 3, steps: 2, critic: {plugin: linear, buckets: 128}}
evaluate: {episodes: 4, agents: [final]}
YAML
for name in dqn a2c; do
  run 0 run $name.yaml --out $name --quiet
  same "6" "$status$(grep -c "\"$name/" $name/metrics.jsonl)" "$name: every update has a record"
  for step in 1 3 5; do
    rm -rf again
    cp -R $name again
    for checkpoint in $(ls again/checkpoints); do
      [ "${checkpoint#step-}" -le "$step" ] || rm -r "again/checkpoints/$checkpoint"
    done
    run 0 run $name.yaml --out again --resume --quiet
    same "" "$status$(cmp $name/metrics.jsonl again/metrics.jsonl 2>&1)$(diff -r $name/checkpoints again/checkpoints)" \
      "$name: resumed from step $step of 6"
  done
done
same "memory.jsonl" "$(ls dqn/checkpoints/step-3/algorithm)" "the memory is a file of the checkpoint"
same "target" "$(ls dqn/checkpoints/step-3/networks)" "the target network is in the checkpoint"
cmp -s dqn/checkpoints/step-3/networks/target/weights.bin dqn/checkpoints/step-3/policy/weights.bin
same 1 $? "and is not the policy"
same "critic=4" "$(sed -n '/^\[networks\]/,/^$/p' a2c/checkpoints/step-4/state.ini | grep critic)" \
  "the steps of the critic's optimiser are in the checkpoint"
same "stages.0.critic=linear 1.0 stages.0.critic.buckets=128" \
  "$(grep -o -e '^stages.0.critic=.*' -e '^stages.0.critic.buckets=.*' a2c/checkpoints/step-4/state.ini | tr '\n' ' ' | sed 's/ $//')" \
  "and what the critic is, among the conditions"
run 2 run a2c.yaml --out a2c --resume --quiet --set stages.0.critic.buckets=256
same "1" "$status$(grep -c 'stages.0.critic.buckets was 128, is 256' err)" "a resumed run keeps its critic"

# A critic that begins with a model folder, which is another when the run goes on.
cp -R a2c/checkpoints/step-6/networks/critic model
run 0 run a2c.yaml --out taught --quiet --set 'stages.0.critic={plugin: linear, model: model}'
rm -r taught/checkpoints/step-4 taught/checkpoints/step-5 taught/checkpoints/step-6 model
cp -R a2c/checkpoints/step-2/networks/critic model
run 2 run a2c.yaml --out taught --resume --quiet --set 'stages.0.critic={plugin: linear, model: model}'
same "1 1" "$status$(grep -c '^  stages.0.critic.weights: it began with' err) $(grep -c -e ' --accept stages.0.critic.weights' err)" \
  "another beginning of the critic is refused by name"
run 0 run a2c.yaml --out taught --resume --quiet --set 'stages.0.critic={plugin: linear, model: model}' \
  --accept stages.0.critic.weights
same "1" "$status$(grep -c 'going on with another stages.0.critic.weights' err)" "and accepted by name"

fails 2 "<command line>: --set #1: error: unknown key 'actor' in algorithm 'a2c'" "a network that the algorithm does not have is refused" \
  config a2c.yaml --set 'stages.0.actor={plugin: linear}'
finish
