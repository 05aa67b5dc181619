/* The inside of a search index: arrays without pointers, so that they may be in a mapped file, and what a
 * search borrows. Documents have three numbers: their place in the index (grouped, so that alike documents
 * are neighbours), their rank by ASIN (which decides ties) and the number in which they were added.
 *
 * Places are cut into blocks of 256. A posting is a place and a code (bm25.h). The postings of a term that
 * few documents have are two plain arrays. A frequent term has a row: for every block its largest code there,
 * and its run of postings in that block, as n low bytes of places followed by n codes or, where n is large,
 * as 256 codes of which 0 means absent. */
#ifndef SHOP_INDEX_PRIVATE_H
#define SHOP_INDEX_PRIVATE_H

#include "envs/shop/search/bm25.h"
#include "envs/shop/search/ranking.h"
#include "envs/shop/search/search.h"

#define SHOP_BLOCK_BITS 8
#define SHOP_BLOCK_SIZE (1u << SHOP_BLOCK_BITS)
/* An index of at most this many documents is searched without pruning (small_index.c). */
#define SHOP_SMALL_INDEX 4096u
/* From this many postings on a run is dense. */
#define SHOP_DENSE_RUN 64u
/* A term is rare when it has fewer postings than this many a block. */
#define SHOP_RARE_PER_BLOCK 2u
#define SHOP_NO_ROW         G_MAXUINT32
/* A row of maxima is padded with zeros to a multiple of this, for vectors. */
#define SHOP_ROW_UNIT 32u

/* In the order in which shop_index_arrays lists them. */
typedef enum {
  SHOP_INDEX_FACTS,       /* one ShopIndexFacts */
  SHOP_INDEX_TERMS,       /* ShopIndexTerm; one more than there are, as an end mark */
  SHOP_INDEX_TEXT,        /* bytes: all terms, one after the other */
  SHOP_INDEX_SLOTS,       /* guint32, a power of two: hash table of term numbers plus one; 0 is empty */
  SHOP_INDEX_RARE_PLACES, /* guint32: postings of rare terms, ascending within a term */
  SHOP_INDEX_RARE_CODES,  /* guint8: one for each of them */
  SHOP_INDEX_ROW_MAXIMA,  /* guint8: row_stride a row; 0 where the term does not occur */
  SHOP_INDEX_ROW_OFFSETS, /* guint32: n_blocks + 1 a row, of the runs from the term's first */
  SHOP_INDEX_RUNS,        /* bytes */
  SHOP_INDEX_EXCEPTIONS,  /* ShopIndexException: frequencies that the codes do not give, by term and place */
  SHOP_INDEX_LENGTHS,     /* guint8 a place: length of the document as Lucene's byte */
  SHOP_INDEX_RANKS,       /* guint32 a place */
  SHOP_INDEX_RANKED_NUMBERS, /* guint32 a rank: in which number the document was added */
  SHOP_INDEX_NORMS,          /* float, 256: per length byte */
} ShopIndexArray;
G_STATIC_ASSERT(SHOP_INDEX_NORMS + 1 == SHOP_INDEX_N_ARRAYS);

typedef struct ShopIndexFacts {
  guint32 n_documents, n_terms, n_rows, unused;
} ShopIndexFacts;

typedef struct ShopIndexTerm {
  guint64 text;        /* offset of its bytes << 16 | how many */
  guint64 first;       /* of its postings in RARE_PLACES, or of its runs in RUNS */
  guint32 n_documents; /* that have it */
  float idf;
  guint32 row; /* SHOP_NO_ROW for a rare one */
  guint32 first_exception;
} ShopIndexTerm;

typedef struct ShopIndexException {
  guint32 place, frequency;
} ShopIndexException;

typedef struct ShopIndexBuilder ShopIndexBuilder;
typedef struct ShopSmallIndex ShopSmallIndex;

struct ShopIndex {
  ShopArray arrays[SHOP_INDEX_N_ARRAYS];
  gboolean owned; /* whether the elements are freed with the index */
  /* The arrays once more, as what they are. */
  guint32 n_documents, n_blocks, n_terms, n_rows, slot_mask, row_stride;
  gsize text_size, n_rare, runs_size, n_exceptions;
  const ShopIndexTerm *terms;
  const char *text;
  const guint32 *slots;
  const guint32 *rare_places;
  const guint8 *rare_codes;
  const guint8 *row_maxima;
  const guint32 *row_offsets;
  const guint8 *runs;
  const ShopIndexException *exceptions;
  const guint8 *lengths;
  const guint32 *ranks, *ranked_numbers;
  const float *norms;
  ShopBm25Codes codes;
  GMutex mutex;              /* guards pool */
  GPtrArray *pool;           /* of ShopSearchScratch */
  ShopIndexBuilder *builder; /* NULL once finished */
  ShopSmallIndex *small;     /* NULL unless there are few documents */
};

/* Sets the typed pointers from the arrays; FALSE with the name of an array whose size contradicts the others.
 */
gboolean shop_index_bind(ShopIndex *index, const char **wrong);

static inline guint32 shop_index_row_stride(guint32 n_blocks)
{
  return (n_blocks + SHOP_ROW_UNIT - 1) / SHOP_ROW_UNIT * SHOP_ROW_UNIT;
}

/* FNV-1a. */
static inline guint32 shop_index_hash(const char *text, gsize length)
{
  guint32 hash = 2166136261u;
  for (gsize i = 0; i < length; i++)
    hash = (hash ^ (guchar)text[i]) * 16777619u;
  return hash ^ (hash >> 15);
}

/* Building (index_builder.c). */
ShopIndexBuilder *shop_index_builder_new(void);
void shop_index_builder_free(ShopIndexBuilder *builder); /* accepts NULL */
void shop_index_builder_add(ShopIndexBuilder *builder, const char *asin, const char *group,
                            const char *contents);
guint32 shop_index_builder_size(const ShopIndexBuilder *builder);

/* Makes the arrays of all that was added (index_encoder.c); their elements come from g_malloc. Leaves of the
 * builder only what shop_index_builder_free wants. */
void shop_index_builder_finish(ShopIndexBuilder *builder, ShopArray arrays[SHOP_INDEX_N_ARRAYS]);

/* A term of a query. */
typedef struct ShopQueryTerm {
  const ShopIndexTerm *term;
  guint32 count; /* in the query */
  guint16 scale; /* what code 256 would add to a bound */
  float weight;  /* count * idf */
  /* Of a frequent term. */
  const guint8 *maxima;
  const guint32 *offsets;
  /* Of the block at hand; n is 256 for a dense run, 0 for none. */
  guint32 n;
  const guint8 *codes;
  const guint8 *low;     /* low bytes of the places, of a sparse run */
  const guint32 *places; /* of a rare term; NULL otherwise */
} ShopQueryTerm;

/* Reading postings (index_postings.c). */

/* Points a query term at the postings of its term; FALSE when they are not inside the arrays. */
gboolean shop_index_open_term(const ShopIndex *index, ShopQueryTerm *query_term);

/* Points it at its postings in a block. */
void shop_index_open_block(const ShopIndex *index, ShopQueryTerm *term, guint32 block);

static inline gboolean shop_is_dense(const ShopQueryTerm *term)
{
  return term->n == SHOP_BLOCK_SIZE && !term->places;
}

/* How often the document at `place` has the term, by the code of the posting. */
guint32 shop_index_frequency(const ShopIndex *index, const ShopIndexTerm *term, guint32 place, guint8 code);

/* Writes the documents of hits; returns how many there are: all, unless the arrays are wrong. */
guint shop_index_write_documents(const ShopIndex *index, const guint64 *hits, guint n, guint32 *documents);

/* What one search needs besides the index. */
typedef struct ShopSearchScratch {
  ShopQueryTerm *terms; /* room for SHOP_INDEX_MAX_TERMS */
  guint n_terms;
  guint16 *bounds;     /* per block, row_stride: no document there has a higher bound */
  ShopKeys candidates; /* bound << 32 | place */
  ShopKeys hits;
  ShopKeys keys;  /* to select and sort with */
  double *scores; /* of a small index: per rank; all 0 between searches */
} ShopSearchScratch;

/* Finds the best `limit` (> 0) documents for the scratch's terms (top_documents.c). Same result as
 * shop_index_search.
 */
guint shop_index_top_documents(const ShopIndex *index, ShopSearchScratch *scratch, guint limit,
                               guint32 *documents, ShopSearchWork *work);

/* Searching without pruning (small_index.c). */
ShopSmallIndex *shop_small_index_new(const ShopIndex *index);
void shop_small_index_free(ShopSmallIndex *small); /* accepts NULL */
/* The same as shop_index_top_documents. */
guint shop_small_index_search(const ShopIndex *index, ShopSearchScratch *scratch, guint limit,
                              guint32 *documents, ShopSearchWork *work);

#endif
