/* Reading a session of the site's log. A reader owns the parsed events; the plan of a record follows them
 * with the state that the actions so far have led to, and adds what leads on from there. Pages that a browser
 * showed out of its cache are not in the log: the clicks that lead there are filled in, with no observation.
 */
#include "envs/shop/records/site_log.h"

#include "envs/shop/catalogue/price.h"
#include "envs/shop/records/records.h"
#include "envs/shop/text/python_literal.h"

#include "envs/shop/text/fail.h"
#include <math.h>
#include <string.h>

#define MAX_PAGES_TURNED 50

/* One line. Strings belong to the JSON object, to the arrays or to the event. */
typedef struct {
  json_t *object;
  ShopPage page;
  char *keywords;
  GPtrArray *asins;    /* const char * */
  GPtrArray *options;  /* char *: name, value */
  ShopSiteEvent shown; /* number, asin, sub_page, price and reward; the rest when it is written */
} Event;

static void event_free(gpointer data)
{
  Event *event = data;
  json_decref(event->object);
  g_free(event->keywords);
  g_ptr_array_unref(event->asins);
  g_ptr_array_unref(event->options);
  g_free(event);
}

/* Part number `index` of the address's path, as it stands there; free with g_free. NULL: there are not so
 * many. */
static char *path_part(const char *url, guint index)
{
  const char *host = strstr(url, "://");
  const char *path = strchr(host ? host + 3 : url, '/');
  for (guint i = 0; path; i++) {
    gsize length = strcspn(path + 1, "/?#");
    if (i == index)
      return length > 0 ? g_strndup(path + 1, length) : NULL;
    path = path[length + 1] == '/' ? path + length + 1 : NULL;
  }
  return NULL;
}

gboolean shop_site_log_is_event(const json_t *object)
{
  return json_is_string(json_object_get(object, "page")) && json_is_string(json_object_get(object, "url"));
}

/* The session that an event belongs to; free with g_free. */
static char *session_of(const json_t *event)
{
  gboolean is_index =
      strcmp(json_string_value(json_object_get(event, "page")), shop_site_page_names[SHOP_PAGE_SEARCH]) == 0;
  return path_part(json_string_value(json_object_get(event, "url")), is_index ? 0 : 1);
}

gboolean shop_site_log_continues(const char *record, const char *line)
{
  if (!strstr(line, "\"page\"") || !strstr(record, "\"page\""))
    return FALSE;
  g_autoptr(json_t) first = shop_json_load(record, strcspn(record, "\n"), 0, NULL),
                    next = shop_json_load(line, strlen(line), 0, NULL);
  if (!first || !next || !shop_site_log_is_event(first) || !shop_site_log_is_event(next))
    return FALSE;
  g_autofree char *one = session_of(first), *other = session_of(next);
  return one && g_strcmp0(one, other) == 0;
}

/* Reading one event. */

/* Keywords are a list, or text: a list in the source notation of the original, or the words themselves. */
static gboolean read_keywords(const json_t *content, Event *event, GError **error)
{
  const json_t *value = json_object_get(content, "keywords");
  g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
  if (json_is_array(value)) {
    for (gsize i = 0; i < json_array_size(value); i++)
      g_ptr_array_add(words, g_strdup(json_string_value(json_array_get(value, i))));
  } else if (!json_is_string(value)) {
    return shop_fail(error, CW_ERROR_FORMAT, "'content.keywords' should be a list of words, or a string");
  } else if (json_string_value(value)[0] != '[' || !shop_python_list_read(json_string_value(value), words)) {
    g_ptr_array_set_size(words, 0);
    g_ptr_array_add(words, g_strdup(json_string_value(value)));
  }
  for (guint i = 0; i < words->len; i++)
    if (!words->pdata[i])
      return shop_fail(error, CW_ERROR_FORMAT, "'content.keywords' should be a list of words, or a string");
  g_ptr_array_add(words, NULL);
  event->keywords = g_strjoinv(" ", (char **)words->pdata);
  return TRUE;
}

static gboolean read_number(const json_t *content, Event *event, GError **error)
{
  const json_t *value = json_object_get(content, "page");
  gint64 number = json_is_integer(value) ? json_integer_value(value) : G_MAXINT64;
  if (json_is_string(value))
    g_ascii_string_to_signed(json_string_value(value), 10, G_MININT32, G_MAXINT32, &number, NULL);
  event->shown.number = number;
  return (number >= G_MININT32 && number <= G_MAXINT32) ||
         shop_fail(error, CW_ERROR_FORMAT, "'content.page' should be the number of a result page");
}

/* Options are an object, or a string in the source notation of the original. */
static gboolean read_options(const json_t *content, Event *event, GError **error)
{
  const json_t *options = json_object_get(content, "options");
  const char *name;
  json_t *value;
  if (json_is_string(options) && shop_python_dict_read(json_string_value(options), event->options))
    return TRUE;
  g_ptr_array_set_size(event->options, 0);
  gboolean good = json_is_object(options);
  json_object_foreach((json_t *)options, name, value)
  {
    good = good && json_is_string(value);
    if (good) {
      g_ptr_array_add(event->options, g_strdup(name));
      g_ptr_array_add(event->options, g_strdup(json_string_value(value)));
    }
  }
  return good ||
         shop_fail(error, CW_ERROR_FORMAT, "'content.options' should be an object of names and values");
}

static gboolean read_item(const json_t *content, Event *event, GError **error)
{
  event->shown.asin = json_string_value(json_object_get(content, "asin"));
  if (!event->shown.asin)
    return shop_fail(error, CW_ERROR_FORMAT, "'content.asin' should be a string");
  return read_options(content, event, error);
}

static gboolean read_results(const json_t *content, Event *event, GError **error)
{
  const json_t *asins = json_object_get(content, "search_result_asins");
  if (!read_keywords(content, event, error) || !read_number(content, event, error))
    return FALSE;
  gboolean good = json_is_array(asins);
  for (gsize i = 0; i < json_array_size(asins); i++) {
    const char *asin = json_string_value(json_array_get(asins, i));
    good = good && asin;
    g_ptr_array_add(event->asins, (gpointer)asin);
  }
  return good ||
         shop_fail(error, CW_ERROR_FORMAT, "'content.search_result_asins' should be a list of strings");
}

static gboolean read_sub_page(Event *event, GError **error)
{
  const char *url = json_string_value(json_object_get(event->object, "url"));
  g_autofree char *part = NULL;
  for (guint i = 3; !event->shown.sub_page && (part = path_part(url, i)); i++) {
    for (guint s = 0; s < SHOP_SITE_N_SUB_PAGES; s++)
      if (strcmp(part, shop_site_sub_page_names[s]) == 0)
        event->shown.sub_page = shop_site_sub_page_names[s];
    g_clear_pointer(&part, g_free);
  }
  return event->shown.sub_page ||
         shop_fail(error, CW_ERROR_FORMAT,
                   "'url' should name Description, Features, Reviews or Attributes on a sub page");
}

static gboolean read_real(const json_t *object, const char *key, double *value, GError **error)
{
  const json_t *number = json_object_get(object, key);
  *value = json_number_value(number);
  return json_is_number(number) ||
         shop_fail(error, CW_ERROR_FORMAT, "'%s' should be a number on the done page", key);
}

static gboolean read_done(const json_t *content, Event *event, GError **error)
{
  const json_t *parts = json_object_get(event->object, "reward_info"),
               *within = json_object_get(parts, "r_price");
  if (!read_item(content, event, error) || !read_real(content, "price", &event->shown.price, error) ||
      !read_real(event->object, "reward", &event->shown.reward.total, error))
    return FALSE;
  if (!json_is_object(parts))
    return shop_fail(error, CW_ERROR_FORMAT, "'reward_info' should be an object on the done page");
  event->shown.reward.has_options = json_is_number(json_object_get(parts, "r_option"));
  event->shown.reward.r_option = json_number_value(json_object_get(parts, "r_option"));
  event->shown.reward.r_price = json_is_true(within);
  return read_real(parts, "r_type", &event->shown.reward.r_type, error) &&
         read_real(parts, "r_att", &event->shown.reward.r_att, error) &&
         (json_is_boolean(within) ||
          shop_fail(error, CW_ERROR_FORMAT, "'reward_info.r_price' should be true or false"));
}

static gboolean read_event(Event *event, GError **error)
{
  const char *name = json_string_value(json_object_get(event->object, "page"));
  const json_t *content = json_object_get(event->object, "content");
  for (event->page = SHOP_PAGE_SEARCH; event->page < SHOP_SITE_N_PAGES; event->page++)
    if (strcmp(name, shop_site_page_names[event->page]) == 0)
      break;
  if (event->page == SHOP_SITE_N_PAGES)
    return shop_fail(
        error, CW_ERROR_FORMAT,
        "there is no page '%s'; a site log has index, search_results, item_page, item_sub_page and done",
        name);
  if (event->page != SHOP_PAGE_SEARCH && !json_is_object(content))
    return shop_fail(error, CW_ERROR_FORMAT, "'content' should be an object on a page '%s'", name);
  switch (event->page) {
  case SHOP_PAGE_RESULTS:
    return read_results(content, event, error);
  case SHOP_PAGE_ITEM:
  case SHOP_PAGE_SUB:
    return read_keywords(content, event, error) && read_number(content, event, error) &&
           read_item(content, event, error) && (event->page == SHOP_PAGE_ITEM || read_sub_page(event, error));
  case SHOP_PAGE_DONE:
    return read_done(content, event, error);
  default:
    return TRUE;
  }
}

/* The goal. */

static gboolean strings_equal(const json_t *list, const GPtrArray *strings)
{
  gboolean equal = json_array_size(list) == strings->len;
  for (guint i = 0; equal && i < strings->len; i++)
    equal = g_strcmp0(json_string_value(json_array_get(list, i)), strings->pdata[i]) == 0;
  return equal;
}

/* A list of values, or an object from names to values in any order. */
static gboolean options_equal(const json_t *options, const ShopGoalView *goal)
{
  if (json_is_array(options))
    return strings_equal(options, goal->option_values);
  gboolean equal = json_object_size(options) == goal->option_values->len && goal->option_names->len > 0;
  for (guint i = 0; equal && i < goal->option_names->len; i++)
    equal = g_strcmp0(json_string_value(json_object_get(options, goal->option_names->pdata[i])),
                      goal->option_values->pdata[i]) == 0;
  return equal || (json_object_size(options) == 0 && goal->option_values->len == 0);
}

/* The goal of the first event: an object with "instruction_text", of which "asin", "attributes" and
 * "goal_options" are compared where they are there; or the instruction alone. */
static gboolean find_goal(const ShopWorld *world, const json_t *recorded, ShopRecordTexts *texts,
                          gint64 *index, GError **error)
{
  const json_t *bound = json_object_get(recorded, "price_upper");
  const json_t *attributes = json_object_get(recorded, "attributes");
  const json_t *options = json_object_get(recorded, "goal_options");
  const char *asin = json_string_value(json_object_get(recorded, "asin"));
  const char *instruction = json_is_string(recorded)
                                ? json_string_value(recorded)
                                : json_string_value(json_object_get(recorded, "instruction_text"));
  if (!instruction)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "'goal' should be an object with 'instruction_text', or the instruction");
  g_autoptr(GString) wanted = g_string_new(NULL);
  shop_goal_append_published(wanted, instruction);
  g_autoptr(ShopGoalView) view = shop_goal_view_new();
  gboolean reads_so = FALSE, fits = FALSE;
  for (*index = 0; !fits && (*index = shop_goal_reading(world, wanted->str, *index, view)) >= 0;
       *index += !fits) {
    const char *known = shop_string(world->catalogue, world->catalogue->products[view->product].asin);
    reads_so = TRUE;
    fits = (!asin || strcmp(asin, known) == 0) &&
           (!attributes || strings_equal(attributes, view->attributes)) &&
           (!options || json_is_null(options) || options_equal(options, view));
  }
  if (!fits)
    return shop_fail(
        error, CW_ERROR_FORMAT,
        "no %s goal of this shop reads \"%s\"%s; do catalogue and 'goals' agree with the recording?",
        shop_goal_kind_names[world->goals->kind], wanted->str,
        reads_so ? " and has the recorded 'asin', 'attributes' and 'goal_options'" : "");
  texts->price_upper = json_is_number(bound) ? json_number_value(bound) : shop_price_read_bound(instruction);
  return TRUE;
}

/* The actions. */

typedef struct {
  ShopRecordTexts *texts;
  ShopPage page;
  char *keywords;
  gint64 number;
  const Event *item;  /* what is open on item and sub pages: its asin */
  GHashTable *chosen; /* const char *name -> const char *value */
} Plan;

/* Adds an action whose observation is not recorded; the caller replaces the last one's. */
G_GNUC_PRINTF(2, 3) static void act(Plan *plan, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_ptr_array_add(plan->texts->actions, g_strdup_vprintf(format, arguments));
  va_end(arguments);
  g_ptr_array_add(plan->texts->observations, NULL);
}

static void go_to_results(Plan *plan, const Event *event)
{
  gboolean same = plan->keywords && strcmp(plan->keywords, event->keywords) == 0;
  if (plan->page == SHOP_PAGE_SUB && same) {
    act(plan, "click[< prev]");
    plan->page = SHOP_PAGE_ITEM;
  }
  if (plan->page == SHOP_PAGE_ITEM && same) {
    act(plan, "click[< prev]");
    plan->page = SHOP_PAGE_RESULTS;
  }
  if (plan->page != SHOP_PAGE_RESULTS || !same) {
    act(plan, "search[%s]", event->keywords);
    g_free(plan->keywords);
    plan->keywords = g_strdup(event->keywords);
    plan->number = 1;
  }
  /* No clicks lead to a page below 1, and nobody clicks so often. */
  if (MIN(event->shown.number, plan->number) < 1 ||
      ABS(event->shown.number - plan->number) > MAX_PAGES_TURNED) {
    act(plan, "address[%" G_GINT64_FORMAT "]", event->shown.number);
    plan->number = event->shown.number;
  }
  for (; plan->number < event->shown.number; plan->number++)
    act(plan, "click[next >]");
  for (; plan->number > event->shown.number; plan->number--)
    act(plan, "click[< prev]");
  plan->page = SHOP_PAGE_RESULTS;
  g_hash_table_remove_all(plan->chosen);
}

/* Whether every option that is chosen is among those of the event, with whatever value. */
static gboolean only_adds_options(const Plan *plan, const Event *event)
{
  guint n_kept = 0;
  for (guint i = 0; i < event->options->len; i += 2)
    n_kept += g_hash_table_contains(plan->chosen, event->options->pdata[i]);
  return n_kept == g_hash_table_size(plan->chosen);
}

static gboolean go_to_item(Plan *plan, const Event *event, GError **error)
{
  gboolean same = (plan->page == SHOP_PAGE_ITEM || plan->page == SHOP_PAGE_SUB) &&
                  strcmp(plan->item->shown.asin, event->shown.asin) == 0 &&
                  (!event->keywords ||
                   (strcmp(plan->keywords, event->keywords) == 0 && plan->number == event->shown.number)) &&
                  only_adds_options(plan, event);
  if (!same && !event->keywords)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "the page '%s' of product %s does not follow a page of that product",
                     shop_site_page_names[event->page], event->shown.asin);
  if (same && plan->page == SHOP_PAGE_SUB) {
    act(plan, "click[< prev]");
  } else if (!same) {
    go_to_results(plan, event);
    g_autofree char *label = g_ascii_strdown(event->shown.asin, -1);
    act(plan, "click[%s]", label);
  }
  plan->page = SHOP_PAGE_ITEM;
  plan->item = event;
  for (guint i = 0; i < event->options->len; i += 2) {
    const char *name = event->options->pdata[i], *value = event->options->pdata[i + 1];
    if (g_strcmp0(g_hash_table_lookup(plan->chosen, name), value) == 0)
      continue;
    act(plan, "click[%s]", value);
    g_hash_table_insert(plan->chosen, (gpointer)name, (gpointer)value);
  }
  return TRUE;
}

/* Adds what leads to the event's page. */
static gboolean go_to(Plan *plan, const Event *event, GError **error)
{
  guint n_before = plan->texts->actions->len;
  gboolean good = TRUE;
  switch (event->page) {
  case SHOP_PAGE_SEARCH:
    if (plan->page != SHOP_PAGE_SEARCH)
      act(plan, "click[back to search]");
    g_clear_pointer(&plan->keywords, g_free);
    plan->page = SHOP_PAGE_SEARCH;
    break;
  case SHOP_PAGE_RESULTS:
    go_to_results(plan, event);
    break;
  case SHOP_PAGE_ITEM:
    good = go_to_item(plan, event, error);
    break;
  case SHOP_PAGE_SUB: {
    good = go_to_item(plan, event, error);
    g_autofree char *label = g_ascii_strdown(event->shown.sub_page, -1);
    act(plan, "click[%s]", label);
    plan->page = SHOP_PAGE_SUB;
    break;
  }
  default:
    good = go_to_item(plan, event, error);
    act(plan, "click[buy now]");
    plan->page = SHOP_PAGE_DONE;
  }
  /* A page that was loaded again. */
  if (good && plan->texts->actions->len == n_before)
    act(plan, "reload");
  return good;
}

static char *describe(const Event *event)
{
  ShopSiteEvent shown = event->shown;
  shown.page = shop_site_page_names[event->page];
  shown.keywords = event->page == SHOP_PAGE_DONE ? NULL : event->keywords;
  shown.asins = event->page == SHOP_PAGE_RESULTS ? event->asins : NULL;
  shown.options = event->page >= SHOP_PAGE_ITEM ? event->options : NULL;
  GString *text = g_string_new(NULL);
  shop_site_event_append(&shown, text);
  return g_string_free(text, FALSE);
}

/* "path:line" of line number `i` (from 0 on) after the one that `where` names. */
static char *place_of(const char *where, guint i)
{
  const char *colon = strrchr(where, ':');
  guint64 line;
  if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 0, G_MAXUINT32, &line, NULL))
    return g_strdup(where);
  return g_strdup_printf("%.*s:%" G_GUINT64_FORMAT, (int)(colon - where), where, line + i);
}

static Event *event_new(const char *line, GError **error)
{
  json_error_t problem;
  Event *event = g_new0(Event, 1);
  event->asins = g_ptr_array_new();
  event->options = g_ptr_array_new_with_free_func(g_free);
  event->object = shop_json_load(line, strlen(line), 0, &problem);
  gboolean good;
  if (!event->object)
    good = shop_fail(error, CW_ERROR_FORMAT, "not valid JSON: %s (byte %d of the line)", problem.text,
                     problem.position);
  else if (!shop_site_log_is_event(event->object))
    good = shop_fail(error, CW_ERROR_FORMAT, "expected an object with 'page' and 'url'");
  else
    good = read_event(event, error);
  if (good)
    return event;
  event_free(event);
  return NULL;
}

static gboolean read_lines(const ShopWorld *world, char **lines, const char *where, ShopRecordTexts *texts,
                           gint64 *goal, GPtrArray *events, Plan *plan, GError **error)
{
  for (guint i = 0; lines[i]; i++) {
    g_autofree char *place = place_of(where, i);
    Event *event = event_new(lines[i], error);
    gboolean good = event != NULL;
    if (good)
      g_ptr_array_add(events, event);
    if (good && i == 0 && event->page != SHOP_PAGE_SEARCH)
      good = shop_fail(error, CW_ERROR_FORMAT, "a session should begin with the page 'index', found '%s'",
                       shop_site_page_names[event->page]);
    if (good && i == 0) {
      texts->id = session_of(event->object);
      g_ptr_array_add(texts->observations, NULL);
      good = find_goal(world, json_object_get(event->object, "goal"), texts, goal, error);
    } else if (good) {
      good = plan->page != SHOP_PAGE_DONE ||
             shop_fail(error, CW_ERROR_FORMAT, "a page follows the page 'done', which ends a session's log");
      good = good && go_to(plan, event, error);
    }
    if (!good) {
      g_prefix_error(error, "%s: ", place);
      return FALSE;
    }
    texts->observations->pdata[texts->observations->len - 1] = describe(event);
    if (event->page == SHOP_PAGE_SUB &&
        event->shown.sub_page == shop_site_sub_page_names[SHOP_SUB_ATTRIBUTES])
      texts->has_attributes = TRUE;
    if (event->page == SHOP_PAGE_DONE)
      texts->price = event->shown.price;
  }
  return TRUE;
}

gboolean shop_site_log_read(const ShopWorld *world, const char *record, const char *where,
                            ShopRecordTexts *texts, gint64 *goal, GError **error)
{
  g_auto(GStrv) lines = g_strsplit(record, "\n", -1);
  g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func(event_free);
  Plan plan = {.texts = texts, .chosen = g_hash_table_new(g_str_hash, g_str_equal)};
  texts->has_events = TRUE;
  gboolean good = read_lines(world, lines, where, texts, goal, events, &plan, error);
  g_free(plan.keywords);
  g_hash_table_unref(plan.chosen);
  return good;
}
