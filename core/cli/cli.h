/* What the commands of `cartwright` share: parsing, opening experiments, output and the exit statuses. */
#ifndef CLI_H
#define CLI_H

#include "core/experiment/experiment.h"

/* Exit statuses. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

/* A command. `run` gets the arguments without the program's name: argv[0] is the command's. */
typedef struct {
  const char *name;
  const char *arguments; /* "EXPERIMENT.yaml", for the usage line */
  const char *summary;   /* one line */
  int (*run)(const char *arguments, const char *summary, char **argv);
} CliCommand;

int cli_run(const char *arguments, const char *summary, char **argv);
int cli_evaluate(const char *arguments, const char *summary, char **argv);
int cli_compare(const char *arguments, const char *summary, char **argv);
int cli_sweep(const char *arguments, const char *summary, char **argv);
int cli_report(const char *arguments, const char *summary, char **argv);
int cli_view(const char *arguments, const char *summary, char **argv);
int cli_recommend(const char *arguments, const char *summary, char **argv);
int cli_protocol(const char *arguments, const char *summary, char **argv);
int cli_generate(const char *arguments, const char *summary, char **argv);
int cli_replay(const char *arguments, const char *summary, char **argv);
int cli_search(const char *arguments, const char *summary, char **argv);
int cli_score(const char *arguments, const char *summary, char **argv);
int cli_ask(const char *arguments, const char *summary, char **argv);
int cli_shell(const char *arguments, const char *summary, char **argv);
int cli_convert(const char *arguments, const char *summary, char **argv);
int cli_config(const char *arguments, const char *summary, char **argv);
int cli_plugins(const char *arguments, const char *summary, char **argv);
int cli_check(const char *arguments, const char *summary, char **argv);
int cli_bench(const char *arguments, const char *summary, char **argv);
int cli_bench_env(const char *arguments, const char *summary, char **argv);
int cli_bench_policy(const char *arguments, const char *summary, char **argv);

/* Options that every command has; more rows come from the command. Strings are owned; clear with
 * cli_options_clear. */
typedef struct {
  char **plugin_path; /* --plugin-path DIR, may be repeated */
  char **set;         /* --set KEY=VALUE, may be repeated */
  char **debug;       /* --debug DOMAIN, may be repeated */
  gboolean quiet, verbose;
  char **operands; /* what is not an option */
} CliOptions;

typedef enum {
  CLI_WITH_SET = 1 << 0,  /* the command takes --set */
  CLI_WITH_QUIET = 1 << 1 /* and --quiet */
} CliFlags;

/* Parses a command's arguments. `entries` (may be NULL) are its own options. Between
 * `least` and `most` operands are expected. TRUE: go on. FALSE: *status is the exit
 * status, after --help or a complaint on stderr. */
gboolean cli_parse(CliOptions *options, const char *arguments, const char *summary, char **argv,
                   const GOptionEntry *entries, CliFlags flags, guint least, guint most, int *status);
void cli_options_clear(CliOptions *options);

/* An experiment and what it was read from. */
typedef struct {
  CwRegistry *registry;
  CwExperiment *experiment;
  char *directory; /* the run directory that was named instead of a file, or NULL */
} CliExperiment;

/* Loads operand 0: an experiment, or a run directory with its config.yaml. `more` (NULL-terminated, may be
 * NULL) are assignments after those of --set. */
gboolean cli_experiment_open(CliExperiment *opened, const CliOptions *options, const char *const *more,
                             GError **error);
void cli_experiment_close(CliExperiment *opened);

/* Prints the error as cartwright's and frees it; returns the exit status that it means. Silent when stdout
 * was closed by its reader. */
int cli_fail(GError *error);
/* "cartwright COMMAND: MESSAGE" and where to find help, on stderr; returns CLI_USAGE. */
int cli_usage_error(const char *command, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Writes to stdout; FALSE once that has failed, and then cli_finish knows. */
gboolean cli_print(const char *text);
gboolean cli_printf(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Flushes stdout; `status` unless writing failed, which is printed on stderr (but for a reader that went
 * away) and makes it CLI_FAILED. */
int cli_finish(int status);

/* "page: ADDRESS" of a page that was written. */
void cli_print_page(const char *path);

/* One line of stdin without its end, or NULL at the end or on error. Free with g_free. */
char *cli_read_line(void);

/* GLib log messages to stderr: "cartwright: warning: ...". quiet: warnings and worse only. */
void cli_install_log_writer(void);
void cli_log_quiet(gboolean quiet);
/* `info`: g_info of everybody too; `domains` (NULL-terminated, may be NULL): g_info and g_debug of these log
 * domains, "all" for all. */
void cli_log_details(gboolean info, const char *const *domains);

/* SIGINT, SIGTERM and SIGHUP ask the runtime to stop; the second one kills. */
void cli_catch_interrupts(void);

#endif
