/* Noun sets as flat sorted hashes, and the file of nouns that somebody computed
 * with the reference tagger. */
#include "envs/shop/nouns.h"

#include <cartwright/error.h>
#include <jansson.h>
#include <string.h>

struct ShopNounFile {
  GHashTable *entries; /* ASIN or title → ShopNounSet */
};

/* FNV-1a with a final mix. */
static guint64 hash_noun(const char *noun)
{
  guint64 hash = 14695981039346656037u;
  for (; *noun; noun++)
    hash = (hash ^ (guchar)*noun) * 1099511628211u;
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93u;
  return hash ^ (hash >> 32);
}

ShopNounSet *shop_noun_set_new(const char *const *nouns, gsize n_nouns)
{
  ShopNounSet *set = g_malloc(sizeof(ShopNounSet) + n_nouns * sizeof(guint64));
  set->count = (guint32)n_nouns;
  set->n_distinct = 0;
  for (gsize i = 0; i < n_nouns; i++) {
    guint64 hash = hash_noun(nouns[i]);
    guint32 place = set->n_distinct;
    while (place > 0 && set->hashes[place - 1] > hash)
      place--;
    if (place > 0 && set->hashes[place - 1] == hash)
      continue;
    memmove(set->hashes + place + 1, set->hashes + place, (set->n_distinct - place) * sizeof(guint64));
    set->hashes[place] = hash;
    set->n_distinct++;
  }
  return set;
}

gsize shop_noun_set_size(const ShopNounSet *set)
{
  return sizeof(ShopNounSet) + set->n_distinct * sizeof(guint64);
}

guint shop_noun_set_common(const ShopNounSet *a, const ShopNounSet *b)
{
  guint n_common = 0;
  for (guint32 i = 0, j = 0; i < a->n_distinct && j < b->n_distinct;) {
    guint64 first = a->hashes[i], second = b->hashes[j];
    n_common += first == second;
    i += first <= second;
    j += first >= second;
  }
  return n_common;
}

ShopNounSet *shop_noun_set_tag(const char *title)
{
  GPtrArray *nouns = shop_nouns_tag(title);
  ShopNounSet *set = shop_noun_set_new((const char *const *)nouns->pdata, nouns->len);
  g_ptr_array_unref(nouns);
  return set;
}

static ShopNounSet *read_entry(const char *path, const char *key, const json_t *list, GError **error)
{
  if (!json_is_array(list)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "%s: entry \"%s\": expected a list of nouns; write {\"ASIN or title\": [\"noun\", ...], ...}", path,
                key);
    return NULL;
  }
  const char **nouns = g_new(const char *, json_array_size(list) + 1);
  ShopNounSet *set = NULL;
  gsize i;
  for (i = 0; i < json_array_size(list); i++) {
    nouns[i] = json_string_value(json_array_get(list, i));
    if (!nouns[i]) {
      g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                  "%s: entry \"%s\": element %" G_GSIZE_FORMAT " is not a string; write the noun in quotes", path, key,
                  i + 1);
      break;
    }
  }
  if (i == json_array_size(list))
    set = shop_noun_set_new(nouns, i);
  g_free(nouns);
  return set;
}

ShopNounFile *shop_noun_file_load(const char *path, GError **error)
{
  json_error_t problem;
  char *text;
  gsize length;
  GError *cause = NULL;
  if (!g_file_get_contents(path, &text, &length, &cause)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT,
                "%s; give a file of nouns, or none to use the built-in tagger", cause->message);
    g_error_free(cause);
    return NULL;
  }
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem), *list;
  g_free(text);
  if (!root) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "%s:%d:%d: not JSON: %s; expected {\"ASIN or title\": [\"noun\", ...], ...}", path, problem.line,
                problem.column, problem.text);
    return NULL;
  }
  if (!json_is_object(root)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "%s: expected a JSON object; write {\"ASIN or title\": [\"noun\", ...], ...}", path);
    json_decref(root);
    return NULL;
  }
  ShopNounFile *file = g_new0(ShopNounFile, 1);
  const char *key;
  file->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  json_object_foreach(root, key, list)
  {
    ShopNounSet *set = read_entry(path, key, list, error);
    if (!set) {
      shop_noun_file_free(file);
      json_decref(root);
      return NULL;
    }
    g_hash_table_insert(file->entries, g_strdup(key), set);
  }
  json_decref(root);
  return file;
}

void shop_noun_file_free(ShopNounFile *file)
{
  if (!file)
    return;
  g_hash_table_unref(file->entries);
  g_free(file);
}

guint shop_noun_file_size(const ShopNounFile *file)
{
  return g_hash_table_size(file->entries);
}

const ShopNounSet *shop_noun_file_lookup(const ShopNounFile *file, const char *asin, const char *title)
{
  const ShopNounSet *set = g_hash_table_lookup(file->entries, asin);
  return set ? set : g_hash_table_lookup(file->entries, title);
}
