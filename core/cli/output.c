/* Output, input and interrupts of the command. A failed write to stdout is remembered with its reason, so
 * that a full disk is reported and a reader that went away is not. */
#include "core/base/interrupt.h"
#include "core/base/printable.h"
#include "core/cli/cli.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* errno of the first failed write to stdout; the process has one stdout. */
static int output_error;

/* Whatever the text comes from, it does not steer the terminal. */
gboolean cli_print(const char *text)
{
  g_autofree char *shown = cw_is_printable(text, "\n\t") ? NULL : cw_printable(text, "\n\t");
  if (output_error == 0 && fputs(shown ? shown : text, stdout) == EOF)
    output_error = errno ? errno : EIO;
  return output_error == 0;
}

gboolean cli_printf(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  return cli_print(text);
}

int cli_finish(int status)
{
  if (output_error == 0 && fflush(stdout) == EOF)
    output_error = errno ? errno : EIO;
  if (output_error == 0)
    return status;
  if (output_error != EPIPE)
    fprintf(stderr, "cartwright: error: cannot write to standard output: %s\n", g_strerror(output_error));
  return CLI_FAILED;
}

char *cli_read_line(void)
{
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length = getline(&line, &capacity, stdin);
  char *copy = NULL;
  if (length >= 0) {
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
      length--;
    copy = g_strndup(line, (gsize)length);
  }
  free(line);
  return copy;
}

int cli_fail(GError *error)
{
  int status = CLI_FAILED;
  if (error->code == CW_ERROR_CONFIGURATION)
    status = CLI_USAGE;
  else if (error->code == CW_ERROR_CANCELLED)
    status = CLI_INTERRUPTED;
  /* The configuration's complaints are written like a compiler's and need no name in front. */
  g_autofree char *shown = cw_printable(error->message, "\n\t");
  fprintf(stderr, "%s%s%s\n", error->domain == CW_CONFIG_ERROR ? "" : "cartwright: ",
          error->domain == CW_CONFIG_ERROR || status == CLI_INTERRUPTED ? "" : "error: ", shown);
  g_error_free(error);
  return status;
}

int cli_usage_error(const char *command, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *shown = cw_printable(text, "\n\t");
  fprintf(stderr, "cartwright %s: %s\ntry 'cartwright %s --help'\n", command, shown, command);
  return CLI_USAGE;
}

static void handle_signal(int number)
{
  static const char text[] = "\ncartwright: stopping after the present update; once more stops at once\n";
  (void)number;
  cw_interrupt();
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written;
}

void cli_catch_interrupts(void)
{
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
    struct sigaction action = {.sa_handler = handle_signal, .sa_flags = SA_RESTART}, old;
    sigemptyset(&action.sa_mask);
    /* Who started us with a signal ignored (nohup, a shell's &) wants it so. */
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(numbers[i], &action, NULL);
  }
}
