# Bugs planted in copies of the real sources of bert_cuda, one at a time: each must be found, by the emulation's checks
# or by the comparison with bert_cpu, and the sources as they are must pass. A plant is a sed script; one that changes
# nothing any more fails the test. The names here are those of the table in docs/results/bert_cuda.md.
commands=$builddir/tests/bert_cuda/emulated/commands
if test ! -f "$commands"; then
  echo "1..0 # SKIP executing CUDA sources needs g++ 12 and CBLAS (Debian: libopenblas-dev), and no sanitizers"
  exit 0
fi
. "$commands" # COMPILE_KERNEL, COMPILE_HOST, LINK_BEGIN, LINK_END
LC_ALL=C
OPENBLAS_NUM_THREADS=1
export LC_ALL OPENBLAS_NUM_THREADS
ulimit -c 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
objects=
for name in attention attention_bf16 encoder head optimizer; do
  objects="$objects $builddir/tests/bert_cuda/emulated/.libs/$name.o"
done
for name in bert_cuda context memory network plan slots step; do
  objects="$objects $builddir/models/bert_cuda/.libs/tests_bert_cuda_emulated_la-$name.o"
done

# compile NAME: in $work, the source of that name.
compile() {
  if test -f "$work/models/bert_cuda/$1.cu"; then
    (cd "$builddir" && $COMPILE_KERNEL -iquote "$work" -c "$work/models/bert_cuda/$1.cu" -o "$work/$1.o")
  else
    (cd "$builddir" && $COMPILE_HOST -iquote "$work" -c "$work/models/bert_cuda/$1.c" -o "$work/$1.o")
  fi
}

# run SOURCES PRECISION: compiles the sources in $work, links them with the objects of the rest, runs the probe, whose
# words go to $work/said. What an aborted probe leaves behind is in $work too.
run() {
  linked=$objects
  for source in $1; do
    compile "$source" > "$work/compiler" 2>&1 || { sed 's/^/# /' "$work/compiler"; return 99; }
    linked=$(echo "$linked" | sed -E "s# [^ ]*[/-]$source\\.o# $work/$source.o#")
  done
  (cd "$builddir" && $LINK_BEGIN -o "$work/planted.so" $linked $LINK_END) || return 99
  TMPDIR=$work timeout 300 "$builddir/tests/bert_cuda/probe" "$work/planted.so" "$2" > "$work/said" 2>&1
}

count=0
report() { # STATUS DESCRIPTION
  count=$((count + 1))
  echo "$1 $count - $2"
}

# plant NAME FILE PRECISION WORDS SCRIPT [SOURCES]: WORDS are part of what must be said, a pattern of grep -E. SOURCES
# are compiled again, by default FILE.
plant() {
  rm -rf "$work/models/bert_cuda" "$work"/*.o
  mkdir -p "$work/models/bert_cuda"
  cp "$srcdir"/models/bert_cuda/*.[ch] "$srcdir"/models/bert_cuda/*.cu "$work/models/bert_cuda"
  chmod -R u+w "$work/models/bert_cuda"
  sed -E "$5" "$srcdir/models/bert_cuda/$2" > "$work/models/bert_cuda/$2"
  if cmp -s "$srcdir/models/bert_cuda/$2" "$work/models/bert_cuda/$2"; then
    echo "# the script changes nothing in $2: $5"
    report "not ok" "$1"
    return
  fi
  run "${6:-${2%.c*}}" "$3"
  status=$?
  found=$(grep -E -m 1 "^(cuda emulation|probe): .*($4)" "$work/said" 2>/dev/null | cut -c1-160)
  if test "$status" != 99 && test "$status" != 0 && test -n "$found"; then
    echo "# $1: $found"
    report ok "$1"
  else
    echo "# status $status, expected: $4; said:"
    grep -v '^cartwright: bert' "$work/said" 2>/dev/null | head -n 8 | sed 's/^/#   /'
    report "not ok" "$1"
  fi
}

echo 1..37
for precision in f32 bf16; do
  rm -rf "$work/models/bert_cuda"
  if run "" $precision; then
    report ok "the sources as they are, $precision"
  else
    grep -v '^cartwright: bert' "$work/said" | head -n 8 | sed 's/^/# /'
    report "not ok" "the sources as they are, $precision"
  fi
done

# ---- attention.cu ----
plant "attention: no barrier before the tiles are read" attention.cu f32 'race|without a value' \
  '/^    forward_kernel\(/,/float scores/{/__syncthreads\(\);/d}'
plant "attention: no barrier before the next tiles are loaded" attention.cu f32 race \
  '/add_rows<D>\(weights, values, ty, tx, sums\);/{n;d}'
plant "attention: one key too many" attention.cu f32 'differ' \
  's/first \+ tx \+ LANES \* j < item.length/first + tx + LANES * j <= item.length/'
plant "attention: one row too many is loaded" attention.cu f32 'out of bounds|without a value' \
  's/if \(first \+ row < item.length \&\& column/if (first + row <= item.length \&\& column/'
plant "attention: scores are not scaled" attention.cu f32 'differ' \
  's/scores\[i\]\[j\] \* scale : -INFINITY/scores[i][j] : -INFINITY/'
plant "attention: another head's columns" attention.cu f32 'differ|race' \
  '/^    forward_kernel\(/,/^}/s/(projections\) \+ item.start \* stride \+ )item.head/\1(item.head ^ 1)/'
plant "attention: values without their bias" attention.cu f32 differ \
  '/^    forward_kernel\(/,/^}/s/bias \+ 2 \* h\);/nullptr);/'
plant "attention: backward without the sum over keys" attention.cu f32 'gradients differ' \
  's/\(d\[i\]\[j\] \* factor - deltas\[query\]\)/(d[i][j] * factor)/'
plant "attention: the dropout mask transposed in backward" attention.cu f32 'gradients differ' \
  's/keep\[query \* TILE \+ key\]/keep[key * TILE + query]/'
plant "attention: too little shared memory" attention.cu f32 'neither the device.s nor shared' \
  's/3 \* tile_bytes<D>\(\) \+ SCORE_BYTES \+ MASK_BYTES/3 * tile_bytes<D>() + SCORE_BYTES/'

# ---- attention_bf16.cu ----
plant "bf16 attention: no barrier before the next tiles are loaded" attention_bf16.cu bf16 race \
  '/add_rows<D>\(sums, p, values\);/{n;d}'
plant "bf16 attention: rows of a tile at odd distances" attention_bf16.cu bf16 misaligned \
  's/^#define APART   \(OTHER \+ 8\)/#define APART   (OTHER + 7)/'
plant "bf16 attention: two lanes' rows in one place" attention_bf16.cu bf16 'race|differ' \
  's/to \+ \(row \+ 8\) \* stride/to + (row + 4) * stride/'
plant "bf16 attention: halves of the left factor exchanged" attention_bf16.cu bf16 differ \
  's/row \+ i % 2 \* 8, column = 16 \* k \+ i \/ 2 \* 8/row + i \/ 2 * 8, column = 16 * k + i % 2 * 8/'

# ---- encoder.cu, device.h ----
plant "sums over a block: their scratch is written while it is read" device.h f32 race \
  '/scratch may still be read for a sum before/d' head
plant "LayerNorm: variance over h - 1" encoder.cu f32 differ \
  's/(float variance = .*) \/ \(float\)h;/\1 \/ (float)(h - 1);/'
plant "LayerNorm backward: a partial sum is not written" encoder.cu f32 'without a value' \
  '/bert_store8\(to \+ 2 \* h, d_branch\);/d'
plant "LayerNorm backward: a block too few" encoder.cu f32 'without a value' \
  's/(BERT_LAUNCH\(norm_backward_kernel<T>, dim3\()bert_sum_blocks\(n_rows\)/\1n_rows \/ BERT_SUM_ROWS/'
plant "GELU: no end of the row" encoder.cu f32 'out of bounds' \
  '/^static __global__ void gelu_kernel/,/^}/{/if \(at >= n\)/{N;d}}'
plant "GELU backward: the activation is not made again" encoder.cu f32 'gradients differ' \
  '/bert_store8\(activated \+ at, y\);/d'
plant "sums of partials: one too many" encoder.cu f32 'out of bounds|without a value|differ' \
  's/i < n_partials; i \+= PARTIAL_GROUPS/i <= n_partials; i += PARTIAL_GROUPS/'

# ---- head.cu ----
plant "head: no barrier before the next panels" head.cu f32 race \
  '/sums\[i\]\[j\] \+= x_of\[i\] \* y_of\[j\];/,/^}/{/__syncthreads\(\);/d}'
plant "head: rows of the attention counted from the batch's start" head.cu f32 'out of bounds|race|without a value|differ' \
  '/softmax_kernel\(BertHead head\)/,/^}/s/\(row - place.action_row\) \* length/row * length/'
plant "head: half of the state's gradient" head.cu f32 'gradients differ' \
  '/add_product<true, false>\(scores,/d'
plant "head: a text's first use alone is collected" head.cu f32 'gradients differ' \
  's/use = first; use < last; use\+\+/use = first; use < first + 1; use++/'

# ---- optimizer.cu ----
plant "AdamW: the last elements of a tensor are left out" optimizer.cu f32 'weights after a step differ' \
  '/^    adamw_kernel/,/^}/s/if \(whole \+ threadIdx.x < piece.n\)/if (whole + threadIdx.x + 1 < piece.n)/'
plant "AdamW: biases decay, weights do not" optimizer.cu f32 'weights after a step differ' \
  's/piece.group \& 1 \? 1.0f - /piece.group \& 1 ? 1.0f : 1.0f - /;s/(1.0f : 1.0f - learning_rate \* step.weight_decay) : 1.0f/\1/'
plant "AdamW: the norm's sum without its barrier" optimizer.cu f32 'race|without a value' \
  '/^static __device__ double block_sum/,/^}/{/__syncthreads\(\);/d}'
plant "the average: of the weights without what it was" optimizer.cu f32 'averages differ' \
  's/rest \* \(w\.(.) - a\..\)/rest * w.\1/'

# ---- the host's side ----
plant "wrong leading dimension of a product" network.c f32 'out of bounds|without a value|differ|cuBLAS failed' \
  's/(bert_gemm\(context, rows, f, h, bert_matrix\(memory->attention_out, )h, bf16/\1f, bf16/'
plant "a batch is sent in another stream" plan.c f32 'stream order' \
  's/(cudaMemcpyAsync\(memory, plan->pinned, size, cudaMemcpyHostToDevice, )context->stream/\10/'
plant "logits are read before they have come" slots.c f32 'the host reads .* pinned memory' \
  's/bert_context_wait\(context, "a forward pass", error\)/bert_context_check(context, "a forward pass", error)/'
plant "the step's pieces of tensors overlap" step.c f32 race \
  's/first \+= BERT_PIECE_FLOATS/first += BERT_PIECE_FLOATS \/ 2/'
plant "sparse embeddings: the pieces of all words stay" step.c f32 race \
  's/(first = )optimizer->sparse_embeddings \? optimizer->n_word_pieces : 0/\10/'
plant "sparse embeddings: the rows are sent in another stream" step.c f32 'stream order|without a value' \
  '/optimizer->rows, \*n_rows \* sizeof\(BertPiece\)/{n;s/cuda->context.stream/0/}'
times > "$work/times"
sed -n '2s/^/# processor time, user and system: /p' "$work/times"
