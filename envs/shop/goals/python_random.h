/* CPython's global random generator (MT19937) and the few functions of its
 * `random` module that decide WebShop's prices and goal order (webshop-spec 2). */
#ifndef SHOP_PYTHON_RANDOM_H
#define SHOP_PYTHON_RANDOM_H

#include <glib.h>

typedef struct ShopPythonRandom {
  guint32 state[624];
  guint position;
} ShopPythonRandom;

/* seed(n) of a non-negative integer. */
void shop_python_random_seed(ShopPythonRandom *random, guint64 n);
/* getrandbits(k), 1 <= k <= 32. */
guint32 shop_python_random_bits(ShopPythonRandom *random, guint k);
/* random(): [0, 1) with 53 bits. */
double shop_python_random_random(ShopPythonRandom *random);
/* randbelow(n), n > 0. */
guint32 shop_python_random_below(ShopPythonRandom *random, guint32 n);
/* uniform(a, b) */
double shop_python_random_uniform(ShopPythonRandom *random, double a, double b);
/* shuffle of n items of item_size bytes (at most 64). */
void shop_python_random_shuffle(ShopPythonRandom *random, gpointer items, guint32 n, gsize item_size);
/* sample(range(n), k) into `chosen`, k <= n. */
void shop_python_random_sample(ShopPythonRandom *random, guint32 n, guint32 k, guint32 *chosen);
/* choices(range(n), k=1)[0] */
guint32 shop_python_random_choice(ShopPythonRandom *random, guint32 n);

/* The original's weighted goal index (webshop-spec 2.2): `cumulative` holds n + 1 sums 0, w0, w0 + w1, ...
 * Off by one as the original is: index 0 never comes when n > 1. With `exact` goal i is drawn with weight
 * w[i]. */
guint32 shop_weighted_index(ShopPythonRandom *random, const double *cumulative, guint32 n, gboolean exact);

#endif
