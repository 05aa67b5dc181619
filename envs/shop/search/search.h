/* Full-text search over the catalogue: BM25 as Lucene 8 computes it and Anserini configures it (specification
 * section 4.2). Build an index with new, add and finish, or open one over the arrays of a shop file; from
 * then on it is read-only and any number of threads may search it. */
#ifndef SHOP_SEARCH_H
#define SHOP_SEARCH_H

#include "envs/shop/file/array.h"

#include <glib.h>

G_BEGIN_DECLS

typedef struct ShopIndex ShopIndex;

/* A query may have this many different terms; Lucene refuses more. */
#define SHOP_INDEX_MAX_TERMS 1024
/* What shop_index_search returns for a query with more. */
#define SHOP_INDEX_TOO_MANY_TERMS G_MAXUINT
/* The number of arrays that an index consists of. */
#define SHOP_INDEX_N_ARRAYS 14

/* An empty index; free with shop_index_free. */
ShopIndex *shop_index_new(void);
void shop_index_free(ShopIndex *index); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ShopIndex, shop_index_free)

/* Adds a document; the first gets number 0, the next 1. `asin` names it and decides ties; `contents` is its
 * searchable text (specification section 4.1).
 * `group` changes no result: documents of equal groups are laid out as
 * neighbours, which makes searching fast when they are about the same things (a product's "query"); it may be
 * "". All are valid UTF-8 and are copied as needed. Not after finish. */
void shop_index_add(ShopIndex *index, const char *asin, const char *group, const char *contents);

/* Computes the statistics and the final arrays; call it once, after the last add. */
void shop_index_finish(ShopIndex *index);

/* The number of documents added. */
guint32 shop_index_size(const ShopIndex *index);

/* Lists what a finished index consists of, for writing it to a shop file. The elements belong to the index.
 */
void shop_index_arrays(const ShopIndex *index, ShopArray arrays[SHOP_INDEX_N_ARRAYS]);

/* An index over arrays found by their names, whose elements must outlive it. It takes constant time: sizes
 * are checked here (CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT), contents where they are used, so that wrong
 * contents can give wrong results but never a read out of bounds. */
ShopIndex *shop_index_open_arrays(ShopArrayFinder find, gpointer source, GError **error);

/* Writes the numbers of the best `limit` documents for `query` into
 * `documents` (room for `limit`), best first, equal scores by ASIN ascending;
 * returns how many there are, 0 for a query without terms, or SHOP_INDEX_TOO_MANY_TERMS. */
guint shop_index_search(const ShopIndex *index, const char *query, guint limit, guint32 *documents);

/* What searches did, added up. */
typedef struct ShopSearchWork {
  guint64 n_terms;    /* different terms of the queries that the index has */
  guint64 n_postings; /* of those terms: what a search without pruning would read */
  guint64 n_bounded;  /* documents in blocks that were looked into */
  guint64 n_scored;   /* documents whose exact score was computed */
} ShopSearchWork;

/* The same, and adds to `work` what it took; for measuring. */
guint shop_index_search_counted(const ShopIndex *index, const char *query, guint limit, guint32 *documents,
                                ShopSearchWork *work);

G_END_DECLS

#endif
