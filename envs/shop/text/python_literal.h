/* Lists and maps of strings in the source notation of the original's language, which its addresses and logs
 * hold: ['red', "men's"] and {'color': 'red'}. */
#ifndef SHOP_PYTHON_LITERAL_H
#define SHOP_PYTHON_LITERAL_H

#include <glib.h>

/* Appends the strings of a list to `strings` (which frees them with g_free). FALSE when the text is something
 * else; then `strings` holds what came before. */
gboolean shop_python_list_read(const char *text, GPtrArray *strings);

/* The same for a map: name, value, name, value. */
gboolean shop_python_dict_read(const char *text, GPtrArray *strings);

#endif
