/* What the reward needs to know of a catalogue beyond its texts, found once: the nouns of every title and the
 * token sets of every different attribute. Flat arrays without pointers, so that a shop file can store them;
 * opened from a file no title is tagged again. Read-only; any number of threads may read. */
#ifndef SHOP_REWARD_TABLES_H
#define SHOP_REWARD_TABLES_H

#include "envs/shop/catalogue/catalogue.h"
#include "envs/shop/file/array.h"
#include "envs/shop/nouns/nouns.h"
#include "envs/shop/reward/fuzzy.h"

#include <cartwright/conversion.h>

/* Where the token set of an attribute is. */
typedef struct ShopAttributeSlot {
  guint32 attribute; /* its ShopString; 0 ("") in an empty slot */
  guint32 set;       /* position in token_sets */
} ShopAttributeSlot;

/* The arrays of a ShopRewardTables, by their places in `arrays`. */
typedef enum {
  SHOP_REWARD_NOUN_STARTS, /* "reward/noun_starts": guint32 per product, positions in nouns */
  SHOP_REWARD_NOUNS,       /* "reward/nouns": guint32, ShopNounSets one after the other */
  SHOP_REWARD_NOUN_HASHES, /* "reward/noun_hashes": guint64 per different noun (shop_noun_words_hashes) */
  SHOP_REWARD_ATTRIBUTES,  /* "reward/attributes": ShopAttributeSlot, a power of two: open addressing by
                              ShopString */
  SHOP_REWARD_TOKEN_SETS, /* "reward/token_sets": guint32, ShopTokenSets one after the other; first that of ""
                           */
  SHOP_REWARD_N_ARRAYS
} ShopRewardArray;

typedef struct ShopRewardTables {
  ShopArray arrays[SHOP_REWARD_N_ARRAYS];
  gpointer owned[SHOP_REWARD_N_ARRAYS]; /* the elements of those arrays that were not opened from a file */
} ShopRewardTables;

/* Makes the tables of a catalogue. `nouns_file` (a path, or NULL) is asked for the nouns of a title before
 * the built-in tagger, which takes some 0.1 ms a title. */
ShopRewardTables *shop_reward_tables_new(const ShopCatalogue *catalogue, const char *nouns_file,
                                         GError **error);

/* The same with progress, in titles; `progress` as in CwConversion. The titles are tagged by as many threads
 * as there are processors; the tables do not depend on their number. */
ShopRewardTables *shop_reward_tables_new_reporting(const ShopCatalogue *catalogue, const char *nouns_file,
                                                   CwProgressSink progress, gpointer progress_data,
                                                   GError **error);

/* The tables that a file holds for this catalogue; the file's memory must outlive them. */
ShopRewardTables *shop_reward_tables_open(const ShopCatalogue *catalogue, ShopArrayFinder finder,
                                          gpointer source, GError **error);

/* Takes the nouns of `nouns_file`, and the present ones for the titles that it leaves out. */
gboolean shop_reward_tables_take_nouns(ShopRewardTables *tables, const ShopCatalogue *catalogue,
                                       const char *nouns_file, GError **error);

/* Whether tables that were opened from a file can be read without leaving their arrays. */
gboolean shop_reward_tables_check(const ShopRewardTables *tables, GError **error);

void shop_reward_tables_free(ShopRewardTables *tables); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopRewardTables, shop_reward_tables_free)

/* The nouns of a product's title. */
static inline const ShopNounSet *shop_reward_nouns(const ShopRewardTables *tables, guint32 product)
{
  const guint32 *starts = tables->arrays[SHOP_REWARD_NOUN_STARTS].elements;
  const guint32 *nouns = tables->arrays[SHOP_REWARD_NOUNS].elements;
  return (const ShopNounSet *)(gconstpointer)(nouns + starts[product]);
}

/* The first slot where an attribute may be. */
static inline gsize shop_reward_attribute_slot(ShopString attribute, gsize mask)
{
  return (gsize)(attribute * 2654435769u >> 7) & mask;
}

/* The token set of an attribute: of a product or of a goal of this catalogue. */
static inline const ShopTokenSet *shop_reward_token_set(const ShopRewardTables *tables, ShopString attribute)
{
  const ShopAttributeSlot *slots = tables->arrays[SHOP_REWARD_ATTRIBUTES].elements;
  const guint32 *sets = tables->arrays[SHOP_REWARD_TOKEN_SETS].elements;
  gsize mask = tables->arrays[SHOP_REWARD_ATTRIBUTES].n_elements - 1;
  gsize slot = shop_reward_attribute_slot(attribute, mask);
  while (slots[slot].attribute != attribute && slots[slot].attribute != 0)
    slot = (slot + 1) & mask;
  return (const ShopTokenSet *)(gconstpointer)(sets + slots[slot].set);
}

#endif
