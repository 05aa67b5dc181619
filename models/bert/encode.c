/* WordPiece. A text is read once from left to right: special tokens are recognised where a '[' stands, ASCII
 * characters go through a table, and runs of other characters through ICU; words are collected in a small
 * buffer and cut into pieces by a double-array trie. All state of a call is on its stack. */
#include <string.h>

#include <unicode/uchar.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#include "models/bert/tokenizer.h"
#include "models/bert/tokenizer_internal.h"

/* Longer words are [UNK]; HuggingFace's max_input_chars_per_word. */
#define MAX_WORD_CHARACTERS 100
#define MAX_RUN_BYTES       (1 << 20)

/* One call of encode. */
typedef struct {
  const BertTokenizer *tokenizer;
  GArray *ids;
  char word[4 * MAX_WORD_CHARACTERS + 4];
  gsize n_bytes;
  guint n_characters;  /* may pass the limit; the bytes stop there */
  GString *normalised; /* takes characters in the place of the word, or NULL */
} Encoder;

static void append_id(Encoder *encoder, guint32 id)
{
  g_array_append_val(encoder->ids, id);
}

/* Cuts the word into pieces and starts a new one. */
static void end_word(Encoder *encoder)
{
  const BertTokenizer *tokenizer = encoder->tokenizer;
  if (encoder->n_characters == 0)
    return;
  guint n_before = encoder->ids->len;
  gsize position = 0;
  gint32 state = BERT_TRIE_ROOT;
  gboolean known = encoder->n_characters <= MAX_WORD_CHARACTERS;
  while (known && position < encoder->n_bytes) {
    gsize matched = 0;
    gint32 id = state < 0 ? -1
                          : bert_trie_longest(&tokenizer->trie, state, encoder->word + position,
                                              encoder->n_bytes - position, &matched);
    known = id >= 0;
    if (known) {
      append_id(encoder, (guint32)id);
      position += matched;
      state = tokenizer->continuation;
    }
  }
  if (!known) {
    g_array_set_size(encoder->ids, n_before);
    append_id(encoder, tokenizer->unknown);
  }
  encoder->n_bytes = 0;
  encoder->n_characters = 0;
}

static inline void add_ascii(Encoder *encoder, char c)
{
  if (encoder->n_characters++ < MAX_WORD_CHARACTERS)
    encoder->word[encoder->n_bytes++] = c;
}

static void add_character(Encoder *encoder, UChar32 c)
{
  if (encoder->n_characters++ < MAX_WORD_CHARACTERS) {
    gsize n = encoder->n_bytes;
    U8_APPEND_UNSAFE(encoder->word, n, c);
    encoder->n_bytes = n;
  }
}

/* Takes one character after cleaning, decomposition and lower-casing. */
static void take_character(Encoder *encoder, UChar32 c)
{
  if (encoder->normalised) {
    g_string_append_unichar(encoder->normalised, (gunichar)c);
    return;
  }
  if (bert_character_is_space(c)) {
    end_word(encoder);
  } else if (bert_character_is_punctuation(c)) {
    end_word(encoder);
    add_character(encoder, c);
    end_word(encoder);
  } else {
    add_character(encoder, c);
  }
}

/* Takes one character after cleaning and decomposition. */
static void take_decomposed(Encoder *encoder, UChar32 c)
{
  const BertTokenizer *tokenizer = encoder->tokenizer;
  if (tokenizer->strip_accents && c >= 0x80 && bert_character_is_accent(c))
    return;
  if (!tokenizer->lower_case) {
    take_character(encoder, c);
  } else if (c == 0x130) {
    /* LATIN CAPITAL LETTER I WITH DOT ABOVE is the one character whose lower case is two. */
    take_character(encoder, 'i');
    take_character(encoder, 0x307);
  } else {
    take_character(encoder, u_tolower(c));
  }
}

/* Cleans a run of UTF-8 into UTF-16: at most 3 units per byte (an ideograph of three bytes gets a blank on
 * both sides). Returns the number of units. */
static gint32 clean_run(const BertTokenizer *tokenizer, const char *run, gsize length, UChar *out)
{
  gint32 n = 0;
  for (gsize i = 0; i < length;) {
    UChar32 c;
    U8_NEXT(run, i, length, c);
    if (c < 0 || bert_character_is_dropped(c))
      continue;
    if (bert_character_is_space(c)) {
      out[n++] = ' ';
    } else if (tokenizer->set_ideographs_apart && bert_character_is_ideograph(c)) {
      out[n++] = ' ';
      U16_APPEND_UNSAFE(out, n, c);
      out[n++] = ' ';
    } else {
      U16_APPEND_UNSAFE(out, n, c);
    }
  }
  return n;
}

static void take_units(Encoder *encoder, const UChar *units, gint32 n)
{
  for (gint32 i = 0; i < n;) {
    UChar32 c;
    U16_NEXT(units, i, n, c);
    take_decomposed(encoder, c);
  }
}

/* A run of characters beyond ASCII, controls that are dropped included. It is decomposed as a whole, because
 * marks are put in order across characters; ASCII around it cannot change that. */
static void take_run(Encoder *encoder, const char *run, gsize length)
{
  enum { SMALL = 256 };
  UChar small[SMALL];
  /* Decomposition gives at most 4 units for one in UTF-16 (U+0390 and its like give 3). */
  gsize cleaned_capacity = 3 * length, needed = cleaned_capacity;
  gboolean decompose = encoder->tokenizer->strip_accents;
  if (decompose)
    needed += 4 * cleaned_capacity;
  UChar *units = needed <= SMALL ? small : g_new(UChar, needed);
  gint32 n = clean_run(encoder->tokenizer, run, length, units);
  const UChar *result = units;
  if (decompose) {
    UErrorCode code = U_ZERO_ERROR;
    UChar *decomposed = units + cleaned_capacity;
    gint32 n_decomposed = unorm2_normalize(encoder->tokenizer->decomposition.normalizer, units, n, decomposed,
                                           (gint32)(needed - cleaned_capacity), &code);
    if (U_SUCCESS(code)) {
      result = decomposed;
      n = n_decomposed;
    }
  }
  take_units(encoder, result, n);
  if (units != small)
    g_free(units);
}

/* The longest added token that `text` starts with and that is looked for there; NULL if there is none. */
static const AddedToken *find_added(const BertTokenizer *tokenizer, const char *text, gboolean normalised)
{
  for (guint i = 0; i < tokenizer->added->len; i++) {
    const AddedToken *token = &g_array_index(tokenizer->added, AddedToken, i);
    if (token->normalised == normalised && token->length > 0 && *text == *token->pattern &&
        strncmp(text, token->pattern, token->length) == 0)
      return token;
  }
  return NULL;
}

/* The end of the run that starts at p: bytes beyond ASCII, and dropped controls. A run of more than a MiB is
 * taken in parts, so that sizes stay within ICU's. */
static const char *run_end(const BertTokenizer *tokenizer, const char *p)
{
  const char *start = p;
  for (; *p != '\0'; p++) {
    guint8 byte = (guint8)*p;
    gboolean inside = byte >= 0x80 || tokenizer->class[byte] == CLASS_DROPPED;
    gboolean whole_character = (byte & 0xC0) != 0x80;
    if (!inside || (p - start >= MAX_RUN_BYTES && whole_character))
      break;
  }
  return p;
}

/* Appends the ids of the text until it ends or there are `enough`. */
static void encode_text(Encoder *encoder, const char *text, guint enough)
{
  const BertTokenizer *tokenizer = encoder->tokenizer;
  const char *p = text;
  while (*p != '\0' && encoder->ids->len < enough) {
    guint8 byte = (guint8)*p;
    if (byte >= 0x80) {
      const char *end = run_end(tokenizer, p);
      take_run(encoder, p, (gsize)(end - p));
      p = end;
      continue;
    }
    switch ((CharacterClass)tokenizer->class[byte]) {
    case CLASS_WORD:
      add_ascii(encoder, tokenizer->lower[byte]);
      break;
    case CLASS_SPACE:
      end_word(encoder);
      break;
    case CLASS_PUNCTUATION: {
      end_word(encoder);
      const AddedToken *special = byte == '[' ? find_added(tokenizer, p, FALSE) : NULL;
      if (special) {
        append_id(encoder, special->id);
        p += special->length;
        continue;
      }
      add_ascii(encoder, *p);
      end_word(encoder);
      break;
    }
    case CLASS_DROPPED:
      break;
    }
    p++;
  }
  end_word(encoder);
}

/* ---- added tokens of any kind: the text is cut at those looked for literally, the parts are normalised and
 * cut at the others, and what is left is cut into words, as HuggingFace's AddedVocabulary does ---- */

void bert_tokenizer_normalise(const BertTokenizer *tokenizer, const char *text, gsize length, GString *out)
{
  Encoder encoder = {.tokenizer = tokenizer, .normalised = out};
  g_autofree char *part = g_strndup(text, length);
  for (const char *p = part; *p;) {
    guint8 byte = (guint8)*p;
    const char *end = byte >= 0x80 ? run_end(tokenizer, p) : p + 1;
    if (byte >= 0x80)
      take_run(&encoder, p, (gsize)(end - p));
    else if (tokenizer->class[byte] == CLASS_SPACE)
      g_string_append_c(out, ' ');
    else if (tokenizer->class[byte] != CLASS_DROPPED)
      g_string_append_c(out, tokenizer->lower[byte]);
    p = end;
  }
}

/* What \w matches in Rust's regular expressions. */
static gboolean is_of_word(UChar32 c)
{
  guint32 mask = U_GET_GC_MASK(c);
  return u_isUAlphabetic(c) || (mask & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

/* Whether the token at `at` of `text` stands alone, if it has to. */
static gboolean stands_alone(const AddedToken *token, const char *text, const char *at)
{
  const char *before = at > text ? g_utf8_find_prev_char(text, at) : NULL, *after = at + token->length;
  return !token->single_word || ((!before || !is_of_word((UChar32)g_utf8_get_char(before))) &&
                                 (!*after || !is_of_word((UChar32)g_utf8_get_char(after))));
}

/* Calls take_rest on what is between the added tokens of one kind, and appends their ids. */
static void cut_at_added(Encoder *encoder, const char *text, gboolean normalised,
                         void (*take_rest)(Encoder *encoder, const char *text, gsize length))
{
  const char *start = text;
  for (const char *p = text; *p;) {
    const AddedToken *token = find_added(encoder->tokenizer, p, normalised);
    if (token && stands_alone(token, text, p)) {
      take_rest(encoder, start, (gsize)(p - start));
      append_id(encoder, token->id);
      start = p + token->length;
    }
    p = token ? p + token->length : g_utf8_next_char(p);
  }
  take_rest(encoder, start, strlen(start));
}

static void take_normalised(Encoder *encoder, const char *text, gsize length)
{
  for (const char *p = text; p < text + length; p = g_utf8_next_char(p))
    take_character(encoder, (UChar32)g_utf8_get_char(p));
  end_word(encoder);
}

static void take_literal(Encoder *encoder, const char *text, gsize length)
{
  g_autoptr(GString) normalised = g_string_new(NULL);
  bert_tokenizer_normalise(encoder->tokenizer, text, length, normalised);
  cut_at_added(encoder, normalised->str, TRUE, take_normalised);
}

static void encode_any(Encoder *encoder, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  cut_at_added(encoder, valid, FALSE, take_literal);
}

guint bert_tokenizer_encode(const BertTokenizer *tokenizer, const char *text, guint max_tokens,
                            BertTruncation side, GArray *ids)
{
  g_return_val_if_fail(max_tokens >= 2, 0);
  Encoder encoder = {.tokenizer = tokenizer, .ids = ids};
  guint before = ids->len;
  append_id(&encoder, tokenizer->start);
  guint first = ids->len, limit = max_tokens - 2;
  guint enough = side == BERT_TRUNCATE_RIGHT && limit < G_MAXUINT - first ? first + limit : G_MAXUINT;
  if (tokenizer->plain)
    encode_text(&encoder, text, enough);
  else
    encode_any(&encoder, text);
  guint n = ids->len - first;
  if (n > limit && side == BERT_TRUNCATE_LEFT)
    g_array_remove_range(ids, first, n - limit);
  else if (n > limit)
    g_array_set_size(ids, first + limit);
  append_id(&encoder, tokenizer->end);
  return ids->len - before;
}
