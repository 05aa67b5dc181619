/* The file of nouns that somebody computed with the reference tagger. */
#include "envs/shop/nouns/nouns.h"

#include "envs/shop/text/fail.h"
#include <jansson.h>
#include <string.h>

struct ShopNounFile {
  GHashTable *entries; /* ASIN or title → ShopNounSet */
};

static ShopNounSet *read_entry(const char *path, ShopNounWords *words, const char *key, const json_t *list,
                               GError **error)
{
  if (!json_is_array(list)) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s: entry \"%s\": expected a list of nouns; write {\"ASIN or title\": [\"noun\", ...], ...}",
              path, key);
    return NULL;
  }
  const char **nouns = g_new(const char *, json_array_size(list) + 1);
  ShopNounSet *set = NULL;
  gsize i;
  for (i = 0; i < json_array_size(list); i++) {
    nouns[i] = json_string_value(json_array_get(list, i));
    if (!nouns[i]) {
      shop_fail(error, CW_ERROR_FORMAT,
                "%s: entry \"%s\": element %" G_GSIZE_FORMAT " is not a string; write the noun in quotes",
                path, key, i + 1);
      break;
    }
  }
  if (i == json_array_size(list))
    set = shop_noun_set_new(words, nouns, i);
  g_free(nouns);
  return set;
}

ShopNounFile *shop_noun_file_load(const char *path, ShopNounWords *words, GError **error)
{
  json_error_t problem;
  char *text;
  gsize length;
  GError *cause = NULL;
  if (!g_file_get_contents(path, &text, &length, &cause)) {
    shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s; give a file of nouns, or none to use the built-in tagger",
              cause->message);
    g_error_free(cause);
    return NULL;
  }
  json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem), *list;
  g_free(text);
  if (!root) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s:%d:%d: not JSON: %s; expected {\"ASIN or title\": [\"noun\", ...], ...}", path,
              problem.line, problem.column, problem.text);
    return NULL;
  }
  if (!json_is_object(root)) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s: expected a JSON object; write {\"ASIN or title\": [\"noun\", ...], ...}", path);
    json_decref(root);
    return NULL;
  }
  ShopNounFile *file = g_new0(ShopNounFile, 1);
  const char *key;
  file->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  json_object_foreach(root, key, list)
  {
    ShopNounSet *set = read_entry(path, words, key, list, error);
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
