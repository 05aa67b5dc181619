/* Calls the losses of an algorithm again, after it has called them: at logits a little to both sides, for
 * central differences, and each alone and in another order, for purity. A loss is a function of its view and
 * data, so none of this changes what the algorithm does. The network plays no part. */
#include "conformance/check_losses.h"
#include "core/sdk/learn_watch.h"
#include <math.h>

#define ITEMS_OF_A_CALL 8 /* whose slopes are compared, spread over the call */
#define WIDEST          0.05
#define N_WIDTHS        3 /* each a quarter of the one before */

/* One point at which a loss is looked at. `logits` and `value` may be changed and are put back. */
typedef struct {
  const CwLossCall *call;
  guint index, n; /* of the item; its logits */
  float *logits;
  double value;
  double loss, largest; /* there; the largest derivative that the slopes amount to */
} Point;

/* How many numbers the network gives for an item. */
static guint n_logits_of(const CwLossCall *call, guint index)
{
  const CwStep *step = call->items->steps[index];
  return step->chosen == CW_WORDS ? 1 : step->decision->n_candidates;
}

static double loss_at(const Point *point, float *dlogits, double *dvalue)
{
  double reports[CW_MOST_REPORTS] = {0};
  return cw_loss_at(point->call->items, point->index, point->logits, point->value, 1, point->call->loss,
                    point->call->data, dlogits, dvalue, reports);
}

/* The loss with argument `k` (a logit, or the value when k = n) moved by about `by`; *moved is by how much,
 * since a logit is a float. */
static double loss_moved(Point *point, guint k, double by, double *moved)
{
  g_autofree float *dlogits = g_new(float, point->n);
  double dvalue, value = point->value, loss;
  if (k == point->n) {
    point->value += by;
    *moved = by;
    loss = loss_at(point, dlogits, &dvalue);
    point->value = value;
    return loss;
  }
  float logit = point->logits[k];
  point->logits[k] = (float)(logit + by);
  *moved = (double)point->logits[k] - logit;
  loss = loss_at(point, dlogits, &dvalue);
  point->logits[k] = logit;
  return loss;
}

/* (f(x + h) - f(x - h)) / 2h; *bend is the difference of the slopes on the two sides. */
static double central_difference(Point *point, guint k, double width, double *bend)
{
  double right, left, above = loss_moved(point, k, width, &right),
                      below = loss_moved(point, k, -width, &left);
  *bend = fabs((above - point->loss) / right - (below - point->loss) / left);
  return (above - below) / (right - left);
}

/* The derivative with respect to argument k from two differences D(h), D(h/2) by Richardson's extrapolation,
 * (4 D(h/2) - D(h)) / 3, and what it may be wrong by. Where they disagree, or where the sides do not come
 * together as h shrinks, a kink may be near (a clip): narrower ones are tried, and NaN says that there is no
 * derivative to compare with. A loss may be computed in single precision. */
static double derivative(Point *point, guint k, double *tolerance)
{
  double width = WIDEST;
  for (guint i = 0; i < N_WIDTHS; i++, width /= 4) {
    double bend, narrow_bend;
    double wide = central_difference(point, k, width, &bend);
    double narrow = central_difference(point, k, width / 2, &narrow_bend);
    double agreement = 1e-3 * fmax(point->largest, fabs(narrow)) + 1e-5 * (1 + fabs(point->loss));
    *tolerance = 2e-4 * point->largest + 0.4 * fabs(wide - narrow) + 3e-7 * (1 + fabs(point->loss)) / width;
    if (fabs(wide - narrow) <= agreement && (narrow_bend <= agreement || narrow_bend <= 0.75 * bend))
      return (4 * narrow - wide) / 3;
  }
  return NAN;
}

static void compare_argument(CwLossWatch *watch, Point *point, guint k, double slope)
{
  double tolerance, expected = derivative(point, k, &tolerance);
  if (!isfinite(expected))
    return;
  watch->n_compared++;
  if (fabs(expected - slope) <= tolerance)
    return;
  g_autofree char *what = k == point->n ? g_strdup("the value") : g_strdup_printf("logit %u", k);
  cw_verdict_fail(
      watch->verdict,
      "call %u of cw_accumulate, item %u of %u logits: the returned loss changes by %.6g per "
      "unit of %s, and the slopes amount to %.6g; correct a sign or a factor in CwSlopes, or the "
      "returned loss (numbers that are meant to be constant come from cw_score, not from the view)",
      watch->n_calls, point->index, point->n, expected, what, slope);
}

static void compare_point(CwLossWatch *watch, Point *point, gboolean with_value)
{
  g_autofree float *dlogits = g_new(float, point->n);
  double dvalue;
  point->loss = loss_at(point, dlogits, &dvalue);
  point->largest = with_value ? fabs(dvalue) : 0;
  for (guint k = 0; k < point->n; k++)
    point->largest = fmax(point->largest, fabs(dlogits[k]));
  for (guint k = 0; k < point->n; k++)
    compare_argument(watch, point, k, dlogits[k]);
  if (with_value)
    compare_argument(watch, point, point->n, dvalue);
}

/* Where the network is, and away from there: at the start all probabilities are equal, and an entropy's slope
 * is zero whatever its sign. */
static void compare_slopes(const CwLossCall *call, gpointer user_data)
{
  CwLossWatch *watch = user_data;
  guint stride = MAX(1, call->n / ITEMS_OF_A_CALL);
  for (guint place = 0; place < call->n && watch->verdict->result == CW_CHECK_PASSED; place += stride) {
    guint index = call->indices ? call->indices[place] : place;
    guint n = n_logits_of(call, index);
    g_autofree float *logits = g_memdup2(call->logits[place], n * sizeof *logits);
    Point point = {.call = call, .index = index, .n = n, .logits = logits, .value = call->values[place]};
    compare_point(watch, &point, call->items->with_values);
    for (guint k = 0; k < n; k++)
      logits[k] += 0.7f * sinf(1.3f * (float)(k + 1) + (float)place);
    point.value += 0.3;
    compare_point(watch, &point, call->items->with_values);
  }
  watch->n_calls++;
}

static gboolean is_same(double a, double b)
{
  return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

/* One item alone. */
static void repeat_loss(CwLossWatch *watch, const CwLossCall *call, guint place)
{
  guint index = call->indices ? call->indices[place] : place;
  g_autofree float *dlogits = g_new(float, n_logits_of(call, index));
  double dvalue, reports[CW_MOST_REPORTS] = {0};
  double weight = call->items->weight ? call->items->weight[index] : 1.0 / call->n;
  double loss = cw_loss_at(call->items, index, call->logits[place], call->values[place], weight, call->loss,
                           call->data, dlogits, &dvalue, reports);
  if (!is_same(loss, call->losses[place]))
    cw_verdict_fail(
        watch->verdict,
        "call %u of cw_accumulate, item %u: called again, alone and in another order, the loss is "
        "%.9g instead of %.9g; a loss may depend on its view and its data and on nothing that "
        "calls leave behind",
        watch->n_calls, index, loss, call->losses[place]);
  for (guint r = 0; r < CW_MOST_REPORTS; r++) {
    double before = call->reports[(gsize)place * CW_MOST_REPORTS + r];
    if (!is_same(reports[r], before) && !(isnan(reports[r]) && isnan(before)))
      cw_verdict_fail(watch->verdict,
                      "call %u of cw_accumulate, item %u: called again, alone and in another order, the loss "
                      "reports %.9g as number %u instead of %.9g",
                      watch->n_calls, index, reports[r], r, before);
  }
}

static void compare_repeated(const CwLossCall *call, gpointer user_data)
{
  CwLossWatch *watch = user_data;
  g_autoptr(CwRandom) random = cw_random_new(CW_CHECK_SEED, "check losses", watch->n_calls, 0);
  g_auto(CwOrder) order = {0};
  cw_order_shuffle(&order, random, call->n, 0);
  for (guint i = 0; i < call->n && watch->verdict->result == CW_CHECK_PASSED; i++)
    repeat_loss(watch, call, order.items[i]);
  watch->n_compared += call->n;
  watch->n_calls++;
}

void cw_check_slopes_begin(CwLossWatch *watch, CwVerdict *verdict)
{
  *watch = (CwLossWatch){.verdict = verdict};
  cw_watch_losses(compare_slopes, watch);
}

void cw_check_purity_begin(CwLossWatch *watch, CwVerdict *verdict)
{
  *watch = (CwLossWatch){.verdict = verdict};
  cw_watch_losses(compare_repeated, watch);
}

void cw_check_losses_end(CwLossWatch *watch)
{
  cw_watch_losses(NULL, NULL);
  if (watch->n_calls == 0)
    cw_verdict_skip(watch->verdict,
                    "it does not call cw_accumulate or cw_learn, so no loss could be watched");
  else if (watch->n_compared == 0)
    cw_verdict_skip(watch->verdict, "at no item did the loss have a derivative to compare with");
}
