/* cartwright search, score and ask: requests on stdin, one per line, passed to the environment's own
 * `answer`, one JSON line each. Stops at the first request that fails, so that line N of the output always
 * belongs to line N of the input. */
#include "core/base/json_text.h"
#include "core/cli/cli.h"
#include "core/plugin/handles.h"
#include <stdio.h>

/* Makes the request out of a line of input. */
typedef char *(*MakeRequest)(const char *line);

static char *request_of_query(const char *line)
{
  GString *json = g_string_new("{");
  cw_json_string(json, "query", line);
  cw_json_end(json, '}');
  return g_string_free(json, FALSE);
}

static gboolean answer_line(CwEnvironment *environment, const char *verb, const char *request, GError **error)
{
  g_autofree char *reply = cw_environment_answer(environment, verb, request, error);
  return reply && cli_printf("%s\n", reply) && fflush(stdout) == 0;
}

static int answer_lines(CwEnvironment *environment, const char *verb, MakeRequest make_request)
{
  char *line;
  for (guint64 number = 1; (line = cli_read_line()); number++) {
    g_autofree char *owned = line;
    GError *error = NULL;
    g_autofree char *request = NULL;
    if (!g_utf8_validate(line, -1, NULL))
      g_set_error_literal(&error, CW_RUN_ERROR, CW_ERROR_FORMAT, "not valid UTF-8 text");
    else
      request = make_request ? make_request(line) : g_strdup(line);
    if (request && answer_line(environment, verb, request, &error))
      continue;
    if (!error)
      return CLI_FAILED;
    g_prefix_error(&error, "<stdin>:%" G_GUINT64_FORMAT ": ", number);
    return cli_fail(error);
  }
  return CLI_DONE;
}

/* `verb` NULL: the second operand names it. */
static int answer(const char *arguments, const char *summary, char **argv, const char *verb,
                  MakeRequest make_request)
{
  CliOptions options;
  int status;
  if (cli_parse(&options, arguments, summary, argv, NULL, CLI_WITH_SET, verb ? 1 : 2, verb ? 1 : 2,
                &status)) {
    CliExperiment opened;
    GError *error = NULL;
    CwEnvironment *environment = NULL;
    if (cli_experiment_open(&opened, &options, NULL, &error)) {
      const CwBinding *binding = &opened.experiment->environment;
      environment =
          cw_environment_open(binding->feature, binding->options, (guint32)opened.experiment->seed, &error);
    }
    const char *asked = verb ? verb : options.operands[1];
    status = environment ? answer_lines(environment, asked, make_request) : cli_fail(error);
    cw_environment_close(environment);
    cli_experiment_close(&opened);
  }
  cli_options_clear(&options);
  return status;
}

int cli_search(const char *arguments, const char *summary, char **argv)
{
  return answer(arguments, summary, argv, "search", request_of_query);
}

int cli_score(const char *arguments, const char *summary, char **argv)
{
  return answer(arguments, summary, argv, "score", NULL);
}

int cli_ask(const char *arguments, const char *summary, char **argv)
{
  return answer(arguments, summary, argv, NULL, NULL);
}
