#!/bin/sh
# Builds, checks and times bert_cuda on a machine with a GPU, in one call of a few minutes:
#   bench/cuda.sh [BUILD]         BUILD: build tree to use or make, default build-cuda
# 1. configures for the device at hand and builds; 2. checks: the conformance suite, and a short training in every
# precision against bert_cpu's result; 3. prints one table: tokens per second for scoring and training, MiniLM and BERT-base shapes, f32, TF32 and
# bf16, lengths and batches, with the share of the device's peak; 4. decisions per second end to end in the made-up shop.
# Output for docs/results/bert_cuda.md goes to standard output, everything else to standard error.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-cuda}
say() { echo "bench/cuda.sh: $*" >&2; }
fail() { say "$*"; exit 1; }

command -v nvidia-smi > /dev/null || fail "there is no nvidia-smi: this needs an NVIDIA GPU and its driver"
capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d ' .')
say "device of compute capability $capability"

[ -x configure ] || autoreconf -i >&2
mkdir -p "$build"
[ -f "$build/Makefile" ] || (cd "$build" && "$OLDPWD/configure" --with-cuda=yes CUDA_ARCHITECTURES="$capability" >&2)
make -C "$build" -j"$(nproc)" all bench/bench_bert_cuda >&2

say "conformance suite"
"$build/cartwright" check "$build/.libs/bert_cuda.so" --options=tests/conformance/bert_cuda.yaml >&2 ||
  fail "bert_cuda does not keep what every policy must keep on this device"

# The same short training in both backends: losses and weights must agree within rounding.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "checking against bert_cpu"
run() { # NAME, then settings
  name=$1
  shift
  "$build/cartwright" run configs/demo.yaml --out "$work/$name" --set policy.dropout=0 "$@" >&2 ||
    fail "the run '$name' failed"
}
quick='--set stages.0.generate.episodes=60 --set stages.1.epochs=1 --set stages.1.evaluate_every=0
  --set evaluate.episodes=20'
run cpu $quick
for precision in f32 tf32 bf16; do
  run "$precision" --set policy.plugin=bert_cuda --set policy.precision=$precision $quick
done
echo "### Agreement with bert_cpu after the demo's first updates"
echo
echo "| precision | last loss | bert_cpu's |"
echo "|---|---|---|"
last_loss() { grep -o '"bc/loss": [^,}]*' "$work/$1/metrics.jsonl" | tail -n 1 | cut -d' ' -f2; }
for precision in f32 tf32 bf16; do
  echo "| $precision | $(last_loss $precision) | $(last_loss cpu) |"
done
echo

echo "### Speed"
echo
"$build/bench/bench_bert_cuda"
echo

echo "### End to end in the made-up shop"
echo
for precision in tf32 bf16; do
  echo "$precision:"
  echo
  "$build/cartwright" bench policy configs/demo.yaml --set policy.plugin=bert_cuda --set policy.precision=$precision
  echo
done
