/* cartwright shell: one episode played by hand. Works on a terminal and through pipes; the end of input
 * quits. */
#include "core/cli/cli.h"
#include "core/rollout/typed_action.h"
#include <stdio.h>
#include <unistd.h>

typedef struct {
  char *split;
  gint64 goal;
} Arguments;

static gboolean show(CwSession *session, CwObservation *observation, GError **error)
{
  *observation = (CwObservation){.struct_size = sizeof *observation};
  if (!cw_session_observe(session, observation, error))
    return FALSE;
  cli_printf("%s\n\n", observation->text);
  for (guint i = 0; i < observation->n_candidates; i++)
    cli_printf("%3u  %s\n", i + 1, observation->candidates[i]);
  return TRUE;
}

static void show_no_action(const CwRegisteredFeature *feature, guint n_candidates)
{
  gboolean free_text = (feature->capabilities & CW_ENVIRONMENT_FREE_TEXT) != 0;
  cli_printf("no such action: give a number from 1 to %u%s\n", n_candidates,
             free_text ? " or the text of an action" : " or the text of a candidate");
}

static void show_end(const CwOutcome *outcome, double total)
{
  cli_printf("\nthe episode is over%s: reward %g, %s\n", outcome->truncated ? " (cut by a limit)" : "", total,
             outcome->success ? "success" : "no success");
  for (guint i = 0; outcome->parts && i < outcome->n_parts; i++)
    cli_printf("  %s %g\n", outcome->parts[i].name, outcome->parts[i].value);
}

static gboolean play(CwSession *session, const CwRegisteredFeature *feature, GError **error)
{
  CwObservation observation;
  gboolean prompt = isatty(STDIN_FILENO) != 0;
  double total = 0;
  if (!show(session, &observation, error))
    return FALSE;
  for (;;) {
    if (prompt)
      cli_print("> ");
    fflush(stdout);
    g_autofree char *line = cli_read_line();
    if (!line)
      return TRUE;
    g_strstrip(line);
    if (!*line)
      continue;
    CwOutcome outcome;
    gboolean taken = FALSE;
    if (!g_utf8_validate(line, -1, NULL)) {
      cli_print("no such action: not valid UTF-8 text\n");
      continue;
    }
    if (!cw_step_typed(session, feature, &observation, line, &outcome, &taken, error))
      return FALSE;
    if (!taken) {
      show_no_action(feature, observation.n_candidates);
      continue;
    }
    total += outcome.reward;
    if (outcome.terminated || outcome.truncated) {
      show_end(&outcome, total);
      return TRUE;
    }
    cli_print("\n");
    if (!show(session, &observation, error))
      return FALSE;
  }
}

static gboolean open_and_play(const CwExperiment *experiment, const Arguments *arguments, GError **error)
{
  const CwBinding *binding = &experiment->environment;
  const char *split = arguments->split ? arguments->split : "test";
  CwEnvironment *environment =
      cw_environment_open(binding->feature, binding->options, (guint32)experiment->seed, error);
  CwSession *session = environment ? cw_session_new(environment, error) : NULL;
  CwRandom *random =
      cw_random_new((guint32)experiment->seed, "shell.environment", (guint64)arguments->goal, 0);
  gboolean good = session && cw_session_reset(session, split, arguments->goal, random, error) &&
                  play(session, binding->feature, error);
  cw_session_free(session);
  cw_random_free(random);
  cw_environment_close(environment);
  return good;
}

int cli_shell(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {0};
  const GOptionEntry entries[] = {
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &parsed.split, "split of the goal; default: test", "NAME"},
      {"goal", 0, 0, G_OPTION_ARG_INT64, &parsed.goal, "number of the goal in the split; default: 0", "N"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET, 1, 1, &status)) {
    CliExperiment opened;
    GError *error = NULL;
    if (!cli_experiment_open(&opened, &options, NULL, &error) ||
        !open_and_play(opened.experiment, &parsed, &error))
      status = cli_fail(error);
    cli_experiment_close(&opened);
  }
  g_free(parsed.split);
  cli_options_clear(&options);
  return status;
}
