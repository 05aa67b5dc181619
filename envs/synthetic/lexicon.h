/* The words the generated shop is made of: departments, kinds of product, their attributes and options.
 * Constant data, written for this project. */
#ifndef SYNTHETIC_LEXICON_H
#define SYNTHETIC_LEXICON_H

#include <glib.h>

/* One group of options a kind of product may have. */
typedef struct {
  const char *name;          /* as on the page, e.g. "Color" */
  const char *const *values; /* NULL-terminated */
} SyntheticOptionGroup;

/* One kind of product. */
typedef struct {
  const char *department;              /* WebShop's coarse category: fashion, beauty, ... */
  const char *query;                   /* the narrow category, in lower case, as in instructions */
  const char *noun;                    /* what a title calls it, in title case */
  const char *path;                    /* product_category, separated by " › " */
  const char *accessory;               /* title of a thing that goes with it and is not it */
  const char *const *attributes;       /* NULL-terminated pool, at least 8 */
  const SyntheticOptionGroup *options; /* ended by a NULL name; at most 3 groups */
  guint lowest_price, highest_price;   /* whole dollars */
} SyntheticKind;

extern const SyntheticKind synthetic_kinds[];
extern const guint synthetic_n_kinds;

/* Syllables of brand names, sentence patterns of bullets and descriptions ("%s" is an attribute), and words
 * of praise that say nothing. NULL-terminated. */
extern const char *const synthetic_brand_heads[];
extern const char *const synthetic_brand_tails[];
extern const char *const synthetic_bullet_patterns[];
extern const char *const synthetic_filler_bullets[];
extern const char *const synthetic_praise[];

#endif
