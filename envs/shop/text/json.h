/* jansson with the cleanup that GLib's g_autoptr needs. */
#ifndef SHOP_JSON_H
#define SHOP_JSON_H

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

#endif
