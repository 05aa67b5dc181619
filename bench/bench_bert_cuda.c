/* Speed of bert_cuda on synthetic decisions, and what share of the device's peak that is:
 *   bench_bert_cuda [--device N] [--seconds S] [--model NAME] [--precision NAME]
 * Prints a Markdown table. The peak is computed from the device's properties: multiprocessors, clock, and
 * what one of its kind does per cycle by NVIDIA's documents; operations are those of the encoder's products
 * and attention, counted once for scoring and three times for training. */
#include "models/bert_cuda/object.h"
#include <glib/gstdio.h>
#include <stdio.h>

/* Training mode, the masks of the first step. */
#define TRAINING (&(const CwForward){.struct_size = sizeof(CwForward), .dropout = TRUE})

#define VOCABULARY   30522
#define N_CANDIDATES 2
#define ACTION_WORDS 6

typedef struct {
  const char *name;
  guint n_layers, hidden, heads, intermediate;
} Shape;

static const Shape shapes[] = {{"minilm", 6, 384, 12, 1536}, {"base", 12, 768, 12, 3072}};
static const char *const precisions[] = {"auto", "f32", "tf32", "bf16"};

static gint device;
static double n_seconds = 1;
static char *only_model, *only_precision;

static const GOptionEntry entries[] = {
    {"device", 0, 0, G_OPTION_ARG_INT, &device, "which GPU", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time per figure", "S"},
    {"model", 0, 0, G_OPTION_ARG_STRING, &only_model, "one shape only", "NAME"},
    {"precision", 0, 0, G_OPTION_ARG_STRING, &only_precision, "one only", "NAME"},
    {NULL}};

static double now(void)
{
  return (double)g_get_monotonic_time() * 1e-6;
}

/* Operations of one multiprocessor in a cycle, dense: f32 in the ordinary units, TF32 and bf16 in the tensor
 * cores. */
static double operations_per_cycle(const BertContext *context)
{
  int kind = 10 * context->major + context->minor;
  if (context->precision == BERT_PRECISION_F32)
    return kind == 75 || kind == 80 ? 128 : 256;
  double bf16 = kind >= 90 ? 4096 : kind == 80 ? 2048 : 1024;
  return context->precision == BERT_PRECISION_BF16 ? bf16 : bf16 / 2;
}

static double peak_of(const BertContext *context)
{
  int processors = 0, kilohertz = 0;
  (void)cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, context->device);
  (void)cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, context->device);
  return operations_per_cycle(context) * processors * kilohertz * 1e3;
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
  (void)bert_config_write(&config, file, NULL);
  g_free(file);
  file = g_build_filename(folder, "vocab.txt", NULL);
  (void)g_file_set_contents(file, words->str, (gssize)words->len, NULL);
  g_free(file);
  g_string_free(words, TRUE);
  return folder;
}

static void remove_folder(char *folder)
{
  static const char *const names[] = {"config.json", "vocab.txt"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    char *file = g_build_filename(folder, names[i], NULL);
    (void)g_unlink(file);
    g_free(file);
  }
  (void)g_rmdir(folder);
  g_free(folder);
}

static char *text_of(CwRandom *random, guint n_words)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < n_words; i++)
    g_string_append_printf(text, "w%u ", 5 + cw_random_below(random, 4000));
  return g_string_free(text, FALSE);
}

/* States of `length` tokens and two candidates of eight. Kept until the process ends. */
static const CwDecision **make_decisions(guint n, guint length)
{
  CwRandom *random = cw_random_new(1, "bench", length, 0);
  const CwDecision **decisions = g_new(const CwDecision *, n);
  for (guint i = 0; i < n; i++) {
    char **candidates = g_new(char *, N_CANDIDATES);
    CwDecision *decision = g_new0(CwDecision, 1);
    decision->struct_size = sizeof *decision;
    decision->observation = text_of(random, length - 2);
    decision->candidates = (const char *const *)candidates;
    decision->n_candidates = N_CANDIDATES;
    for (guint k = 0; k < N_CANDIDATES; k++)
      candidates[k] = text_of(random, ACTION_WORDS);
    decisions[i] = decision;
  }
  cw_random_free(random);
  return decisions;
}

static gint by_value(gconstpointer a, gconstpointer b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void stop(GError *error)
{
  g_printerr("bench_bert_cuda: %s\n", error->message);
  exit(1);
}

/* Median seconds of a batch. */
static double measure(BertPolicy *policy, const CwDecision **decisions, guint n, gboolean trains)
{
  float *logits = g_new(float, n *N_CANDIDATES), *values = g_new(float, n),
        *d_logits = g_new(float, n *N_CANDIDATES);
  GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
  GError *error = NULL;
  double end = 0;
  for (guint i = 0; i < n * N_CANDIDATES; i++)
    d_logits[i] = 0.01f * (float)(i % 5) - 0.02f;
  for (guint round = 0; round < 5 || now() < end; round++) {
    double start = now();
    gboolean good = trains ? bert_policy_forward(policy, decisions, n, TRAINING, logits, values, &error) &&
                                 bert_policy_backward(policy, d_logits, values, &error) &&
                                 bert_policy_step(policy, 1e-6, 1, NULL, &error)
                           : bert_policy_score(policy, decisions, n, logits, values, &error);
    if (!good)
      stop(error);
    double time = now() - start;
    if (round >= 2)
      g_array_append_val(times, time);
    else
      end = now() + n_seconds;
  }
  g_array_sort(times, by_value);
  double median = g_array_index(times, double, times->len / 2);
  g_array_free(times, TRUE);
  g_free(logits);
  g_free(values);
  g_free(d_logits);
  return median;
}

static void print_figure(BertPolicy *policy, const Shape *shape, guint n, guint length, gboolean trains)
{
  const CwDecision **decisions = make_decisions(n, length);
  double seconds = measure(policy, decisions, n, trains), tokens = 0, operations = 0;
  double h = shape->hidden, f = shape->intermediate, layers = shape->n_layers;
  for (guint i = 0; i < n; i++) {
    double state = length, action = ACTION_WORDS + 2, rows = state + N_CANDIDATES * action;
    tokens += rows;
    operations += layers * (rows * 2 * (4 * h * h + 2 * h * f) +
                            4 * h * (state * state + N_CANDIDATES * action * action));
  }
  operations *= trains ? 3 : 1;
  printf("| %s %ux%u | %s | %s | %u x %u | %.0f | %.0f | %.1f | %.0f %% |\n", shape->name, shape->n_layers,
         shape->hidden, precisions[policy->context.precision], trains ? "train" : "score", n, length,
         tokens / seconds, n / seconds, operations / seconds * 1e-12,
         100 * operations / seconds / peak_of(&policy->context));
  fflush(stdout);
}

static void bench_model(const Shape *shape, BertPrecision precision)
{
  static const guint lengths[] = {32, 128, 512}, batches[] = {1, 8, 64};
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
                         .score_batch_tokens = 1 << 24,
                         .device = device,
                         .precision = (gint)precision};
  GError *error = NULL;
  BertPolicy *policy = bert_policy_open(&bert_cuda_device, &options, 1, &error);
  remove_folder(folder);
  if (!policy && g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED) &&
      precision != BERT_PRECISION_F32) {
    printf("| %s | %s | not on this device | | | | | |\n", shape->name, precisions[precision]);
    g_clear_error(&error);
    return;
  }
  if (!policy)
    stop(error);
  for (int trains = 0; trains < 2; trains++)
    for (guint l = 0; l < G_N_ELEMENTS(lengths); l++)
      for (guint b = 0; b < G_N_ELEMENTS(batches); b++)
        print_figure(policy, shape, batches[b], lengths[l], trains);
  bert_policy_close(policy);
}

int main(int argc, char **argv)
{
  GOptionContext *context = g_option_context_new("- speed of bert_cuda");
  GError *error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    g_printerr("%s\n", error->message);
    return 2;
  }
  g_option_context_free(context);
  struct cudaDeviceProp properties;
  char *problem = bert_context_problem(FALSE);
  if (problem || cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    g_printerr("bench_bert_cuda: %s\n", problem ? problem : "there is no such device");
    return 1;
  }
  printf("%s, compute capability %d.%d, %d multiprocessors, %.0f GiB\n\n", properties.name, properties.major,
         properties.minor, properties.multiProcessorCount, (double)properties.totalGlobalMem / (1 << 30));
  printf("| model | precision | | decisions x tokens | tokens/s | decisions/s | TFLOP/s | of peak "
         "|\n|---|---|---|---|---|---|---|---|\n");
  for (guint i = 0; i < G_N_ELEMENTS(shapes); i++)
    for (guint p = BERT_PRECISION_F32; p <= BERT_PRECISION_BF16; p++)
      if ((!only_model || g_str_equal(only_model, shapes[i].name)) &&
          (!only_precision || g_str_equal(only_precision, precisions[p])))
        bench_model(&shapes[i], (BertPrecision)p);
  return 0;
}
