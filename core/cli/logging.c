/* Puts GLib's log messages on stderr in the command's own words. On a terminal a message first clears the
 * progress line that may stand there. */
#include "core/base/printable.h"
#include "core/cli/cli.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once, before anything is logged from another thread. */
static gboolean only_warnings, verbose;
static GStrv debugged; /* domains; NULL: none */

/* Whether details (g_info, g_debug) were asked for, here or by $G_MESSAGES_DEBUG. */
static gboolean wants_details(GLogLevelFlags level, const char *domain)
{
  if (verbose && (level & G_LOG_LEVEL_INFO))
    return TRUE;
  for (guint i = 0; debugged && debugged[i]; i++)
    if (g_str_equal(debugged[i], "all") || g_strcmp0(debugged[i], domain) == 0)
      return TRUE;
  return !g_log_writer_default_would_drop(level, domain);
}

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                  gpointer user_data G_GNUC_UNUSED)
{
  const char *message = NULL, *domain = NULL;
  for (gsize i = 0; i < n_fields; i++) {
    if (strcmp(fields[i].key, "MESSAGE") == 0)
      message = fields[i].value;
    else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
      domain = fields[i].value;
  }
  gboolean is_error = (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0;
  gboolean is_warning = (level & G_LOG_LEVEL_WARNING) != 0;
  gboolean is_detail = (level & (G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG)) != 0;
  if (is_detail ? !wants_details(level, domain) : only_warnings && !is_error && !is_warning)
    return G_LOG_WRITER_HANDLED;
  g_autofree char *shown = cw_printable(message ? message : "", "\n\t");
  gboolean is_foreign = is_detail && domain && !g_str_equal(domain, "cartwright");
  fprintf(stderr, "%scartwright: %s%s%s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
          is_error                    ? "error: "
          : is_warning                ? "warning: "
          : level & G_LOG_LEVEL_INFO  ? "info: "
          : level & G_LOG_LEVEL_DEBUG ? "debug: "
                                      : "",
          is_foreign ? domain : "", is_foreign ? ": " : "", shown);
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

void cli_log_details(gboolean info, const char *const *domains)
{
  verbose = info;
  g_strfreev(debugged);
  debugged = g_strdupv((char **)domains);
}
