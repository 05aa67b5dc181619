/* CPython's and NumPy's derivations from the outputs of MT19937. GRand seeds an array of keys as CPython does
 * (Matsumoto's and Nishimura's initialisation of 2002), and its g_rand_int is getrandbits(32). */
#include "envs/shop/goals/python_random.h"

#include "envs/shop/text/fail.h"
#include <string.h>

GRand *shop_python_random_new(guint64 n)
{
  const guint32 key[2] = {(guint32)n, (guint32)(n >> 32)};
  GRand *random = g_rand_new_with_seed(0);
  g_rand_set_seed_array(random, key, key[1] != 0 ? 2 : 1);
  return random;
}

gboolean shop_python_random_check(GError **error)
{
  g_autoptr(GRand) random = shop_python_random_new(233);
  if (g_rand_int(random) == 2931216007u)
    return TRUE;
  return shop_fail(error, CW_ERROR_UNSUPPORTED,
                   "GLib's random numbers are not those that WebShop's goals are drawn with: "
                   "G_RANDOM_VERSION is set to '%s'; unset it",
                   g_getenv("G_RANDOM_VERSION"));
}

guint32 shop_python_random_bits(GRand *random, guint k)
{
  return g_rand_int(random) >> (32 - k);
}

double shop_python_random_random(GRand *random)
{
  guint32 a = g_rand_int(random) >> 5, b = g_rand_int(random) >> 6;
  return (a * 67108864.0 + b) / 9007199254740992.0;
}

guint32 shop_python_random_below(GRand *random, guint32 n)
{
  guint k = g_bit_storage(n);
  guint32 value;
  do
    value = shop_python_random_bits(random, k);
  while (value >= n);
  return value;
}

double shop_python_random_uniform(GRand *random, double a, double b)
{
  return a + (b - a) * shop_python_random_random(random);
}

void shop_python_random_shuffle(GRand *random, gpointer items, guint32 n, gsize item_size)
{
  char spare[64];
  g_return_if_fail(item_size <= sizeof spare);
  for (guint32 i = n; i-- > 1;) {
    char *a = (char *)items + i * item_size;
    char *b = (char *)items + shop_python_random_below(random, i + 1) * item_size;
    memcpy(spare, a, item_size);
    memmove(a, b, item_size);
    memcpy(b, spare, item_size);
  }
}

void shop_python_random_sample(GRand *random, guint32 n, guint32 k, guint32 *chosen)
{
  /* Below this size CPython copies the population; above it redraws repeats. */
  guint64 set_size = 21;
  if (k > 5) {
    guint64 table = 1;
    while (table < 3 * (guint64)k)
      table *= 4;
    set_size += table;
  }
  if (n <= set_size) {
    g_autofree guint32 *pool = g_new(guint32, n);
    for (guint32 i = 0; i < n; i++)
      pool[i] = i;
    for (guint32 i = 0; i < k; i++) {
      guint32 j = shop_python_random_below(random, n - i);
      chosen[i] = pool[j];
      pool[j] = pool[n - i - 1];
    }
    return;
  }
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  for (guint32 i = 0; i < k; i++) {
    guint32 j;
    do
      j = shop_python_random_below(random, n);
    while (!g_hash_table_add(seen, GUINT_TO_POINTER(j + 1)));
    chosen[i] = j;
  }
}

guint32 shop_python_random_choice(GRand *random, guint32 n)
{
  return (guint32)(shop_python_random_random(random) * n);
}

guint32 shop_weighted_index(GRand *random, const double *cumulative, guint32 n, gboolean exact)
{
  double position = shop_python_random_uniform(random, 0, cumulative[n]);
  /* The first entry greater than the position, among n + 1. */
  guint32 low = 0, high = n + 1;
  while (low < high) {
    guint32 middle = low + (high - low) / 2;
    if (position < cumulative[middle])
      high = middle;
    else
      low = middle + 1;
  }
  if (exact && low > 0)
    low--;
  return MIN(low, n - 1);
}

GRand *shop_numpy_random_new(guint32 seed)
{
  return g_rand_new_with_seed(seed);
}

/* randint(0, top) of the legacy generators: the lowest bits of an output, drawn anew while they are more. */
static guint32 numpy_interval(GRand *random, guint32 top)
{
  guint32 mask = (guint32)((G_GUINT64_CONSTANT(1) << g_bit_storage(top)) - 1), value;
  do
    value = g_rand_int(random) & mask;
  while (value > top);
  return value;
}

void shop_numpy_random_choice(GRand *random, guint32 n, guint32 k, guint32 *chosen)
{
  g_autofree guint32 *pool = g_new(guint32, n);
  for (guint32 i = 0; i < n; i++)
    pool[i] = i;
  for (guint32 i = n; i-- > 1;) {
    guint32 j = numpy_interval(random, i), spare = pool[i];
    pool[i] = pool[j];
    pool[j] = spare;
  }
  memcpy(chosen, pool, k * sizeof *pool);
}
