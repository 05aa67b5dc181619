/* Templates: what a model is shown, what its answer means, and what a file may not say. */
#include "models/openai/template.h"
#include "tests/scratch.h"

static const char *const candidates[] = {"search[red shoes]", "search[shoes]", "click[buy now]"};
static const CwDecision first = {.struct_size = sizeof(CwDecision),
                                 .observation = "page one",
                                 .candidates = candidates,
                                 .n_candidates = 3,
                                 .instruction = "find red shoes"};
static const CwStep good = {.decision = &first,
                            .action = "search[shoes]",
                            .answer = "<think>a</think><action>search[shoes]</action>"};
static const CwStep plain = {.decision = &first, .action = "search[shoes]", .answer = " search[shoes]"};
static const CwStep bad = {.decision = &first, .action = "hello", .chosen = CW_WORDS, .answer = "hello"};

static char *text_for(const char *name, const CwStep *before, guint n_history)
{
  const CwStep *const history[] = {before};
  CwDecision decision = first;
  decision.observation = "page two";
  decision.step = decision.n_history = before ? 1 : 0;
  decision.history = history;
  OpenaiTemplate *template = openai_template_open(name, NULL);
  assert_non_null(template);
  g_autoptr(GArray) messages = openai_template_fill(template, &decision, n_history);
  openai_template_free(template);
  return openai_messages_text(messages, TRUE);
}

static void assert_shows(const char *name, const CwStep *before, const char *part)
{
  g_autofree char *text = text_for(name, before, 1);
  if (!strstr(text, part))
    fail_msg("expected '%s' in:\n%s", part, text);
}

static void test_a_prompt_shows_what_its_protocol_shows(void **state G_GNUC_UNUSED)
{
  assert_shows("ours", &good, "1. search[red shoes]\n2. search[shoes]\n3. click[buy now]\n\nAnswer");
  assert_shows("ours", &good, "Your last 1 steps:\n1. search[shoes]\n\nThis is step 2. The page:\npage two");
  assert_shows("verl_agent", &good, "[\n'search[<your query>]',\n'click[buy now]',\n]");
  assert_shows("verl_agent", &good, "[Observation 1: 'page one', Action 1: 'search[shoes]']");
  assert_shows("verl_agent", &good, "You have taken 1 step(s) so far.");
  assert_shows("agentgym", &good, "[user]\npage one\n\n[assistant]\n<think>a</think>");
  assert_shows("agentgym", &bad, "[assistant]\nhello\n\n[user]\nInvalid Action.\n\npage two");
  assert_shows("ragen", &bad,
               "so nothing was done.\n\npage two\n\nPossible actions:\nsearch[<your query>]\nclick[buy now]");
  assert_shows("react", &plain,
               "Observation: page one\nAction: search[shoes]\nObservation: page two\nAction:");
  assert_shows("react", &bad, "Action: hello\nObservation: Invalid action!\nAction:");
}

static void test_steps_are_left_out_from_the_oldest_on(void **state G_GNUC_UNUSED)
{
  g_autofree char *text = text_for("verl_agent", &good, 0);
  assert_null(strstr(text, "page one"));
  assert_non_null(strstr(text, "You have taken 1 step(s) so far. The last 0 observation(s)"));
}

/* "candidate number" or "words", with "!" before what is not valid. */
static void test_answers_mean_what_their_protocol_says(void **state G_GNUC_UNUSED)
{
  static const char *const cases[][3] = {
      {"ours", "2", "1"},
      {"ours", " 3. click[buy now]", "2"},
      {"ours", "Click[Buy Now]", "2"},
      {"ours", "4", "!4"},
      {"ours", "none", "!none"},
      {"verl_agent", "<think>x</think><action>CLICK[Buy now]</action>", "2"},
      {"verl_agent", "<think>x</think><action>search[blue hat]</action>", "search[blue hat]"},
      {"verl_agent", "<action>search[shoes]</action>", "!1"},
      {"verl_agent", "<think>鞋</think><action>search[shoes]</action>", "!1"},
      {"verl_agent", "I would take click[buy now]", "!take click[buy now]"},
      {"verl_agent", "<think></think><action></action>", "!"},
      {"agentgym", "Thought:\nwell\n\nAction:\nclick[Buy Now]", "2"},
      {"agentgym", "Action: search[a b]", "search[a b]"},
      {"agentgym", "Action: buy it", "!buy it"},
      {"agentgym", "search[a b]", "!"},
      {"react", " click[buy now]", "2"},
      {"react", " think[cheap]", "think[cheap]"},
      {"react", " well", "!well"},
      {"ragen", "<think>x</think> <answer>search[x]</answer>", "search[x]"},
      {"ragen", "<answer>search[x]</answer>", "!search[x]"},
      {"ragen", "<think>x</think> <answer>search[x]", "!"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    OpenaiTemplate *template = openai_template_open(cases[i][0], NULL);
    guint candidate;
    g_autofree char *words = NULL;
    gboolean valid = openai_template_read(template, &first, cases[i][1], &candidate, &words);
    g_autofree char *number = candidate == CW_WORDS ? NULL : g_strdup_printf("%u", candidate);
    g_autofree char *found = g_strconcat(valid ? "" : "!", number ? number : words, NULL);
    assert_string_equal(found, cases[i][2]);
    openai_template_free(template);
  }
}

static void test_a_file_of_ones_own_is_a_template(void **state)
{
  g_autofree char *path = g_build_filename(*state, "mine.txt", NULL);
  assert_true(g_file_set_contents(
      path, "# mine\nnumbers: yes\nopen: [[\nclose: ]]\n=== user\nDo {what}: {observation}\n", -1, NULL));
  g_autofree char *text = text_for(path, NULL, 0);
  assert_string_equal(text, "[user]\nDo {what}: page two");
}

static void test_a_bad_file_is_named_by_its_line(void **state)
{
  static const char *const cases[][2] = {
      {"numbers: maybe\n", ":1: expected yes or no, found 'maybe'"},
      {"history: -1\n", ":1: expected a number from 0 to 1000000, found '-1'"},
      {"\nhistroy: 1\n", ":2: expected 'key: value' with one of the keys numbers, dialogue,"},
      {"=== usr\nx\n", ":1: expected === system, user, step, assistant or candidate, found '=== usr'"},
      {"=== step\nx\n", ":2: expected a text '=== user', which asks for an action, found 'none'"},
      {"=== user\n\xff\n", ":1: expected UTF-8, found 'other bytes'"}};
  g_autofree char *path = g_build_filename(*state, "bad.txt", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    assert_true(g_file_set_contents(path, cases[i][0], -1, NULL));
    assert_null(openai_template_open(path, &error));
    assert_true(g_error_matches(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION));
    g_autofree char *shown = without_scratch(error->message, *state);
    g_autofree char *expected = g_strconcat("DIR/bad.txt", cases[i][1], NULL);
    assert_true(g_str_has_prefix(shown, expected));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_prompt_shows_what_its_protocol_shows),
      cmocka_unit_test(test_steps_are_left_out_from_the_oldest_on),
      cmocka_unit_test(test_answers_mean_what_their_protocol_says),
      cmocka_unit_test_setup_teardown(test_a_file_of_ones_own_is_a_template, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_bad_file_is_named_by_its_line, make_scratch, remove_scratch),
  };
  return cmocka_run_group_tests_name("templates", tests, NULL, NULL);
}
