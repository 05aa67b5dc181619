/* Estimates the time left from the speed of the present phase and of finished phases of the same kind. Owns
 * the phases and the present progress line. */
#include "core/base/eta.h"
#include "core/base/progress.h"

typedef enum { AHEAD, RUNNING, OVER } State;

typedef struct {
  char *kind;
  State state;
  guint64 units, done, done_before; /* done_before: by an earlier process */
  gint64 start, end;                /* microseconds */
} Phase;

struct CwOutlook {
  GArray *phases; /* Phase */
  gint present;   /* -1: none */
  CwProgress *progress;
  gboolean quiet;
};

static void phase_clear(gpointer data)
{
  g_free(((Phase *)data)->kind);
}

CwOutlook *cw_outlook_new(gboolean quiet)
{
  CwOutlook *outlook = g_new0(CwOutlook, 1);
  outlook->phases = g_array_new(FALSE, TRUE, sizeof(Phase));
  g_array_set_clear_func(outlook->phases, phase_clear);
  outlook->present = -1;
  outlook->quiet = quiet;
  return outlook;
}

void cw_outlook_free(CwOutlook *outlook)
{
  if (!outlook)
    return;
  cw_outlook_end(outlook);
  g_array_unref(outlook->phases);
  g_free(outlook);
}

static Phase *phase_at(const CwOutlook *outlook, guint i)
{
  return &g_array_index(outlook->phases, Phase, i);
}

guint cw_outlook_add(CwOutlook *outlook, const char *kind, guint64 units)
{
  Phase phase = {.kind = g_strdup(kind), .units = units};
  g_array_append_val(outlook->phases, phase);
  return outlook->phases->len - 1;
}

void cw_outlook_skip(CwOutlook *outlook, guint phase)
{
  phase_at(outlook, phase)->state = OVER;
}

void cw_outlook_begin(CwOutlook *outlook, guint phase, const char *label, guint64 done, guint64 units)
{
  cw_outlook_end(outlook);
  Phase *present = phase_at(outlook, phase);
  present->state = RUNNING;
  present->units = units ? units : present->units;
  present->done = present->done_before = done;
  present->start = present->end = g_get_monotonic_time();
  outlook->present = (gint)phase;
  outlook->progress = cw_progress_new(label, outlook->quiet);
  cw_progress_report(outlook->progress, done, present->units, "");
}

void cw_outlook_report(CwOutlook *outlook, guint64 done, guint64 total, const char *text)
{
  if (outlook->present < 0)
    return;
  Phase *present = phase_at(outlook, (guint)outlook->present);
  present->done = done;
  present->units = total;
  present->end = g_get_monotonic_time();
  gboolean complete = FALSE;
  double left = cw_outlook_left(outlook, present->end, &complete);
  char *duration = cw_format_duration(left);
  char *whole = g_strdup_printf("run ETA %s%s%s%s", complete ? "" : ">", duration, text && *text ? ", " : "",
                                text ? text : "");
  cw_progress_report(outlook->progress, done, total, whole);
  g_free(whole);
  g_free(duration);
}

void cw_outlook_end(CwOutlook *outlook)
{
  if (outlook->present < 0)
    return;
  Phase *present = phase_at(outlook, (guint)outlook->present);
  present->state = OVER;
  present->end = g_get_monotonic_time();
  outlook->present = -1;
  g_clear_pointer(&outlook->progress, cw_progress_finish);
}

/* Seconds per unit, negative when nothing has been measured. */
static double speed(const Phase *phase)
{
  guint64 n = phase->done - phase->done_before;
  return phase->state == AHEAD || n == 0 ? -1
                                         : (double)(phase->end - phase->start) / G_USEC_PER_SEC / (double)n;
}

/* The speed of the phase or of the last measured one of its kind. */
static double expected_speed(const CwOutlook *outlook, const Phase *phase)
{
  double result = speed(phase);
  for (guint i = outlook->phases->len; result < 0 && i-- > 0;)
    if (g_str_equal(phase_at(outlook, i)->kind, phase->kind))
      result = speed(phase_at(outlook, i));
  return result;
}

double cw_outlook_left(const CwOutlook *outlook, gint64 now, gboolean *complete)
{
  double left = 0;
  *complete = TRUE;
  for (guint i = 0; i < outlook->phases->len; i++) {
    const Phase *phase = phase_at(outlook, i);
    if (phase->state == OVER)
      continue;
    double per_unit = expected_speed(outlook, phase);
    if (per_unit < 0 || phase->units == 0) {
      *complete = FALSE;
      continue;
    }
    double rest = per_unit * (double)(phase->units - MIN(phase->done, phase->units));
    if (phase->state == RUNNING)
      rest -= (double)(now - phase->end) / G_USEC_PER_SEC;
    left += MAX(rest, 0);
  }
  return left;
}
