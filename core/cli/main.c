/* The `cartwright` command: a table of commands, and nothing else. Results go to stdout, progress and logs to
 * stderr. */
#include "config.h"
#include "core/base/printable.h"
#include "core/cli/cli.h"
#include "core/cli/crash.h"
#include <locale.h>
#include <signal.h>
#include <stdio.h>

static const CliCommand commands[] = {
    {"run", "EXPERIMENT.yaml | RUN", "run an experiment: its stages, then its evaluation", cli_run},
    {"evaluate", "EXPERIMENT.yaml | RUN", "score agents: mean reward, success rate, intervals", cli_evaluate},
    {"compare", "RUN | EXPERIMENT.yaml ...",
     "agents against each other: Thompson sampling, with fixed estimates", cli_compare},
    {"report", "RUN ...", "finished runs as one table: seeds pooled, intervals, costs, mean curves",
     cli_report},
    {"sweep", "EXPERIMENT.yaml", "an experiment with several seeds and values, side by side, and one report",
     cli_sweep},
    {"view", "RUN ...", "a page of finished runs: results, and kept episodes step by step", cli_view},
    {"recommend", "EXPERIMENT.yaml | RUN", "agents as recommenders: hit rate and NDCG of what they end with",
     cli_recommend},
    {"protocol", "NAME | EXPERIMENT.yaml",
     "the episodes that results are about: their number, digest and facts", cli_protocol},
    {"generate", "EXPERIMENT.yaml | RUN --out FILE", "write trajectories of an agent", cli_generate},
    {"replay", "EXPERIMENT.yaml SESSIONS.jsonl", "step recorded sessions again and compare every observation",
     cli_replay},
    {"search", "EXPERIMENT.yaml", "a query per line on stdin, a JSON line of results each", cli_search},
    {"score", "EXPERIMENT.yaml", "a JSON job per line on stdin, a JSON line with its reward each", cli_score},
    {"ask", "EXPERIMENT.yaml VERB", "a JSON request per line on stdin, put to the environment as VERB",
     cli_ask},
    {"shell", "EXPERIMENT.yaml", "play an episode at the terminal", cli_shell},
    {"config", "EXPERIMENT.yaml", "print the resolved experiment, every value with its origin", cli_config},
    {"import", "FEATURE [KEY=VALUE...] --into PATH", "make a feature's own file or folder out of other files",
     cli_convert},
    {"export", "FEATURE [KEY=VALUE...] --into PATH", "write a feature's data in another form", cli_convert},
    {"plugins", "[NAME]", "what is installed, or one plugin with its options", cli_plugins},
    {"bench", "SUBJECT ...", "how fast a part of an experiment is", cli_bench},
    {"check", "PLUGIN.so", "try a plugin against what its kind must keep", cli_check},
};

static void print_usage(FILE *stream)
{
  fprintf(stream, "usage: cartwright COMMAND [OPTION...] ...\n\ncommands:\n");
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    fprintf(stream, "  %-9s %s\n", commands[i].name, commands[i].summary);
  fprintf(stream,
          "\n'cartwright COMMAND --help' explains a command; 'cartwright --version' prints the version.\n"
          "exit status: 0 done, 1 failed, 2 bad usage or configuration, 130 interrupted\n");
}

int main(int argc, char **argv)
{
  setlocale(LC_CTYPE, "");
  signal(SIGPIPE, SIG_IGN);
  cli_install_log_writer();
  cli_watch_plugins();
  if (argc < 2) {
    print_usage(stderr);
    return CLI_USAGE;
  }
  const char *name = argv[1];
  if (g_str_equal(name, "--help") || g_str_equal(name, "-h") || g_str_equal(name, "help")) {
    print_usage(stdout);
    return cli_finish(CLI_DONE);
  }
  if (g_str_equal(name, "--version")) {
    cli_print("cartwright " PACKAGE_VERSION "\n");
    return cli_finish(CLI_DONE);
  }
  const char *names[G_N_ELEMENTS(commands) + 1] = {NULL};
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (g_str_equal(commands[i].name, name))
      return cli_finish(commands[i].run(commands[i].arguments, commands[i].summary, argv + 1));
    names[i] = commands[i].name;
  }
  const char *suggestion = cw_suggest(name, names);
  g_autofree char *shown = cw_printable(name, "");
  fprintf(stderr, "cartwright: unknown command '%s'%s%s%s\ntry 'cartwright --help'\n", shown,
          suggestion ? "; did you mean '" : "", suggestion ? suggestion : "", suggestion ? "'?" : "");
  return CLI_USAGE;
}
