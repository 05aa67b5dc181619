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

struct CwEta {
  GArray *phases; /* Phase */
  gint present;   /* -1: none */
  CwProgress *progress;
  gboolean quiet;
};

static void phase_clear(gpointer data)
{
  g_free(((Phase *)data)->kind);
}

CwEta *cw_eta_new(gboolean quiet)
{
  CwEta *eta = g_new0(CwEta, 1);
  eta->phases = g_array_new(FALSE, TRUE, sizeof(Phase));
  g_array_set_clear_func(eta->phases, phase_clear);
  eta->present = -1;
  eta->quiet = quiet;
  return eta;
}

void cw_eta_free(CwEta *eta)
{
  if (!eta)
    return;
  cw_eta_end(eta);
  g_array_unref(eta->phases);
  g_free(eta);
}

static Phase *phase_at(const CwEta *eta, guint i)
{
  return &g_array_index(eta->phases, Phase, i);
}

guint cw_eta_add(CwEta *eta, const char *kind, guint64 units)
{
  Phase phase = {.kind = g_strdup(kind), .units = units};
  g_array_append_val(eta->phases, phase);
  return eta->phases->len - 1;
}

void cw_eta_skip(CwEta *eta, guint phase)
{
  phase_at(eta, phase)->state = OVER;
}

void cw_eta_begin(CwEta *eta, guint phase, const char *label, guint64 done, guint64 units)
{
  cw_eta_end(eta);
  Phase *present = phase_at(eta, phase);
  present->state = RUNNING;
  present->units = units ? units : present->units;
  present->done = present->done_before = done;
  present->start = present->end = g_get_monotonic_time();
  eta->present = (gint)phase;
  eta->progress = cw_progress_new(label, eta->quiet);
  cw_progress_update(eta->progress, done, present->units, "");
}

void cw_eta_update(CwEta *eta, guint64 done, guint64 total, const char *text)
{
  if (eta->present < 0)
    return;
  Phase *present = phase_at(eta, (guint)eta->present);
  present->done = done;
  present->units = total;
  present->end = g_get_monotonic_time();
  gboolean complete = FALSE;
  double left = cw_eta_left(eta, present->end, &complete);
  g_autofree char *duration = cw_format_duration(left);
  g_autofree char *whole = g_strdup_printf("run ETA %s%s%s%s", complete ? "" : ">", duration,
                                           text && *text ? ", " : "", text ? text : "");
  cw_progress_update(eta->progress, done, total, whole);
}

void cw_eta_end(CwEta *eta)
{
  if (eta->present < 0)
    return;
  Phase *present = phase_at(eta, (guint)eta->present);
  present->state = OVER;
  present->end = g_get_monotonic_time();
  eta->present = -1;
  g_clear_pointer(&eta->progress, cw_progress_finish);
}

/* Seconds per unit, negative when nothing has been measured. */
static double speed(const Phase *phase)
{
  guint64 n = phase->done - phase->done_before;
  return phase->state == AHEAD || n == 0 ? -1
                                         : (double)(phase->end - phase->start) / G_USEC_PER_SEC / (double)n;
}

/* The speed of the phase or of the last measured one of its kind. */
static double expected_speed(const CwEta *eta, const Phase *phase)
{
  double result = speed(phase);
  for (guint i = eta->phases->len; result < 0 && i-- > 0;)
    if (g_str_equal(phase_at(eta, i)->kind, phase->kind))
      result = speed(phase_at(eta, i));
  return result;
}

double cw_eta_left(const CwEta *eta, gint64 now, gboolean *complete)
{
  double left = 0;
  *complete = TRUE;
  for (guint i = 0; i < eta->phases->len; i++) {
    const Phase *phase = phase_at(eta, i);
    if (phase->state == OVER)
      continue;
    double per_unit = expected_speed(eta, phase);
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
