/* cartwright view: finished runs as one page that opens from disk. Opens no plugin: all is in the run
 * directories. */
#include "core/cli/cli.h"
#include "lab/view/view.h"
#include <cartwright/error.h>

#define MOST_EPISODES 1000

typedef struct {
  char *into;
  gint64 episodes;
} Arguments;

/* The address at which a browser finds the file. Free with g_free. */
static char *address_of(const char *path)
{
  g_autofree char *absolute = g_canonicalize_filename(path, NULL);
  char *address = g_filename_to_uri(absolute, NULL, NULL);
  return address ? address : g_strdup(path);
}

void cli_print_page(const char *path)
{
  g_autofree char *address = address_of(path);
  cli_printf("page: %s\n", address);
}

static gboolean view(const CliOptions *options, const char *into, guint64 episodes, GError **error)
{
  CwRunsReport *report = cw_report_new((const char *const *)options->operands, NULL, error);
  CwViewCounts counts;
  gboolean good = report && cw_view_write(report, episodes, into, &counts, error);
  cw_report_free(report);
  if (!good)
    return FALSE;
  if (counts.n_left_out)
    g_message("%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " kept episodes; more with --episodes", into,
              counts.n_episodes, counts.n_episodes + counts.n_left_out);
  cli_print_page(into);
  return TRUE;
}

int cli_view(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {.episodes = MOST_EPISODES};
  const GOptionEntry entries[] = {{"into", 0, 0, G_OPTION_ARG_FILENAME, &parsed.into,
                                   "the page; of a single run, by default RUN/run.html", "FILE"},
                                  {"episodes", 0, 0, G_OPTION_ARG_INT64, &parsed.episodes,
                                   "at most so many kept episodes of each agent; default: 1000", "N"},
                                  {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_QUIET, 1, 1000, &status)) {
    GError *error = NULL;
    if (!parsed.into && options.operands[1])
      status = cli_usage_error(argv[0], "several runs need --into FILE");
    else if (parsed.episodes < 0 || parsed.episodes > 100000)
      status = cli_usage_error(argv[0], "--episodes must be between 0 and 100000");
    else {
      if (!parsed.into)
        parsed.into = g_build_filename(options.operands[0], "run.html", NULL);
      if (!view(&options, parsed.into, (guint64)parsed.episodes, &error))
        status = cli_fail(error);
    }
  }
  g_free(parsed.into);
  cli_options_clear(&options);
  return status;
}
