#!/bin/sh
# A run on processors that lack instructions which the build has kernels for, emulated by valgrind and
# qemu-user. No code of such a kernel may run there, not even to say that it is missing.
. "$srcdir/tests/tap.sh"
skip_when_cross

cat >run.yaml <<YAML
environment: {plugin: toy_environment}
policy: {plugin: bert_cpu, model: $srcdir/models/shop-bert, initialize: random, max_state_tokens: 16, max_action_tokens: 8, threads: 1}
evaluate: {episodes: 1, agents: [initial]}
YAML

# on KERNELS NAME COMMAND...: a score is computed under the command, with the kernels named.
on() {
  kernels=$1 name=$2
  shift 2
  rm -f result.json
  export LD_LIBRARY_PATH="$builddir/.libs"
  "$@" "$builddir/.libs/cartwright" evaluate run.yaml --quiet --json result.json >out 2>err
  same "0 $kernels" "$? $(sed -n 's/.*"instruction_set": "\([a-z0-9_]*\)".*/\1/p' result.json 2>&1)$(cat err)" "$name"
  unset LD_LIBRARY_PATH
}

command -v valgrind >/dev/null && on avx2 "without AVX-512, under valgrind" valgrind --tool=none -q
if command -v qemu-x86_64 >/dev/null; then
  on generic "without AVX2, under qemu-user" qemu-x86_64 -cpu Nehalem
fi
[ "$number" -gt 0 ] || { echo "1..0 # SKIP neither valgrind nor qemu-x86_64 is here"; exit 0; }
finish
