/* Puts GLib's log messages on stderr in the command's own words. On a terminal a message first clears the
 * progress line that may stand there. */
#include "core/base/printable.h"
#include "core/cli/cli.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once, before anything is logged from another thread. */
static gboolean only_warnings;

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                  gpointer user_data)
{
  (void)user_data;
  const char *message = NULL, *domain = NULL;
  for (gsize i = 0; i < n_fields; i++) {
    if (strcmp(fields[i].key, "MESSAGE") == 0)
      message = fields[i].value;
    else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
      domain = fields[i].value;
  }
  gboolean is_error = (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0;
  gboolean is_warning = (level & G_LOG_LEVEL_WARNING) != 0;
  if (!is_error && !is_warning) {
    if (only_warnings)
      return G_LOG_WRITER_HANDLED;
    if (!(level & G_LOG_LEVEL_MESSAGE) && g_log_writer_default_would_drop(level, domain))
      return G_LOG_WRITER_HANDLED;
  }
  g_autofree char *shown = cw_printable(message ? message : "", "\n\t");
  fprintf(stderr, "%scartwright: %s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
          is_error     ? "error: "
          : is_warning ? "warning: "
                       : "",
          shown);
  fflush(stderr);
  return G_LOG_WRITER_HANDLED;
}

void cli_install_log_writer(void)
{
  g_log_set_writer_func(write_log, NULL, NULL);
}

void cli_log_quiet(gboolean quiet)
{
  only_warnings = quiet;
}
