/* The file of nouns that somebody computed with the reference tagger. */
#include "envs/shop/nouns/nouns.h"

#include "envs/shop/text/fail.h"
#include "envs/shop/text/json.h"
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
  gsize n = json_array_size(list);
  g_autofree const char **nouns = g_new(const char *, n + 1);
  for (gsize i = 0; i < n; i++) {
    nouns[i] = json_string_value(json_array_get(list, i));
    if (!nouns[i]) {
      shop_fail(error, CW_ERROR_FORMAT,
                "%s: entry \"%s\": element %" G_GSIZE_FORMAT " is not a string; write the noun in quotes",
                path, key, i + 1);
      return NULL;
    }
  }
  return shop_noun_set_new(words, nouns, n);
}

ShopNounFile *shop_noun_file_load(const char *path, ShopNounWords *words, GError **error)
{
  json_error_t problem;
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr(GError) cause = NULL;
  if (!g_file_get_contents(path, &text, &length, &cause)) {
    shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s; give a file of nouns, or none to use the built-in tagger",
              cause->message);
    return NULL;
  }
  g_autoptr(json_t) root = shop_json_load(text, length, JSON_REJECT_DUPLICATES, &problem);
  if (!root) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s:%d:%d: not JSON: %s; expected {\"ASIN or title\": [\"noun\", ...], ...}", path,
              problem.line, problem.column, problem.text);
    return NULL;
  }
  if (!json_is_object(root)) {
    shop_fail(error, CW_ERROR_FORMAT,
              "%s: expected a JSON object; write {\"ASIN or title\": [\"noun\", ...], ...}", path);
    return NULL;
  }
  g_autoptr(ShopNounFile) file = g_new0(ShopNounFile, 1);
  const char *key;
  json_t *list;
  file->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  json_object_foreach(root, key, list)
  {
    ShopNounSet *set = read_entry(path, words, key, list, error);
    if (!set)
      return NULL;
    g_hash_table_insert(file->entries, g_strdup(key), set);
  }
  return g_steal_pointer(&file);
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
