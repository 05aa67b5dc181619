/* Reads and writes what a tokenizer consists of: the vocabulary, its special tokens and its settings. The
 * tokenizer owns all of it and never changes after it was opened; encode.c applies it to text. */
#include "models/bert/tokenizer.h"

#include <string.h>

#include <cartwright/error.h>

#include "models/bert/file.h"
#include "models/bert/tokenizer_internal.h"

static const char *const extra_tokens[BERT_N_EXTRA_TOKENS] = {"[button]", "[button_]", "[clicked button]",
                                                              "[clicked button_]"};

/* Cuts the content into lines; a last line without line end counts, "\r\n" is a line end too. */
static gboolean split_vocabulary(BertTokenizer *tokenizer, const char *file, GError **error)
{
  const char *bad = NULL;
  gsize length = tokenizer->content_length;
  if (length == 0) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                "%s: the vocabulary is empty; expected one token per line", file);
    return FALSE;
  }
  tokenizer->lines = g_memdup2(tokenizer->content, length + 1);
  gboolean valid = g_utf8_validate_len(tokenizer->content, length, &bad);
  guint line = 1;
  for (char *start = tokenizer->lines, *content_end = start + length; start < content_end; line++) {
    char *end = memchr(start, '\n', (gsize)(content_end - start));
    char *next = end ? end + 1 : content_end;
    if (!valid && bad < tokenizer->content + (next - tokenizer->lines)) {
      g_set_error(
          error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
          "%s:%u: byte 0x%02x is not UTF-8 or is NUL; a vocabulary is UTF-8 text with one token per line",
          file, line, (guint8)*bad);
      return FALSE;
    }
    if (!end) {
      end = content_end;
    }
    *end = '\0';
    if (end > start && end[-1] == '\r') {
      end[-1] = '\0';
    }
    if (*start == '\0') {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s:%u: empty line; expected one token per line",
                  file, line);
      return FALSE;
    }
    guint first_line = GPOINTER_TO_UINT(g_hash_table_lookup(tokenizer->ids, start));
    if (first_line != 0) {
      g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                  "%s:%u: token '%s' is already on line %u; every token must be listed once", file, line,
                  start, first_line);
      return FALSE;
    }
    /* id + 1 is the line number. */
    g_hash_table_insert(tokenizer->ids, start, GUINT_TO_POINTER(line));
    g_ptr_array_add(tokenizer->tokens, start);
    start = next;
  }
  tokenizer->vocabulary_size = tokenizer->tokens->len;
  return TRUE;
}

static void add_special(BertTokenizer *tokenizer, const char *text, guint32 id)
{
  tokenizer->specials[tokenizer->n_specials++] = (SpecialToken){text, strlen(text), id};
}

static gboolean find_special_tokens(BertTokenizer *tokenizer, const char *file, GError **error)
{
  struct {
    const char *token;
    guint32 *id; /* NULL: not asked for by name */
    gboolean required;
  } standard[] = {{"[PAD]", NULL, TRUE},
                  {"[UNK]", &tokenizer->unknown, TRUE},
                  {"[CLS]", &tokenizer->start, TRUE},
                  {"[SEP]", &tokenizer->end, TRUE},
                  {"[MASK]", NULL, FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(standard); i++) {
    guint32 id;
    if (!bert_tokenizer_id(tokenizer, standard[i].token, &id)) {
      if (standard[i].required) {
        g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
                    "%s: token '%s' is missing among %u tokens; a BERT vocabulary lists [PAD], [UNK], [CLS] "
                    "and [SEP]",
                    file, standard[i].token, tokenizer->vocabulary_size);
        return FALSE;
      }
      continue;
    }
    if (standard[i].id) {
      *standard[i].id = id;
    }
    add_special(tokenizer, standard[i].token, id);
  }
  for (guint i = 0; i < BERT_N_EXTRA_TOKENS; i++) {
    guint32 id;
    if (!bert_tokenizer_id(tokenizer, extra_tokens[i], &id)) {
      id = tokenizer->tokens->len;
      g_ptr_array_add(tokenizer->tokens, (gpointer)extra_tokens[i]);
      g_hash_table_insert(tokenizer->ids, (gpointer)extra_tokens[i], GUINT_TO_POINTER(id + 1));
    }
    add_special(tokenizer, extra_tokens[i], id);
  }
  return TRUE;
}

static void fill_character_table(BertTokenizer *tokenizer)
{
  for (guint c = 0; c < 128; c++) {
    CharacterClass class = CLASS_WORD;
    if (bert_character_is_dropped((UChar32)c)) {
      class = CLASS_DROPPED;
    } else if (bert_character_is_space((UChar32)c)) {
      class = CLASS_SPACE;
    } else if (bert_character_is_punctuation((UChar32)c)) {
      class = CLASS_PUNCTUATION;
    }
    tokenizer->class[c] = (guint8) class;
    tokenizer->lower[c] = tokenizer->lower_case ? g_ascii_tolower((gchar)c) : (char)c;
  }
}

/* Reads a boolean; a missing key and null leave *out alone. */
static gboolean read_boolean(const json_t *root, const char *file, const char *key, gboolean *out,
                             GError **error)
{
  const json_t *value = json_object_get(root, key);
  if (!value || json_is_null(value)) {
    return TRUE;
  }
  if (!json_is_boolean(value)) {
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: key '%s': expected true or false", file, key);
    return FALSE;
  }
  *out = json_is_true(value);
  return TRUE;
}

static gboolean read_settings(BertTokenizer *tokenizer, const char *folder, GError **error)
{
  tokenizer->lower_case = TRUE;
  tokenizer->set_ideographs_apart = TRUE;
  char *file = g_build_filename(folder, "tokenizer_config.json", NULL);
  gboolean ok = TRUE;
  if (g_file_test(file, G_FILE_TEST_EXISTS)) {
    json_t *root = bert_file_read_json(file, error);
    ok = root && read_boolean(root, file, "do_lower_case", &tokenizer->lower_case, error) &&
         read_boolean(root, file, "tokenize_chinese_chars", &tokenizer->set_ideographs_apart, error);
    tokenizer->strip_accents = tokenizer->lower_case;
    ok = ok && read_boolean(root, file, "strip_accents", &tokenizer->strip_accents, error);
    json_decref(root);
  } else {
    tokenizer->strip_accents = TRUE;
  }
  g_free(file);
  return ok;
}

static gboolean read_vocabulary(BertTokenizer *tokenizer, const char *folder, GError **error)
{
  char *file = g_build_filename(folder, "vocab.txt", NULL);
  tokenizer->content = bert_file_read(file, &tokenizer->content_length, error);
  gboolean ok = tokenizer->content && split_vocabulary(tokenizer, file, error) &&
                find_special_tokens(tokenizer, file, error);
  g_free(file);
  if (!ok) {
    return FALSE;
  }
  bert_trie_build(&tokenizer->trie, (const char *const *)tokenizer->tokens->pdata,
                  tokenizer->vocabulary_size);
  tokenizer->continuation = bert_trie_walk(&tokenizer->trie, "##");
  return TRUE;
}

BertTokenizer *bert_tokenizer_open(const char *folder, GError **error)
{
  BertTokenizer *tokenizer = g_new0(BertTokenizer, 1);
  tokenizer->tokens = g_ptr_array_new();
  tokenizer->ids = g_hash_table_new(g_str_hash, g_str_equal);
  if (!read_vocabulary(tokenizer, folder, error) || !read_settings(tokenizer, folder, error) ||
      !bert_decomposition_init(&tokenizer->decomposition, error)) {
    bert_tokenizer_free(tokenizer);
    return NULL;
  }
  fill_character_table(tokenizer);
  return tokenizer;
}

void bert_tokenizer_free(BertTokenizer *tokenizer)
{
  if (!tokenizer) {
    return;
  }
  bert_decomposition_clear(&tokenizer->decomposition);
  bert_trie_clear(&tokenizer->trie);
  g_hash_table_destroy(tokenizer->ids);
  g_ptr_array_free(tokenizer->tokens, TRUE);
  g_free(tokenizer->lines);
  g_free(tokenizer->content);
  g_free(tokenizer);
}

gboolean bert_tokenizer_write(const BertTokenizer *tokenizer, const char *folder, GError **error)
{
  char *vocabulary = g_build_filename(folder, "vocab.txt", NULL);
  char *settings = g_build_filename(folder, "tokenizer_config.json", NULL);
  char *text =
      g_strdup_printf("{\n  \"do_lower_case\": %s,\n  \"strip_accents\": %s,\n"
                      "  \"tokenize_chinese_chars\": %s,\n  \"tokenizer_class\": \"BertTokenizer\"\n}\n",
                      tokenizer->lower_case ? "true" : "false", tokenizer->strip_accents ? "true" : "false",
                      tokenizer->set_ideographs_apart ? "true" : "false");
  gboolean ok = bert_file_write(vocabulary, tokenizer->content, tokenizer->content_length, error) &&
                bert_file_write(settings, text, strlen(text), error);
  g_free(text);
  g_free(settings);
  g_free(vocabulary);
  return ok;
}

guint bert_tokenizer_n_tokens(const BertTokenizer *tokenizer)
{
  return tokenizer->tokens->len;
}

guint bert_tokenizer_vocabulary_size(const BertTokenizer *tokenizer)
{
  return tokenizer->vocabulary_size;
}

const char *bert_tokenizer_token(const BertTokenizer *tokenizer, guint32 id)
{
  return id < tokenizer->tokens->len ? g_ptr_array_index(tokenizer->tokens, id) : NULL;
}

gboolean bert_tokenizer_id(const BertTokenizer *tokenizer, const char *token, guint32 *id)
{
  guint found = GPOINTER_TO_UINT(g_hash_table_lookup(tokenizer->ids, token));
  if (found == 0) {
    return FALSE;
  }
  *id = found - 1;
  return TRUE;
}
