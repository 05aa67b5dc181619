/* Honest search queries: every word comes from the instruction that the shopper reads. They are the whole
 * text and reductions of it, each of which finds what others do not (docs/results/queries.md has the
 * measurements); which of them finds the product is for the policy to learn. */
#include "envs/shop/session/queries.h"

#include "envs/shop/catalogue/price.h"
#include "envs/shop/text/text.h"

#include <string.h>

#define ACTION_START  "search["
#define FIRST_WORDS   6
#define KIND_WORDS    2u
#define MAX_WORD      64
#define TYPICAL_QUERY 127 /* bytes */

const char *const shop_query_kind_names[] = {"whole",
                                             "without price",
                                             "options doubled",
                                             "kind and options",
                                             "head and options",
                                             "options",
                                             "head",
                                             "first keywords",
                                             NULL};

void shop_queries_free(gpointer action)
{
  g_string_free(action, TRUE);
}

guint shop_queries_add(GPtrArray *actions, guint *n_actions, const char *query, gsize length)
{
  if (*n_actions == actions->len)
    g_ptr_array_add(actions, g_string_sized_new(TYPICAL_QUERY));
  GString *action = actions->pdata[*n_actions];
  g_string_assign(action, ACTION_START);
  shop_text_append_lower(action, query, length);
  g_string_append_c(action, ']');
  for (guint i = 0; i < *n_actions; i++)
    if (g_string_equal(actions->pdata[i], action))
      return i;
  return (*n_actions)++;
}

typedef struct {
  const char *text;
  gsize length;
} Slice;

static Slice trimmed(const char *start, const char *end)
{
  Slice slice = {start, (gsize)(end - start)};
  shop_text_trim(&slice.text, &slice.length);
  while (slice.length > 0 && strchr(".,;:!?", slice.text[slice.length - 1]))
    slice.length--;
  return slice;
}

static const char *find_in(const char *start, const char *end, const char *needle)
{
  return g_strstr_len(start, end - start, needle);
}

/* Where the words that only announce the request end. */
static const char *skip_lead(const char *start, const char *end)
{
  static const char leads[][24] = {"find me ",
                                   "i am looking for ",
                                   "i'm looking for ",
                                   "im looking for ",
                                   "i am searching for ",
                                   "i'm searching for ",
                                   "i am interested in ",
                                   "i'm interested in ",
                                   "i would like to buy ",
                                   "i would like ",
                                   "i'd like to buy ",
                                   "i'd like ",
                                   "i want to buy ",
                                   "i want to find ",
                                   "i want ",
                                   "i need to buy ",
                                   "i need to find ",
                                   "i need ",
                                   "i am trying to find ",
                                   "looking for ",
                                   "searching for ",
                                   "show me ",
                                   "get me ",
                                   "buy me ",
                                   "help me find ",
                                   "can you find ",
                                   "please find ",
                                   "please ",
                                   "find ",
                                   "a ",
                                   "an ",
                                   "some ",
                                   "the "};
  gboolean found = TRUE;
  while (found) {
    found = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(leads) && !found; i++) {
      gsize length = 0;
      while (leads[i][length] != '\0' && leads[i][length] == start[length])
        length++;
      if (leads[i][length] == '\0' && (gsize)(end - start) > length) {
        start += length;
        found = TRUE;
      }
    }
  }
  return start;
}

/* Where " with name: value, and name: value" begins, or `end`. */
static const char *find_options(const char *start, const char *end)
{
  for (const char *with = find_in(start, end, " with "); with; with = find_in(with + 1, end, " with ")) {
    const char *next = find_in(with + 1, end, " with ");
    const char *colon = find_in(with, next ? next : end, ": ");
    const char *comma = find_in(with, end, ", ");
    if (colon && (!comma || colon < comma))
      return with;
  }
  return end;
}

/* Fillers and the word are compared as eight bytes. */
static gboolean is_filler(const char *word, gsize length)
{
  static const char fillers[][8] = {
      "a",    "an",    "am",   "and",   "are",   "as",   "at",    "be",     "but",    "by",
      "can",  "could", "do",   "for",   "from",  "get",  "had",   "has",    "have",   "i",
      "i'd",  "i'm",   "if",   "in",    "into",  "is",   "it",    "like",   "look",   "looking",
      "made", "me",    "my",   "need",  "of",    "on",   "or",    "please", "should", "so",
      "some", "such",  "that", "the",   "their", "them", "there", "these",  "they",   "this",
      "to",   "want",  "was",  "which", "will",  "with", "would", "you",    "your",   "find"};
  char key[sizeof fillers[0]] = {0};
  if (length >= sizeof key)
    return FALSE;
  memcpy(key, word, length);
  for (guint i = 0; i < G_N_ELEMENTS(fillers); i++)
    if (memcmp(fillers[i], key, sizeof key) == 0)
      return TRUE;
  return FALSE;
}

static gboolean is_punctuation(char c)
{
  return c == '.' || c == ',' || c == ';' || c == ':' || c == '!' || c == '?' || c == '(' || c == ')';
}

static gboolean is_blank(char c)
{
  return c == ' ' || c == '\t';
}

/* Appends the words of a slice without fillers and punctuation at their ends, from number `first` to before
 * `limit`; `out` may be NULL. Returns how many words it came past. */
static guint append_keywords(GString *out, Slice slice, guint first, guint limit)
{
  guint n = 0;
  const char *p = slice.text, *end = slice.text + slice.length;
  while (p < end && n < limit) {
    while (p < end && (is_blank(*p) || is_punctuation(*p)))
      p++;
    const char *word = p;
    while (p < end && !is_blank(*p))
      p++;
    const char *stop = p;
    while (stop > word && is_punctuation(stop[-1]))
      stop--;
    if (stop == word || is_filler(word, (gsize)(stop - word)))
      continue;
    if (n++ < first || !out)
      continue;
    if (out->len > 0)
      g_string_append_c(out, ' ');
    g_string_append_len(out, word, stop - word);
  }
  return n;
}

/* Appends the values of ", and "-joined "name: value" items. */
static void append_option_values(GString *out, const char *start, const char *end)
{
  while (start < end) {
    const char *next = find_in(start, end, ", and ");
    const char *item_end = next ? next : end;
    const char *colon = find_in(start, item_end, ": ");
    Slice value = trimmed(colon ? colon + 2 : start, item_end);
    if (value.length > 0) {
      if (out->len > 0)
        g_string_append_c(out, ' ');
      g_string_append_len(out, value.text, (gssize)value.length);
    }
    start = next ? next + strlen(", and ") : end;
  }
}

/* Where the price clause begins, or the end. */
static const char *find_price(const char *start, const char *end)
{
  const char *price = g_strrstr_len(start, end - start, SHOP_PRICE_CLAUSE);
  return price ? price : end;
}

void shop_queries_find_options(const char *instruction, const char **start, const char **end)
{
  *end = find_price(instruction, instruction + strlen(instruction));
  const char *options = find_options(skip_lead(instruction, *end), *end);
  *start = options < *end ? options + strlen(" with ") : *end;
}

typedef struct {
  GPtrArray *actions;
  guint *n_actions, *kinds;
} Queries;

static void add_slice(const Queries *queries, ShopQueryKind kind, const char *text, gsize length)
{
  guint before = *queries->n_actions;
  if (length == 0 || before >= SHOP_MAX_QUERIES)
    return;
  shop_queries_add(queries->actions, queries->n_actions, text, length);
  if (queries->kinds && *queries->n_actions > before)
    queries->kinds[before] = kind;
}

void shop_queries_make(const char *instruction, GPtrArray *actions, guint *n_actions, guint *kinds)
{
  const Queries queries = {actions, n_actions, kinds};
  /* The buffers live in the array's spare slots, behind the queries. */
  while (actions->len < SHOP_MAX_QUERIES + 2)
    g_ptr_array_add(actions, g_string_sized_new(TYPICAL_QUERY));
  GString *text = actions->pdata[SHOP_MAX_QUERIES], *words = actions->pdata[SHOP_MAX_QUERIES + 1];
  g_string_truncate(text, 0);
  shop_text_append_lower(text, instruction, strlen(instruction));
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] == '[' || text->str[i] == ']' || text->str[i] == '\n' || text->str[i] == '\r')
      text->str[i] = ' ';
  const char *start = text->str, *end = text->str + text->len;
  Slice whole = trimmed(start, end);
  add_slice(&queries, SHOP_QUERY_WHOLE, whole.text, whole.length);
  if (whole.length == 0) { /* no word to search for: something that can be typed all the same */
    gsize length = text->len > 0 ? text->len : 1;
    add_slice(&queries, SHOP_QUERY_WHOLE, text->len > 0 ? text->str : " ", length);
  }

  const char *body_end = find_price(start, end);
  const char *body = skip_lead(start, body_end);
  const char *options = find_options(body, body_end);
  const char *with = find_in(body, options, " with ");
  Slice all = trimmed(body, body_end), base = trimmed(body, options);
  Slice head = trimmed(body, with ? with : options);
  const char *values = options < body_end ? options + strlen(" with ") : body_end;

  add_slice(&queries, SHOP_QUERY_WITHOUT_PRICE, all.text, all.length);

  g_string_truncate(words, 0);
  append_keywords(words, base, 0, G_MAXUINT);
  append_option_values(words, values, body_end);
  append_option_values(words, values, body_end);
  add_slice(&queries, SHOP_QUERY_OPTIONS_DOUBLED, words->str, words->len);

  guint n_head_words = append_keywords(NULL, head, 0, G_MAXUINT);
  if (values < body_end) {
    g_string_truncate(words, 0);
    append_keywords(words, head, n_head_words - MIN(n_head_words, KIND_WORDS), G_MAXUINT);
    append_option_values(words, values, body_end);
    add_slice(&queries, SHOP_QUERY_KIND_OPTIONS, words->str, words->len);

    g_string_truncate(words, 0);
    append_keywords(words, head, 0, G_MAXUINT);
    append_option_values(words, values, body_end);
    add_slice(&queries, SHOP_QUERY_HEAD_OPTIONS, words->str, words->len);

    g_string_truncate(words, 0);
    append_option_values(words, values, body_end);
    add_slice(&queries, SHOP_QUERY_OPTIONS, words->str, words->len);
  } else {
    add_slice(&queries, SHOP_QUERY_HEAD, head.text, head.length);

    g_string_truncate(words, 0);
    append_keywords(words, base, 0, FIRST_WORDS);
    add_slice(&queries, SHOP_QUERY_FIRST_KEYWORDS, words->str, words->len);
  }
}
