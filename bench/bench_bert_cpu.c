/* Speed of bert_cpu on synthetic decisions, against the processor's peak in the same precision, measured
 * next to each line: bench_bert_cpu [--threads N] [--decisions N] [--seconds S] [--model NAME] [--work
 * score|train]
 *                  [--precision f32|bf16]
 * Prints a Markdown table. `of peak` is of the median batch, `by processor time` of the batch that took least
 * processor time: what the work reaches on a machine that others use too. bench_gemm times the matrix
 * products alone. */
#include "lab/bench/peak.h"
#include "models/bert_cpu/device.h"
#include <cartwright/cartwright.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Training mode, the masks of the first step. */
#define TRAINING (&(const CwForward){.struct_size = sizeof(CwForward), .dropout = TRUE})

#define VOCABULARY   30522
#define N_CANDIDATES 12
#define ACTION_WORDS 13

typedef struct {
  const char *name;
  guint n_layers, hidden, heads, intermediate;
} Shape;

static const Shape shapes[] = {
    {"small", 2, 128, 2, 512}, {"minilm", 6, 384, 12, 1536}, {"base", 12, 768, 12, 3072}};

static gint n_threads = 2, n_decisions = 8;
static double n_seconds = 5;
static char *only_model, *only_work, *only_precision;

static const GOptionEntry entries[] = {
    {"threads", 0, 0, G_OPTION_ARG_INT, &n_threads, "threads to use", "N"},
    {"decisions", 0, 0, G_OPTION_ARG_INT, &n_decisions, "decisions per batch", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time per figure", "S"},
    {"model", 0, 0, G_OPTION_ARG_STRING, &only_model, "one shape only", "NAME"},
    {"work", 0, 0, G_OPTION_ARG_STRING, &only_work, "score or train only", "WORK"},
    {"precision", 0, 0, G_OPTION_ARG_STRING, &only_precision, "f32 or bf16 only", "PRECISION"},
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

static const BertCpu *cpu_of(const BertPolicy *policy)
{
  return policy->object;
}

static Figure measure(BertPolicy *policy, const CwDecision **decisions, gboolean trains)
{
  guint n = (guint)n_decisions;
  float *logits = g_new(float, n *N_CANDIDATES), *values = g_new(float, n),
        *d_logits = g_new0(float, n *N_CANDIDATES);
  for (guint i = 0; i < n * N_CANDIDATES; i++)
    d_logits[i] = 0.01f * (float)(i % 5) - 0.02f;
  GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
  GArray *processor_times = g_array_new(FALSE, FALSE, sizeof(double));
  Figure figure = {0};
  double end = 0, operations = cpu_of(policy)->operations;
  guint n_rounds = 0;
  for (guint round = 0; round < 5 || now() < end; round++, n_rounds++) {
    double start = now(), processor_start = processor_time();
    if (trains) {
      bert_policy_forward(policy, decisions, n, TRAINING, logits, values, NULL);
      bert_policy_backward(policy, d_logits, values, NULL);
      bert_policy_step(policy, 1e-6, 1, NULL, NULL);
    } else {
      bert_policy_score(policy, decisions, n, logits, values, NULL);
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
  figure.operations = (cpu_of(policy)->operations - operations) / n_rounds;
  for (guint i = 0; i < n; i++)
    figure.tokens += bert_policy_count_tokens(policy, decisions[i]);
  g_array_free(times, TRUE);
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  return figure;
}

static void bench_model(const Shape *shape, gboolean halves, const CwDecision **decisions)
{
  char *folder = make_folder(shape);
  BertOptions options = {.model = folder,
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
                         .precision = halves ? BERT_PRECISION_BF16 : BERT_PRECISION_F32,
                         .score_batch_tokens = 1 << 24};
  GError *error = NULL;
  BertPolicy *policy = bert_policy_open(&bert_cpu_device, &options, 1, &error);
  if (!policy) {
    g_printerr("%s\n", error->message);
    exit(1);
  }
  static const char *const names[] = {"score", "train"};
  for (int trains = 0; trains < 2; trains++) {
    if (only_work && !g_str_equal(only_work, names[trains]))
      continue;
    Figure figure = measure(policy, decisions, trains);
    double peak = cw_peak(cpu_of(policy)->kernels->name, halves, 0.3) * n_threads;
    double speed = figure.operations / figure.seconds * 1e-9;
    double own_speed = figure.operations / figure.processor_seconds * 1e-9;
    printf("| %s %ux%u | %s | %s | %d | %.0f | %.0f | %.1f | %.0f | %.0f %% | %.0f %% |\n", shape->name,
           shape->n_layers, shape->hidden, names[trains], halves ? "bf16" : "f32", n_decisions, figure.tokens,
           figure.tokens / figure.seconds, n_decisions / figure.seconds, speed, 100 * speed / peak,
           100 * own_speed * n_threads / peak);
    fflush(stdout);
  }
  bert_policy_close(policy);
  remove_folder(folder);
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
  const CwDecision **decisions = make_decisions((guint)n_decisions);
  const char *name = bert_kernels()->name;
  printf("%s, %d threads; peak per thread: f32 %.0f, bf16 %.0f GFLOP/s\n\n", name, n_threads,
         cw_peak(name, FALSE, 0.5), cw_peak(name, TRUE, 0.5));
  printf(
      "| model | | | decisions | tokens | tokens/s | decisions/s | GFLOP/s | of peak | by processor time |\n"
      "|---|---|---|---|---|---|---|---|---|---|\n");
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
    for (guint halves = 0; halves < 2; halves++)
      if ((!only_model || g_str_equal(only_model, shapes[i].name)) &&
          (!only_precision || g_str_equal(only_precision, halves ? "bf16" : "f32")))
        bench_model(&shapes[i], halves, decisions);
  return 0;
}
