/* Counting, ranking and judging. A ranking owns its items' names. */
#include "lab/recommend/ranking.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static CwRankedItem *item_at(const CwRanking *ranking, guint i)
{
  return &g_array_index(ranking->items, CwRankedItem, i);
}

CwRanking *cw_ranking_new(void)
{
  CwRanking *ranking = g_new0(CwRanking, 1);
  ranking->items = g_array_new(FALSE, FALSE, sizeof(CwRankedItem));
  return ranking;
}

void cw_ranking_free(CwRanking *ranking)
{
  if (!ranking)
    return;
  for (guint i = 0; i < ranking->items->len; i++)
    g_free(item_at(ranking, i)->name);
  g_array_free(ranking->items, TRUE);
  g_free(ranking);
}

void cw_ranking_add(CwRanking *ranking, const char *name, double reward)
{
  gint place = cw_ranking_place(ranking, name);
  CwRankedItem *item;
  if (place < 0) {
    CwRankedItem fresh = {g_strdup(name), 0, 0};
    place = (gint)ranking->items->len;
    g_array_append_val(ranking->items, fresh);
  }
  item = item_at(ranking, (guint)place);
  item->n++;
  item->relevance += (reward - item->relevance) / item->n;
}

/* By insertion, which keeps the order of equals. */
void cw_ranking_sort(CwRanking *ranking)
{
  for (guint i = 1; i < ranking->items->len; i++) {
    CwRankedItem item = *item_at(ranking, i);
    guint place = i;
    for (; place > 0 && item_at(ranking, place - 1)->n < item.n; place--)
      *item_at(ranking, place) = *item_at(ranking, place - 1);
    *item_at(ranking, place) = item;
  }
}

gint cw_ranking_place(const CwRanking *ranking, const char *target)
{
  for (guint i = 0; i < ranking->items->len; i++)
    if (strcmp(item_at(ranking, i)->name, target) == 0)
      return (gint)i;
  return -1;
}

static double discount(guint place)
{
  return 1 / log2((double)place + 2);
}

double cw_ranking_ndcg_of_target(const CwRanking *ranking, const char *target, guint k)
{
  gint place = cw_ranking_place(ranking, target);
  return place >= 0 && (guint)place < k ? discount((guint)place) : 0;
}

static int compare_falling(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

double cw_ranking_ndcg_of_rewards(const CwRanking *ranking, const char *target, guint k)
{
  guint n = ranking->items->len, n_ideal = 0;
  g_autofree double *ideal = g_new(double, n + 1);
  double gain = 0, most = 0;
  ideal[n_ideal++] = 1;
  for (guint i = 0; i < n; i++) {
    const CwRankedItem *item = item_at(ranking, i);
    if (i < k)
      gain += item->relevance * discount(i);
    if (strcmp(item->name, target) != 0)
      ideal[n_ideal++] = item->relevance;
  }
  qsort(ideal, n_ideal, sizeof *ideal, compare_falling);
  for (guint i = 0; i < MIN(n_ideal, k); i++)
    most += ideal[i] * discount(i);
  return gain / most;
}
