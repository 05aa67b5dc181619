/* The progress line. A report is only remembered when it comes too soon after the last one shown; finish
 * shows what is still owed. The rate behind the ETA is measured from the first report, so a resumed run is
 * not flattered by the work of the run before. */
#include "core/base/progress.h"
#include "core/base/printable.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TERMINAL_INTERVAL 0.1
#define LINE_INTERVAL     10.0

struct CwProgress {
  char *label;
  FILE *stream; /* NULL: quiet */
  gboolean terminal;
  double interval;
  gint64 (*clock)(void);
  gint64 started, first_at, shown_at; /* microseconds */
  guint64 first_done;
  gboolean any_report, any_shown;
  gboolean owed; /* the last report has not been shown */
  guint64 done, total;
  char *text;
};

CwProgress *cw_progress_new_on(const char *label, FILE *stream, gboolean terminal, double interval,
                               gint64 (*clock)(void))
{
  CwProgress *progress = g_new0(CwProgress, 1);
  progress->label = g_strdup(label);
  progress->stream = stream;
  progress->terminal = terminal;
  progress->interval = interval;
  progress->clock = clock ? clock : g_get_monotonic_time;
  progress->started = progress->clock();
  return progress;
}

CwProgress *cw_progress_new(const char *label, gboolean quiet)
{
  gboolean terminal = isatty(STDERR_FILENO) != 0;
  return cw_progress_new_on(label, quiet ? NULL : stderr, terminal,
                            terminal ? TERMINAL_INTERVAL : LINE_INTERVAL, NULL);
}

char *cw_format_duration(double seconds)
{
  guint64 whole = seconds > 0 ? (guint64)floor(MIN(seconds, 1e15)) : 0;
  guint64 hours = whole / 3600;
  guint minutes = (guint)(whole / 60 % 60), rest = (guint)(whole % 60);
  if (hours > 0)
    return g_strdup_printf("%" G_GUINT64_FORMAT ":%02u:%02u", hours, minutes, rest);
  return g_strdup_printf("%u:%02u", minutes, rest);
}

/* Cuts the line so that it does not wrap: a wrapped line cannot be rewritten. */
static void cut_to_terminal(GString *line, int fd)
{
  struct winsize size;
  guint columns = 80, width = 0;
  if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col;
  for (const char *p = line->str; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    width += g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
    if (width >= columns) {
      g_string_truncate(line, (gsize)(p - line->str));
      return;
    }
  }
}

static void show(CwProgress *progress)
{
  g_autoptr(GString) line = g_string_new(progress->label);
  double elapsed = (double)(progress->clock() - progress->started) / G_USEC_PER_SEC;
  guint64 done = progress->done, total = progress->total;
  g_autofree char *elapsed_text = cw_format_duration(elapsed);
  if (total > 0)
    g_string_append_printf(line, " %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " (%.0f%%)", done, total,
                           floor(100.0 * (double)MIN(done, total) / (double)total));
  else
    g_string_append_printf(line, " %" G_GUINT64_FORMAT, done);
  g_string_append_printf(line, " elapsed %s", elapsed_text);
  if (total > done && done > progress->first_done) {
    double seconds = (double)(progress->clock() - progress->first_at) / G_USEC_PER_SEC;
    double per_unit = seconds / (double)(done - progress->first_done);
    g_autofree char *eta = cw_format_duration(per_unit * (double)(total - done));
    g_string_append_printf(line, " ETA %s", eta);
  }
  if (progress->text && *progress->text)
    g_string_append_printf(line, "  %s", progress->text);
  g_autofree char *shown = cw_printable(line->str, "");
  g_string_assign(line, shown);
  if (progress->terminal) {
    cut_to_terminal(line, fileno(progress->stream));
    fprintf(progress->stream, "\r%s\033[K", line->str);
  } else {
    fprintf(progress->stream, "%s\n", line->str);
  }
  fflush(progress->stream);
  progress->shown_at = progress->clock();
  progress->any_shown = TRUE;
  progress->owed = FALSE;
}

void cw_progress_update(CwProgress *progress, guint64 done, guint64 total, const char *text)
{
  if (!progress->stream)
    return;
  if (!progress->any_report) {
    progress->any_report = TRUE;
    progress->first_done = done;
    progress->first_at = progress->clock();
  }
  progress->done = done;
  progress->total = total;
  g_free(progress->text);
  progress->text = g_strdup(text);
  progress->owed = TRUE;
  if (!progress->any_shown ||
      (double)(progress->clock() - progress->shown_at) >= progress->interval * G_USEC_PER_SEC)
    show(progress);
}

void cw_progress_finish(CwProgress *progress)
{
  if (progress->stream) {
    if (progress->owed)
      show(progress);
    if (progress->terminal && progress->any_shown) {
      fputc('\n', progress->stream);
      fflush(progress->stream);
    }
  }
  g_free(progress->label);
  g_free(progress->text);
  g_free(progress);
}
