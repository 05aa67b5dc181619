/* Parsing a command's arguments with GOption, with one way of complaining, and opening the experiment that a
 * command is about. */
#include "core/cli/cli.h"
#include <string.h>

static GOptionContext *make_context(CliOptions *options, const char *command, const char *arguments,
                                    const char *summary, const GOptionEntry *entries, CliFlags flags,
                                    gboolean *help)
{
  g_autofree char *usage = g_strdup_printf("%s", arguments);
  GOptionContext *context = g_option_context_new(usage);
  GOptionEntry common[] = {
      {"plugin-path", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->plugin_path,
       "look for plugins in DIR first; may be repeated", "DIR"},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose,
       "details too, the core's and the plugins' (g_info)", NULL},
      {"debug", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->debug,
       "everything that log domain DOMAIN has to say (g_debug), or all of them; may be repeated",
       "DOMAIN|all"},
      {"help", 'h', 0, G_OPTION_ARG_NONE, help, "show this help", NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->operands, NULL, NULL},
      {NULL}};
  GOptionEntry set[] = {{"set", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->set,
                         "override a value of the experiment, such as stages.1.epochs=3; may be repeated",
                         "KEY=VALUE"},
                        {NULL}};
  GOptionEntry quiet[] = {
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options->quiet, "no progress, only warnings", NULL}, {NULL}};
  g_autofree char *text = g_strdup_printf("cartwright %s: %s", command, summary);
  g_option_context_set_summary(context, text);
  g_option_context_set_help_enabled(context, FALSE);
  if (entries)
    g_option_context_add_main_entries(context, entries, NULL);
  if (flags & CLI_WITH_SET)
    g_option_context_add_main_entries(context, set, NULL);
  if (flags & CLI_WITH_QUIET)
    g_option_context_add_main_entries(context, quiet, NULL);
  g_option_context_add_main_entries(context, common, NULL);
  return context;
}

gboolean cli_parse(CliOptions *options, const char *arguments, const char *summary, char **argv,
                   const GOptionEntry *entries, CliFlags flags, guint least, guint most, int *status)
{
  const char *command = argv[0];
  gboolean help = FALSE, go_on = FALSE;
  g_autoptr(GError) problem = NULL;
  /* GOption removes what it has parsed from the vector, so it gets its own. */
  g_autofree char *program = g_strdup_printf("cartwright %s", command);
  g_auto(GStrv) copy = g_strdupv(argv);
  g_free(copy[0]);
  copy[0] = g_strdup(program);
  g_set_prgname(program);
  *options = (CliOptions){0};
  GOptionContext *context = make_context(options, command, arguments, summary, entries, flags, &help);
  gboolean parsed = g_option_context_parse_strv(context, &copy, &problem);
  guint n = options->operands ? g_strv_length(options->operands) : 0;
  if (!parsed) {
    *status = cli_usage_error(command, "%s", problem->message);
  } else if (help) {
    g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);
    cli_print(text);
    *status = CLI_DONE;
  } else if (n < least) {
    *status = cli_usage_error(command, "expected %s", arguments);
  } else if (n > most) {
    *status = cli_usage_error(command, "unexpected argument '%s'", options->operands[most]);
  } else {
    *status = CLI_DONE;
    go_on = TRUE;
  }
  g_option_context_free(context);
  if (go_on && options->quiet)
    cli_log_quiet(TRUE);
  if (go_on)
    cli_log_details(options->verbose, (const char *const *)options->debug);
  return go_on;
}

void cli_options_clear(CliOptions *options)
{
  g_strfreev(options->plugin_path);
  g_strfreev(options->set);
  g_strfreev(options->debug);
  g_strfreev(options->operands);
  *options = (CliOptions){0};
}

gboolean cli_experiment_open(CliExperiment *opened, const CliOptions *options, const char *const *more,
                             GError **error)
{
  const char *path = options->operands[0];
  *opened = (CliExperiment){0};
  if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_autofree char *config = g_build_filename(path, "config.yaml", NULL);
    if (!g_file_test(config, G_FILE_TEST_EXISTS)) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                  "%s: is a directory without config.yaml, hence no run", path);
      return FALSE;
    }
    opened->directory = g_strdup(path);
  }
  GPtrArray *sets = g_ptr_array_new();
  for (char **set = options->set; set && *set; set++)
    g_ptr_array_add(sets, *set);
  for (const char *const *set = more; set && *set; set++)
    g_ptr_array_add(sets, (gpointer)*set);
  g_ptr_array_add(sets, NULL);
  opened->registry = cw_registry_new((const char *const *)options->plugin_path);
  opened->experiment = (opened->directory ? cw_experiment_load_run : cw_experiment_load)(
      path, (const char *const *)sets->pdata, opened->registry, error);
  g_ptr_array_unref(sets);
  for (guint i = 0; opened->experiment && i < opened->experiment->notes->len; i++)
    g_message("%s", (const char *)opened->experiment->notes->pdata[i]);
  return opened->experiment != NULL;
}

void cli_experiment_close(CliExperiment *opened)
{
  if (opened->experiment)
    cw_experiment_free(opened->experiment);
  if (opened->registry)
    cw_registry_free(opened->registry);
  g_free(opened->directory);
  *opened = (CliExperiment){0};
}
