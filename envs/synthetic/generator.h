/* A shop of any size, made up product by product in WebShop's own schema. Product number i is a pure function
 * of (seed, i, number of products), so a shop of millions can be streamed without being held.
 *
 * Products come in families of five around one wish: the genuine article, a sibling of another brand that
 * lacks two of its attributes, the same article at two to three times the price, an accessory that repeats
 * its words, and the same article in other colours and sizes. So words alone do not decide, and options and
 * price matter. */
#ifndef SYNTHETIC_GENERATOR_H
#define SYNTHETIC_GENERATOR_H

#include <cartwright/random.h>
#include <glib.h>
#include <jansson.h>

typedef struct {
  guint64 n_products; /* at least 1, at most 2^32 */
  guint32 seed;       /* of the shop, not of the run */
  double instructed;  /* share of products (accessories aside) that carry an instruction, 0..1 */
} SyntheticShop;

/* Writes product `index` (< n_products) as an element of items_shuffle.json and its record in
 * items_ins_v2.json ("attributes", "instruction", "instruction_attributes"). The caller owns both references.
 */
void synthetic_product(const SyntheticShop *shop, guint64 index, json_t **product, json_t **record);

#endif
