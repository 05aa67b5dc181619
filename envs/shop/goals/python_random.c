/* MT19937 as Matsumoto and Nishimura published it (1998; array initialisation of
 * 2002) and CPython's derivations from its outputs. The state is the caller's. */
#include "envs/shop/goals/python_random.h"

#include <string.h>

#define N 624
#define M 397

void shop_python_random_seed(ShopPythonRandom *random, guint64 n)
{
  guint32 key[2] = {(guint32)n, (guint32)(n >> 32)};
  guint key_length = key[1] != 0 ? 2 : 1;
  guint32 *state = random->state;
  state[0] = 19650218u;
  for (guint i = 1; i < N; i++)
    state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  guint i = 1, j = 0;
  for (guint k = N; k > 0; k--) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + key[j] + j;
    if (++i >= N) {
      state[0] = state[N - 1];
      i = 1;
    }
    if (++j >= key_length)
      j = 0;
  }
  for (guint k = N - 1; k > 0; k--) {
    state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - i;
    if (++i >= N) {
      state[0] = state[N - 1];
      i = 1;
    }
  }
  state[0] = 0x80000000u;
  random->position = N;
}

static void refill(ShopPythonRandom *random)
{
  guint32 *state = random->state;
  for (guint i = 0; i < N; i++) {
    guint32 y = (state[i] & 0x80000000u) | (state[(i + 1) % N] & 0x7fffffffu);
    state[i] = state[(i + M) % N] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfu : 0);
  }
  random->position = 0;
}

static guint32 next(ShopPythonRandom *random)
{
  if (random->position >= N)
    refill(random);
  guint32 y = random->state[random->position++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

guint32 shop_python_random_bits(ShopPythonRandom *random, guint k)
{
  return next(random) >> (32 - k);
}

double shop_python_random_random(ShopPythonRandom *random)
{
  guint32 a = next(random) >> 5, b = next(random) >> 6;
  return (a * 67108864.0 + b) / 9007199254740992.0;
}

guint32 shop_python_random_below(ShopPythonRandom *random, guint32 n)
{
  guint k = g_bit_storage(n);
  guint32 value;
  do
    value = shop_python_random_bits(random, k);
  while (value >= n);
  return value;
}

double shop_python_random_uniform(ShopPythonRandom *random, double a, double b)
{
  return a + (b - a) * shop_python_random_random(random);
}

void shop_python_random_shuffle(ShopPythonRandom *random, gpointer items, guint32 n, gsize item_size)
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

void shop_python_random_sample(ShopPythonRandom *random, guint32 n, guint32 k, guint32 *chosen)
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

guint32 shop_python_random_choice(ShopPythonRandom *random, guint32 n)
{
  return (guint32)(shop_python_random_random(random) * n);
}

guint32 shop_weighted_index(ShopPythonRandom *random, const double *cumulative, guint32 n, gboolean exact)
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
