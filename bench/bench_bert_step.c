/* What a step of bert_cpu's optimiser costs, by how it treats the word embeddings:
 *   bench_bert_step [--model FOLDER] [--threads N] [--known N] [--touched N] [--steps N]
 * Every step has gradients for `touched` words out of `known`, others each time, and for everything else.
 * Prints a Markdown table: processor time of all threads, the least of the steps, which other processes
 * disturbed least. */
#include "models/bert_cpu/device.h"
#include <cartwright/cartwright.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static gint n_threads = 2, n_known = 5000, n_touched = 700, n_steps = 40;
static char *model = "models/minilm";

static const GOptionEntry entries[] = {
    {"model", 0, 0, G_OPTION_ARG_FILENAME, &model, "model folder, for its shape", "FOLDER"},
    {"threads", 0, 0, G_OPTION_ARG_INT, &n_threads, "threads to use", "N"},
    {"known", 0, 0, G_OPTION_ARG_INT, &n_known, "words that ever occur", "N"},
    {"touched", 0, 0, G_OPTION_ARG_INT, &n_touched, "words that occur in a step", "N"},
    {"steps", 0, 0, G_OPTION_ARG_INT, &n_steps, "steps to take", "N"},
    {NULL}};

static double processor_time(void)
{
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Gradients as a backward leaves them. */
static void fill_gradient(BertPolicy *policy, CwRandom *random)
{
  const BertLayout *layout = policy->shared->layout;
  BertParameters *gradient = ((BertCpu *)policy->object)->optimizer->gradient;
  gsize h = layout->config.hidden_size, after_words = layout->tensors[1].offset;
  for (gsize i = after_words; i < layout->n_floats; i++)
    gradient->block[i] = 1e-4f * (float)((gint)(i % 7) - 3);
  for (gint i = 0; i < n_touched; i++) {
    guint32 id = cw_random_below(random, (guint)n_known);
    for (gsize k = 0; k < h; k++)
      gradient->word_embeddings[id * h + k] = 1e-4f * (float)(1 + k % 5);
    bert_optimizer_mark_rows(((BertCpu *)policy->object)->optimizer, &id, 1);
  }
}

static gboolean measure(const char *name, double weight_decay, gboolean sparse, GError **error)
{
  BertOptions options = {.model = model,
                         .initialize = BERT_INITIALIZE_RANDOM,
                         .max_state_tokens = 512,
                         .max_action_tokens = 64,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-6,
                         .head_learning_rate_scale = 1,
                         .weight_decay = weight_decay,
                         .sparse_embeddings = sparse,
                         .freeze_layers = -1,
                         .threads = n_threads,
                         .score_batch_tokens = 8192};
  BertPolicy *policy = bert_policy_open(&bert_cpu_device, &options, 1, error);
  if (!policy)
    return FALSE;
  CwRandom *random = cw_random_new(1, "bench", 0, 0);
  double least = G_MAXDOUBLE;
  gboolean good = TRUE;
  for (gint step = 0; step < n_steps && good; step++) {
    fill_gradient(policy, random);
    double start = processor_time();
    good = bert_policy_step(policy, 1e-5, 1, NULL, error);
    double seconds = processor_time() - start;
    if (step >= n_steps / 2) /* nearly all known words have occurred */
      least = MIN(least, seconds);
  }
  if (good)
    printf("| %s | %g | %.1f |\n", name, weight_decay, 1e3 * least);
  fflush(stdout);
  cw_random_free(random);
  bert_policy_close(policy);
  return good;
}

int main(int argc, char **argv)
{
  GOptionContext *context = g_option_context_new("- cost of a step of bert_cpu");
  GError *error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  gboolean good = g_option_context_parse(context, &argc, &argv, &error);
  g_option_context_free(context);
  if (good) {
    printf("%s, %d threads, %d of %d words in a step\n\n| word embeddings | weight_decay | ms of processor "
           "time per step "
           "|\n|---|---|---|\n",
           model, n_threads, n_touched, n_known);
    good = measure("dense", 0.01, FALSE, &error) && measure("dense", 0, FALSE, &error) &&
           measure("sparse_embeddings", 0.01, TRUE, &error) && measure("sparse_embeddings", 0, TRUE, &error);
  }
  if (!good) {
    g_printerr("%s\n", error->message);
    return 2;
  }
  return 0;
}
