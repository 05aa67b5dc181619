/* The page of a run directory written by hand: what is in it, what is escaped, which episodes are left out.
 * tests/lab/test_view_page.sh opens such a page in a browser. */
#include "core/base/durable.h"
#include "lab/view/view.h"
#include "tests/scratch.h"

#define STEP                                                                                                 \
  "{\"observation\": \"page </script>\", \"candidates\": [\"a\", \"<b>\"], \"chosen\": 1, \"value\": 0.5, "  \
  "\"reward\": %s, \"terminated\": true, \"truncated\": false, \"probabilities\": [0.25, 0.75], "            \
  "\"advised\": 0}"
#define EPISODE                                                                                              \
  "{\"split\": \"test\", \"goal\": %u, \"goal_id\": \"g\", \"agent\": \"final\", \"episode\": %u, "          \
  "\"seed\": 1, "                                                                                            \
  "\"group\": 0, \"total_reward\": %s, \"success\": false, \"parts\": {\"price\": 0.5}, \"facts\": "         \
  "{\"category\": \"<i>\"}, \"steps\": [" STEP "]}\n"

static void write_into(void **state, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(*state, "run", name, NULL);
  g_autofree char *folder = g_path_get_dirname(path);
  assert_true(cw_make_directories(folder, NULL));
  assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* A run whose agent "final" earned 0.5 and 0.25 on two goals; `second` is what its second episode says. */
static void write_run(void **state, const char *second)
{
  write_into(state, "config.yaml", "name: <a & b>\nseed: 1\nenvironment:\n  plugin: toy\n");
  write_into(
      state, "evaluation.json",
      "{\"cartwright\": \"0\", \"name\": \"<a & b>\", \"seed\": 1, \"confidence\": 0.95, \"environment\": "
      "{\"plugin\": \"toy\", \"version\": \"0.1\"}, \"policy\": null, \"seconds\": 9.5, \"agents\": "
      "[{\"agent\": \"final\", \"selection\": \"greedy\", \"split\": \"test\", \"updates\": 3, \"episodes\": "
      "2, "
      "\"decisions\": 2, \"seconds\": 0.5, \"parts\": {\"price\": 0.25}, \"rewards\": [0.5, 0.25], "
      "\"successes\": [0, 0], \"lengths\": [1, 1]}]}\n");
  write_into(state, "metrics.jsonl", "");
  write_into(state, "timings.jsonl", "");
  if (!second)
    return;
  g_autofree char *episodes = g_strdup_printf(EPISODE EPISODE, 0u, 0u, "0.5", "0.5", 1u, 1u, second, second);
  write_into(state, "episodes/final-greedy.jsonl", episodes);
}

static char *page_of(void **state, guint64 most, CwViewCounts *counts)
{
  g_autofree char *run = g_build_filename(*state, "run", NULL);
  const char *const runs[] = {run, NULL};
  CwRunsReport *report = cw_report_new(runs, NULL, NULL);
  assert_non_null(report);
  char *page = cw_view_page(report, most, counts, NULL);
  cw_report_free(report);
  return page;
}

static guint count(const char *text, const char *part)
{
  guint n = 0;
  for (; (text = strstr(text, part)); text += strlen(part))
    n++;
  return n;
}

/* What stands between two texts, the first time. Free with g_free. */
static char *between(const char *text, const char *begin, const char *end)
{
  const char *from = strstr(text, begin);
  assert_non_null(from);
  from += strlen(begin);
  const char *to = strstr(from, end);
  assert_non_null(to);
  return g_strndup(from, (gsize)(to - from));
}

static void assert_admitted(const char *page, const char *text)
{
  guint8 digest[32];
  gsize length = sizeof digest;
  GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, (const guchar *)text, -1);
  g_checksum_get_digest(checksum, digest, &length);
  g_checksum_free(checksum);
  g_autofree char *base64 = g_base64_encode(digest, length);
  g_autofree char *hash = g_strdup_printf("-src 'sha256-%s'", base64);
  assert_int_equal(count(page, hash), 1);
}

static void test_what_comes_from_data_is_escaped(void **state)
{
  CwViewCounts counts;
  write_run(state, "0.25");
  g_autofree char *page = page_of(state, 10, &counts);
  assert_int_equal(counts.n_episodes, 2);
  assert_int_equal(count(page, "</script>"), 2);            /* the data's and the script's own */
  assert_int_equal(count(page, "page \\u003c/script>"), 1); /* once, though in two episodes */
  assert_int_equal(count(page, "<title>&lt;a &amp; b&gt; "), 1);
  assert_null(strstr(page, "<i>"));
  assert_non_null(strstr(page, "[0,0.5,0,0,["));
  assert_non_null(strstr(page, ",1,0,0.5,0.5,[0.25,0.75]]"));
}

static void test_the_policy_admits_what_is_in_the_page_and_nothing_else(void **state)
{
  CwViewCounts counts;
  write_run(state, NULL);
  g_autofree char *page = page_of(state, 10, &counts);
  g_autofree char *policy = between(page, "Content-Security-Policy\" content=\"", "\"");
  g_autofree char *style = between(page, "<style>", "</style>"),
                  *script = between(page, "<script>", "</script>");
  assert_true(g_str_has_prefix(policy, "default-src 'none'; script-src 'sha256-"));
  assert_null(strstr(policy, "unsafe"));
  assert_admitted(page, style);
  assert_admitted(page, script);
  assert_null(strstr(page, "http://www.w3.org/1999"));
  assert_int_equal(count(page, "src="), 0);
}

static void test_no_more_episodes_than_wanted(void **state)
{
  CwViewCounts counts;
  write_run(state, "0.25");
  g_autofree char *one = page_of(state, 1, &counts);
  assert_int_equal(counts.n_episodes, 1);
  assert_int_equal(counts.n_left_out, 1);
  g_autofree char *none = page_of(state, 0, &counts);
  assert_int_equal(counts.n_episodes, 0);
  assert_non_null(strstr(none, "\"groups\": []"));
}

static void test_episodes_of_another_evaluation_are_left_out(void **state)
{
  CwViewCounts counts;
  write_run(state, "0.75");
  g_autofree char *page = page_of(state, 10, &counts);
  assert_int_equal(counts.n_episodes, 0);
}

static void test_a_broken_file_of_episodes_is_reported(void **state)
{
  g_autofree char *run = g_build_filename(*state, "run", NULL);
  const char *const runs[] = {run, NULL};
  CwViewCounts counts;
  GError *error = NULL;
  write_run(state, "0.25");
  write_into(state, "episodes/final-greedy.jsonl", "[]\n");
  CwRunsReport *report = cw_report_new(runs, NULL, NULL);
  assert_null(cw_view_page(report, 10, &counts, &error));
  assert_message(error, *state,
                 "DIR/run/episodes/final-greedy.jsonl:1: expected an object (one trajectory on each line), "
                 "found an empty array");
  cw_report_free(report);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
  const struct CMUnitTest tests[] = {
      in_scratch(test_what_comes_from_data_is_escaped),
      in_scratch(test_the_policy_admits_what_is_in_the_page_and_nothing_else),
      in_scratch(test_no_more_episodes_than_wanted),
      in_scratch(test_episodes_of_another_evaluation_are_left_out),
      in_scratch(test_a_broken_file_of_episodes_is_reported),
  };
  return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
