/* Whether a catalogue that came from a file can be read without leaving its arrays: every text is whole UTF-8
 * and every string, span and number points at what is there. One pass over the texts notes where each begins;
 * one over each array compares. What a span covers is counted too, so that a file cannot have the same
 * elements gone through again and again. */
#include "envs/shop/catalogue/catalogue_private.h"
#include "envs/shop/text/fail.h"

#include <math.h>
#include <string.h>

typedef struct {
  const ShopCatalogue *catalogue;
  guint64 *starts;                                  /* a bit per four bytes of the arena */
  guint64 n_strings, n_groups, n_targets, n_humans; /* that spans have covered */
} Check;

#define ONES ((guint64)-1 / 255) /* 0x0101... */

/* UTF-8 without NUL, and a NUL behind. */
static gboolean is_valid_text(const char *text, gsize length)
{
  gsize i = 0;
  for (guint64 word; i + sizeof word <= length; i += sizeof word) {
    memcpy(&word, text + i, sizeof word);
    if ((word | (word - ONES)) & (ONES << 7)) /* a byte beyond ASCII, or perhaps a NUL */
      break;
  }
  while (i < length && text[i] > 0)
    i++;
  return text[length] == '\0' && (i == length || g_utf8_validate_len(text + i, length - i, NULL));
}

static gboolean check_texts(Check *check)
{
  const ShopCatalogue *c = check->catalogue;
  gsize end = c->arena_size;
  for (gsize position = 0; position < end;) {
    guint32 length;
    if (end - position < 2 * sizeof length)
      return FALSE;
    memcpy(&length, c->arena + position, sizeof length);
    gsize size = (sizeof length + (gsize)length + 1 + 3) & ~(gsize)3;
    if (size > end - position || !is_valid_text(c->arena + position + sizeof length, length))
      return FALSE;
    check->starts[position / 4 / 64] |= G_GUINT64_CONSTANT(1) << (position / 4 % 64);
    position += size;
  }
  return end % 4 == 0 && shop_string_length(c, 0) == 0;
}

static inline gboolean is_string(const Check *check, ShopString string)
{
  return (gsize)string * 4 < check->catalogue->arena_size &&
         (check->starts[string / 64] >> (string % 64) & 1) != 0;
}

static inline gboolean covers(ShopSpan span, guint32 n_elements, guint64 *n_covered)
{
  *n_covered += span.count;
  return (guint64)span.first + span.count <= n_elements && *n_covered <= n_elements;
}

static inline gboolean covers_strings(Check *check, ShopSpan span)
{
  return covers(span, check->catalogue->n_strings, &check->n_strings);
}

static gboolean check_item_action(const Check *check, ShopString action)
{
  const ShopCatalogue *c = check->catalogue;
  return is_string(check, action) && shop_string_length(c, action) > strlen(SHOP_ITEM_ACTION_START) &&
         g_str_has_prefix(shop_string(c, action), SHOP_ITEM_ACTION_START);
}

static gboolean check_targets(const Check *check, const ShopProduct *product, ShopSpan span)
{
  const ShopCatalogue *c = check->catalogue;
  for (guint32 t = span.first; t < span.first + span.count; t++)
    if (c->targets[t].group >= product->groups.count || !is_string(check, c->targets[t].value) ||
        !is_string(check, c->targets[t].action))
      return FALSE;
  return TRUE;
}

static gboolean check_product(Check *check, const ShopProduct *p)
{
  const ShopCatalogue *c = check->catalogue;
  return is_string(check, p->asin) && is_string(check, p->title) &&
         check_item_action(check, p->item_action) && is_string(check, p->description) &&
         is_string(check, p->price_tag) && is_string(check, p->category) && is_string(check, p->query) &&
         is_string(check, p->product_category) &&
         (p->instruction == SHOP_STRING_NONE || is_string(check, p->instruction)) &&
         covers_strings(check, p->bullets) && covers_strings(check, p->attributes) &&
         covers_strings(check, p->instruction_attributes) &&
         covers(p->groups, c->n_groups, &check->n_groups) &&
         covers(p->targets, c->n_targets, &check->n_targets) &&
         covers(p->shadowed, c->n_targets, &check->n_targets) &&
         covers(p->humans, c->n_humans, &check->n_humans) && check_targets(check, p, p->targets) &&
         check_targets(check, p, p->shadowed) && isfinite(p->prices[0]) && isfinite(p->prices[1]) &&
         (p->n_prices == 1 || p->n_prices == 2);
}

/* A look-up ends at an empty slot. */
static gboolean check_asins(const ShopCatalogue *c)
{
  gboolean has_empty = FALSE;
  for (gsize i = 0; i <= c->asin_table_mask; i++) {
    has_empty = has_empty || c->asin_table[i] == 0;
    if (c->asin_table[i] > c->n_products)
      return FALSE;
  }
  return has_empty;
}

static const char *find_wrong(Check *check)
{
  const ShopCatalogue *c = check->catalogue;
  if (!check_texts(check))
    return "texts";
  for (guint32 i = 0; i < c->n_strings; i++)
    if (!is_string(check, c->strings[i]))
      return "strings";
  for (guint32 i = 0; i < c->n_groups; i++)
    if (!is_string(check, c->groups[i].name) || !covers_strings(check, c->groups[i].values))
      return "groups";
  for (guint32 i = 0; i < c->n_humans; i++) {
    const ShopHumanRecord *human = &c->humans[i];
    if (!is_string(check, human->instruction) || !covers_strings(check, human->attributes) ||
        !covers_strings(check, human->option_names) || !covers_strings(check, human->option_values) ||
        (human->option_names.count > 0 && human->option_names.count != human->option_values.count))
      return "humans";
  }
  for (guint32 i = 0; i < c->n_products; i++)
    if (!check_product(check, &c->products[i]))
      return "products";
  return check_asins(c) ? NULL : "asins";
}

gboolean shop_catalogue_check(const ShopCatalogue *catalogue, GError **error)
{
  g_autofree guint64 *starts = g_new0(guint64, catalogue->arena_size / 4 / 64 + 1);
  Check check = {.catalogue = catalogue, .starts = starts};
  const char *wrong = find_wrong(&check);
  return !wrong ||
         shop_fail(error, CW_ERROR_FORMAT,
                   "array 'catalogue/%s' of the shop file holds what cannot be; make the file again with "
                   "'cartwright import'",
                   wrong);
}
