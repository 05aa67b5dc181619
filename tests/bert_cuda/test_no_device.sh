# On a machine without an NVIDIA driver the plugin loads, says what is missing, and a run ends with one sentence.
if [ "$have_cuda" != yes ]; then
  echo "1..0 # SKIP there is no CUDA toolkit"
  exit 0
fi
if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
  echo "1..0 # SKIP there is an NVIDIA driver"
  exit 0
fi
echo 1..2
missing='there is no NVIDIA driver (libcuda.so.1 was not found)'

if "$builddir/cartwright" plugins bert_cuda | head -n 1 | grep -q -F "; not on this machine: $missing"; then
  echo "ok 1 - the listing says what is missing"
else
  "$builddir/cartwright" plugins bert_cuda 2>&1 | head -n 3 | sed 's/^/# /'
  echo "not ok 1 - the listing says what is missing"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/run.yaml" <<END
name: run
seed: 1
environment: {plugin: synthetic}
policy: {plugin: bert_cuda, model: $srcdir/models/shop-bert, initialize: random}
stages: []
evaluate: {split: test, episodes: 1}
END
"$builddir/cartwright" evaluate "$work/run.yaml" > "$work/out" 2> "$work/errors"
status=$?
said=$(grep error: "$work/errors")
expected="cartwright: error: policy 'bert_cuda': not on this machine: $missing; 'plugin: bert_cpu' takes the same options"
if test "$status" = 1 && test "$said" = "$expected"; then
  echo "ok 2 - a run ends with one sentence"
else
  echo "# status $status"
  sed 's/^/# /' "$work/errors"
  echo "not ok 2 - a run ends with one sentence"
fi
