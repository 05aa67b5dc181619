# What ptxas said of the kernels when they were compiled, for every device that code is made for: none spills registers
# or keeps an array in local memory, which would be slow everywhere and in attention ruinous. And what their PTX says:
# rows are read and written 16 bytes at a time. With cuobjdump the same is asked of the machine code. The numbers
# are in the log, one line per kernel.
if [ "$have_cuda" != yes ]; then
  echo "1..0 # SKIP there is no CUDA toolkit"
  exit 0
fi
echo 1..3
objects=$builddir/models/bert_cuda

usage=$(cat "$objects"/*.usage | awk '
  /Compiling entry function/ { match($0, /'"'"'[^'"'"']*'"'"'/); name = substr($0, RSTART + 1, RLENGTH - 2); device = $NF
    gsub(/'"'"'/, "", device); next }
  /bytes stack frame/ { for (i = 1; i < NF; i++) if ($(i + 1) == "bytes") bytes[++n] = $i
    stack = bytes[1]; spills = bytes[2] + bytes[3]; n = 0; next }
  /Used [0-9]+ registers/ { match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = 0; if (match($0, /[0-9]+ bytes smem/)) shared = $0 ~ /smem/ ? substr($0, RSTART, RLENGTH) + 0 : 0
    printf "%s %s registers %d shared %d stack %d spilled %d\n", device, name, registers, shared, stack, spills }')
echo "$usage" | sed 's/^/# /'

kernels=$(echo "$usage" | grep -c '^sm_')
bad=$(echo "$usage" | grep -v ' stack 0 spilled 0$')
if test "$kernels" -gt 0 && test -z "$bad"; then
  echo "ok 1 - no kernel spills registers or uses local memory"
else
  echo "# $kernels kernels; these spill or use local memory:"
  echo "$bad" | sed 's/^/#   /'
  echo "not ok 1 - no kernel spills registers or uses local memory"
fi

# The kernels whose rows are whole vectors, and the least number of 16-byte accesses of global memory that each has.
wide='
embed_kernel 8
add_norm_kernel 6
norm_backward_kernel 6
gelu_kernel 3
gelu_backward_kernel 5
forward_kernel 4
backward_kernel 4
bf16_forward_kernel 2
bf16_backward_kernel 4
adamw_kernel 8
average_kernel 3
squares_kernel 1
features_kernel 6
collect_kernel 3
'
nvcc=$(sed -n 's/^NVCC = //p' "$builddir/Makefile")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trouble=
for source in encoder attention attention_bf16 optimizer head; do
  "$nvcc" -std=c++17 -O3 -arch=compute_80 -I"$srcdir" -ptx "$srcdir/models/bert_cuda/$source.cu" -o "$work/$source.ptx" ||
    trouble="$trouble $source.cu does not compile to PTX;"
done
# Every instance of a template has to have them: count per entry, report the poorest.
cat "$work"/*.ptx | awk '
  /\.entry/ { name = $0; sub(/.*\.entry */, "", name); sub(/\(.*/, "", name); count[name] = 0 }
  /(ld|st)\.global(\.nc)?(\.[a-z]+)*\.v4\.(u32|f32|b32)/ { count[name]++ }
  END { for (name in count) print name, count[name] }' > "$work/counts"
for word in $wide; do
  case $word in
  *_kernel) kernel=$word; continue ;;
  esac
  least=$(grep -E "[0-9]$kernel" "$work/counts" | awk '{ print $2 }' | sort -n | head -n 1)
  echo "# $kernel: at least ${least:-0} accesses of 16 bytes in every instance"
  test "${least:-0}" -ge "$word" || trouble="$trouble $kernel has ${least:-no} accesses of 16 bytes and should have $word;"
done
test -z "$trouble" || { echo "# $trouble"; printf 'not '; }
echo "ok 2 - rows are read and written 16 bytes at a time"

cuobjdump=$(dirname "$nvcc")/cuobjdump
test -x "$cuobjdump" || cuobjdump=$(command -v cuobjdump)
if test -z "$cuobjdump"; then
  echo "ok 3 - the machine code agrees # SKIP there is no cuobjdump"
  exit 0
fi
"$cuobjdump" --dump-resource-usage "$builddir/.libs/bert_cuda.so" > "$work/machine" 2>&1
local_memory=$(grep -c -E 'STACK:[1-9]|LOCAL:[1-9]' "$work/machine")
"$cuobjdump" -sass -arch sm_90 "$builddir/.libs/bert_cuda.so" > "$work/sass" 2>/dev/null
wide_loads=$(grep -c 'LDG\.E\.128' "$work/sass")
echo "# $local_memory kernels with a stack or local memory, $wide_loads LDG.E.128 for sm_90"
if test "$local_memory" = 0 && { ! grep -q 'Function :' "$work/sass" || test "$wide_loads" -gt 50; }; then
  echo "ok 3 - the machine code agrees"
else
  echo "not ok 3 - the machine code agrees"
fi
