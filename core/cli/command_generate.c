/* cartwright generate: an agent's episodes as a trajectory file, without a run. */
#include "core/cli/cli.h"
#include "core/train/generate_file.h"

/* Of an option that is a number. */
#define NOT_GIVEN G_MININT64

typedef struct {
  char *out, *agent, *split, *teacher;
  char *rejected;
  gint64 episodes, perfect, per_goal;
  gboolean successful_only, prune_loops, probabilities;
} Arguments;

static gboolean generate(const CliExperiment *opened, const Arguments *arguments, gboolean quiet,
                         GError **error)
{
  CwGenerateRequest request = {.split = arguments->split ? arguments->split : "train",
                               .n_episodes = (guint64)arguments->episodes,
                               .n_perfect = (guint64)arguments->perfect,
                               .per_goal = (guint)arguments->per_goal,
                               .successful_only = arguments->successful_only,
                               .prune_loops = arguments->prune_loops,
                               .teacher = arguments->teacher,
                               .probabilities = arguments->probabilities,
                               .rejected_path = arguments->rejected,
                               .purpose = "generate",
                               .seed = (guint32)opened->experiment->seed};
  g_autofree char *summary = NULL;
  gboolean good = cw_generate_file(opened->experiment, opened->directory, arguments->agent, &request,
                                   arguments->out, quiet, &summary, error);
  if (good)
    cli_printf("%s: %s\n", arguments->out, summary);
  return good;
}

int cli_generate(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {.episodes = NOT_GIVEN, .per_goal = 1};
  const GOptionEntry entries[] = {
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &parsed.out, "file to write; required", "FILE"},
      {"agent", 0, 0, G_OPTION_ARG_FILENAME, &parsed.agent,
       "random, policy, or a script of the environment; default: expert", "NAME"},
      {"teacher", 0, 0, G_OPTION_ARG_FILENAME, &parsed.teacher,
       "script whose choices are recorded in place of those of the agent, policy or random", "NAME"},
      {"split", 0, 0, G_OPTION_ARG_FILENAME, &parsed.split, "split of the goals; default: train", "NAME"},
      {"episodes", 0, 0, G_OPTION_ARG_INT64, &parsed.episodes,
       "how many to roll out; default: 100, with --perfect at most 100 for each", "N"},
      {"perfect", 0, 0, G_OPTION_ARG_INT64, &parsed.perfect, "until N different successful ones are found",
       "N"},
      {"per-goal", 0, 0, G_OPTION_ARG_INT64, &parsed.per_goal,
       "consecutive episodes on each goal; default: 1", "N"},
      {"successful-only", 0, 0, G_OPTION_ARG_NONE, &parsed.successful_only, "keep only successful episodes",
       NULL},
      {"prune-loops", 0, 0, G_OPTION_ARG_NONE, &parsed.prune_loops, "cut loops out of what is kept", NULL},
      {"probabilities", 0, 0, G_OPTION_ARG_NONE, &parsed.probabilities,
       "record the probability of every candidate under the policy", NULL},
      {"rejected", 0, 0, G_OPTION_ARG_FILENAME, &parsed.rejected,
       "file for unsuccessful episodes on goals with a successful one", "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    CliExperiment opened = {0};
    GError *error = NULL;
    if (!parsed.agent)
      parsed.agent = g_strdup("expert");
    if (parsed.episodes == NOT_GIVEN)
      parsed.episodes = parsed.perfect > 0 ? 100 * parsed.perfect : 100;
    cli_catch_interrupts();
    if (!parsed.out)
      status = cli_usage_error(argv[0], "--out is missing");
    else if (parsed.perfect < 0 || parsed.perfect > 1000000 || parsed.per_goal < 1 || parsed.per_goal > 1000)
      status =
          cli_usage_error(argv[0], "--perfect must be between 0 and 1000000, --per-goal between 1 and 1000");
    else if (parsed.rejected && !parsed.successful_only && parsed.perfect == 0)
      status = cli_usage_error(argv[0], "--rejected needs --perfect or --successful-only");
    else if (parsed.teacher && !g_str_equal(parsed.agent, "policy") && !g_str_equal(parsed.agent, "random"))
      status = cli_usage_error(argv[0], "--teacher needs --agent policy or random");
    else if (parsed.teacher && (parsed.successful_only || parsed.perfect > 0 || parsed.prune_loops))
      status = cli_usage_error(argv[0],
                               "--teacher does not go with --perfect, --successful-only and --prune-loops");
    else if (parsed.episodes < 1 || parsed.episodes > G_MAXINT32)
      status = cli_usage_error(argv[0], "--episodes must be between 1 and %d", G_MAXINT32);
    else if (!cli_experiment_open(&opened, &options, NULL, &error) ||
             !generate(&opened, &parsed, options.quiet, &error))
      status = cli_fail(error);
    cli_experiment_close(&opened);
  }
  g_free(parsed.out);
  g_free(parsed.agent);
  g_free(parsed.split);
  g_free(parsed.teacher);
  g_free(parsed.rejected);
  cli_options_clear(&options);
  return status;
}
