/* Makes the final arrays of an index from what its builder collected: gives the documents their places, then
 * encodes term after term. Every array is allocated once or grown in place, so that the peak stays near the
 * sum of both forms. */
#include "envs/shop/search/index_builder.h"

#include <string.h>

/* A growing array of bytes; lengths beyond a GByteArray's. */
typedef struct {
  guint8 *bytes;
  gsize length, room;
} Buffer;

typedef struct {
  ShopIndexBuilder *builder;
  guint32 n_documents, n_blocks;
  guint32 n_filled; /* documents that have terms */
  guint32 *places;  /* of each document as added */
  guint8 *lengths;
  const float *norms;
  ShopBm25Codes codes;
  ShopBuiltPosting *postings, *sorted; /* of the term at hand; `document` is the place */
  Buffer rare_places, rare_codes, maxima, offsets, runs, exceptions;
  guint32 n_rows;
} Encoder;

/* Room for `length` more bytes, counted as in use; not initialised. */
static gpointer extend(Buffer *buffer, gsize length)
{
  if (buffer->length + length > buffer->room) {
    buffer->room = MAX(buffer->length + length, buffer->room + buffer->room / 2 + 4096);
    buffer->bytes = g_realloc(buffer->bytes, buffer->room);
  }
  buffer->length += length;
  return buffer->bytes + buffer->length - length;
}

/* What documents are ordered by: first the ASINs alone, then groups and ranks. */
typedef struct {
  guint64 key;
  guint32 document;
} SortKey;

static gint compare_asins(gconstpointer a, gconstpointer b, gpointer user_data)
{
  const SortKey *first = a, *second = b;
  if (first->key != second->key)
    return first->key < second->key ? -1 : 1;
  const ShopIndexBuilder *builder = user_data;
  int order = strcmp(builder->asins->str + builder->documents[first->document].asin,
                     builder->asins->str + builder->documents[second->document].asin);
  return order ? order : (first->document > second->document) - (first->document < second->document);
}

static gint compare_keys(gconstpointer a, gconstpointer b, G_GNUC_UNUSED gpointer user_data)
{
  const SortKey *first = a, *second = b;
  return (first->key > second->key) - (first->key < second->key);
}

/* The first bytes of a text as a number that orders as they do. */
static guint64 prefix_key(const char *text)
{
  guint64 key = 0;
  for (guint i = 0; i < 8; i++) {
    key = key << 8 | (guchar)*text;
    text += *text != '\0';
  }
  return key;
}

/* Fills ranks (per place), ranked_numbers, lengths and norms; and the encoder's places. Returns the number of
 * documents that have terms, over which alone Lucene averages. */
static guint32 order_documents(Encoder *encoder, guint32 *ranks, guint32 *ranked_numbers, float norms[256])
{
  const ShopIndexBuilder *builder = encoder->builder;
  guint32 n = encoder->n_documents, n_filled = 0;
  guint64 total = 0;
  SortKey *keys = g_new(SortKey, n);
  for (guint32 i = 0; i < n; i++)
    keys[i] = (SortKey){prefix_key(builder->asins->str + builder->documents[i].asin), i};
  g_qsort_with_data(keys, (gint)n, sizeof *keys, compare_asins, (gpointer)builder);
  for (guint32 rank = 0; rank < n; rank++) {
    ranked_numbers[rank] = keys[rank].document;
    keys[rank].key = (guint64)builder->documents[keys[rank].document].group << 32 | rank;
  }
  g_qsort_with_data(keys, (gint)n, sizeof *keys, compare_keys, NULL);
  for (guint32 place = 0; place < n; place++) {
    guint32 length = builder->documents[keys[place].document].length;
    encoder->places[keys[place].document] = place;
    encoder->lengths[place] = shop_bm25_encode_length(length);
    ranks[place] = (guint32)keys[place].key;
    total += length;
    n_filled += length > 0;
  }
  g_free(keys);
  shop_bm25_fill_norms((float)((double)total / (double)MAX(n_filled, 1)), norms);
  shop_bm25_fill_codes(norms, encoder->codes);
  return n_filled;
}

/* Sorts the postings at hand by place: eight bits at a time, or by insertion when they are few. */
static void sort_postings(Encoder *encoder, guint32 n)
{
  ShopBuiltPosting *postings = encoder->postings, *sorted = encoder->sorted;
  if (n <= 48) {
    for (guint32 i = 1; i < n; i++) {
      ShopBuiltPosting posting = postings[i];
      guint32 j = i;
      for (; j > 0 && postings[j - 1].document > posting.document; j--)
        postings[j] = postings[j - 1];
      postings[j] = posting;
    }
    return;
  }
  for (guint shift = 0; shift < 32 && (encoder->n_documents - 1) >> shift != 0; shift += 8) {
    guint32 starts[256] = {0}, start = 0;
    for (guint32 i = 0; i < n; i++)
      starts[postings[i].document >> shift & 0xFF]++;
    for (guint i = 0; i < 256; i++) {
      guint32 count = starts[i];
      starts[i] = start;
      start += count;
    }
    for (guint32 i = 0; i < n; i++)
      sorted[starts[postings[i].document >> shift & 0xFF]++] = postings[i];
    ShopBuiltPosting *swap = postings;
    postings = sorted;
    sorted = swap;
  }
  encoder->postings = postings;
  encoder->sorted = sorted;
}

static guint8 encode_posting(Encoder *encoder, const ShopBuiltPosting *posting)
{
  guint8 length = encoder->lengths[posting->document];
  if (!shop_bm25_is_exception(encoder->codes, length, posting->frequency))
    return encoder->codes[length][posting->frequency];
  ShopIndexException *exception = extend(&encoder->exceptions, sizeof *exception);
  *exception = (ShopIndexException){posting->document, posting->frequency};
  return shop_bm25_code(posting->frequency, encoder->norms[length]);
}

static void encode_rare(Encoder *encoder, guint32 n)
{
  guint32 *places = extend(&encoder->rare_places, n * sizeof *places);
  guint8 *codes = extend(&encoder->rare_codes, n);
  for (guint32 i = 0; i < n; i++) {
    places[i] = encoder->postings[i].document;
    codes[i] = encode_posting(encoder, &encoder->postings[i]);
  }
}

/* The run of one block; returns its largest code. */
static guint8 encode_run(Encoder *encoder, const ShopBuiltPosting *postings, guint32 n)
{
  guint8 largest = 0, *run;
  if (n >= SHOP_DENSE_RUN) {
    run = extend(&encoder->runs, SHOP_BLOCK_SIZE);
    memset(run, 0, SHOP_BLOCK_SIZE);
  } else
    run = extend(&encoder->runs, 2 * (gsize)n);
  for (guint32 i = 0; i < n; i++) {
    guint8 low = postings[i].document & (SHOP_BLOCK_SIZE - 1), code = encode_posting(encoder, &postings[i]);
    largest = MAX(largest, code);
    if (n >= SHOP_DENSE_RUN)
      run[low] = code;
    else {
      run[i] = low;
      run[n + i] = code;
    }
  }
  return largest;
}

static void encode_frequent(Encoder *encoder, guint32 n)
{
  gsize first = encoder->runs.length;
  guint32 stride = shop_index_row_stride(encoder->n_blocks);
  guint8 *maxima = extend(&encoder->maxima, stride);
  memset(maxima, 0, stride);
  guint32 *offsets = extend(&encoder->offsets, ((gsize)encoder->n_blocks + 1) * sizeof *offsets), i = 0;
  for (guint32 block = 0; block < encoder->n_blocks; block++) {
    guint32 start = i;
    while (i < n && encoder->postings[i].document >> SHOP_BLOCK_BITS == block)
      i++;
    offsets[block] = (guint32)(encoder->runs.length - first);
    maxima[block] = encode_run(encoder, encoder->postings + start, i - start);
  }
  offsets[encoder->n_blocks] = (guint32)(encoder->runs.length - first);
  encoder->n_rows++;
}

static ShopIndexTerm encode_term(Encoder *encoder, ShopBuiltTerm *built)
{
  guint32 n = built->n_documents;
  gboolean rare = n < SHOP_RARE_PER_BLOCK * encoder->n_blocks;
  ShopIndexTerm term = {.text = built->text,
                        .first = rare ? encoder->rare_codes.length : encoder->runs.length,
                        .n_documents = n,
                        .idf = shop_bm25_idf(encoder->n_filled, n),
                        .row = rare ? SHOP_NO_ROW : encoder->n_rows,
                        .first_exception =
                            (guint32)(encoder->exceptions.length / sizeof(ShopIndexException))};
  shop_index_builder_read(encoder->builder, built, encoder->postings);
  for (guint32 i = 0; i < n; i++)
    encoder->postings[i].document = encoder->places[encoder->postings[i].document];
  sort_postings(encoder, n);
  if (rare)
    encode_rare(encoder, n);
  else
    encode_frequent(encoder, n);
  return term;
}

static void set_array(ShopArray *array, gpointer elements, gsize n_elements)
{
  array->elements = elements;
  array->n_elements = n_elements;
}

static void set_buffer(ShopArray *array, Buffer *buffer)
{
  set_array(array, g_realloc(buffer->bytes, buffer->length), buffer->length / array->element_size);
}

void shop_index_builder_finish(ShopIndexBuilder *builder, ShopArray arrays[SHOP_INDEX_N_ARRAYS])
{
  guint32 n = builder->n_documents, n_blocks = (n + SHOP_BLOCK_SIZE - 1) / SHOP_BLOCK_SIZE, longest = 0;
  for (guint32 i = 0; i < builder->n_terms; i++)
    longest = MAX(longest, builder->terms[i].n_documents);
  guint32 *ranks = g_new(guint32, n), *ranked_numbers = g_new(guint32, n);
  float *norms = g_new(float, 256);
  Encoder encoder = {.builder = builder,
                     .n_documents = n,
                     .n_blocks = n_blocks,
                     .places = g_new(guint32, n),
                     .lengths = g_new0(guint8, (gsize)n_blocks * SHOP_BLOCK_SIZE),
                     .norms = norms,
                     .postings = g_new(ShopBuiltPosting, longest),
                     .sorted = g_new(ShopBuiltPosting, longest)};
  encoder.n_filled = order_documents(&encoder, ranks, ranked_numbers, norms);
  ShopIndexTerm *terms = g_new0(ShopIndexTerm, (gsize)builder->n_terms + 1);
  for (guint32 i = 0; i < builder->n_terms; i++)
    terms[i] = encode_term(&encoder, &builder->terms[i]);
  terms[builder->n_terms].first_exception = (guint32)(encoder.exceptions.length / sizeof(ShopIndexException));
  g_free(encoder.postings);
  g_free(encoder.sorted);
  g_free(encoder.places);

  ShopIndexFacts *facts = g_new0(ShopIndexFacts, 1);
  *facts = (ShopIndexFacts){.n_documents = n, .n_terms = builder->n_terms, .n_rows = encoder.n_rows};
  set_array(&arrays[SHOP_INDEX_FACTS], facts, 1);
  set_array(&arrays[SHOP_INDEX_TERMS], terms, (gsize)builder->n_terms + 1);
  gsize text_size = builder->text->len;
  set_array(&arrays[SHOP_INDEX_TEXT], g_string_free(g_steal_pointer(&builder->text), FALSE), text_size);
  set_array(&arrays[SHOP_INDEX_SLOTS], g_steal_pointer(&builder->slots), (gsize)builder->slot_mask + 1);
  set_buffer(&arrays[SHOP_INDEX_RARE_PLACES], &encoder.rare_places);
  set_buffer(&arrays[SHOP_INDEX_RARE_CODES], &encoder.rare_codes);
  set_buffer(&arrays[SHOP_INDEX_ROW_MAXIMA], &encoder.maxima);
  set_buffer(&arrays[SHOP_INDEX_ROW_OFFSETS], &encoder.offsets);
  set_buffer(&arrays[SHOP_INDEX_RUNS], &encoder.runs);
  set_buffer(&arrays[SHOP_INDEX_EXCEPTIONS], &encoder.exceptions);
  set_array(&arrays[SHOP_INDEX_LENGTHS], encoder.lengths, (gsize)n_blocks * SHOP_BLOCK_SIZE);
  set_array(&arrays[SHOP_INDEX_RANKS], ranks, n);
  set_array(&arrays[SHOP_INDEX_RANKED_NUMBERS], ranked_numbers, n);
  set_array(&arrays[SHOP_INDEX_NORMS], norms, 256);
}
