/* Colour words and size classes. The colour list is alphabetical, so the words with one initial stand
 * together and a scan of the text looks at few of them. */
#include "envs/shop/reward/colour.h"

#include <string.h>

static const char *const colours[] = {
    "alabaster", "apricot",   "aqua",      "ash",      "asphalt",   "azure",    "banana",    "beige",
    "black",     "blue",      "blush",     "bordeaux", "bronze",    "brown",    "burgundy",  "camel",
    "camo",      "caramel",   "champagne", "charcoal", "cheetah",   "chestnut", "chocolate", "christmas",
    "coffee",    "cognac",    "copper",    "coral",    "cranberry", "cream",    "crystal",   "dark",
    "denim",     "eggplant",  "elephant",  "espresso", "fuchsia",   "gold",     "granite",   "grape",
    "graphite",  "grass",     "gray",      "green",    "grey",      "heather",  "indigo",    "ivory",
    "ivy",       "khaki",     "lavender",  "lemon",    "leopard",   "light",    "lilac",     "lime",
    "magenta",   "maroon",    "mauve",     "merlot",   "midnight",  "mint",     "mocha",     "multicolor",
    "mushroom",  "mustard",   "natural",   "navy",     "nude",      "olive",    "orange",    "peach",
    "pewter",    "pink",      "plum",      "purple",   "rainbow",   "red",      "rose",      "royal",
    "rust",      "sand",      "sapphire",  "seashell", "silver",    "skull",    "slate",     "steel",
    "stone",     "stonewash", "sunflower", "tan",      "taupe",     "teal",     "tiger",     "turquoise",
    "violet",    "walnut",    "wheat",     "white",    "wine",      "yellow",
};

/* Where the words of each initial begin. */
static const guint8 initials[27] = {0,  6,  15, 31, 33, 36, 37, 45, 46, 49,  49,  50,  56, 66,
                                    69, 71, 76, 76, 81, 91, 96, 96, 97, 101, 101, 102, 102};

static gboolean begins_with(const char *text, const char *word)
{
  while (*word != '\0' && *text == *word)
    text++, word++;
  return *word == '\0';
}

const char *shop_colour_find(const char *text)
{
  guint best = G_N_ELEMENTS(colours);
  for (; *text; text++) {
    if (*text < 'a' || *text > 'z')
      continue;
    guint last = MIN(initials[*text - 'a' + 1], best);
    for (guint i = initials[*text - 'a']; i < last; i++)
      if (begins_with(text, colours[i]))
        best = last = i;
  }
  return best < G_N_ELEMENTS(colours) ? colours[best] : NULL;
}

const char *shop_colour_normalise(const char *text)
{
  const char *colour = shop_colour_find(text);
  return colour ? colour : text;
}

/* The place of a word in the list, or the number of words. */
static guint place_of(const char *word)
{
  if (*word >= 'a' && *word <= 'z')
    for (guint i = initials[*word - 'a']; i < initials[*word - 'a' + 1]; i++)
      if (strcmp(colours[i], word) == 0)
        return i;
  return G_N_ELEMENTS(colours);
}

const char *shop_colour_find_equal(const char *name, const char *value)
{
  guint by_name = place_of(name), by_value = place_of(value), first = MIN(by_name, by_value);
  return first < G_N_ELEMENTS(colours) ? colours[first] : NULL;
}

static gboolean is_number(const char *size)
{
  guint digits = 0, points = 0;
  for (; *size; size++) {
    if (g_ascii_isdigit(*size))
      digits++;
    else if (*size == '.')
      points++;
    else
      return FALSE;
  }
  return digits > 0 && points <= 1;
}

const char *shop_size_class(const char *size)
{
  static const char *const patterns[] = {
      "xx-large",
      "3x-large",
      "4x-large",
      "5x-large",
      "x-large",
      "x-small",
      "medium",
      "large",
      "small",
      "queen",
      "twin",
      "full",
      "king",
      "one size",
      "pack",
      "(.*)neck(.*)sleeve",
      "(.*) women \\| (.*) men",
      "(.*)w x(.*)l",
      "(.*)w by (.*)l",
      "(.*)w x(.*)h",
      "(.*)wide",
      "(.*)x-wide",
      "(.*)narrow",
      "(.*)petite",
      "(.*)inch",
      "(.*)plus",
      "(.*)mm",
      "women(.*)",
      "(.*)x(.*)",
      "(.*)ft",
      "(.*)feet",
      "(.*)meter",
      "(.*)yards",
      "(.*)\\*(.*)",
      "(.*)\\-(.*)",
      "(\\d+)\"$",
      "(\\d+)f$",
      "(\\d+)m$",
      "(\\d+)cm$",
      "(\\d+)g$",
  };
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    if (g_regex_match_simple(patterns[i], size, 0, 0))
      return patterns[i];
  return is_number(size) ? "numeric_size" : "not_matched";
}
