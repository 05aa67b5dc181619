/* The catalogue: products, their options, attributes and instructions, in flat position-independent arrays
 * over one arena of strings. It is built once, product by product, and read-only afterwards; any number of
 * threads may read it. Rules of loading: docs/spec 1.3 to 1.5. */
#ifndef SHOP_CATALOGUE_H
#define SHOP_CATALOGUE_H

#include "envs/shop/file/array.h"
#include "envs/shop/text/json.h"

#include <glib.h>

/* A string of the arena, as its position in units of four bytes. 0 is "". In the arena a string is its length
 * in bytes (guint32), its UTF-8, and a NUL. Equal short strings that were interned (asin, category, query,
 * product_category, option names and values, attributes, price tags) are the same ShopString. */
typedef guint32 ShopString;

#define SHOP_STRING_NONE G_MAXUINT32

/* `count` consecutive elements of one of the catalogue's arrays. */
typedef struct ShopSpan {
  guint32 first, count;
} ShopSpan;

/* A group of options, name in lower case: "size" with its values in the order and in the form in which pages
 * show them. */
typedef struct ShopOptionGroup {
  ShopString name;
  ShopSpan values; /* in strings */
} ShopOptionGroup;

/* An option value as a click names it. */
typedef struct ShopOptionTarget {
  ShopString value;
  ShopString action; /* "click[VALUE]"; of a shadowed one "click[GROUP: VALUE]" */
  guint32 group;     /* index within the product's groups */
  guint32 special;   /* 1 when the value equals a button's label, or cannot be read back from its action text
                        (docs/spec 5.4), so that a click on it needs a closer look */
} ShopOptionTarget;

/* One crowd instruction of a product. */
typedef struct ShopHumanRecord {
  ShopString instruction;
  ShopSpan attributes;    /* in strings */
  ShopSpan option_names;  /* in strings; empty when the file gives a list of values */
  ShopSpan option_values; /* in strings; as the file has them */
} ShopHumanRecord;

typedef struct ShopProduct {
  ShopString asin;
  ShopString title;
  ShopString item_action; /* "click[item - TITLE]" with the title in lower case */
  ShopString description;
  ShopString price_tag; /* "$10.99" or "$5.0 to $1234.5" */
  ShopString category, query, product_category;
  ShopString instruction;          /* the synthetic instruction; SHOP_STRING_NONE when there is none */
  ShopSpan bullets;                /* in strings */
  ShopSpan attributes;             /* in strings; { DUMMY_ATTR } when the attribute file gives none */
  ShopSpan instruction_attributes; /* in strings */
  ShopSpan groups;                 /* in groups */
  ShopSpan targets;  /* in targets: each distinct value once, in page order, in the last group that has it */
  ShopSpan shadowed; /* in targets: the values that a plain click does not reach */
  ShopSpan humans;   /* in humans */
  guint32 has_attributes; /* 1 when the attribute file had an entry */
  double prices[2];       /* the one or two first prices, in the order of the page */
  guint32 n_prices;       /* 1 or 2 */
} ShopProduct;

/* What everybody reads. */
typedef struct ShopCatalogue {
  const ShopProduct *products;
  const ShopString *strings;
  const ShopOptionGroup *groups;
  const ShopOptionTarget *targets;
  const ShopHumanRecord *humans;
  const char *arena;
  const guint32 *asin_table; /* open addressing: product index + 1, 0 empty */
  guint32 n_products, n_strings, n_groups, n_targets, n_humans;
  guint32 asin_table_mask;
  gsize arena_size;
  guint64 checksum;     /* of all contents, in load order; the same on every machine */
  gboolean is_borrowed; /* the arrays are a shop file's */
} ShopCatalogue;

void shop_catalogue_free(ShopCatalogue *catalogue); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopCatalogue, shop_catalogue_free)

/* The checksum, with or without what the crowd's file adds to the products. */
guint64 shop_catalogue_checksum(const ShopCatalogue *catalogue, gboolean with_humans);
/* The same for `count` products from `first` on, continued from the checksum of those before (0 at first). */
guint64 shop_catalogue_checksum_part(const ShopCatalogue *catalogue, gboolean with_humans, guint64 hash,
                                     guint32 first, guint32 count);

/* The arrays of a catalogue as a shop file holds them ("catalogue/products", ...). */
#define SHOP_CATALOGUE_N_ARRAYS 7
void shop_catalogue_arrays(const ShopCatalogue *catalogue, ShopArray arrays[SHOP_CATALOGUE_N_ARRAYS]);
/* The catalogue that a file holds; the file's memory must outlive it. `checksum` is for the caller to fill.
 */
ShopCatalogue *shop_catalogue_open(ShopArrayFinder finder, gpointer source, GError **error);

/* Whether an opened catalogue can be read without leaving its arrays. It reads all of them, at about 3 GB/s.
 */
gboolean shop_catalogue_check(const ShopCatalogue *catalogue, GError **error);

static inline const char *shop_string(const ShopCatalogue *catalogue, ShopString string)
{
  return catalogue->arena + (gsize)string * 4 + sizeof(guint32);
}

static inline guint32 shop_string_length(const ShopCatalogue *catalogue, ShopString string)
{
  return *(const guint32 *)(const void *)(catalogue->arena + (gsize)string * 4);
}

/* The index of a product by its ASIN (exact, case-sensitive), or -1. */
gint64 shop_catalogue_find(const ShopCatalogue *catalogue, const char *asin);

/* The lower-cased title of a product: a part of its item_action. Not terminated. */
const char *shop_catalogue_lower_title(const ShopCatalogue *catalogue, guint32 product, gsize *length);

/* Appends what the search index holds of a product (docs/spec 4.1): title, description, first bullet and
 * options, in lower case. */
void shop_catalogue_append_contents(const ShopCatalogue *catalogue, guint32 product, GString *contents);

/* Building. Everything given is copied. `where` is "file:line:column" (or any words that say where the
 * record came from) for messages. */
typedef struct ShopCatalogueBuilder ShopCatalogueBuilder;

ShopCatalogueBuilder *shop_catalogue_builder_new(void);

/* A builder whose texts go to a shop file as they come, as the array "catalogue/texts", so that only the rest
 * of the catalogue is in memory. Until finish nothing else may be written. The finished catalogue has no
 * texts (its arena is NULL and its checksum 0): write its other arrays and open it. */
struct ShopFileWriter;
ShopCatalogueBuilder *shop_catalogue_builder_new_to(struct ShopFileWriter *writer);
void shop_catalogue_builder_free(ShopCatalogueBuilder *builder); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopCatalogueBuilder, shop_catalogue_builder_free)

/* Adds a product in WebShop's raw schema (docs/spec 1.2). An ASIN that is "nan", longer than 10 characters
 * or already known is skipped without error. */
gboolean shop_catalogue_builder_add(ShopCatalogueBuilder *builder, const json_t *product, const char *where,
                                    GError **error);

/* Attaches the entry of the attribute file (items_ins_v2) to product `asin`; an ASIN that is not in the
 * catalogue is ignored. */
gboolean shop_catalogue_builder_add_attributes(ShopCatalogueBuilder *builder, const char *asin,
                                               const json_t *record, const char *where, GError **error);

/* Attaches the list of crowd instructions (items_human_ins) to product `asin`; an ASIN that is not in the
 * catalogue is ignored. */
gboolean shop_catalogue_builder_add_humans(ShopCatalogueBuilder *builder, const char *asin,
                                           const json_t *records, const char *where, GError **error);

/* Ends the building and frees the builder. NULL when there is no product, the texts exceed 8 GiB, or those of
 * a builder with a file could not be written. */
ShopCatalogue *shop_catalogue_builder_finish(ShopCatalogueBuilder *builder, GError **error);

#endif
