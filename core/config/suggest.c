/* The nearest known word to a misspelt one. */
#include "core/config/options.h"
#include <string.h>

/* Optimal string alignment: Levenshtein's edits plus the swap of two neighbours (Damerau 1964), over bytes,
 * in three rolling rows. */
static gsize edit_distance(const char *a, const char *b)
{
  gsize n = strlen(a), m = strlen(b);
  g_autofree gsize *cells = g_new0(gsize, 3 * (m + 1));
  gsize *before = cells, *previous = cells + m + 1, *present = cells + 2 * (m + 1);
  for (gsize j = 0; j <= m; j++)
    previous[j] = j;
  for (gsize i = 1; i <= n; i++) {
    present[0] = i;
    for (gsize j = 1; j <= m; j++) {
      gsize best = previous[j - 1] + (a[i - 1] != b[j - 1]);
      best = MIN(best, previous[j] + 1);
      best = MIN(best, present[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        best = MIN(best, before[j - 2] + 1);
      present[j] = best;
    }
    gsize *oldest = before;
    before = previous;
    previous = present;
    present = oldest;
  }
  return previous[m];
}

const char *cw_suggest(const char *word, const char *const *words)
{
  enum { LONGEST = 100 }; /* nobody misspells a name of that length */
  gsize length = strlen(word), limit = MAX(1, length / 3);
  const char *nearest = NULL;
  gsize least = limit + 1;
  if (length == 0 || length > LONGEST)
    return NULL;
  for (; *words; words++) {
    gsize distance = edit_distance(word, *words);
    if (distance < least && distance < MAX(length, strlen(*words))) {
      least = distance;
      nearest = *words;
    }
  }
  return nearest;
}
