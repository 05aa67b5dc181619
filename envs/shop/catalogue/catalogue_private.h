/* What the files of the catalogue share: the inside of a builder. */
#ifndef SHOP_CATALOGUE_PRIVATE_H
#define SHOP_CATALOGUE_PRIVATE_H

#include "envs/shop/catalogue/catalogue.h"
#include "envs/shop/file/file.h"

#define SHOP_ITEM_ACTION_START "click[item - "

/* A slot of the table of interned texts. Most texts that are not the one looked for differ in the hash, so
 * that they need not be looked at. */
typedef struct {
  guint32 hash;
  guint32 string; /* ShopString + 1; 0: empty */
} ShopInternedSlot;

/* While a catalogue is built, interned texts stand apart from the others: they are looked up again, and the
 * others, which are the most, may go straight to a file. Their ShopStrings bear this bit and count within
 * their own part; finish moves that part behind the other. */
#define SHOP_STRING_INTERNED ((ShopString)1 << 31)

/* Texts one after the other as the arena holds them. */
typedef struct ShopTexts {
  char *bytes;
  gsize length, room;
} ShopTexts;

struct ShopCatalogueBuilder {
  ShopTexts stored, words; /* words: the interned ones */
  ShopFileWriter *writer;  /* where `stored` goes when it has grown, or NULL */
  gsize n_written;         /* bytes of it that went there */
  GError *trouble;         /* of writing, for finish */
  GArray *products, *strings, *groups, *targets, *humans;
  ShopInternedSlot *interned; /* open addressing */
  guint32 interned_mask, n_interned;
  guint32 *asins; /* the same with product index + 1 */
  guint32 asins_mask;
  GString *scratch;
};

/* An interned string; valid until the next is interned. */
const char *shop_builder_text(const ShopCatalogueBuilder *builder, ShopString string, guint32 *length);
/* Stores a string, or finds an equal interned one. */
ShopString shop_builder_store(ShopCatalogueBuilder *builder, const char *text, gsize length);
ShopString shop_builder_intern(ShopCatalogueBuilder *builder, const char *text, gsize length);
/* The place of an ASIN in the table: 0 there when it is unknown. */
guint32 *shop_builder_find_asin(const ShopCatalogueBuilder *builder, const char *asin, gsize length);
void shop_builder_grow_asins(ShopCatalogueBuilder *builder);

/* "a string", "null", "nothing": for messages. */
const char *shop_builder_kind(const json_t *value);
/* Sets the error that `key` of product `asin` (or NULL) is not as expected; FALSE. */
gboolean shop_builder_wrong(GError **error, const char *where, const char *asin, const char *key,
                            const char *expected, const json_t *found);
/* A required string. */
gboolean shop_builder_take_string(ShopCatalogueBuilder *builder, const json_t *object, const char *key,
                                  gboolean interned, ShopString *out, const char *where, const char *asin,
                                  GError **error);
/* A list of strings; a missing or null one is empty. */
gboolean shop_builder_take_strings(ShopCatalogueBuilder *builder, const json_t *value, const char *key,
                                   gboolean interned, ShopSpan *out, const char *where, const char *asin,
                                   GError **error);

#endif
