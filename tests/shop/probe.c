/* Not a test: prints what the shop's text functions make of each line of standard input, a JSON string or a
 * list of two, for comparison with other programs. `probe terms`: the search terms of a string; `probe
 * nouns`: the nouns of a title; `probe difflib` and `probe lcs`: token_set_ratio of a pair. */
#include "envs/shop/nouns/nouns.h"
#include "envs/shop/reward/fuzzy.h"
#include "envs/shop/search/analyzer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void append_term(const char *term, gsize length, gpointer list)
{
  json_array_append_new(list, json_stringn(term, length));
}

static json_t *probe(const char *mode, const json_t *input)
{
  json_t *list = json_array();
  if (g_str_equal(mode, "terms"))
    shop_analyze(json_string_value(input), append_term, list);
  else if (g_str_equal(mode, "nouns")) {
    GPtrArray *nouns = shop_nouns_tag(json_string_value(input));
    for (guint i = 0; i < nouns->len; i++)
      json_array_append_new(list, json_string(g_ptr_array_index(nouns, i)));
    g_ptr_array_unref(nouns);
  } else {
    ShopTokenSet *first = shop_token_set_new(json_string_value(json_array_get(input, 0)));
    ShopTokenSet *second = shop_token_set_new(json_string_value(json_array_get(input, 1)));
    json_array_append_new(
        list, json_integer((json_int_t)shop_token_set_ratio(
                  first, second, g_str_equal(mode, "lcs") ? SHOP_FUZZY_LCS : SHOP_FUZZY_DIFFLIB)));
    g_free(first);
    g_free(second);
  }
  return list;
}

int main(int argc, char **argv)
{
  char *line = NULL;
  size_t room = 0;
  if (argc != 2) {
    fprintf(stderr, "usage: probe terms|nouns|difflib|lcs < JSON lines\n");
    return 2;
  }
  gboolean pairs = g_str_equal(argv[1], "difflib") || g_str_equal(argv[1], "lcs");
  for (guint number = 1; getline(&line, &room, stdin) > 0; number++) {
    json_t *input = json_loads(line, JSON_DECODE_ANY, NULL);
    gboolean good = pairs
                        ? json_is_string(json_array_get(input, 0)) && json_is_string(json_array_get(input, 1))
                        : json_is_string(input);
    if (!good) {
      fprintf(stderr, "line %u: expected %s\n", number, pairs ? "a list of two strings" : "a JSON string");
      return 1;
    }
    json_t *output = probe(argv[1], input);
    char *text = json_dumps(output, JSON_COMPACT);
    puts(text);
    free(text);
    json_decref(output);
    json_decref(input);
  }
  free(line);
  return 0;
}
