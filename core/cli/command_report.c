/* cartwright report: finished runs as one table, with intervals over seeds and goals, and as mean learning
 * curves. Opens no plugin: all is in the run directories. */
#include "core/cli/cli.h"
#include "lab/report/report.h"
#include "lab/view/view.h"

typedef struct {
  char *out, *against, *x, *html;
} Arguments;

static gboolean report_runs(const CliOptions *options, const Arguments *arguments, CwReportAxis axis,
                            GError **error)
{
  CwRunsReport *report = cw_report_new((const char *const *)options->operands, arguments->against, error);
  if (!report)
    return FALSE;
  g_autofree char *text = cw_report_text(report);
  gboolean good = TRUE, drawn;
  cli_print(text);
  if (arguments->out) {
    good = cw_report_write(report, arguments->out, axis, &drawn, error);
    if (good)
      cli_printf("\nreport: %s/report.md\nresults: %s/report.json\n%s%s%s", arguments->out, arguments->out,
                 drawn ? "curves: " : "", drawn ? arguments->out : "", drawn ? "/curves.png\n" : "");
  }
  if (good && arguments->html) {
    CwViewCounts counts;
    good = cw_view_write(report, 0, arguments->html, &counts, error);
    if (good)
      cli_print_page(arguments->html);
  }
  cw_report_free(report);
  return good;
}

int cli_report(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  Arguments parsed = {0};
  const GOptionEntry entries[] = {
      {"against", 0, 0, G_OPTION_ARG_FILENAME, &parsed.against,
       "compare every row with that experiment's trained policy, or that untrained agent", "NAME"},
      {"x", 0, 0, G_OPTION_ARG_FILENAME, &parsed.x,
       "what the curves are drawn over: updates, decisions or minutes; default: updates", "AXIS"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &parsed.out,
       "directory for report.json, report.md and the curves", "DIR"},
      {"html", 0, 0, G_OPTION_ARG_FILENAME, &parsed.html,
       "also a page of the results; 'cartwright view' has the episodes too", "FILE"},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_QUIET, 1, 1000, &status)) {
    CwReportAxis axis = CW_REPORT_UPDATES;
    GError *error = NULL;
    if (parsed.x && !cw_report_axis_from_name(parsed.x, &axis))
      status = cli_usage_error(argv[0], "--x must be updates, decisions or minutes, found '%s'", parsed.x);
    else if (!report_runs(&options, &parsed, axis, &error))
      status = cli_fail(error);
  }
  g_free(parsed.out);
  g_free(parsed.against);
  g_free(parsed.x);
  g_free(parsed.html);
  cli_options_clear(&options);
  return status;
}
