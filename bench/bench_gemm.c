/* Speed of bert_cpu's matrix products, in floats and in bf16, one thread, in the shapes of an encoder:
 *   bench_gemm [--seconds S] [--precision f32|bf16] [--instruction-set NAME]
 * Prints a Markdown table in GFLOP/s: the peak measured next to each line, the product with packed weights
 * (as forward and backward call it), the product that gives a weight's gradient, and where oneDNN was there
 * at configuration its matmul, on one thread as well, with weights as they lie and with weights packed as it
 * likes them. Best of all tries, by processor time. */
#include "lab/bench/peak.h"
#include "models/bert_cpu/workspace.h"
#include "models/kernels/kernels.h"
#include <cartwright/cartwright.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#ifdef HAVE_DNNL
#include <dnnl.h>
#include <omp.h>
#endif

static double n_seconds = 0.3;
static char *only_precision, *instruction_set;

static const GOptionEntry entries[] = {
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time per figure", "S"},
    {"precision", 0, 0, G_OPTION_ARG_STRING, &only_precision, "f32 or bf16 only", "PRECISION"},
    {"instruction-set", 0, 0, G_OPTION_ARG_STRING, &instruction_set, "another than the best", "NAME"},
    {NULL}};

/* c (m x n) = a (m x k) b^T (b: n x k) in one precision; a, b also as bf16. */
typedef struct {
  gsize m, n, k;
  gboolean bf16;
  float *a, *b, *c, *gradient;
  BertBf16 *bf16_a, *bf16_c;
  gpointer packed;
  float *scratch;
} Product;

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void multiply(const BertKernels *kernels, const Product *p)
{
  if (p->bf16)
    kernels->gemm_bf16_packed(p->m, p->n, p->k, bert_bf16_rows(p->bf16_a, p->k), p->packed, p->c, p->n, NULL,
                              FALSE, p->scratch);
  else
    kernels->gemm_packed(p->m, p->n, p->k, bert_rows(p->a, p->k), p->packed, p->c, p->n, NULL, FALSE,
                         p->scratch);
}

/* gradient (n x k) += c^T a */
static void multiply_gradient(const BertKernels *kernels, const Product *p)
{
  if (p->bf16)
    kernels->gemm_bf16(p->n, p->k, p->m, bert_bf16_transposed(p->bf16_c, p->n),
                       bert_bf16_rows(p->bf16_a, p->k), p->gradient, p->k, NULL, TRUE, p->scratch);
  else
    kernels->gemm(p->n, p->k, p->m, bert_transposed(p->c, p->n), bert_rows(p->a, p->k), p->gradient, p->k,
                  NULL, TRUE, p->scratch);
}

static double speed_of(const BertKernels *kernels, const Product *p,
                       void (*run)(const BertKernels *kernels, const Product *p))
{
  double best = G_MAXDOUBLE, end = now() + n_seconds;
  do {
    double start = now();
    run(kernels, p);
    best = MIN(best, now() - start);
  } while (now() < end);
  return 2e-9 * (double)p->m * (double)p->n * (double)p->k / best;
}

#ifdef HAVE_DNNL
static double dnnl_speed(const Product *p, gboolean packs)
{
  gint64 m = (gint64)p->m, n = (gint64)p->n, k = (gint64)p->k;
  dnnl_data_type_t type = p->bf16 ? dnnl_bf16 : dnnl_f32;
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_engine_create(&engine, dnnl_cpu, 0);
  dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  dnnl_memory_desc_t a_shape, b_source, b_plain, b_shape, c_shape;
  dnnl_memory_desc_init_by_tag(&a_shape, 2, (dnnl_dims_t){m, k}, type, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&b_source, 2, (dnnl_dims_t){k, n}, dnnl_f32, dnnl_ba);
  dnnl_memory_desc_init_by_tag(&b_plain, 2, (dnnl_dims_t){k, n}, type, dnnl_ba);
  dnnl_memory_desc_init_by_tag(&b_shape, 2, (dnnl_dims_t){k, n}, type, packs ? dnnl_format_tag_any : dnnl_ba);
  dnnl_memory_desc_init_by_tag(&c_shape, 2, (dnnl_dims_t){m, n}, dnnl_f32, dnnl_ab);
  dnnl_matmul_desc_t operation;
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  dnnl_matmul_desc_init(&operation, &a_shape, &b_shape, NULL, &c_shape);
  if (dnnl_primitive_desc_create(&description, &operation, NULL, engine, NULL) != dnnl_success)
    return 0; /* bf16 on a processor for which oneDNN has none */
  dnnl_primitive_create(&primitive, description);
  const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
  dnnl_memory_t a_memory, source_memory, b_memory, c_memory;
  dnnl_memory_create(&a_memory, &a_shape, engine, p->bf16 ? (void *)p->bf16_a : (void *)p->a);
  dnnl_memory_create(&source_memory, &b_source, engine, p->b);
  dnnl_memory_create(&c_memory, &c_shape, engine, p->c);
  dnnl_memory_create(&b_memory, packs ? wanted : &b_plain, engine, DNNL_MEMORY_ALLOCATE);
  dnnl_primitive_desc_t reorder_description;
  dnnl_primitive_t reorder;
  dnnl_reorder_primitive_desc_create(&reorder_description, &b_source, engine, packs ? wanted : &b_plain,
                                     engine, NULL);
  dnnl_primitive_create(&reorder, reorder_description);
  dnnl_exec_arg_t reorder_arguments[] = {{DNNL_ARG_FROM, source_memory}, {DNNL_ARG_TO, b_memory}};
  dnnl_primitive_execute(reorder, stream, 2, reorder_arguments);
  dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, b_memory}, {DNNL_ARG_DST, c_memory}};
  double best = G_MAXDOUBLE, end = now() + n_seconds;
  do {
    double start = now();
    dnnl_primitive_execute(primitive, stream, 3, arguments);
    dnnl_stream_wait(stream);
    best = MIN(best, now() - start);
  } while (now() < end);
  dnnl_primitive_destroy(primitive);
  dnnl_primitive_destroy(reorder);
  dnnl_primitive_desc_destroy(description);
  dnnl_primitive_desc_destroy(reorder_description);
  dnnl_memory_destroy(a_memory);
  dnnl_memory_destroy(source_memory);
  dnnl_memory_destroy(b_memory);
  dnnl_memory_destroy(c_memory);
  dnnl_stream_destroy(stream);
  dnnl_engine_destroy(engine);
  return 2e-9 * (double)m * (double)n * (double)k / best;
}
#endif

static void bench(const BertKernels *kernels, gboolean bf16, gsize m, gsize n, gsize k)
{
  BertWorkspace *workspace = bert_workspace_new();
  gsize n_panels = (n + kernels->panel_columns - 1) / kernels->panel_columns;
  Product p = {.m = m, .n = n, .k = k, .bf16 = bf16};
  p.a = bert_take(workspace, float, m *k);
  p.b = bert_take(workspace, float, n *k);
  p.c = bert_take(workspace, float, m *n);
  p.gradient = bert_take(workspace, float, n *k);
  p.bf16_a = bert_take(workspace, BertBf16, m * k);
  p.bf16_c = bert_take(workspace, BertBf16, m * n);
  p.scratch = bert_take(workspace, float, kernels->gemm_scratch);
  for (gsize i = 0; i < m * k; i++)
    p.a[i] = (float)(i % 13) * 0.01f;
  for (gsize i = 0; i < n * k; i++)
    p.b[i] = (float)(i % 11) * 0.01f;
  for (gsize i = 0; i < m * n; i++)
    p.c[i] = (float)(i % 7) * 0.01f;
  memset(p.gradient, 0, n * k * sizeof *p.gradient);
  kernels->to_bf16(m * k, p.a, p.bf16_a);
  kernels->to_bf16(m * n, p.c, p.bf16_c);
  if (bf16) {
    p.packed = bert_take(workspace, BertBf16, kernels->packed_bf16_size(k, n));
    kernels->pack_bf16(k, n, bert_transposed(p.b, k), 0, n_panels, p.packed);
  } else {
    p.packed = bert_take(workspace, float, kernels->packed_size(k, n));
    kernels->pack(k, n, bert_transposed(p.b, k), 0, n_panels, p.packed);
  }
  double peak = cw_peak(kernels->name, bf16, 0.05);
  double product = speed_of(kernels, &p, multiply), gradient = speed_of(kernels, &p, multiply_gradient);
  printf("| %s | %zu | %zu | %zu | %.0f | %.0f | %.0f |", bf16 ? "bf16" : "f32", m, n, k, peak, product,
         gradient);
#ifdef HAVE_DNNL
  printf(" %.0f |", dnnl_speed(&p, FALSE));
  printf(" %.0f |", dnnl_speed(&p, TRUE));
#endif
  printf("\n");
  fflush(stdout);
  bert_workspace_free(workspace);
}

int main(int argc, char **argv)
{
  static const gsize sizes[][2] = {{384, 128},  {512, 128},  {128, 512}, {1152, 384}, {384, 384},
                                   {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}};
  static const gsize rows[] = {96, 288, 1024};
  GOptionContext *context = g_option_context_new("- speed of bert_cpu's matrix products");
  GError *error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    g_printerr("%s\n", error->message);
    return 2;
  }
  g_option_context_free(context);
  const BertKernels *kernels = instruction_set ? bert_kernels_named(instruction_set) : bert_kernels();
  if (!kernels) {
    g_printerr("bench_gemm: '--instruction-set %s': %s\n", instruction_set,
               bert_kernels_obstacle(instruction_set));
    return 2;
  }
  printf("%s, one thread\n\n| | m | n | k | peak | packed | gradient |", kernels->name);
#ifdef HAVE_DNNL
  omp_set_num_threads(1);
  printf(" oneDNN plain | oneDNN packed |\n|---|---|---|---|---|---|---|---|---|\n");
#else
  printf("\n|---|---|---|---|---|---|---|\n");
  g_printerr("bench_gemm: built without oneDNN (Debian: libdnnl-dev), so nothing to compare with\n");
#endif
  for (guint bf16 = 0; bf16 < 2; bf16++) {
    if (only_precision && !g_str_equal(only_precision, bf16 ? "bf16" : "f32"))
      continue;
    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++)
      for (guint r = 0; r < G_N_ELEMENTS(rows); r++)
        bench(kernels, bf16, rows[r], sizes[s][0], sizes[s][1]);
  }
  return 0;
}
