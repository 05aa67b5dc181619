/* cartwright run: an experiment from the first stage to the table. */
#include "core/cli/cli.h"
#include "core/train/extend.h"
#include "lab/curves/curves.h"
#include "lab/evaluate/run_experiment.h"

/* The line about the learning curves; empty, after a warning, when there are none. Free with g_free. */
static char *draw_curves(const char *directory, const CwExperiment *experiment)
{
  g_autoptr(GError) problem = NULL;
  if (cw_curves_draw(directory, experiment, &problem))
    return g_strdup_printf("curves: %s/curves.png\n", directory);
  g_warning("no curves were drawn: %s", problem->message);
  return g_strdup("");
}

/* Opens the run that was opened anew, with more of what --continue names. */
static gboolean extend(CliExperiment *opened, const CliOptions *options, const CwRunOptions *run_options,
                       GError **error)
{
  g_auto(GStrv) more =
      cw_extend_assignments(opened->experiment, (const char *const *)run_options->extend, error);
  if (!more)
    return FALSE;
  cli_experiment_close(opened);
  return cli_experiment_open(opened, options, (const char *const *)more, error);
}

static int run(const CliOptions *options, CwRunOptions *run_options)
{
  CliExperiment opened;
  GError *error = NULL;
  g_autofree char *summary = NULL;
  int status = CLI_DONE;
  cli_catch_interrupts();
  gboolean good = cli_experiment_open(&opened, options, NULL, &error) &&
                  (!run_options->extend || extend(&opened, options, run_options, &error));
  /* A run directory in the place of an experiment is where the run is to go on. */
  if (!run_options->directory)
    run_options->directory = opened.directory;
  if (good && cw_run_experiment(opened.experiment, run_options, &summary, &error)) {
    const char *out = cw_run_options_directory(run_options, opened.experiment);
    g_autofree char *curves = draw_curves(out, opened.experiment);
    cli_printf("%s%s", summary, curves);
  } else
    status = cli_fail(error);
  cli_experiment_close(&opened);
  return status;
}

int cli_run(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  CwRunOptions run_options = {0};
  g_autofree char *directory = NULL;
  const GOptionEntry entries[] = {
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &directory, "run directory; default: the experiment's `output`",
       "DIR"},
      {"resume", 0, 0, G_OPTION_ARG_NONE, &run_options.resume, "continue from the newest checkpoint", NULL},
      {"continue", 0, 0, G_OPTION_ARG_STRING_ARRAY, &run_options.extend,
       "of a finished run: train on, with more of an option of its last stage, such as updates=+50; may be "
       "repeated",
       "KEY=+N"},
      {"accept", 0, 0, G_OPTION_ARG_STRING_ARRAY, &run_options.accept,
       "with --resume: go on although this condition has changed; may be repeated", "NAME"},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &run_options.overwrite,
       "replace the run that the directory holds", NULL},
      {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, CLI_WITH_SET | CLI_WITH_QUIET, 1, 1, &status)) {
    run_options.directory = directory;
    run_options.quiet = options.quiet;
    run_options.resume |= run_options.extend != NULL;
    if (run_options.resume && run_options.overwrite)
      status = cli_usage_error(argv[0], "--resume and --overwrite exclude each other");
    else if (run_options.extend && !g_file_test(options.operands[0], G_FILE_TEST_IS_DIR))
      status = cli_usage_error(argv[0], "--continue is for a run directory that has finished");
    else if (run_options.extend && run_options.overwrite)
      status = cli_usage_error(argv[0], "--continue and --overwrite exclude each other");
    else if (run_options.accept && !run_options.resume && !run_options.extend)
      status = cli_usage_error(argv[0], "--accept goes with --resume");
    else
      status = run(&options, &run_options);
  }
  g_strfreev(run_options.accept);
  g_strfreev(run_options.extend);
  cli_options_clear(&options);
  return status;
}
