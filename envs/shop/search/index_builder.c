/* Collects documents for an index: the dictionary, and per term its postings so far as variable-length
 * integers in a chain of growing chunks, which are in large slabs. Memory grows with the compressed postings
 * and the distinct terms, not with the texts. */
#include "envs/shop/search/index_builder.h"

#include "envs/shop/search/analyzer.h"

#include <string.h>

#define SLAB_SIZE      (1u << 20)
#define SMALLEST_CHUNK 24u /* with its link */
#define LARGEST_CHUNK  4096u

/* The bytes of a chunk and its link to the next. */
struct ShopPostingChunk {
  ShopPostingChunk *next;
  guint8 bytes[];
};

static guint32 chunk_size(guint level)
{
  return level > 10 ? LARGEST_CHUNK : MIN(SMALLEST_CHUNK << level, LARGEST_CHUNK);
}

ShopIndexBuilder *shop_index_builder_new(void)
{
  ShopIndexBuilder *builder = g_new0(ShopIndexBuilder, 1);
  builder->slot_mask = 1023;
  builder->slots = g_new0(guint32, builder->slot_mask + 1);
  builder->text = g_string_new(NULL);
  builder->asins = g_string_new(NULL);
  builder->slabs = g_ptr_array_new_with_free_func(g_free);
  builder->groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return builder;
}

void shop_index_builder_free(ShopIndexBuilder *builder)
{
  if (!builder)
    return;
  g_free(builder->terms);
  g_free(builder->slots);
  g_free(builder->documents);
  if (builder->text)
    g_string_free(builder->text, TRUE);
  g_string_free(builder->asins, TRUE);
  g_ptr_array_unref(builder->slabs);
  g_hash_table_unref(builder->groups);
  g_free(builder);
}

guint32 shop_index_builder_size(const ShopIndexBuilder *builder)
{
  return builder->n_documents;
}

static ShopPostingChunk *new_chunk(ShopIndexBuilder *builder, guint32 size)
{
  if (builder->slab_left < size) {
    g_ptr_array_add(builder->slabs, g_malloc(SLAB_SIZE));
    builder->slab_left = SLAB_SIZE;
  }
  guint8 *slab = g_ptr_array_index(builder->slabs, builder->slabs->len - 1);
  ShopPostingChunk *chunk = (ShopPostingChunk *)(void *)(slab + SLAB_SIZE - builder->slab_left);
  builder->slab_left -= size;
  chunk->next = NULL;
  return chunk;
}

static void write_byte(ShopIndexBuilder *builder, ShopBuiltTerm *term, guint8 byte)
{
  if (term->left == 0) {
    guint32 size = chunk_size(term->level++);
    ShopPostingChunk *chunk = new_chunk(builder, size);
    if (term->last_chunk)
      term->last_chunk->next = chunk;
    else
      term->first_chunk = chunk;
    term->last_chunk = chunk;
    term->left = size - (guint32)sizeof *chunk;
    term->written = 0;
  }
  term->last_chunk->bytes[term->written++] = byte;
  term->left--;
}

static void write_number(ShopIndexBuilder *builder, ShopBuiltTerm *term, guint64 number)
{
  for (; number >= 0x80; number >>= 7)
    write_byte(builder, term, (guint8)(number | 0x80));
  write_byte(builder, term, (guint8)number);
}

/* A posting is the distance from the last document, doubled, plus one if a frequency other than 1 follows. */
static void write_pending(ShopIndexBuilder *builder, ShopBuiltTerm *term)
{
  guint64 distance = term->document - term->previous;
  write_number(builder, term, distance << 1 | (term->frequency > 1));
  if (term->frequency > 1)
    write_number(builder, term, term->frequency);
  term->previous = term->document;
  term->frequency = 0;
}

typedef struct {
  const ShopPostingChunk *chunk;
  guint32 position, size;
  guint level;
} ChunkReader;

static guint8 read_byte(ChunkReader *reader)
{
  if (reader->position == reader->size) {
    reader->chunk = reader->chunk->next;
    reader->size = chunk_size(++reader->level) - (guint32)sizeof *reader->chunk;
    reader->position = 0;
  }
  return reader->chunk->bytes[reader->position++];
}

static guint64 read_number(ChunkReader *reader)
{
  guint64 number = 0;
  guint8 byte;
  guint shift = 0;
  do {
    byte = read_byte(reader);
    number |= (guint64)(byte & 0x7F) << shift;
    shift += 7;
  } while (byte & 0x80);
  return number;
}

void shop_index_builder_read(ShopIndexBuilder *builder, ShopBuiltTerm *term, ShopBuiltPosting *postings)
{
  if (term->frequency > 0)
    write_pending(builder, term);
  ChunkReader reader = {term->first_chunk, 0, chunk_size(0) - (guint32)sizeof *reader.chunk, 0};
  guint32 document = 0;
  for (guint32 i = 0; i < term->n_documents; i++) {
    guint64 number = read_number(&reader);
    document += (guint32)(number >> 1);
    postings[i] = (ShopBuiltPosting){document, number & 1 ? (guint32)read_number(&reader) : 1};
  }
}

/* The slot of a term, or the empty one where it would go. */
static guint32 find_slot(const ShopIndexBuilder *builder, const char *text, gsize length)
{
  guint32 slot = shop_index_hash(text, length) & builder->slot_mask;
  for (; builder->slots[slot]; slot = (slot + 1) & builder->slot_mask) {
    const ShopBuiltTerm *term = &builder->terms[builder->slots[slot] - 1];
    if ((term->text & 0xFFFF) == length && memcmp(builder->text->str + (term->text >> 16), text, length) == 0)
      break;
  }
  return slot;
}

static void double_slots(ShopIndexBuilder *builder)
{
  builder->slot_mask = 2 * builder->slot_mask + 1;
  g_free(builder->slots);
  builder->slots = g_new0(guint32, (gsize)builder->slot_mask + 1);
  for (guint32 i = 0; i < builder->n_terms; i++) {
    const char *text = builder->text->str + (builder->terms[i].text >> 16);
    guint32 slot = shop_index_hash(text, builder->terms[i].text & 0xFFFF) & builder->slot_mask;
    while (builder->slots[slot])
      slot = (slot + 1) & builder->slot_mask;
    builder->slots[slot] = i + 1;
  }
}

static ShopBuiltTerm *find_term(ShopIndexBuilder *builder, const char *text, gsize length)
{
  guint32 slot = find_slot(builder, text, length);
  if (builder->slots[slot])
    return &builder->terms[builder->slots[slot] - 1];
  if (builder->n_terms == builder->term_room) {
    builder->term_room = MAX(1024, builder->term_room + builder->term_room / 2);
    builder->terms = g_renew(ShopBuiltTerm, builder->terms, builder->term_room);
  }
  ShopBuiltTerm *term = &builder->terms[builder->n_terms++];
  *term = (ShopBuiltTerm){.text = (guint64)builder->text->len << 16 | length};
  g_string_append_len(builder->text, text, (gssize)length);
  builder->slots[slot] = builder->n_terms;
  if (builder->n_terms > builder->slot_mask / 2) {
    double_slots(builder);
    term = &builder->terms[builder->n_terms - 1];
  }
  return term;
}

static void add_term(const char *text, gsize length, gpointer user_data)
{
  ShopIndexBuilder *builder = user_data;
  ShopBuiltTerm *term = find_term(builder, text, length);
  guint32 document = builder->n_documents;
  builder->documents[document].length++;
  if (term->frequency > 0 && term->document == document) {
    term->frequency++;
    return;
  }
  if (term->frequency > 0)
    write_pending(builder, term);
  term->document = document;
  term->frequency = 1;
  term->n_documents++;
}

void shop_index_builder_add(ShopIndexBuilder *builder, const char *asin, const char *group,
                            const char *contents)
{
  if (builder->n_documents == builder->document_room) {
    builder->document_room = MAX(1024, builder->document_room + builder->document_room / 2);
    builder->documents = g_renew(ShopBuiltDocument, builder->documents, builder->document_room);
  }
  gpointer number;
  if (!g_hash_table_lookup_extended(builder->groups, group, NULL, &number)) {
    number = GUINT_TO_POINTER(g_hash_table_size(builder->groups));
    g_hash_table_insert(builder->groups, g_strdup(group), number);
  }
  builder->documents[builder->n_documents] =
      (ShopBuiltDocument){.asin = builder->asins->len, .group = GPOINTER_TO_UINT(number)};
  g_string_append_len(builder->asins, asin, (gssize)strlen(asin) + 1);
  shop_analyze(contents, add_term, builder);
  builder->n_documents++;
}
