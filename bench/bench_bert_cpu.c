/* Speed of bert_cpu on synthetic decisions, against the peak of the processor measured in the same run:
 *   bench_bert_cpu [--threads N] [--decisions N] [--seconds S] [--gemm] [--model NAME] [--work score|train]
 * Prints a Markdown table. With --gemm it compares the matrix product with oneDNN's instead. */
#include "bert_cpu/policy.h"
#include "peak.h"
#include <cartwright/cartwright.h>
#include <dnnl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define VOCABULARY   30522
#define N_CANDIDATES 12
#define ACTION_WORDS 13

typedef struct {
  const char *name;
  guint n_layers, hidden, heads, intermediate;
} Shape;

static const Shape shapes[] = {{"small", 2, 128, 2, 512}, {"minilm", 6, 384, 12, 1536}, {"base", 12, 768, 12, 3072}};

static gint n_threads = 2, n_decisions = 8;
static double n_seconds = 5;
static gboolean compares_gemm;
static char *only_model, *only_work;

static const GOptionEntry entries[] = {{"threads", 0, 0, G_OPTION_ARG_INT, &n_threads, "threads to use", "N"},
                                       {"decisions", 0, 0, G_OPTION_ARG_INT, &n_decisions, "decisions per batch", "N"},
                                       {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time per figure", "S"},
                                       {"gemm", 0, 0, G_OPTION_ARG_NONE, &compares_gemm, "matrix products only", NULL},
                                       {"model", 0, 0, G_OPTION_ARG_STRING, &only_model, "one shape only", "NAME"},
                                       {"work", 0, 0, G_OPTION_ARG_STRING, &only_work, "score or train only", "WORK"},
                                       {NULL}};

static double now(void)
{
  return (double)g_get_monotonic_time() * 1e-6;
}

/* Seconds of processor time of all threads: what the work costs, also when others use the machine. */
static double processor_time(void)
{
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char *make_folder(const Shape *shape)
{
  char *folder = g_dir_make_tmp("bench-bert-XXXXXX", NULL);
  BertConfig config = {.vocabulary_size = VOCABULARY,
                       .hidden_size = shape->hidden,
                       .n_layers = shape->n_layers,
                       .n_heads = shape->heads,
                       .intermediate_size = shape->intermediate,
                       .max_positions = 512,
                       .n_token_types = 2,
                       .layer_norm_epsilon = 1e-12,
                       .hidden_dropout = 0.1,
                       .attention_dropout = 0.1};
  GString *words = g_string_new("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
  for (guint i = 5; i < VOCABULARY; i++)
    g_string_append_printf(words, "w%u\n", i);
  char *file = g_build_filename(folder, "config.json", NULL);
  bert_config_write(&config, file, NULL);
  g_free(file);
  file = g_build_filename(folder, "vocab.txt", NULL);
  g_file_set_contents(file, words->str, (gssize)words->len, NULL);
  g_free(file);
  g_string_free(words, TRUE);
  return folder;
}

static void remove_folder(char *folder)
{
  static const char *const names[] = {"config.json", "vocab.txt"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    char *file = g_build_filename(folder, names[i], NULL);
    g_unlink(file);
    g_free(file);
  }
  g_rmdir(folder);
  g_free(folder);
}

static char *text_of(CwRandom *random, guint n_words)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n_words; i++)
    g_string_append_printf(text, "w%u ", 5 + cw_random_below(random, 4000));
  return g_string_free(text, FALSE);
}

/* States of 128 to 256 tokens, 12 candidates of 15, none alike. Kept until the process ends. */
static const CwDecision **make_decisions(guint n)
{
  CwRandom *random = cw_random_new(1, "bench", 0, 0);
  const CwDecision **decisions = g_new(const CwDecision *, n);
  for (guint i = 0; i < n; i++) {
    char **candidates = g_new(char *, N_CANDIDATES);
    CwDecision *decision = g_new0(CwDecision, 1);
    decision->struct_size = sizeof *decision;
    decision->observation = text_of(random, 126 + cw_random_below(random, 129));
    decision->candidates = (const char *const *)candidates;
    decision->n_candidates = N_CANDIDATES;
    for (guint k = 0; k < N_CANDIDATES; k++)
      candidates[k] = text_of(random, ACTION_WORDS);
    decisions[i] = decision;
  }
  cw_random_free(random);
  return decisions;
}

typedef struct {
  double seconds;           /* of one batch, the median */
  double processor_seconds; /* the smallest, which other processes disturbed least */
  double tokens, operations;
} Figure;

static gint by_value(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static Figure measure(BertCpu *policy, const CwDecision **decisions, gboolean trains)
{
  guint n = (guint)n_decisions;
  float *logits = g_new(float, n *N_CANDIDATES), *values = g_new(float, n), *d_logits = g_new0(float, n *N_CANDIDATES);
  for (guint i = 0; i < n * N_CANDIDATES; i++)
    d_logits[i] = 0.01f * (float)(i % 5) - 0.02f;
  GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
  GArray *processor_times = g_array_new(FALSE, FALSE, sizeof(double));
  Figure figure = {0};
  double end = 0, operations = policy->operations;
  guint n_rounds = 0;
  for (guint round = 0; round < 5 || now() < end; round++, n_rounds++) {
    double start = now(), processor_start = processor_time();
    if (trains) {
      bert_cpu_forward(policy, decisions, n, logits, values, NULL);
      bert_cpu_backward(policy, d_logits, values, NULL);
      bert_cpu_step(policy, 1e-6, 1, NULL, NULL);
    } else {
      bert_cpu_score(policy, decisions, n, logits, values, NULL);
    }
    double time = now() - start, processor = processor_time() - processor_start;
    if (round >= 2) {
      g_array_append_val(times, time);
      g_array_append_val(processor_times, processor);
    } else
      end = now() + n_seconds;
  }
  g_array_sort(times, by_value);
  g_array_sort(processor_times, by_value);
  figure.processor_seconds = g_array_index(processor_times, double, 0);
  g_array_free(processor_times, TRUE);
  figure.seconds = g_array_index(times, double, times->len / 2);
  figure.operations = (policy->operations - operations) / n_rounds;
  for (guint i = 0; i < n; i++)
    figure.tokens += bert_cpu_count_tokens(policy, decisions[i]);
  g_array_free(times, TRUE);
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  return figure;
}

static void bench_model(const Shape *shape, const CwDecision **decisions)
{
  char *folder = make_folder(shape);
  BertCpuOptions options = {.model = folder,
                            .initialize = BERT_INITIALIZE_RANDOM,
                            .max_state_tokens = 512,
                            .max_action_tokens = 64,
                            .dropout = -1,
                            .beta1 = 0.9,
                            .beta2 = 0.999,
                            .epsilon = 1e-6,
                            .head_learning_rate_scale = 1,
                            .freeze_layers = -1,
                            .threads = n_threads,
                            .score_batch_tokens = 1 << 24};
  GError *error = NULL;
  BertCpu *policy = bert_cpu_open(&options, 1, &error);
  if (!policy) {
    g_printerr("%s\n", error->message);
    exit(1);
  }
  static const char *const names[] = {"score", "train"};
  for (int trains = 0; trains < 2; trains++) {
    if (only_work && !g_str_equal(only_work, names[trains]))
      continue;
    Figure figure = measure(policy, decisions, trains);
    double peak = bench_peak(policy->kernels->name, 0.3) * n_threads;
    double speed = figure.operations / figure.seconds * 1e-9;
    double share = figure.operations / figure.processor_seconds * 1e-9 / (peak / n_threads);
    printf("| %s %ux%u | %s | %d | %.0f | %.0f | %.1f | %.0f | %.0f %% | %.0f %% |\n", shape->name, shape->n_layers,
           shape->hidden, names[trains], n_decisions, figure.tokens, figure.tokens / figure.seconds,
           n_decisions / figure.seconds, speed, 100 * speed / peak, 100 * share);
    fflush(stdout);
  }
  bert_cpu_close(policy);
  remove_folder(folder);
}

/* oneDNN's matmul on plain row-major operands, or with the weights packed as it likes them. GFLOP/s. */
static double bench_dnnl(gint64 m, gint64 n, gint64 k, gboolean packed, const float *a, const float *b, float *c)
{
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  dnnl_engine_create(&engine, dnnl_cpu, 0);
  dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
  dnnl_memory_desc_t a_shape, b_plain, b_shape, c_shape;
  dnnl_memory_desc_init_by_tag(&a_shape, 2, (dnnl_dims_t){m, k}, dnnl_f32, dnnl_ab);
  dnnl_memory_desc_init_by_tag(&b_plain, 2, (dnnl_dims_t){k, n}, dnnl_f32, dnnl_ba);
  dnnl_memory_desc_init_by_tag(&b_shape, 2, (dnnl_dims_t){k, n}, dnnl_f32, packed ? dnnl_format_tag_any : dnnl_ba);
  dnnl_memory_desc_init_by_tag(&c_shape, 2, (dnnl_dims_t){m, n}, dnnl_f32, dnnl_ab);
  dnnl_matmul_desc_t operation;
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  dnnl_matmul_desc_init(&operation, &a_shape, &b_shape, NULL, &c_shape);
  dnnl_primitive_desc_create(&description, &operation, NULL, engine, NULL);
  dnnl_primitive_create(&primitive, description);
  const dnnl_memory_desc_t *wanted = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
  dnnl_memory_t a_memory, plain_memory, b_memory, c_memory;
  dnnl_memory_create(&a_memory, &a_shape, engine, (void *)a);
  dnnl_memory_create(&plain_memory, &b_plain, engine, (void *)b);
  dnnl_memory_create(&c_memory, &c_shape, engine, c);
  dnnl_memory_create(&b_memory, wanted, engine, DNNL_MEMORY_ALLOCATE);
  dnnl_primitive_desc_t reorder_description;
  dnnl_primitive_t reorder;
  dnnl_reorder_primitive_desc_create(&reorder_description, &b_plain, engine, wanted, engine, NULL);
  dnnl_primitive_create(&reorder, reorder_description);
  dnnl_exec_arg_t reorder_arguments[] = {{DNNL_ARG_FROM, plain_memory}, {DNNL_ARG_TO, b_memory}};
  dnnl_primitive_execute(reorder, stream, 2, reorder_arguments);
  dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, packed ? b_memory : plain_memory}, {DNNL_ARG_DST, c_memory}};
  double best = G_MAXDOUBLE, end = now() + n_seconds / 10;
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
  dnnl_memory_destroy(plain_memory);
  dnnl_memory_destroy(b_memory);
  dnnl_memory_destroy(c_memory);
  dnnl_stream_destroy(stream);
  dnnl_engine_destroy(engine);
  return 2e-9 * (double)m * (double)n * (double)k / best;
}

/* The kernel of bert_cpu, packed weights, one thread, in blocks of rows as the encoder uses it. */
static double bench_own(const BertKernels *kernels, gsize m, gsize n, gsize k, const float *a, const float *b, float *c,
                        gboolean packed)
{
  BertWorkspace *workspace = bert_workspace_new();
  float *scratch = bert_take(workspace, float, kernels->gemm_scratch);
  float *panels = bert_take(workspace, float, kernels->packed_size(k, n));
  kernels->pack(k, n, bert_transposed(b, k), 0, (n + kernels->panel_columns - 1) / kernels->panel_columns, panels);
  double best = G_MAXDOUBLE, end = now() + n_seconds / 10;
  do {
    double start = now();
    if (packed)
      kernels->gemm_packed(m, n, k, bert_rows(a, k), panels, c, n, NULL, FALSE, scratch);
    else
      kernels->gemm(k, n, m, bert_transposed(a, k), bert_rows(c, n), (float *)b, n, NULL, TRUE, scratch);
    best = MIN(best, now() - start);
  } while (now() < end);
  bert_workspace_free(workspace);
  return 2e-9 * (double)m * (double)n * (double)k / best;
}

static void bench_gemm(void)
{
  static const gsize sizes[][2] = {{384, 128},  {512, 128},  {128, 512}, {1152, 384}, {384, 384},
                                   {1536, 384}, {384, 1536}, {768, 768}, {3072, 768}, {768, 3072}};
  static const gsize rows[] = {96, 288, 1024};
  const BertKernels *kernels = bert_kernels();
  printf("| m | n | k | peak | own, packed | own, gradient | oneDNN plain | oneDNN packed "
         "|\n|---|---|---|---|---|---|---|---|\n");
  for (guint s = 0; s < G_N_ELEMENTS(sizes); s++)
    for (guint r = 0; r < G_N_ELEMENTS(rows); r++) {
      gsize m = rows[r], n = sizes[s][0], k = sizes[s][1];
      BertWorkspace *workspace = bert_workspace_new();
      float *a = bert_take(workspace, float, m *k), *b = bert_take(workspace, float, n *k),
            *c = bert_take(workspace, float, m *n);
      for (gsize i = 0; i < m * k; i++)
        a[i] = (float)(i % 13) * 0.01f;
      for (gsize i = 0; i < n * k; i++)
        b[i] = (float)(i % 11) * 0.01f;
      memset(c, 0, m * n * sizeof *c);
      double own = bench_own(kernels, m, n, k, a, b, c, TRUE);
      double plain = bench_dnnl((gint64)m, (gint64)n, (gint64)k, FALSE, a, b, c);
      double packed = bench_dnnl((gint64)m, (gint64)n, (gint64)k, TRUE, a, b, c);
      double gradient = bench_own(kernels, m, n, k, a, b, c, FALSE);
      printf("| %zu | %zu | %zu | %.0f | %.0f | %.0f | %.0f | %.0f |\n", m, n, k, bench_peak(kernels->name, 0.05), own,
             gradient, plain, packed);
      fflush(stdout);
      bert_workspace_free(workspace);
    }
}

int main(int argc, char **argv)
{
  GOptionContext *context = g_option_context_new("- speed of bert_cpu");
  GError *error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    g_printerr("%s\n", error->message);
    return 2;
  }
  g_option_context_free(context);
  if (compares_gemm) {
    bench_gemm();
    return 0;
  }
  const CwDecision **decisions = make_decisions((guint)n_decisions);
  double peak = bench_peak(bert_kernels()->name, 0.5);
  printf("%s, %d threads, peak %.0f GFLOP/s per thread\n\n", bert_kernels()->name, n_threads, peak);
  printf("| model | | decisions | tokens | tokens/s | decisions/s | GFLOP/s | of peak "
         "|\n|---|---|---|---|---|---|---|---|\n");
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
    if (!only_model || g_str_equal(only_model, shapes[i].name))
      bench_model(&shapes[i], decisions);
  return 0;
}
