/* Whether a catalogue that came from a file can be read without leaving its arrays: every text is whole UTF-8
 * and every string, span and number points at what is there. One pass over the texts notes where each begins;
 * one over each array compares; both are cut into parts that threads share. What spans cover is counted too,
 * so that a file cannot have the same elements gone through again and again. */
#include "envs/shop/catalogue/catalogue_private.h"
#include "envs/shop/file/parallel.h"
#include "envs/shop/text/fail.h"

#include <math.h>
#include <string.h>

#define MOST_PARTS 64u
/* Fewer bytes of texts are not worth a thread. */
#define SMALL (1 << 20)

typedef enum { TEXTS, STRINGS, GROUPS, HUMANS, PRODUCTS, ASINS, N_ARRAYS } Array;

static const char *const array_names[N_ARRAYS] = {"texts",  "strings",  "groups",
                                                  "humans", "products", "asins"};

/* Elements that spans have covered. */
typedef struct {
  guint64 strings, groups, targets, humans;
} Covered;

typedef struct {
  const ShopCatalogue *catalogue;
  guint64 *starts; /* a bit per four bytes of the arena: a text begins there */
  gsize *cuts;     /* n_cuts: where parts of the texts begin; behind the last one the end of the arena */
  guint n_cuts, n_parts;
  gint wrong[N_ARRAYS];        /* atomic */
  Covered covered[MOST_PARTS]; /* by each part of the arrays */
} Check;

/* The texts. */

static int compare_sizes(const void *a, const void *b)
{
  gsize x = *(const gsize *)a, y = *(const gsize *)b;
  return x < y ? -1 : x > y;
}

/* Cuts the texts where some products' strings say that texts begin. A part must end exactly where the next
 * begins, so that the parts are what one pass from the start would see. */
static void cut_texts(Check *check)
{
  const ShopCatalogue *c = check->catalogue;
  check->cuts = g_new(gsize, 2 * (gsize)MOST_PARTS + 2);
  check->cuts[check->n_cuts++] = 0;
  for (guint i = 1; i < check->n_parts; i++) {
    const ShopProduct *product = &c->products[(guint64)i * c->n_products / check->n_parts];
    const ShopString strings[] = {product->title, product->asin};
    for (guint s = 0; s < G_N_ELEMENTS(strings); s++)
      if ((gsize)strings[s] * 4 < c->arena_size)
        check->cuts[check->n_cuts++] = (gsize)strings[s] * 4;
  }
  qsort(check->cuts, check->n_cuts, sizeof *check->cuts, compare_sizes);
  check->cuts[check->n_cuts] = c->arena_size;
}

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
  while (i < length && (gint8)text[i] > 0) /* char has no sign on AArch64 */
    i++;
  return text[length] == '\0' && (i == length || g_utf8_validate_len(text + i, length - i, NULL));
}

static void check_texts(gpointer data, guint part)
{
  Check *check = data;
  const char *arena = check->catalogue->arena;
  gsize start = check->cuts[part], end = check->cuts[part + 1], position = start;
  while (position < end) {
    guint32 length;
    if (end - position < 2 * sizeof length)
      break;
    memcpy(&length, arena + position, sizeof length);
    gsize size = (sizeof length + (gsize)length + 1 + 3) & ~(gsize)3;
    if (size > end - position || !is_valid_text(arena + position + sizeof length, length))
      break;
    guint64 *word = &check->starts[position / 4 / 64], bit = G_GUINT64_CONSTANT(1) << (position / 4 % 64);
    if (position - start < 64 * 4 || end - position <= 64 * 4) /* the neighbours may set bits there, too */
      __atomic_fetch_or(word, bit, __ATOMIC_RELAXED);
    else
      *word |= bit;
    position += size;
  }
  if (position < end)
    g_atomic_int_set(&check->wrong[TEXTS], TRUE);
}

/* The arrays. */

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

static gboolean is_group(const Check *check, guint32 i, Covered *covered)
{
  const ShopCatalogue *c = check->catalogue;
  return is_string(check, c->groups[i].name) && covers(c->groups[i].values, c->n_strings, &covered->strings);
}

static gboolean is_human(const Check *check, guint32 i, Covered *covered)
{
  const ShopCatalogue *c = check->catalogue;
  const ShopHumanRecord *human = &c->humans[i];
  guint32 n_names = human->option_names.count;
  return is_string(check, human->instruction) && covers(human->attributes, c->n_strings, &covered->strings) &&
         covers(human->option_names, c->n_strings, &covered->strings) &&
         covers(human->option_values, c->n_strings, &covered->strings) &&
         (n_names == 0 || n_names == human->option_values.count);
}

static gboolean are_targets(const Check *check, const ShopProduct *product, ShopSpan span)
{
  const ShopCatalogue *c = check->catalogue;
  for (guint32 t = span.first; t < span.first + span.count; t++)
    if (c->targets[t].group >= product->groups.count || !is_string(check, c->targets[t].value) ||
        !is_string(check, c->targets[t].action))
      return FALSE;
  return TRUE;
}

static gboolean is_item_action(const Check *check, ShopString action)
{
  const ShopCatalogue *c = check->catalogue;
  return is_string(check, action) && shop_string_length(c, action) > strlen(SHOP_ITEM_ACTION_START) &&
         g_str_has_prefix(shop_string(c, action), SHOP_ITEM_ACTION_START);
}

static gboolean is_product(const Check *check, guint32 i, Covered *covered)
{
  const ShopCatalogue *c = check->catalogue;
  const ShopProduct *p = &c->products[i];
  const ShopString strings[] = {
      p->asin,     p->title, p->description,      p->price_tag,
      p->category, p->query, p->product_category, p->instruction == SHOP_STRING_NONE ? 0 : p->instruction};
  for (guint s = 0; s < G_N_ELEMENTS(strings); s++)
    if (!is_string(check, strings[s]))
      return FALSE;
  return is_item_action(check, p->item_action) && covers(p->bullets, c->n_strings, &covered->strings) &&
         covers(p->attributes, c->n_strings, &covered->strings) &&
         covers(p->instruction_attributes, c->n_strings, &covered->strings) &&
         covers(p->groups, c->n_groups, &covered->groups) &&
         covers(p->humans, c->n_humans, &covered->humans) &&
         covers(p->targets, c->n_targets, &covered->targets) &&
         covers(p->shadowed, c->n_targets, &covered->targets) && are_targets(check, p, p->targets) &&
         are_targets(check, p, p->shadowed) && isfinite(p->prices[0]) && isfinite(p->prices[1]) &&
         (p->n_prices == 1 || p->n_prices == 2);
}

static gboolean is_string_element(const Check *check, guint32 i, G_GNUC_UNUSED Covered *covered)
{
  return is_string(check, check->catalogue->strings[i]);
}

static void check_part(gpointer data, guint part)
{
  Check *check = data;
  const ShopCatalogue *c = check->catalogue;
  const struct {
    Array array;
    guint32 n;
    gboolean (*is_right)(const Check *check, guint32 i, Covered *covered);
  } arrays[] = {{STRINGS, c->n_strings, is_string_element},
                {GROUPS, c->n_groups, is_group},
                {HUMANS, c->n_humans, is_human},
                {PRODUCTS, c->n_products, is_product}};
  for (guint a = 0; a < G_N_ELEMENTS(arrays); a++) {
    guint32 i = (guint32)((guint64)part * arrays[a].n / check->n_parts);
    guint32 end = (guint32)(((guint64)part + 1) * arrays[a].n / check->n_parts);
    while (i < end && arrays[a].is_right(check, i, &check->covered[part]))
      i++;
    if (i < end)
      g_atomic_int_set(&check->wrong[arrays[a].array], TRUE);
  }
}

static gboolean covers_no_more(const Check *check)
{
  const ShopCatalogue *c = check->catalogue;
  Covered all = {0};
  for (guint i = 0; i < MOST_PARTS; i++) {
    all.strings += check->covered[i].strings;
    all.groups += check->covered[i].groups;
    all.targets += check->covered[i].targets;
    all.humans += check->covered[i].humans;
  }
  return all.strings <= c->n_strings && all.groups <= c->n_groups && all.targets <= c->n_targets &&
         all.humans <= c->n_humans;
}

/* A look-up ends at an empty slot. */
static gboolean are_asins(const ShopCatalogue *c)
{
  gboolean has_empty = FALSE;
  for (gsize i = 0; i <= c->asin_table_mask; i++) {
    has_empty = has_empty || c->asin_table[i] == 0;
    if (c->asin_table[i] > c->n_products)
      return FALSE;
  }
  return has_empty;
}

gboolean shop_catalogue_check(const ShopCatalogue *catalogue, GError **error)
{
  Check check = {.catalogue = catalogue, .n_parts = catalogue->arena_size < SMALL ? 1 : MOST_PARTS};
  check.starts = g_new0(guint64, catalogue->arena_size / 4 / 64 + 1);
  cut_texts(&check);
  shop_in_parallel(check_texts, check.n_cuts, &check);
  check.wrong[TEXTS] |= catalogue->arena_size % 4 != 0 || shop_string_length(catalogue, 0) != 0;
  if (!check.wrong[TEXTS])
    shop_in_parallel(check_part, check.n_parts, &check);
  check.wrong[PRODUCTS] |= !covers_no_more(&check);
  check.wrong[ASINS] = !are_asins(catalogue);
  g_free(check.starts);
  g_free(check.cuts);
  for (guint a = 0; a < N_ARRAYS; a++)
    if (check.wrong[a])
      return shop_fail(error, CW_ERROR_FORMAT,
                       "array 'catalogue/%s' of the shop file holds what cannot be; make the file again with "
                       "'cartwright import'",
                       array_names[a]);
  return TRUE;
}
