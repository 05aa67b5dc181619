/* What the builder of an index collects, for the encoder that makes the final arrays of it. */
#ifndef SHOP_INDEX_BUILDER_H
#define SHOP_INDEX_BUILDER_H

#include "envs/shop/search/index_private.h"

typedef struct ShopPostingChunk ShopPostingChunk;

typedef struct ShopBuiltTerm {
  guint64 text;        /* as in ShopIndexTerm */
  guint32 n_documents; /* that have it, the one at hand included */
  guint32 document;    /* at hand: still being counted */
  guint32 frequency;   /* there; 0 when nothing is at hand */
  guint32 previous;    /* the last document written */
  guint32 written, left, level;
  ShopPostingChunk *first_chunk, *last_chunk;
} ShopBuiltTerm;

typedef struct ShopBuiltDocument {
  gsize asin; /* offset in asins, NUL-terminated */
  guint32 group;
  guint32 length; /* number of terms */
} ShopBuiltDocument;

typedef struct ShopBuiltPosting {
  guint32 document, frequency;
} ShopBuiltPosting;

struct ShopIndexBuilder {
  ShopBuiltTerm *terms;
  guint32 n_terms, term_room;
  guint32 *slots; /* as in the index */
  guint32 slot_mask;
  GString *text, *asins;
  GPtrArray *slabs;
  guint32 slab_left; /* bytes free at the end of the last slab */
  ShopBuiltDocument *documents;
  guint32 n_documents, document_room;
  GHashTable *groups; /* group → its number */
};

/* Reads a term's postings, in the order added; room for n_documents. */
void shop_index_builder_read(ShopIndexBuilder *builder, ShopBuiltTerm *term, ShopBuiltPosting *postings);

#endif
