/* Loading WebShop's three files into a catalogue. */
#ifndef SHOP_LOADER_H
#define SHOP_LOADER_H

#include "envs/shop/catalogue/catalogue.h"

#include <cartwright/conversion.h>

/* Adds the product array of `items_file`, at most `max_products` raw entries (0: all), then the attribute
 * object of `attributes_file` and the crowd instructions of `human_file` (each may be NULL: not read). With
 * `require_attributes` every product must have an entry in the attribute file, as the original demands for
 * synthetic goals. Errors name file, line, column and product, and the cure. */
ShopCatalogue *shop_load_catalogue(const char *items_file, const char *attributes_file,
                                   const char *human_file, guint64 max_products, gboolean require_attributes,
                                   GError **error);

/* The same into a builder, which is finished, with progress in bytes of each file;
 * `progress` as in CwConversion, or NULL. */
ShopCatalogue *shop_load_catalogue_into(ShopCatalogueBuilder *builder, const char *items_file,
                                        const char *attributes_file, const char *human_file,
                                        guint64 max_products, CwProgressSink progress, gpointer progress_data,
                                        GError **error);

#endif
