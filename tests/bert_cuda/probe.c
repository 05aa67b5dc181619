/* Runs one build of the emulated bert_cuda against bert_cpu, in little time: probe PLUGIN.so PRECISION. Exit
 * status 0: everything agrees; 1: it does not, and standard error says what; the emulation aborts on what it
 * finds. For test_planted_bugs.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "backends.h"
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *precision;

static double bound_of(double f32, double bf16)
{
  return strcmp(precision, "f32") == 0 ? f32 : bf16;
}

static void differ(const char *what, double difference, double bound)
{
  if (difference <= bound)
    return;
  fprintf(stderr, "probe: %s differ by %.2g\n", what, difference);
  fflush(NULL);
  _Exit(1);
}

/* States alike, a text of several tiles, a single candidate; the last text of the batch fills no tile, and
 * does not have all words. */
static const DecisionShape shapes[] = {{70, 0, {5, 2}}, {33, 1, {3}}, {70, 0, {4, 9, 2}}, {12, 2, {2, 6}}};
#define N_ROUNDS 3

/* `batches`: one for each round. */
static void compare(CwPolicy *cpu, CwPolicy *cuda, const Decisions *const *batches)
{
  guint worst = 0;
  float *logits[2], values[2][G_N_ELEMENTS(shapes)];
  Snapshot *start = snapshot_new(cpu);
  for (guint round = 0; round < N_ROUNDS; round++) {
    const Decisions *decisions = batches[round];
    guint n = decisions->n_logits;
    CwPolicy *const both[] = {cpu, cuda};
    Snapshot *after[2];
    double norms[2];
    for (guint k = 0; k < 2; k++) {
      GError *error = NULL;
      logits[k] = g_new(float, n);
      if (!cw_policy_score(both[k], decisions->decisions, decisions->n, logits[k], values[k], &error)) {
        fprintf(stderr, "probe: %s\n", error->message);
        _Exit(1);
      }
    }
    differ("logits scored", backends_difference(logits[0], logits[1], n), bound_of(1e-4, 0.05));
    differ("values scored", backends_difference(values[0], values[1], decisions->n), bound_of(1e-4, 0.05));
    for (guint k = 0; k < 2; k++) {
      backends_accumulate(both[k], decisions, round, logits[k], values[k]);
      after[k] = snapshot_new(both[k]);
    }
    differ("logits", backends_difference(logits[0], logits[1], n), bound_of(1e-4, 0.05));
    differ("values", backends_difference(values[0], values[1], decisions->n), bound_of(1e-4, 0.05));
    differ("gradients", snapshot_gradient_difference(after[0], after[1], &worst), bound_of(1e-3, 0.15));
    for (guint k = 0; k < 2; k++) {
      snapshot_free(after[k]);
      if (!cw_policy_step(both[k], 1e-3, 2, &norms[k], NULL))
        differ("steps", INFINITY, 0);
      after[k] = snapshot_new(both[k]);
    }
    differ("norms", fabs(norms[0] - norms[1]) / norms[0], bound_of(1e-3, 0.05));
    differ("weights after a step", snapshot_movement_difference(start, after[0], after[1], &worst),
           bound_of(0.02, 0.8));
    for (guint k = 0; k < 2; k++) {
      snapshot_free(after[k]);
      g_free(logits[k]);
    }
  }
  Snapshot *averages[] = {snapshot_new_of_average(cpu), snapshot_new_of_average(cuda)};
  differ("averages", snapshot_movement_difference(start, averages[0], averages[1], &worst),
         bound_of(0.02, 0.8));
  snapshot_free(averages[0]);
  snapshot_free(averages[1]);
  snapshot_free(start);
}

static void test_agrees(void **state)
{
  (void)state;
  Decisions all = decisions_new(shapes, G_N_ELEMENTS(shapes)), last = decisions_new(shapes + 3, 1);
  const Decisions *batches[N_ROUNDS] = {&all, &all, &last};
  Backends backends = backends_open(backends_model(64, 2, 160, 2), precision,
                                    "dropout: 0.1, weight_decay: 10, head_learning_rate_scale: 3, "
                                    "sparse_embeddings: true, ema_decay: 0.2");
  compare(backends.cpu, backends.cuda, batches);
  backends_close(&backends);
  decisions_clear(&all);
  decisions_clear(&last);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_agrees)};
  if (argc != 3)
    return 2;
  precision = argv[2];
  backends_load(argv[1]);
  int result = cmocka_run_group_tests_name("probe", tests, NULL, NULL);
  backends_unload();
  return result;
}
