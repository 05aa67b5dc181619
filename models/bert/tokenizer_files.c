/* Reads a tokenizer's files. transformers has saved its BERT tokenizers in several forms since 2020, and a
 * folder often holds more than one; where two files speak of the same token or id they must say the same. */
#include "models/bert/file.h"
#include "models/bert/tokenizer_internal.h"
#include <cartwright/error.h>
#include <string.h>

/* The folder being read; a file that is not there is NULL. */
typedef struct {
  BertTokenizer *tokenizer;
  char *vocabulary_file, *settings_file, *whole_file, *added_file, *names_file;
  json_t *settings;    /* tokenizer_config.json */
  json_t *whole;       /* tokenizer.json */
  json_t *names;       /* special_tokens_map.json, of before 2023 */
  GPtrArray *found_in; /* const char *, by id: the file that lists the token */
} Reader;

/* Cuts the content into lines; a last line without line end counts, "\r\n" is a line end too. */
static gboolean split_vocabulary(BertTokenizer *tokenizer, const char *file, GError **error)
{
  const char *bad = NULL;
  gsize length = tokenizer->content_length;
  if (length == 0)
    return bert_fail(error, CW_ERROR_FORMAT, "%s: the vocabulary is empty; expected one token per line",
                     file);
  tokenizer->lines = g_memdup2(tokenizer->content, length + 1);
  gboolean valid = g_utf8_validate_len(tokenizer->content, length, &bad);
  guint line = 1;
  for (char *start = tokenizer->lines, *content_end = start + length; start < content_end; line++) {
    char *end = memchr(start, '\n', (gsize)(content_end - start));
    char *next = end ? end + 1 : content_end;
    if (!valid && bad < tokenizer->content + (next - tokenizer->lines))
      return bert_fail(
          error, CW_ERROR_FORMAT,
          "%s:%u: byte 0x%02x is not UTF-8 or is NUL; a vocabulary is UTF-8 text with one token per line",
          file, line, (guint8)*bad);
    if (!end)
      end = content_end;
    *end = '\0';
    if (end > start && end[-1] == '\r')
      end[-1] = '\0';
    if (*start == '\0')
      return bert_fail(error, CW_ERROR_FORMAT, "%s:%u: empty line; expected one token per line", file, line);
    guint first_line = GPOINTER_TO_UINT(g_hash_table_lookup(tokenizer->ids, start));
    if (first_line != 0)
      return bert_fail(error, CW_ERROR_FORMAT,
                       "%s:%u: token '%s' is already on line %u; every token must be listed once", file, line,
                       start, first_line);
    /* id + 1 is the line number. */
    g_hash_table_insert(tokenizer->ids, start, GUINT_TO_POINTER(line));
    g_ptr_array_add(tokenizer->tokens, start);
    start = next;
  }
  return TRUE;
}

/* Reads a boolean; a missing key and null leave *out alone. */
static gboolean read_boolean(const json_t *root, const char *file, const char *key, gboolean *out,
                             GError **error)
{
  const json_t *value = json_object_get(root, key);
  if (!value || json_is_null(value))
    return TRUE;
  if (!json_is_boolean(value))
    return bert_fail(error, CW_ERROR_FORMAT, "%s: key '%s': expected true or false", file, key);
  *out = json_is_true(value);
  return TRUE;
}

static const char *found_in(const Reader *reader, guint32 id)
{
  return id < reader->found_in->len ? reader->found_in->pdata[id] : reader->vocabulary_file;
}

/* Two files, two opinions of a token's id or of an id's token: one of them would choose the wrong row. */
static gboolean fail_disagreement(const Reader *reader, const char *file, const char *token, guint32 id,
                                  GError **error)
{
  const BertTokenizer *tokenizer = reader->tokenizer;
  guint32 other;
  if (bert_tokenizer_id(tokenizer, token, &other))
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: token '%s' has id %u, but %s says %u; the files belong to different tokenizers",
                     file, token, id, found_in(reader, other), other);
  return bert_fail(error, CW_ERROR_FORMAT,
                   "%s: id %u is token '%s', but %s says '%s'; the files belong to different tokenizers",
                   file, id, token, found_in(reader, id), bert_tokenizer_token(tokenizer, id));
}

/* ---- tokenizer.json ---- */

/* Fails unless a part of tokenizer.json is of the type that BERT's tokenizers have. */
static gboolean require_type(const Reader *reader, const json_t *part, const char *name, const char *type,
                             GError **error)
{
  const char *found = json_string_value(json_object_get(part, "type"));
  if (found && strcmp(found, type) == 0)
    return TRUE;
  return bert_fail(error, CW_ERROR_UNSUPPORTED,
                   "%s: key '%s': '%s' is not supported; use a tokenizer whose %s is '%s'",
                   reader->whole_file, name, found ? found : "none", name, type);
}

static gboolean fail_part(const Reader *reader, const char *key, const char *expected, GError **error)
{
  return bert_fail(error, CW_ERROR_UNSUPPORTED,
                   "%s: key '%s' is not supported as it is; BERT's tokenizers have %s", reader->whole_file,
                   key, expected);
}

static gboolean check_model(const Reader *reader, const json_t *model, GError **error)
{
  const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
  const json_t *longest = json_object_get(model, "max_input_chars_per_word");
  gboolean typed = json_object_get(model, "type") != NULL;
  if (typed && !require_type(reader, model, "model", "WordPiece", error))
    return FALSE;
  if (!typed && !prefix) /* files of 2020 do not name the type */
    return fail_part(reader, "model", "WordPiece", error);
  if (prefix && g_strcmp0(json_string_value(prefix), "##") != 0)
    return fail_part(reader, "continuing_subword_prefix", "'##'", error);
  if (longest && json_integer_value(longest) != 100)
    return fail_part(reader, "max_input_chars_per_word", "100", error);
  return TRUE;
}

/* The vocabulary of tokenizer.json as a list by id: NULL with error unless ids are 0, 1, ... */
static GPtrArray *list_vocabulary(const Reader *reader, const json_t *vocabulary, GError **error)
{
  const char *token;
  json_t *id;
  gsize n = json_object_size(vocabulary);
  g_autoptr(GPtrArray) list = g_ptr_array_new();
  g_ptr_array_set_size(list, (gint)n);
  json_object_foreach((json_t *)vocabulary, token, id)
  {
    json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
    if (value < 0 || (gsize)value >= n || list->pdata[value] || !*token || strpbrk(token, "\r\n")) {
      g_set_error(
          error, CW_POLICY_ERROR, CW_ERROR_FORMAT,
          "%s: key 'vocab': token '%s': expected ids from 0 to %zu, each once, found %" JSON_INTEGER_FORMAT,
          reader->whole_file, token, n - 1, value);
      return NULL;
    }
    list->pdata[value] = g_string_chunk_insert(reader->tokenizer->texts, token);
  }
  if (n == 0)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: key 'vocab' is missing or empty",
                reader->whole_file);
  return n == 0 ? NULL : g_steal_pointer(&list);
}

/* vocab.txt as it would be, for writing. */
static void make_content(BertTokenizer *tokenizer)
{
  GString *content = g_string_new(NULL);
  for (guint i = 0; i < tokenizer->tokens->len; i++)
    g_string_append_printf(content, "%s\n", (const char *)tokenizer->tokens->pdata[i]);
  tokenizer->content_length = content->len;
  tokenizer->content = g_string_free(content, FALSE);
}

/* What vocab.txt and tokenizer.json both list must be the same; what one has alone must be an added token. */
static gboolean compare_vocabularies(const Reader *reader, const GPtrArray *list, GError **error)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  for (guint32 id = 0; id < list->len; id++) {
    guint32 other;
    const char *token = list->pdata[id];
    gboolean known = bert_tokenizer_id(tokenizer, token, &other);
    if (known ? other != id : id < tokenizer->tokens->len)
      return fail_disagreement(reader, reader->whole_file, token, id, error);
  }
  if (list->len == tokenizer->tokens->len)
    return TRUE;
  /* The shorter one is the model's vocabulary if the rest are added tokens; that is seen when they are read.
   */
  for (guint32 id = tokenizer->tokens->len; id < list->len; id++)
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: token '%s' (id %u) is not in %s; the files belong to different tokenizers",
                     reader->whole_file, (const char *)list->pdata[id], id, reader->vocabulary_file);
  for (guint32 id = list->len; id < tokenizer->tokens->len; id++) {
    const char *token = bert_tokenizer_token(tokenizer, id);
    gsize i;
    json_t *entry;
    gboolean added = FALSE;
    json_array_foreach(json_object_get(reader->whole, "added_tokens"), i, entry) added |=
        g_strcmp0(json_string_value(json_object_get(entry, "content")), token) == 0;
    if (added)
      continue;
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: token '%s' (id %u) is not in %s; the files belong to different tokenizers",
                     reader->vocabulary_file, token, id, reader->whole_file);
  }
  tokenizer->vocabulary_size = list->len;
  return TRUE;
}

static gboolean read_whole(Reader *reader, GError **error)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  const json_t *model = json_object_get(reader->whole, "model");
  const json_t *normalizer = json_object_get(reader->whole, "normalizer");
  const json_t *clean = json_object_get(normalizer, "clean_text");
  if (!check_model(reader, model, error) ||
      !require_type(reader, normalizer, "normalizer", "BertNormalizer", error) ||
      !require_type(reader, json_object_get(reader->whole, "pre_tokenizer"), "pre_tokenizer",
                    "BertPreTokenizer", error))
    return FALSE;
  if (clean && !json_is_true(clean))
    return fail_part(reader, "clean_text", "true", error);
  g_autoptr(GPtrArray) list = list_vocabulary(reader, json_object_get(model, "vocab"), error);
  if (!list)
    return FALSE;
  if (tokenizer->content)
    return compare_vocabularies(reader, list, error);
  for (guint32 id = 0; id < list->len; id++) {
    g_ptr_array_add(tokenizer->tokens, list->pdata[id]);
    g_hash_table_insert(tokenizer->ids, list->pdata[id], GUINT_TO_POINTER(id + 1));
  }
  tokenizer->vocabulary_size = list->len;
  make_content(tokenizer);
  return TRUE;
}

/* ---- settings and names ---- */

/* Whether the class takes its settings from tokenizer.json alone; FALSE with error for one that is not
 * WordPiece. */
static gboolean read_class(const Reader *reader, gboolean *generic, GError **error)
{
  static const char *const wordpiece[] = {"Bert", "DistilBert", "Electra", "MobileBert", "SqueezeBert"};
  const char *name = json_string_value(json_object_get(reader->settings, "tokenizer_class"));
  *generic = g_strcmp0(name, "PreTrainedTokenizerFast") == 0 || g_strcmp0(name, "TokenizersBackend") == 0;
  if (!name || *generic)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(wordpiece); i++) {
    const char *rest = g_str_has_prefix(name, wordpiece[i]) ? name + strlen(wordpiece[i]) : "";
    if (strcmp(rest, "Tokenizer") == 0 || strcmp(rest, "TokenizerFast") == 0)
      return TRUE;
  }
  return bert_fail(error, CW_ERROR_UNSUPPORTED,
                   "%s: key 'tokenizer_class': '%s' is not supported; use a model with BERT's tokenizer",
                   reader->settings_file, name);
}

/* BertTokenizer and its like take their settings from tokenizer_config.json, whatever tokenizer.json says. */
static gboolean read_settings(const Reader *reader, GError **error)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  gboolean generic;
  if (!read_class(reader, &generic, error))
    return FALSE;
  generic &= reader->whole != NULL;
  const json_t *from = generic ? json_object_get(reader->whole, "normalizer") : reader->settings;
  const char *file = generic ? reader->whole_file : reader->settings_file;
  tokenizer->lower_case = TRUE;
  tokenizer->set_ideographs_apart = TRUE;
  if (!read_boolean(from, file, generic ? "lowercase" : "do_lower_case", &tokenizer->lower_case, error) ||
      !read_boolean(from, file, generic ? "handle_chinese_chars" : "tokenize_chinese_chars",
                    &tokenizer->set_ideographs_apart, error))
    return FALSE;
  tokenizer->strip_accents = tokenizer->lower_case;
  return read_boolean(from, file, "strip_accents", &tokenizer->strip_accents, error);
}

/* A token's text: a string, or {"content": string, ...}. */
static const char *text_of(const json_t *token)
{
  return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static const char *name_of(const Reader *reader, const char *key, const char *usual)
{
  const char *name = text_of(json_object_get(reader->settings, key));
  if (!name)
    name = text_of(json_object_get(reader->names, key));
  return name ? g_string_chunk_insert(reader->tokenizer->texts, name) : usual;
}

static void read_names(const Reader *reader)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  tokenizer->unknown_name = name_of(reader, "unk_token", "[UNK]");
  tokenizer->start_name = name_of(reader, "cls_token", "[CLS]");
  tokenizer->end_name = name_of(reader, "sep_token", "[SEP]");
  tokenizer->pad_name = name_of(reader, "pad_token", "[PAD]");
  tokenizer->mask_name = name_of(reader, "mask_token", "[MASK]");
}

/* ---- added tokens ---- */

static gboolean is_special_name(const BertTokenizer *tokenizer, const char *token)
{
  const char *const names[] = {tokenizer->unknown_name, tokenizer->start_name, tokenizer->end_name,
                               tokenizer->pad_name, tokenizer->mask_name};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (strcmp(token, names[i]) == 0)
      return TRUE;
  return FALSE;
}

/* Takes a token with its id from `file`. `entry` has its flags, or is NULL: then only special ones are
 * literal. */
static gboolean take_added(Reader *reader, const char *file, const char *text, json_int_t id,
                           const json_t *entry, GError **error)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  guint32 known;
  gboolean is_known = text && bert_tokenizer_id(tokenizer, text, &known);
  if (!text || !*text || id < 0)
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: added token '%s': expected a text and an id, found id %" JSON_INTEGER_FORMAT, file,
                     text ? text : "", id);
  if (is_known ? known != id : id < tokenizer->tokens->len)
    return fail_disagreement(reader, file, text, (guint32)MIN(id, G_MAXUINT32), error);
  if (!is_known && id > tokenizer->tokens->len)
    return bert_fail(error, CW_ERROR_FORMAT,
                     "%s: added token '%s' has id %" JSON_INTEGER_FORMAT
                     ", but no token has id %u; ids may not be left out",
                     file, text, id, tokenizer->tokens->len);
  if (!is_known) {
    char *copy = g_string_chunk_insert(tokenizer->texts, text);
    g_ptr_array_add(tokenizer->tokens, copy);
    g_hash_table_insert(tokenizer->ids, copy, GUINT_TO_POINTER((guint)id + 1));
  }
  if (reader->found_in->len <= (guint)id)
    g_ptr_array_set_size(reader->found_in, (gint)tokenizer->tokens->len);
  if (!reader->found_in->pdata[id])
    reader->found_in->pdata[id] = is_known ? reader->vocabulary_file : (gpointer)file;
  AddedToken added = {.text = bert_tokenizer_token(tokenizer, (guint32)id), .id = (guint32)id};
  added.normalised = entry ? json_is_true(json_object_get(entry, "normalized"))
                           : !is_special_name(tokenizer, text) && !bert_tokenizer_is_extra(text);
  added.single_word = json_is_true(json_object_get(entry, "single_word"));
  for (guint i = 0; i < tokenizer->added->len; i++)
    if (g_array_index(tokenizer->added, AddedToken, i).id == added.id) {
      g_array_index(tokenizer->added, AddedToken, i) =
          entry ? added : g_array_index(tokenizer->added, AddedToken, i);
      return TRUE;
    }
  g_array_append_val(tokenizer->added, added);
  return TRUE;
}

typedef struct {
  json_int_t id;
  const char *text;
  const json_t *entry;
} Listed;

static gint by_id(gconstpointer a, gconstpointer b)
{
  json_int_t left = ((const Listed *)a)->id, right = ((const Listed *)b)->id;
  return left < right ? -1 : left > right;
}

static gboolean take_all(Reader *reader, const char *file, GArray *listed, GError **error)
{
  gboolean taken = TRUE;
  g_array_sort(listed, by_id);
  for (guint i = 0; taken && i < listed->len; i++) {
    const Listed *token = &g_array_index(listed, Listed, i);
    taken = take_added(reader, file, token->text, token->id, token->entry, error);
  }
  g_array_free(listed, TRUE);
  return taken;
}

/* tokenizer.json: "added_tokens": [{"id": ..., "content": ...}] */
static gboolean take_from_whole(Reader *reader, GError **error)
{
  GArray *listed = g_array_new(FALSE, FALSE, sizeof(Listed));
  gsize i;
  json_t *entry;
  json_array_foreach(json_object_get(reader->whole, "added_tokens"), i, entry)
  {
    const json_t *id = json_object_get(entry, "id");
    Listed token = {json_is_integer(id) ? json_integer_value(id) : -1, text_of(entry), entry};
    g_array_append_val(listed, token);
  }
  return take_all(reader, reader->whole_file, listed, error);
}

/* tokenizer_config.json: "added_tokens_decoder": {"ID": {"content": ...}} */
static gboolean take_from_settings(Reader *reader, GError **error)
{
  GArray *listed = g_array_new(FALSE, FALSE, sizeof(Listed));
  const char *key;
  json_t *entry;
  json_object_foreach(json_object_get(reader->settings, "added_tokens_decoder"), key, entry)
  {
    guint64 id;
    gboolean number = g_ascii_string_to_unsigned(key, 10, 0, G_MAXINT32, &id, NULL);
    Listed token = {number ? (json_int_t)id : -1, text_of(entry), entry};
    g_array_append_val(listed, token);
  }
  return take_all(reader, reader->settings_file, listed, error);
}

/* added_tokens.json: {"token": ID} */
static gboolean take_from_added(Reader *reader, GError **error)
{
  if (!g_file_test(reader->added_file, G_FILE_TEST_EXISTS))
    return TRUE;
  json_t *root = bert_file_read_json(reader->added_file, TRUE, error);
  if (!root)
    return FALSE;
  GArray *listed = g_array_new(FALSE, FALSE, sizeof(Listed));
  const char *text;
  json_t *id;
  json_object_foreach(root, text, id)
  {
    Listed token = {json_is_integer(id) ? json_integer_value(id) : -1, text, NULL};
    g_array_append_val(listed, token);
  }
  gboolean taken = take_all(reader, reader->added_file, listed, error);
  json_decref(root);
  return taken;
}

/* Special tokens that are only named get the next ids, as transformers gives them. */
static gboolean take_named(Reader *reader, const json_t *from, const char *file, const char *key,
                           GError **error)
{
  gsize i;
  json_t *entry;
  json_array_foreach(json_object_get(from, key), i, entry)
  {
    const char *text = text_of(entry);
    guint32 id = reader->tokenizer->tokens->len;
    if (text)
      (void)bert_tokenizer_id(reader->tokenizer, text, &id);
    if (text && !take_added(reader, file, text, id, json_is_object(entry) ? entry : json_null(), error))
      return FALSE;
  }
  return TRUE;
}

static gboolean take_added_tokens(Reader *reader, GError **error)
{
  return take_from_whole(reader, error) && take_from_settings(reader, error) &&
         take_from_added(reader, error) &&
         take_named(reader, reader->settings, reader->settings_file, "additional_special_tokens", error) &&
         take_named(reader, reader->settings, reader->settings_file, "extra_special_tokens", error) &&
         take_named(reader, reader->names, reader->names_file, "additional_special_tokens", error);
}

/* ---- the folder ---- */

static gboolean read_vocabulary(Reader *reader, GError **error)
{
  BertTokenizer *tokenizer = reader->tokenizer;
  gboolean has_lines = g_file_test(reader->vocabulary_file, G_FILE_TEST_EXISTS);
  tokenizer->source = g_strdup(has_lines || !reader->whole ? "vocab.txt" : "tokenizer.json");
  if (!has_lines && reader->whole)
    return TRUE;
  tokenizer->content = bert_file_read(reader->vocabulary_file, &tokenizer->content_length, error);
  if (!tokenizer->content || !split_vocabulary(tokenizer, reader->vocabulary_file, error))
    return FALSE;
  tokenizer->vocabulary_size = tokenizer->tokens->len;
  return TRUE;
}

/* NULL with *good where there is no such file. */
static json_t *read_json(const char *file, gboolean unique, gboolean *good, GError **error)
{
  if (!*good || !g_file_test(file, G_FILE_TEST_EXISTS))
    return NULL;
  json_t *root = bert_file_read_json(file, unique, error);
  *good = root != NULL;
  return root;
}

/* tokenizer.json says itself what comes before and after a text. */
static gboolean check_frame(const Reader *reader, GError **error)
{
  const BertTokenizer *tokenizer = reader->tokenizer;
  const json_t *processor = json_object_get(reader->whole, "post_processor"), *single, *first, *last;
  gboolean generic = FALSE;
  if (!reader->whole || !read_class(reader, &generic, error))
    return !reader->whole;
  if (!processor || json_is_null(processor))
    return !generic || fail_part(reader, "post_processor", "TemplateProcessing or BertProcessing", error);
  if (g_strcmp0(json_string_value(json_object_get(processor, "type")), "BertProcessing") == 0) {
    first = json_array_get(json_object_get(processor, "cls"), 0);
    last = json_array_get(json_object_get(processor, "sep"), 0);
  } else {
    single = json_object_get(processor, "single");
    first = json_object_get(json_object_get(json_array_get(single, 0), "SpecialToken"), "id");
    last = json_object_get(json_object_get(json_array_get(single, 2), "SpecialToken"), "id");
    if (json_array_size(single) != 3)
      first = NULL;
  }
  return (g_strcmp0(json_string_value(first), tokenizer->start_name) == 0 &&
          g_strcmp0(json_string_value(last), tokenizer->end_name) == 0) ||
         fail_part(reader, "post_processor", "the tokens cls_token and sep_token around a text", error);
}

gboolean bert_tokenizer_read_files(BertTokenizer *tokenizer, const char *folder, GError **error)
{
  gboolean good = TRUE;
  Reader reader = {.tokenizer = tokenizer,
                   .vocabulary_file = g_build_filename(folder, "vocab.txt", NULL),
                   .settings_file = g_build_filename(folder, "tokenizer_config.json", NULL),
                   .whole_file = g_build_filename(folder, "tokenizer.json", NULL),
                   .added_file = g_build_filename(folder, "added_tokens.json", NULL),
                   .names_file = g_build_filename(folder, "special_tokens_map.json", NULL),
                   .found_in = g_ptr_array_new()};
  reader.settings = read_json(reader.settings_file, FALSE, &good, error);
  reader.names = read_json(reader.names_file, FALSE, &good, error);
  reader.whole = read_json(reader.whole_file, TRUE, &good, error);
  if (good)
    read_names(&reader);
  good = good && read_vocabulary(&reader, error) && (!reader.whole || read_whole(&reader, error)) &&
         read_settings(&reader, error) && take_added_tokens(&reader, error) && check_frame(&reader, error);
  json_decref(reader.settings);
  json_decref(reader.names);
  json_decref(reader.whole);
  g_ptr_array_free(reader.found_in, TRUE);
  g_free(reader.vocabulary_file);
  g_free(reader.settings_file);
  g_free(reader.whole_file);
  g_free(reader.added_file);
  g_free(reader.names_file);
  return good;
}
