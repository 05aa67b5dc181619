/* Opens and writes tokenizers. The tokenizer owns all it consists of and never changes after it was opened;
 * tokenizer_files.c reads its files, encode.c applies it to text. */
#include "models/bert/tokenizer.h"
#include "models/bert/file.h"
#include "models/bert/tokenizer_internal.h"
#include <cartwright/error.h>
#include <string.h>

static const char *const extra_tokens[BERT_N_EXTRA_TOKENS] = {"[button]", "[button_]", "[clicked button]",
                                                              "[clicked button_]"};

gboolean bert_tokenizer_is_extra(const char *token)
{
  for (guint i = 0; i < BERT_N_EXTRA_TOKENS; i++)
    if (strcmp(token, extra_tokens[i]) == 0)
      return TRUE;
  return FALSE;
}

static void add_literal(BertTokenizer *tokenizer, const char *text, guint32 id)
{
  AddedToken token = {.text = text, .id = id};
  for (guint i = 0; i < tokenizer->added->len; i++)
    if (g_array_index(tokenizer->added, AddedToken, i).id == id)
      return;
  g_array_append_val(tokenizer->added, token);
}

static gboolean find_special_tokens(BertTokenizer *tokenizer, const char *file, GError **error)
{
  const struct {
    const char *token;
    guint32 *id; /* NULL: not asked for by name */
    gboolean required;
  } standard[] = {{tokenizer->pad_name, NULL, TRUE},
                  {tokenizer->unknown_name, &tokenizer->unknown, TRUE},
                  {tokenizer->start_name, &tokenizer->start, TRUE},
                  {tokenizer->end_name, &tokenizer->end, TRUE},
                  {tokenizer->mask_name, NULL, FALSE}};
  for (guint i = 0; i < G_N_ELEMENTS(standard); i++) {
    guint32 id;
    if (bert_tokenizer_id(tokenizer, standard[i].token, &id)) {
      if (standard[i].id)
        *standard[i].id = id;
      add_literal(tokenizer, standard[i].token, id);
    } else if (standard[i].required) {
      return bert_fail(
          error, CW_ERROR_FORMAT,
          "%s: token '%s' is missing among %u tokens; a BERT vocabulary lists [PAD], [UNK], [CLS] "
          "and [SEP]",
          file, standard[i].token, tokenizer->tokens->len);
    }
  }
  return TRUE;
}

static void add_extra_tokens(BertTokenizer *tokenizer)
{
  tokenizer->n_listed = tokenizer->tokens->len;
  for (guint i = 0; i < BERT_N_EXTRA_TOKENS; i++) {
    guint32 id;
    if (!bert_tokenizer_id(tokenizer, extra_tokens[i], &id)) {
      id = tokenizer->tokens->len;
      g_ptr_array_add(tokenizer->tokens, (gpointer)extra_tokens[i]);
      g_hash_table_insert(tokenizer->ids, (gpointer)extra_tokens[i], GUINT_TO_POINTER(id + 1));
    }
    add_literal(tokenizer, extra_tokens[i], id);
  }
}

static gint longest_first(gconstpointer a, gconstpointer b)
{
  const AddedToken *left = a, *right = b;
  return left->length > right->length ? -1 : left->length < right->length;
}

/* What is looked for in texts; settings and vocabulary are known. */
static void prepare_patterns(BertTokenizer *tokenizer)
{
  tokenizer->plain = TRUE;
  for (guint i = 0; i < tokenizer->added->len; i++) {
    AddedToken *token = &g_array_index(tokenizer->added, AddedToken, i);
    token->pattern = token->text;
    if (token->normalised) {
      g_autoptr(GString) pattern = g_string_new(NULL);
      bert_tokenizer_normalise(tokenizer, token->text, strlen(token->text), pattern);
      token->pattern = g_string_chunk_insert(tokenizer->texts, pattern->str);
    }
    token->length = strlen(token->pattern);
    tokenizer->plain &= !token->normalised && !token->single_word && *token->pattern == '[';
  }
  g_array_sort(tokenizer->added, longest_first);
}

static void fill_character_table(BertTokenizer *tokenizer)
{
  for (guint c = 0; c < 128; c++) {
    CharacterClass class = CLASS_WORD;
    if (bert_character_is_dropped((UChar32)c))
      class = CLASS_DROPPED;
    else if (bert_character_is_space((UChar32)c))
      class = CLASS_SPACE;
    else if (bert_character_is_punctuation((UChar32)c))
      class = CLASS_PUNCTUATION;
    tokenizer->class[c] = (guint8) class;
    tokenizer->lower[c] = tokenizer->lower_case ? g_ascii_tolower((gchar)c) : (char)c;
  }
}

BertTokenizer *bert_tokenizer_open(const char *folder, GError **error)
{
  BertTokenizer *tokenizer = g_new0(BertTokenizer, 1);
  tokenizer->tokens = g_ptr_array_new();
  tokenizer->ids = g_hash_table_new(g_str_hash, g_str_equal);
  tokenizer->texts = g_string_chunk_new(1024);
  tokenizer->added = g_array_new(FALSE, FALSE, sizeof(AddedToken));
  gboolean read = bert_tokenizer_read_files(tokenizer, folder, error);
  g_autofree char *file = read ? g_build_filename(folder, tokenizer->source, NULL) : NULL;
  if (!read || !find_special_tokens(tokenizer, file, error) ||
      !bert_decomposition_init(&tokenizer->decomposition, error)) {
    bert_tokenizer_free(tokenizer);
    return NULL;
  }
  add_extra_tokens(tokenizer);
  bert_trie_build(&tokenizer->trie, (const char *const *)tokenizer->tokens->pdata,
                  tokenizer->vocabulary_size);
  tokenizer->continuation = bert_trie_walk(&tokenizer->trie, "##");
  fill_character_table(tokenizer);
  prepare_patterns(tokenizer);
  return tokenizer;
}

void bert_tokenizer_free(BertTokenizer *tokenizer)
{
  if (!tokenizer)
    return;
  bert_decomposition_clear(&tokenizer->decomposition);
  bert_trie_clear(&tokenizer->trie);
  g_hash_table_destroy(tokenizer->ids);
  g_ptr_array_free(tokenizer->tokens, TRUE);
  g_array_free(tokenizer->added, TRUE);
  g_string_chunk_free(tokenizer->texts);
  g_free(tokenizer->lines);
  g_free(tokenizer->content);
  g_free(tokenizer->source);
  g_free(tokenizer);
}

/* Added tokens that vocab.txt does not list, or that are not looked for literally: {"ID": {"content": ...,
 * ...}}. */
static json_t *added_tokens_decoder(const BertTokenizer *tokenizer)
{
  json_t *decoder = json_object();
  for (guint32 id = 0; id < tokenizer->n_listed; id++)
    for (guint i = 0; i < tokenizer->added->len; i++) {
      const AddedToken *token = &g_array_index(tokenizer->added, AddedToken, i);
      if (token->id != id || (id < tokenizer->vocabulary_size && !token->normalised && !token->single_word))
        continue;
      char key[16];
      g_snprintf(key, sizeof key, "%u", id);
      json_object_set_new(decoder, key,
                          json_pack("{s:s, s:b, s:b, s:b, s:b, s:b}", "content", token->text, "lstrip", 0,
                                    "normalized", token->normalised, "rstrip", 0, "single_word",
                                    token->single_word, "special", !token->normalised));
    }
  return decoder;
}

/* What tokenizer_config.json says beyond the three settings, "" for most models: ",\n  \"key\": value" of
 * each. */
static char *write_rest(const BertTokenizer *tokenizer)
{
  const struct {
    const char *key, *name, *usual;
  } names[] = {{"cls_token", tokenizer->start_name, "[CLS]"},
               {"mask_token", tokenizer->mask_name, "[MASK]"},
               {"pad_token", tokenizer->pad_name, "[PAD]"},
               {"sep_token", tokenizer->end_name, "[SEP]"},
               {"unk_token", tokenizer->unknown_name, "[UNK]"}};
  json_t *rest = json_object();
  json_t *decoder = added_tokens_decoder(tokenizer);
  if (json_object_size(decoder) > 0)
    json_object_set(rest, "added_tokens_decoder", decoder);
  json_decref(decoder);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (strcmp(names[i].name, names[i].usual) != 0)
      json_object_set_new(rest, names[i].key, json_string(names[i].name));
  char *text = json_dumps(rest, JSON_INDENT(2));
  gsize length = strlen(text);
  /* Without its braces. */
  char *inside =
      json_object_size(rest) > 0 ? g_strdup_printf(",%.*s", (int)(length - 3), text + 1) : g_strdup("");
  free(text);
  json_decref(rest);
  return inside;
}

gboolean bert_tokenizer_write(const BertTokenizer *tokenizer, const char *folder, GError **error)
{
  g_autofree char *vocabulary = g_build_filename(folder, "vocab.txt", NULL);
  g_autofree char *settings = g_build_filename(folder, "tokenizer_config.json", NULL);
  g_autofree char *rest = write_rest(tokenizer);
  g_autofree char *text =
      g_strdup_printf("{\n  \"do_lower_case\": %s,\n  \"strip_accents\": %s,\n"
                      "  \"tokenize_chinese_chars\": %s,\n  \"tokenizer_class\": \"BertTokenizer\"%s\n}\n",
                      tokenizer->lower_case ? "true" : "false", tokenizer->strip_accents ? "true" : "false",
                      tokenizer->set_ideographs_apart ? "true" : "false", rest);
  return bert_file_write(vocabulary, tokenizer->content, tokenizer->content_length, error) &&
         bert_file_write(settings, text, strlen(text), error);
}

const char *bert_tokenizer_source(const BertTokenizer *tokenizer)
{
  return tokenizer->source;
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
  if (found == 0)
    return FALSE;
  *id = found - 1;
  return TRUE;
}
