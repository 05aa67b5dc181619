/* The few functions of CPython's `random` module that decide WebShop's prices and goal order (docs/spec
 * 2), and the one of NumPy's that decides which goals verl-agent takes. The generator is GLib's, which is the
 * same Mersenne Twister. */
#ifndef SHOP_PYTHON_RANDOM_H
#define SHOP_PYTHON_RANDOM_H

#include <glib.h>

/* A generator after seed(n); free with g_rand_free. */
GRand *shop_python_random_new(guint64 n);
/* Whether GLib's generator is the one that this relies on: G_RANDOM_VERSION=2.0 in the environment changes
 * it. */
gboolean shop_python_random_check(GError **error);
/* getrandbits(k), 1 <= k <= 32. */
guint32 shop_python_random_bits(GRand *random, guint k);
/* random(): [0, 1) with 53 bits. */
double shop_python_random_random(GRand *random);
/* randbelow(n), n > 0. */
guint32 shop_python_random_below(GRand *random, guint32 n);
/* uniform(a, b) */
double shop_python_random_uniform(GRand *random, double a, double b);
/* shuffle of n items of item_size bytes (at most 64). */
void shop_python_random_shuffle(GRand *random, gpointer items, guint32 n, gsize item_size);
/* sample(range(n), k) into `chosen`, k <= n. */
void shop_python_random_sample(GRand *random, guint32 n, guint32 k, guint32 *chosen);
/* choices(range(n), k=1)[0] */
guint32 shop_python_random_choice(GRand *random, guint32 n);

/* NumPy's legacy RandomState(seed); free with g_rand_free. */
GRand *shop_numpy_random_new(guint32 seed);
/* Its choice(range(n), size=k, replace=False) into `chosen`, k <= n. */
void shop_numpy_random_choice(GRand *random, guint32 n, guint32 k, guint32 *chosen);

/* The original's weighted goal index (docs/spec 2.2): `cumulative` holds n + 1 sums 0, w0, w0 + w1, ...
 * Off by one as the original is: index 0 never comes when n > 1. With `exact` goal i is drawn with weight
 * w[i]. */
guint32 shop_weighted_index(GRand *random, const double *cumulative, guint32 n, gboolean exact);

#endif
