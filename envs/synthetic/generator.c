/* Makes up the products of the generated shop; see generator.h for the plan of a family. Everything random
 * comes from two streams, one per family (what its members share) and one per product. The catalogue order is
 * a bijection of the family order, so that neighbours in the catalogue, and ties in a search, are not
 * relatives. Holds no state. */
#include "envs/synthetic/generator.h"

#include "envs/synthetic/lexicon.h"

#include <string.h>

enum { GENUINE, SIBLING, EXPENSIVE, ACCESSORY, OTHER_OPTIONS, FAMILY_SIZE };
enum { MAX_ATTRIBUTES = 6, MAX_GROUPS = 3, MAX_VALUES = 16 };

/* What the members of a family share. */
typedef struct {
  const SyntheticKind *kind;
  const char *attributes[MAX_ATTRIBUTES]; /* of the genuine article */
  guint n_attributes;
  guint32 option_order[MAX_GROUPS][MAX_VALUES]; /* a shuffle of each group's values */
  guint n_values[MAX_GROUPS];                   /* in the group */
  guint n_chosen[MAX_GROUPS];                   /* how many of the shuffle the genuine article offers */
  char *brand;
  double price;
  gboolean ranged;
} Family;

static guint count_words(const char *const *words)
{
  guint n = 0;
  while (words[n])
    n++;
  return n;
}

static const char *pick(CwRandom *random, const char *const *words)
{
  return words[cw_random_below(random, count_words(words))];
}

static char *make_brand(CwRandom *random)
{
  const char *head = pick(random, synthetic_brand_heads);
  const char *tail = pick(random, synthetic_brand_tails);
  return g_strconcat(head, tail, NULL);
}

/* The first letter of every word in upper case: "non slip" becomes "Non Slip". */
static char *title_case(const char *text)
{
  char *copy = g_strdup(text);
  gboolean start = TRUE;
  for (char *c = copy; *c; c++) {
    if (start)
      *c = g_ascii_toupper(*c);
    start = *c == ' ';
  }
  return copy;
}

static void make_family(const SyntheticShop *shop, guint64 number, Family *family)
{
  CwRandom *random = cw_random_new(shop->seed, "shop-family", number, 0);
  memset(family, 0, sizeof *family);
  const SyntheticKind *kind = &synthetic_kinds[cw_random_below(random, synthetic_n_kinds)];
  family->kind = kind;

  guint32 order[64];
  guint pool = count_words(kind->attributes);
  for (guint i = 0; i < pool; i++)
    order[i] = i;
  cw_random_shuffle(random, order, pool);
  family->n_attributes = 4 + cw_random_below(random, MAX_ATTRIBUTES - 4 + 1);
  for (guint i = 0; i < family->n_attributes; i++)
    family->attributes[i] = kind->attributes[order[i]];

  for (guint g = 0; kind->options[g].name; g++) {
    guint n = count_words(kind->options[g].values);
    for (guint i = 0; i < n; i++)
      family->option_order[g][i] = i;
    cw_random_shuffle(random, family->option_order[g], n);
    family->n_values[g] = n;
    family->n_chosen[g] = (n + 1) / 2 + cw_random_below(random, 2);
    family->n_chosen[g] = MIN(family->n_chosen[g], n);
  }
  family->brand = make_brand(random);
  family->price =
      kind->lowest_price + cw_random_uniform(random) * (kind->highest_price - kind->lowest_price) * 0.6;
  family->ranged = cw_random_below(random, 5) == 0;
  cw_random_free(random);
}

/* Attributes of one member: the sibling lacks two and has two others instead. */
static guint member_attributes(const Family *family, guint member, CwRandom *random, const char **attributes)
{
  memcpy(attributes, family->attributes, sizeof family->attributes);
  if (member != SIBLING)
    return family->n_attributes;
  guint pool = count_words(family->kind->attributes);
  for (guint replaced = 0; replaced < 2; replaced++) {
    const char *other;
    gboolean known;
    do {
      other = family->kind->attributes[cw_random_below(random, pool)];
      known = FALSE;
      for (guint i = 0; i < family->n_attributes; i++)
        known = known || family->attributes[i] == other || attributes[i] == other;
    } while (known);
    attributes[replaced] = other;
  }
  return family->n_attributes;
}

/* Values a member offers, in the order of the lexicon. The genuine article has the first n_chosen of the
 * shuffle; the expensive one half of those; the one in other options the rest, plus one in common. */
static json_t *member_options(const Family *family, guint member)
{
  json_t *options = json_object();
  for (guint g = 0; family->kind->options[g].name; g++) {
    guint first = 0, end = family->n_chosen[g];
    if (member == EXPENSIVE)
      end = (end + 1) / 2;
    if (member == OTHER_OPTIONS) {
      first = end - 1;
      end = family->n_values[g];
    }
    json_t *values = json_array();
    for (guint v = 0; v < family->n_values[g]; v++) {
      for (guint i = first; i < end; i++) {
        if (family->option_order[g][i] == v)
          json_array_append_new(
              values, json_pack("{s:s, s:n}", "value", family->kind->options[g].values[v], "image"));
      }
    }
    json_object_set_new(options, family->kind->options[g].name, values);
  }
  return options;
}

static char *member_price(const Family *family, guint member, CwRandom *random)
{
  double price = family->price;
  if (member == EXPENSIVE)
    price *= 2.0 + cw_random_uniform(random);
  if (member == ACCESSORY)
    price = 4.0 + 8.0 * cw_random_uniform(random);
  if (member == SIBLING || member == OTHER_OPTIONS)
    price *= 0.85 + 0.3 * cw_random_uniform(random);
  char low[32], high[32];
  g_ascii_formatd(low, sizeof low, "%.2f", price);
  if (!family->ranged || member == ACCESSORY)
    return g_strdup_printf("$%s", low);
  g_ascii_formatd(high, sizeof high, "%.2f", price * (1.1 + 0.3 * cw_random_uniform(random)));
  return g_strdup_printf("$%s - $%s", low, high);
}

static char *member_title(const Family *family, guint member, const char *const *attributes,
                          const char *brand, CwRandom *random)
{
  if (member == ACCESSORY) {
    char *first = title_case(attributes[0]);
    char *second = title_case(attributes[1]);
    char *title = g_strdup_printf("%s %s, %s, %s", brand, family->kind->accessory, first, second);
    g_free(first);
    g_free(second);
    return title;
  }
  /* One or two attributes show in the title; the others have to be read up. */
  char *first = title_case(attributes[cw_random_below(random, 2)]);
  const char *praise = pick(random, synthetic_praise);
  char *title;
  if (cw_random_below(random, 2) == 0) {
    char *second = title_case(attributes[2]);
    title = g_strdup_printf("%s %s %s, %s, %s", brand, praise, family->kind->noun, first, second);
    g_free(second);
  } else {
    title = g_strdup_printf("%s %s %s %s", brand, first, praise, family->kind->noun);
  }
  g_free(first);
  return title;
}

/* Bullets: the first one is searchable, the others are found only on the page. */
static json_t *member_bullets(const char *const *attributes, guint n_attributes, CwRandom *random)
{
  json_t *bullets = json_array();
  for (guint i = n_attributes; i-- > 0;) {
    const char *pattern = pick(random, synthetic_bullet_patterns);
    char **halves = g_strsplit(pattern, "%s", 2);
    char *text = g_strconcat(halves[0], attributes[i], halves[1], NULL);
    text[0] = g_ascii_toupper(text[0]);
    json_array_append_new(bullets, json_string(text));
    g_free(text);
    g_strfreev(halves);
  }
  json_array_append_new(bullets, json_string(pick(random, synthetic_filler_bullets)));
  return bullets;
}

static char *member_description(const Family *family, guint member, const char *const *attributes,
                                guint n_attributes, const char *brand, CwRandom *random)
{
  if (member == ACCESSORY)
    return g_strdup_printf("%s by %s. It fits most models.", family->kind->accessory, brand);
  /* Two of the attributes: a search sees only some, the rest stand in bullets that it does not see. */
  guint first = cw_random_below(random, n_attributes);
  guint second = (first + 1 + cw_random_below(random, n_attributes - 1)) % n_attributes;
  return g_strdup_printf("This %s by %s comes with %s and %s.", family->kind->noun, brand, attributes[first],
                         attributes[second]);
}

/* Ten characters, "B" and nine base-36 digits of a bijection of the index, so that the number says nothing
 * about the family. */
static void make_asin(guint64 index, char asin[11])
{
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const guint64 modulus = G_GUINT64_CONSTANT(101559956668416); /* 36^9 */
  guint64 value = (guint64)(((unsigned __int128)index * G_GUINT64_CONSTANT(48271659271193) + 7919) % modulus);
  asin[0] = 'B';
  for (guint i = 9; i >= 1; i--) {
    asin[i] = digits[value % 36];
    value /= 36;
  }
  asin[10] = '\0';
}

/* Two or three attributes and the kind, as WebShop's own synthetic instructions are worded; the last
 * attribute comes after "with". */
static char *make_instruction(const Family *family, const char *const *attributes, guint n_attributes,
                              CwRandom *random, json_t *chosen)
{
  guint32 order[MAX_ATTRIBUTES];
  for (guint i = 0; i < n_attributes; i++)
    order[i] = i;
  cw_random_shuffle(random, order, n_attributes);
  guint n = 2 + cw_random_below(random, 2);
  for (guint i = 0; i < n; i++)
    json_array_append_new(chosen, json_string(attributes[order[i]]));
  if (n == 2)
    return g_strdup_printf("Find me %s %s with %s", attributes[order[0]], family->kind->query,
                           attributes[order[1]]);
  return g_strdup_printf("Find me %s, %s %s with %s", attributes[order[0]], attributes[order[1]],
                         family->kind->query, attributes[order[2]]);
}

static guint64 greatest_common_divisor(guint64 a, guint64 b)
{
  while (b != 0) {
    guint64 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* A bijection of 0..n-1: multiplication by a number that shares no factor with n. */
static guint64 scatter(guint64 index, guint64 n)
{
  guint64 factor = (guint64)(0.6180339887 * (double)n) | 1;
  while (greatest_common_divisor(factor, n) != 1)
    factor += 2;
  return (guint64)(((unsigned __int128)index * factor + n / 3) % n);
}

void synthetic_product(const SyntheticShop *shop, guint64 index, json_t **product, json_t **record)
{
  guint64 place = scatter(index, shop->n_products);
  guint member = place % FAMILY_SIZE;
  Family family;
  make_family(shop, place / FAMILY_SIZE, &family);
  CwRandom *random = cw_random_new(shop->seed, "shop-product", place, 0);

  const char *attributes[MAX_ATTRIBUTES];
  guint n_attributes = member_attributes(&family, member, random, attributes);
  char *own_brand = make_brand(random);
  const char *brand = member == SIBLING || member == ACCESSORY ? own_brand : family.brand;
  char *title = member_title(&family, member, attributes, brand, random);
  char *description = member_description(&family, member, attributes, n_attributes, brand, random);
  char *price = member_price(&family, member, random);
  char *query = member == ACCESSORY ? g_strdup_printf("%s accessories", family.kind->query) : NULL;
  char *path = member == ACCESSORY ? g_strdup_printf("Accessories › %s", family.kind->accessory) : NULL;
  char asin[11];
  make_asin(index, asin);

  *product = json_object();
  json_object_set_new(*product, "asin", json_string(asin));
  json_object_set_new(*product, "name", json_string(title));
  json_object_set_new(*product, "full_description", json_string(description));
  json_object_set_new(*product, "small_description", member_bullets(attributes, n_attributes, random));
  json_object_set_new(*product, "pricing", json_string(price));
  json_object_set_new(*product, "customization_options",
                      member == ACCESSORY ? json_object() : member_options(&family, member));
  json_object_set_new(*product, "images", json_pack("[s]", ""));
  json_object_set_new(*product, "category", json_string(family.kind->department));
  json_object_set_new(*product, "query", json_string(query ? query : family.kind->query));
  json_object_set_new(*product, "product_category", json_string(path ? path : family.kind->path));

  /* An accessory carries two of the words it repeats, like real keyword stuffing. */
  guint n_listed = member == ACCESSORY ? 2 : n_attributes;
  json_t *listed = json_array();
  for (guint i = 0; i < n_listed; i++)
    json_array_append_new(listed, json_string(attributes[i]));
  json_t *chosen = json_array();
  char *instruction = NULL;
  if (member != ACCESSORY && cw_random_uniform(random) < shop->instructed)
    instruction = make_instruction(&family, attributes, n_attributes, random, chosen);
  *record = json_object();
  json_object_set_new(*record, "attributes", listed);
  json_object_set_new(*record, "instruction", instruction ? json_string(instruction) : json_null());
  json_object_set_new(*record, "instruction_attributes", chosen);

  g_free(instruction);
  g_free(path);
  g_free(query);
  g_free(price);
  g_free(description);
  g_free(title);
  g_free(own_brand);
  g_free(family.brand);
  cw_random_free(random);
}
