/* An array that a shop file holds: plain elements without pointers, so that they may be in a memory-mapped
 * file. The catalogue, the search index, the nouns and the prepared parts of the reward are each a few such
 * arrays; the file (file.h) stores and finds them by name. */
#ifndef SHOP_ARRAY_H
#define SHOP_ARRAY_H

#include <glib.h>

typedef struct ShopArray {
  const char *name;     /* "index/postings"; static */
  const void *elements; /* aligned to 64 bytes when it comes from a file; owned by whoever made the array */
  gsize element_size;   /* bytes; a file is refused when it disagrees with the reader's */
  gsize n_elements;
} ShopArray;

/* Finds an array by name: CW_ENVIRONMENT_ERROR when it is absent or its elements have another size. The
 * message speaks of the array only: whoever opened the source puts its name in front. */
typedef gboolean (*ShopArrayFinder)(gpointer source, const char *name, gsize element_size, ShopArray *array,
                                    GError **error);

#endif
