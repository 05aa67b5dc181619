/* Starts the server and makes decisions for it. */
#include "tests/openai/fixture.h"
#include "conformance/check_suite.h"
#include "core/base/durable.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

gboolean fixture_open(Fixture *fixture, const char *seconds)
{
  char *script = g_build_filename(TEST_SOURCE_DIRECTORY, "tests", "openai", "server.py", NULL);
  char *words[] = {(char *)"python3", script, (char *)seconds, NULL};
  int output = -1;
  *fixture = (Fixture){.input = -1};
  gboolean good =
      g_spawn_async_with_pipes(NULL, words, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                               &fixture->server, &fixture->input, &output, NULL, NULL);
  g_free(script);
  if (!good)
    return FALSE;
  FILE *said = fdopen(output, "r");
  good = fscanf(said, "%u", &fixture->port) == 1;
  fclose(said);
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  fixture->folder = g_dir_make_tmp("cartwright-openai-XXXXXX", NULL);
  fixture->registry = cw_registry_new(NULL);
  fixture->options = g_ptr_array_new();
  return good;
}

void fixture_close(Fixture *fixture)
{
  if (fixture->input >= 0) {
    close(fixture->input);
    waitpid(fixture->server, NULL, 0);
  }
  const CwRegisteredFeature *feature =
      fixture->registry ? cw_registry_find(fixture->registry, CW_FEATURE_POLICY, "openai", NULL) : NULL;
  for (guint i = 0; feature && i < fixture->options->len; i++)
    cw_options_free(&feature->options, fixture->options->pdata[i]);
  g_clear_pointer(&fixture->options, g_ptr_array_unref);
  g_clear_pointer(&fixture->registry, cw_registry_free);
  if (fixture->folder)
    cw_remove_tree(fixture->folder, NULL);
  g_free(fixture->folder);
}

CwPolicy *fixture_policy(const Fixture *fixture, const char *model, const char *more, GError **error)
{
  const CwRegisteredFeature *feature =
      cw_registry_find(fixture->registry, CW_FEATURE_POLICY, "openai", error);
  if (!feature)
    return NULL;
  g_auto(GStrv) parts = g_strsplit(more, "%s", -1);
  g_autofree char *rest = g_strjoinv(fixture->folder, parts);
  g_autofree char *cache = strstr(more, "cache:") ? g_strdup("") : g_strdup(", cache: none");
  g_autofree char *url =
      strstr(more, "url:") ? g_strdup("") : g_strdup_printf(", url: 'http://127.0.0.1:%u/v1'", fixture->port);
  const char *pause = strstr(more, "backoff:") ? "" : ", backoff: 0.01";
  g_autofree char *yaml = g_strdup_printf("{model: %s%s%s%s%s}", model, pause, url, cache, rest);
  gpointer options = cw_check_fill_options(feature, yaml, "options", NULL, error);
  if (!options)
    return NULL;
  g_ptr_array_add(fixture->options, options);
  return cw_policy_open(feature, options, 1, error);
}

double fixture_counter(CwPolicy *policy, const char *name)
{
  guint n;
  const CwNamedValue *counters = cw_policy_counters(policy, &n);
  for (guint i = 0; i < n; i++)
    if (g_str_equal(counters[i].name, name))
      return counters[i].value;
  return -1;
}

static const char *const candidates[] = {"take a", "take b", "take c", "wait"};

static CwDecision *decision_new(guint goal, guint step)
{
  CwDecision *decision = g_new0(CwDecision, 1);
  *decision = (CwDecision){
      .struct_size = sizeof *decision,
      .observation = g_strdup_printf("goal %u step %u hint %c", goal, step, 'a' + (int)((goal + step) % 3)),
      .candidates = candidates,
      .n_candidates = G_N_ELEMENTS(candidates),
      .step = step,
      .episode = goal,
      .instruction = "take the letter of the hint"};
  return decision;
}

CwDecision **fixture_decisions(guint n, guint n_history, const char *answer)
{
  CwDecision **decisions = g_new0(CwDecision *, n);
  for (guint i = 0; i < n; i++) {
    CwStep **history = g_new0(CwStep *, n_history + 1);
    for (guint k = 0; k < n_history; k++) {
      history[k] = g_new0(CwStep, 1);
      *history[k] = (CwStep){.struct_size = sizeof(CwStep),
                             .decision = decision_new(i, k),
                             .action = "take a",
                             .answer = answer};
    }
    decisions[i] = decision_new(i, n_history);
    decisions[i]->history = (const CwStep *const *)history;
    decisions[i]->n_history = n_history;
  }
  return decisions;
}

static void free_decision(CwDecision *decision)
{
  g_free((char *)decision->observation);
  g_free(decision);
}

void fixture_free_decisions(CwDecision **decisions, guint n)
{
  for (guint i = 0; i < n; i++) {
    for (guint k = 0; k < decisions[i]->n_history; k++) {
      free_decision((CwDecision *)decisions[i]->history[k]->decision);
      g_free((CwStep *)decisions[i]->history[k]);
    }
    g_free((gpointer)decisions[i]->history);
    free_decision(decisions[i]);
  }
  g_free(decisions);
}

gboolean fixture_act(CwPolicy *policy, CwDecision **decisions, guint n, gboolean greedy, guint64 luck,
                     CwAct *acts, GError **error)
{
  const CwActing how = {.struct_size = sizeof how, .greedy = greedy, .temperature = 1};
  g_autofree CwRandom **random = g_new(CwRandom *, n);
  for (guint i = 0; i < n; i++)
    random[i] = cw_random_new(1, "test", i, luck);
  gboolean good = cw_policy_act(policy, (const CwDecision *const *)decisions, n, random, &how, acts, error);
  for (guint i = 0; i < n; i++)
    cw_random_free(random[i]);
  return good;
}
