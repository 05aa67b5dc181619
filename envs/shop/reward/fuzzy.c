/* token_set_ratio in C. Words are compared as arrays of code points. The ratio is the best of three: common
 * words against either side, and side against side; each is twice the matched length over both lengths, in
 * double precision and rounded half to even like the original. Scratch space comes from the stack unless the
 * strings are long. */
#include "envs/shop/reward/fuzzy.h"

#include "envs/shop/text/text.h"

#include <math.h>
#include <string.h>
#include <unicode/uchar.h>

/* Below this length no characters count as popular (difflib's autojunk). */
#define AUTOJUNK_LENGTH 200

/* ------------------------------------------------------------------ token sets */

static const guint32 *set_characters(const ShopTokenSet *set)
{
  return set->data + set->n_tokens;
}

typedef struct {
  const guint32 *characters;
  guint32 length;
} Token;

static Token get_token(const ShopTokenSet *set, guint index)
{
  guint32 start = index == 0 ? 0 : set->data[index - 1] + 1;
  return (Token){set_characters(set) + start, set->data[index] - start};
}

static int compare_tokens(Token a, Token b)
{
  guint32 shorter = MIN(a.length, b.length);
  for (guint32 i = 0; i < shorter; i++)
    if (a.characters[i] != b.characters[i])
      return a.characters[i] < b.characters[i] ? -1 : 1;
  return (a.length > b.length) - (a.length < b.length);
}

static gboolean is_word_character(gunichar character)
{
  if (character < 0x80)
    return g_ascii_isalnum((char)character) || character == '_';
  return u_isalpha((UChar32)character) ||
         u_getIntPropertyValue((UChar32)character, UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}

/* Writes the text without Latin-1 letters, other than word characters blanked, in lower case; `out` has room
 * for one code point per byte. FALSE, and nothing useful, when that takes more than ASCII. */
static gboolean clean_ascii(const char *text, guint32 *out, gsize *length)
{
  gsize n = 0;
  for (; *text; text++) {
    guchar byte = (guchar)*text;
    if (byte == 0xC2 || byte == 0xC3)
      text++; /* U+0080 to U+00FF take two bytes */
    else if (byte >= 0x80)
      return FALSE;
    else
      out[n++] = g_ascii_isalnum(byte) || byte == '_' ? (guint32)g_ascii_tolower((char)byte) : ' ';
  }
  *length = n;
  return TRUE;
}

/* The same for all of Unicode; g_free the result. */
static guint32 *clean_unicode(const char *text, gsize *length)
{
  GString *kept = g_string_new(NULL), *lower = g_string_new(NULL);
  for (; *text; text = g_utf8_next_char(text)) {
    gunichar character = g_utf8_get_char(text);
    if (character >= 0x80 && character <= 0xFF)
      continue;
    g_string_append_unichar(kept, is_word_character(character) ? character : ' ');
  }
  shop_text_append_lower(lower, kept->str, kept->len);
  glong n_characters;
  guint32 *characters = g_utf8_to_ucs4_fast(lower->str, (glong)lower->len, &n_characters);
  g_string_free(kept, TRUE);
  g_string_free(lower, TRUE);
  *length = (gsize)n_characters;
  return characters;
}

/* Cuts at blanks, sorts, and drops repetitions; `tokens` has room for all. Returns how many there are, and
 * their length when joined. */
static guint collect_tokens(const guint32 *characters, gsize length, Token *tokens, gsize *joined)
{
  guint n = 0;
  *joined = 0;
  for (gsize i = 0; i < length; i++) {
    gsize start = i;
    while (i < length && characters[i] != ' ')
      i++;
    if (i == start)
      continue;
    Token token = {characters + start, (guint32)(i - start)};
    guint place = n;
    while (place > 0 && compare_tokens(tokens[place - 1], token) > 0)
      place--;
    if (place > 0 && compare_tokens(tokens[place - 1], token) == 0)
      continue;
    memmove(tokens + place + 1, tokens + place, (n - place) * sizeof *tokens);
    tokens[place] = token;
    *joined += token.length + (n > 0);
    n++;
  }
  return n;
}

static void write_set(ShopTokenSet *set, const Token *tokens, guint n_tokens, gsize joined)
{
  set->n_tokens = n_tokens;
  set->length = (guint32)joined;
  memset(set->histogram, 0, sizeof set->histogram);
  guint32 *out = set->data + n_tokens, position = 0;
  for (guint i = 0; i < n_tokens; i++) {
    if (i > 0)
      out[position++] = ' ';
    memcpy(out + position, tokens[i].characters, tokens[i].length * sizeof(guint32));
    position += tokens[i].length;
    set->data[i] = position;
  }
  for (guint32 i = 0; i < set->length; i++)
    if (set->histogram[out[i] & 31] < 255)
      set->histogram[out[i] & 31]++;
}

guint shop_token_set_append(GByteArray *out, const char *text)
{
  guint32 small[256], *characters = small, *owned = NULL;
  Token small_tokens[128], *tokens = small_tokens;
  gsize length, joined;
  guint start = out->len;
  if (strnlen(text, G_N_ELEMENTS(small)) == G_N_ELEMENTS(small) || !clean_ascii(text, small, &length))
    characters = owned = clean_unicode(text, &length);
  if (length / 2 + 1 > G_N_ELEMENTS(small_tokens))
    tokens = g_new(Token, length / 2 + 1);
  guint n_tokens = collect_tokens(characters, length, tokens, &joined);
  g_byte_array_set_size(out, start + (guint)(sizeof(ShopTokenSet) + (n_tokens + joined) * sizeof(guint32)));
  write_set((ShopTokenSet *)(gpointer)(out->data + start), tokens, n_tokens, joined);
  if (tokens != small_tokens)
    g_free(tokens);
  g_free(owned);
  return start;
}

ShopTokenSet *shop_token_set_new(const char *text)
{
  GByteArray *bytes = g_byte_array_new();
  shop_token_set_append(bytes, text);
  return (ShopTokenSet *)(gpointer)g_byte_array_free(bytes, FALSE);
}

gboolean shop_token_set_check(const ShopTokenSet *set, gsize room)
{
  if (room < sizeof *set || room < shop_token_set_size(set))
    return FALSE;
  guint32 start = 0;
  for (guint i = 0; i < set->n_tokens; i++) {
    if (set->data[i] <= start && !(i == 0 && set->data[i] > 0))
      return FALSE;
    start = set->data[i] + 1;
  }
  return set->n_tokens == 0 ? set->length == 0 : set->data[set->n_tokens - 1] == set->length;
}

gsize shop_token_set_size(const ShopTokenSet *set)
{
  return sizeof(ShopTokenSet) + ((gsize)set->n_tokens + set->length) * sizeof(guint32);
}

/* ---------------------------------------------------------- sequence matchers */

typedef struct {
  const guint32 *a, *b;
  guint8 *popular; /* per position of b: too frequent to start a block; NULL when none is */
  guint32 *row;    /* |b| + 1 lengths of common suffixes */
} Matcher;

/* The longest block common to a[a_low, a_high) and b[b_low, b_high): of the longest, the earliest in a, of
 * those the earliest in b. Popular characters only extend a block. */
static guint32 find_longest(const Matcher *matcher, guint32 a_low, guint32 a_high, guint32 b_low,
                            guint32 b_high, guint32 *best_a, guint32 *best_b)
{
  const guint32 *a = matcher->a, *b = matcher->b;
  guint32 *row = matcher->row, best = 0;
  *best_a = a_low;
  *best_b = b_low;
  memset(row + b_low, 0, (b_high - b_low + 1) * sizeof *row);
  for (guint32 i = a_low; i < a_high; i++) {
    guint32 in_row = best, at = 0;
    for (guint32 j = b_high; j-- > b_low;) { /* backwards, so that row[j] is still the line above */
      row[j + 1] = a[i] == b[j] && !(matcher->popular && matcher->popular[j]) ? row[j] + 1 : 0;
      if (row[j + 1] > best && row[j + 1] >= in_row) {
        in_row = row[j + 1];
        at = j;
      }
    }
    if (in_row > best) {
      best = in_row;
      *best_a = i + 1 - best;
      *best_b = at + 1 - best;
    }
  }
  if (matcher->popular) {
    while (*best_a > a_low && *best_b > b_low && a[*best_a - 1] == b[*best_b - 1]) {
      (*best_a)--;
      (*best_b)--;
      best++;
    }
    while (*best_a + best < a_high && *best_b + best < b_high && a[*best_a + best] == b[*best_b + best])
      best++;
  }
  return best;
}

static guint32 match_blocks(const Matcher *matcher, guint32 a_low, guint32 a_high, guint32 b_low,
                            guint32 b_high)
{
  guint32 total = 0;
  while (a_low < a_high && b_low < b_high) {
    guint32 at_a, at_b, length = find_longest(matcher, a_low, a_high, b_low, b_high, &at_a, &at_b);
    if (length == 0)
      break;
    total += length + match_blocks(matcher, a_low, at_a, b_low, at_b);
    a_low = at_a + length;
    b_low = at_b + length;
  }
  return total;
}

static int compare_characters(const void *a, const void *b)
{
  guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
  return (first > second) - (first < second);
}

/* Marks the positions of b whose character occurs more than once per hundred characters, plus one. */
static guint8 *find_popular(const guint32 *b, guint32 length)
{
  guint32 limit = length / 100 + 1;
  guint32 *sorted = g_memdup2(b, length * sizeof *b);
  qsort(sorted, length, sizeof *sorted, compare_characters);
  guint8 *popular = g_new0(guint8, length);
  for (guint32 i = 0; i < length; i++) {
    const guint32 *found = bsearch(&b[i], sorted, length, sizeof *sorted, compare_characters);
    guint32 first = (guint32)(found - sorted), last = first;
    while (first > 0 && sorted[first - 1] == b[i])
      first--;
    while (last + 1 < length && sorted[last + 1] == b[i])
      last++;
    popular[i] = last - first + 1 > limit;
  }
  g_free(sorted);
  return popular;
}

static guint32 match_difflib(const guint32 *a, guint32 a_length, const guint32 *b, guint32 b_length)
{
  guint32 small[256];
  Matcher matcher = {a, b, NULL, b_length < G_N_ELEMENTS(small) ? small : g_new(guint32, b_length + 1)};
  if (b_length >= AUTOJUNK_LENGTH)
    matcher.popular = find_popular(b, b_length);
  guint32 total = match_blocks(&matcher, 0, a_length, 0, b_length);
  g_free(matcher.popular);
  if (matcher.row != small)
    g_free(matcher.row);
  return total;
}

/* The length of the longest common subsequence. */
static guint32 match_lcs(const guint32 *a, guint32 a_length, const guint32 *b, guint32 b_length)
{
  guint32 small[256], *row = b_length < G_N_ELEMENTS(small) ? small : g_new(guint32, b_length + 1);
  memset(row, 0, (b_length + 1) * sizeof *row);
  for (guint32 i = 0; i < a_length; i++) {
    guint32 diagonal = 0;
    for (guint32 j = 0; j < b_length; j++) {
      guint32 above = row[j + 1];
      row[j + 1] = a[i] == b[j] ? diagonal + 1 : MAX(above, row[j]);
      diagonal = above;
    }
  }
  guint32 length = row[b_length];
  if (row != small)
    g_free(row);
  return length;
}

/* ---------------------------------------------------------------------- ratios */

/* Each library in its own order of operations, which decides ties. */
static guint round_ratio(guint32 matched, guint32 total, ShopFuzzyVariant variant)
{
  double ratio = variant == SHOP_FUZZY_LCS ? 1.0 - (double)(total - 2 * matched) / (double)total
                                           : 2.0 * (double)matched / (double)total;
  return (guint)rint(100.0 * ratio);
}

static guint ratio_of(const guint32 *a, guint32 a_length, const guint32 *b, guint32 b_length,
                      ShopFuzzyVariant variant)
{
  guint32 matched = variant == SHOP_FUZZY_LCS ? match_lcs(a, a_length, b, b_length)
                                              : match_difflib(a, a_length, b, b_length);
  return round_ratio(matched, a_length + b_length, variant);
}

/* The ratio of a string to one that it begins. */
static guint ratio_of_prefix(const guint32 *a, guint32 a_length, const guint32 *b, guint32 b_length,
                             ShopFuzzyVariant variant)
{
  if (variant == SHOP_FUZZY_DIFFLIB && b_length >= AUTOJUNK_LENGTH)
    return ratio_of(a, a_length, b, b_length, variant);
  return round_ratio(a_length, a_length + b_length, variant);
}

static guint32 append_token(guint32 *out, guint32 length, Token token)
{
  if (length > 0)
    out[length++] = ' ';
  memcpy(out + length, token.characters, token.length * sizeof(guint32));
  return length + token.length;
}

/* The three strings that are compared: the common words, and each side with the common words in front. The
 * arrays have room for the sides' own lengths. Returns FALSE if one side has no other words. */
static gboolean split_words(const ShopTokenSet *first, const ShopTokenSet *second, guint32 *a, guint32 *b,
                            guint32 *common_length)
{
  guint32 a_length = 0, b_length = 0;
  guint n_common = 0;
  for (guint i = 0, j = 0; i < first->n_tokens && j < second->n_tokens;) {
    int order = compare_tokens(get_token(first, i), get_token(second, j));
    if (order == 0) {
      n_common++;
      a_length = append_token(a, a_length, get_token(first, i));
    }
    i += order <= 0;
    j += order >= 0;
  }
  *common_length = b_length = a_length;
  memcpy(b, a, a_length * sizeof *a);
  if (n_common == first->n_tokens || n_common == second->n_tokens)
    return FALSE;
  guint i = 0, j = 0;
  while (i < first->n_tokens || j < second->n_tokens) {
    int order = i == first->n_tokens    ? 1
                : j == second->n_tokens ? -1
                                        : compare_tokens(get_token(first, i), get_token(second, j));
    if (order < 0)
      a_length = append_token(a, a_length, get_token(first, i));
    if (order > 0)
      b_length = append_token(b, b_length, get_token(second, j));
    i += order <= 0;
    j += order >= 0;
  }
  return TRUE;
}

guint shop_token_set_ratio(const ShopTokenSet *first, const ShopTokenSet *second, ShopFuzzyVariant variant)
{
  if (first->n_tokens == 0 || second->n_tokens == 0)
    return 0;
  guint32 small_a[128], small_b[128], common;
  guint32 *a = first->length <= G_N_ELEMENTS(small_a) ? small_a : g_new(guint32, first->length);
  guint32 *b = second->length <= G_N_ELEMENTS(small_b) ? small_b : g_new(guint32, second->length);
  guint best = 100;
  if (split_words(first, second, a, b, &common)) {
    best = ratio_of(a, first->length, b, second->length, variant);
    if (common > 0) {
      best = MAX(best, ratio_of_prefix(a, common, a, first->length, variant));
      best = MAX(best, ratio_of_prefix(b, common, b, second->length, variant));
    }
  }
  if (a != small_a)
    g_free(a);
  if (b != small_b)
    g_free(b);
  return best;
}

/* The joined length of the words that both have; sets *contained if one side has no others. */
static guint32 common_words(const ShopTokenSet *first, const ShopTokenSet *second, gboolean *contained)
{
  guint32 length = 0;
  guint n_common = 0;
  for (guint i = 0, j = 0; i < first->n_tokens && j < second->n_tokens;) {
    Token token = get_token(first, i);
    int order = compare_tokens(token, get_token(second, j));
    if (order == 0) {
      length += token.length + (n_common > 0);
      n_common++;
    }
    i += order <= 0;
    j += order >= 0;
  }
  *contained = n_common == first->n_tokens || n_common == second->n_tokens;
  return length;
}

/* What no matcher can exceed: the characters that both have. */
static guint32 bound_matches(const ShopTokenSet *first, const ShopTokenSet *second)
{
  guint32 shorter = MIN(first->length, second->length), bound = 0;
  if (shorter > 255) /* the histograms may have been cut */
    return shorter;
  for (guint i = 0; i < G_N_ELEMENTS(first->histogram); i++)
    bound += MIN(first->histogram[i], second->histogram[i]);
  return MIN(bound, shorter);
}

gboolean shop_token_set_exceeds(const ShopTokenSet *first, const ShopTokenSet *second, guint threshold,
                                ShopFuzzyVariant variant)
{
  if (first->n_tokens == 0 || second->n_tokens == 0)
    return FALSE;
  if (first == second)
    return 100 > threshold;
  gboolean contained;
  guint32 common = common_words(first, second, &contained);
  guint32 shorter = MIN(first->length, second->length), longer = MAX(first->length, second->length);
  if (contained)
    return 100 > threshold;
  if (round_ratio(common, common + shorter, variant) > threshold) {
    if (variant == SHOP_FUZZY_LCS || longer < AUTOJUNK_LENGTH)
      return TRUE;
  } else if (round_ratio(bound_matches(first, second), shorter + longer, variant) <= threshold)
    return FALSE;
  return shop_token_set_ratio(first, second, variant) > threshold;
}
