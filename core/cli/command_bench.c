/* cartwright bench: how fast a part of an experiment is. A table of what can be measured; every subject has a
 * file of its own and parses what follows its name. */
#include "core/cli/cli.h"

static const CliCommand subjects[] = {
    {"env", "EXPERIMENT.yaml | RUN", "steps and resets per second of an agent that acts at random",
     cli_bench_env},
    {"policy", "EXPERIMENT.yaml | RUN", "decisions per second: scoring and training", cli_bench_policy},
};

int cli_bench(const char *arguments, const char *summary, char **argv)
{
  const char *names[G_N_ELEMENTS(subjects) + 1] = {NULL};
  const char *wanted = argv[1];
  for (guint i = 0; i < G_N_ELEMENTS(subjects); i++) {
    names[i] = subjects[i].name;
    if (g_strcmp0(wanted, subjects[i].name) != 0)
      continue;
    g_autofree char *command = g_strjoin(" ", argv[0], wanted, NULL);
    g_autofree char **rest = g_memdup2(argv + 1, g_strv_length(argv) * sizeof *argv);
    rest[0] = command;
    return subjects[i].run(subjects[i].arguments, subjects[i].summary, rest);
  }
  if (g_strcmp0(wanted, "--help") == 0 || g_strcmp0(wanted, "-h") == 0) {
    cli_printf("Usage:\n  cartwright %s %s\n\ncartwright %s: %s\n\nsubjects:\n", argv[0], arguments, argv[0],
               summary);
    for (guint i = 0; i < G_N_ELEMENTS(subjects); i++)
      cli_printf("  %-9s %s\n", subjects[i].name, subjects[i].summary);
    cli_printf("\n'cartwright %s SUBJECT --help' explains one.\n", argv[0]);
    return CLI_DONE;
  }
  if (!wanted)
    return cli_usage_error(argv[0], "expected %s", arguments);
  if (wanted[0] == '-')
    return cli_usage_error(argv[0], "Unknown option %s", wanted);
  g_autofree char *known = g_strjoinv(", ", (char **)names);
  return cli_usage_error(argv[0], "nothing is called '%s'; there is: %s", wanted, known);
}
