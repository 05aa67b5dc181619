/* A world in a shop file: everything that does not depend on an experiment's settings, and what does for the
 * usual ones. */
#ifndef SHOP_WORLD_FILE_H
#define SHOP_WORLD_FILE_H

#include "envs/shop/world/world.h"

#include <cartwright/conversion.h>

/* What a shop file is made of. */
typedef struct ShopSources {
  const char *items_file, *attributes_file;
  const char *human_file; /* or NULL: no crowd-written instructions */
  const char *nouns_file; /* or NULL: the built-in tagger */
  guint64 max_products;   /* 0: all */
  ShopGoalSettings
      settings; /* which prices, bounds and splits are stored (n_skipped aside); others are made on opening */
} ShopSources;

/* Reads the sources and writes the shop file `into`, which must not exist. Of a file that fails something may
 * be left; it is no shop file. `progress` as in CwConversion. */
gboolean shop_world_import(const ShopSources *sources, const char *into, CwProgressSink progress,
                           gpointer progress_data, GError **error);

/* The world in a shop file: the same as one built from the same sources. */
ShopWorld *shop_world_open(const char *path, ShopFileVerify verify, const char *prefix,
                           const ShopSettings *settings, GError **error);

#endif
