/* From a file to checked features. The loader opens one shared object, checks it in a fixed order and hands
 * back copies of everything it declares, in structs of the host's own size; the registry keeps them. */
#ifndef CW_LOADER_H
#define CW_LOADER_H

#include "core/plugin/registry.h"

/* Opens `path` and checks, in this order: regular file, dlopen, symbol, non-NULL, magic, major, sizes, minor.
 * Returns a zero-extended copy of the plugin's descriptor, to be freed with g_free (its strings and features
 * stay in the plugin, which is never unloaded), or NULL with CW_PLUGIN_ERROR. */
CwPluginDescriptor *cw_loader_open(const char *path, GError **error);

/* Checks and copies the features of an opened plugin, each in this order: kind, name and sizes, a name that
 * differs from those before it and those in `registered` (CwRegisteredFeature *), required slots, option
 * table, conversions. Returns an array of CwRegisteredFeature * (freed with cw_loader_feature_free) or NULL
 * with error. */
GPtrArray *cw_loader_features(const CwLoadedPlugin *plugin, const GPtrArray *registered, GError **error);

/* Frees a feature and its copies of vtable and option rows; accepts NULL. */
void cw_loader_feature_free(gpointer feature);

/* The name of the first slot that `vtable` (of the host's own size) must fill and does not, or NULL;
 * *needed_by is then the capability's name, or NULL for a slot that every feature of the kind has. */
const char *cw_loader_missing_slot(CwFeatureKind kind, guint64 capabilities, gconstpointer vtable,
                                   const char **needed_by);

/* Size of the host's own vtable of a kind, and the least that a plugin may declare: up to the last slot that
 * ABI 1.0 requires. 0 for an unknown kind. */
gsize cw_loader_vtable_size(CwFeatureKind kind);
gsize cw_loader_vtable_minimum(CwFeatureKind kind);

#endif
