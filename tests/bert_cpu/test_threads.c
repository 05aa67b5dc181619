/* The crew of threads, and that no result depends on how many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "fixture.h"
#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  float *logits, *values, *first_gradient;
  double norm; /* of the last step */
  BertPolicy *policy;
} Outcome;

static void outcome_clear(Outcome *outcome)
{
  g_free(outcome->logits);
  g_free(outcome->values);
  g_free(outcome->first_gradient);
  bert_policy_close(outcome->policy);
}

/* Ten rounds of forward, backward and step, with dropout; the last forward's logits and values, the first
 * gradient. */
static Outcome train(const BertOptions *options, const FixtureDecisions *decisions)
{
  Outcome outcome = {g_new(float, decisions->n_logits), g_new(float, decisions->n), NULL, 0,
                     fixture_open(options, 11)};
  BertPolicy *policy = outcome.policy;
  fixture_enlarge(policy);
  float *d_logits = fixture_floats(decisions->n_logits, 1), *d_values = fixture_floats(decisions->n, 2);
  for (int round = 0; round < 10; round++) {
    assert_true(bert_policy_forward(policy, decisions->decisions, decisions->n, TRAINING, outcome.logits,
                                    outcome.values, NULL));
    assert_true(bert_policy_backward(policy, d_logits, d_values, NULL));
    if (round == 0)
      outcome.first_gradient = g_memdup2(cpu_of(policy)->optimizer->gradient->block,
                                         policy->shared->layout->n_floats * sizeof(float));
    assert_true(bert_policy_step(policy, 0.01, 1, &outcome.norm, NULL));
  }
  g_free(d_logits);
  g_free(d_values);
  return outcome;
}

static void check_options(BertOptions options)
{
  FixtureDecisions decisions = fixture_decisions(24);
  options.dropout = 0.2;
  options.threads = 1;
  Outcome one = train(&options, &decisions);
  for (options.threads = 2; options.threads <= 4; options.threads++) {
    Outcome more = train(&options, &decisions);
    assert_memory_equal(one.logits, more.logits, decisions.n_logits * sizeof(float));
    assert_memory_equal(one.values, more.values, decisions.n * sizeof(float));
    assert_memory_equal(one.first_gradient, more.first_gradient,
                        one.policy->shared->layout->n_floats * sizeof(float));
    assert_memory_equal(&one.norm, &more.norm, sizeof one.norm);
    fixture_assert_same_state(one.policy, more.policy);
    outcome_clear(&more);
  }
  outcome_clear(&one);
  fixture_decisions_clear(&decisions);
}

static void test_results_are_the_same_bits_for_any_number_of_threads(void **state)
{
  (void)state;
  check_options(fixture_options());
}

static void count_task(gpointer data, guint task, guint thread)
{
  guint8 *counts = data;
  (void)thread;
  counts[task]++;
}

static void ignore_log(const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  (void)domain, (void)level, (void)message, (void)user_data;
}

static void test_pool_runs_every_task_once(void **state)
{
  (void)state;
  for (guint n_threads = 1; n_threads <= 5; n_threads++) {
    BertPool *pool = bert_pool_new(n_threads);
    assert_int_equal(bert_pool_n_threads(pool), n_threads);
    for (guint round = 0; round < 200; round++) {
      guint8 counts[64] = {0};
      guint n_tasks = round % 65;
      bert_pool_run(pool, n_tasks, count_task, counts);
      for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        assert_int_equal(counts[i], i < n_tasks ? 1 : 0);
    }
    bert_pool_free(pool);
  }
}

static void test_pools_share_the_threads_of_the_process(void **state)
{
  (void)state;
  assert_int_equal(bert_pool_n_workers(), 0);
  BertPool *two = bert_pool_new(2), *four = bert_pool_new(4), *three = bert_pool_new(3);
  assert_int_equal(bert_pool_n_workers(), 3);
  bert_pool_free(two);
  bert_pool_free(four);
  assert_int_equal(bert_pool_n_workers(), 3);
  bert_pool_free(three);
  assert_int_equal(bert_pool_n_workers(), 0);

  BertOptions options = fixture_options();
  options.threads = 2;
  BertPolicy *policy = fixture_open(&options, 1), *reference = bert_policy_clone_frozen(policy, NULL);
  assert_int_equal(bert_pool_n_workers(), 1);
  bert_policy_close(policy);
  assert_int_equal(bert_pool_n_workers(), 1);
  bert_policy_close(reference);
  assert_int_equal(bert_pool_n_workers(), 0);
}

/* A process of its own asks for more threads than its address space holds: it gets fewer, and they work. */
static void test_pool_makes_do_with_the_threads_there_are(void **state)
{
  enum { WANTED = 5000, SPACE = 1 << 30, NO_LIMIT = 3 };
  (void)state;
#ifdef __SANITIZE_ADDRESS__
  skip(); /* it needs more space than this */
#endif
  pid_t child = fork();
  if (child == 0) {
    const struct rlimit limit = {SPACE, SPACE};
    guint8 counts[64] = {0}, ones[64];
    memset(ones, 1, sizeof ones);
    g_log_set_default_handler(ignore_log, NULL);
    struct rlimit found;
    if (setrlimit(RLIMIT_AS, &limit) != 0 || getrlimit(RLIMIT_AS, &found) != 0)
      _exit(2);
    if (found.rlim_cur != SPACE)
      _exit(NO_LIMIT);
    BertPool *pool = bert_pool_new(WANTED);
    bert_pool_run(pool, 64, count_task, counts);
    gboolean good = bert_pool_n_threads(pool) < WANTED && memcmp(counts, ones, sizeof ones) == 0;
    bert_pool_free(pool);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == NO_LIMIT) {
    print_message("# skipped: nothing limits the address space here, as under qemu-user\n");
    skip();
  }
  assert_int_equal(status, 0);
}

enum { MOST_THREADS = 4 };

typedef struct {
  BertPool *pool;
  guint n_threads;
  guint8 *counts;
  gint inside[MOST_THREADS]; /* by thread: tasks running with its scratch */
  gint bad;
} Caller;

static void note_task(gpointer data, guint task, guint thread)
{
  Caller *caller = data;
  caller->counts[task]++;
  if (thread >= caller->n_threads || g_atomic_int_add(&caller->inside[thread], 1) != 0)
    g_atomic_int_set(&caller->bad, 1);
  g_atomic_int_add(&caller->inside[thread], -1);
}

static gpointer call_often(gpointer data)
{
  Caller *caller = data;
  for (guint round = 0; round < 300; round++) {
    guint8 counts[40] = {0};
    caller->counts = counts;
    bert_pool_run(caller->pool, G_N_ELEMENTS(counts), note_task, caller);
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
      if (counts[i] != 1)
        caller->bad = 1;
  }
  return NULL;
}

static void test_callers_in_different_threads_take_turns(void **state)
{
  (void)state;
  Caller callers[3] = {0};
  GThread *threads[3];
  for (guint i = 0; i < 3; i++) {
    callers[i].n_threads = i + 2;
    callers[i].pool = bert_pool_new(i + 2);
  }
  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new("caller", call_often, &callers[i]);
  for (guint i = 0; i < 3; i++) {
    g_thread_join(threads[i]);
    assert_int_equal(callers[i].bad, 0);
    bert_pool_free(callers[i].pool);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_results_are_the_same_bits_for_any_number_of_threads),
      cmocka_unit_test(test_pool_runs_every_task_once),
      cmocka_unit_test(test_pool_makes_do_with_the_threads_there_are),
      cmocka_unit_test(test_pools_share_the_threads_of_the_process),
      cmocka_unit_test(test_callers_in_different_threads_take_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
