/* The reader of recorded sessions. A record owns copies of all its texts, in one array behind `reserved`. */
#include "envs/shop/records/records.h"

#include "envs/shop/catalogue/price.h"
#include "envs/shop/records/site_log.h"

#include "envs/shop/text/fail.h"
#include "envs/shop/text/json.h"
#include <math.h>
#include <string.h>

#define ACTION "Action:"

gint64 shop_goal_index(const ShopWorld *world, const char *goal_id, GError **error)
{
  gsize length = strlen(world->prefix);
  guint64 index;
  if (strncmp(goal_id, world->prefix, length) != 0 || goal_id[length] != '_' ||
      !g_ascii_string_to_unsigned(goal_id + length + 1, 10, 0, G_MAXUINT32, &index, NULL)) {
    shop_fail(error, CW_ERROR_FORMAT, "goal id \"%s\" should be \"%s_N\" with a goal number N", goal_id,
              world->prefix);
    return -1;
  }
  if (index >= world->goals->n_items) {
    shop_fail(error, CW_ERROR_FORMAT,
              "goal id \"%s\" is beyond the last of this shop's %u %s goals; do catalogue and 'goals' agree "
              "with the recording?",
              goal_id, world->goals->n_items, shop_goal_kind_names[world->goals->kind]);
    return -1;
  }
  return (gint64)index;
}

void shop_record_free(CwRecord *record)
{
  if (!record)
    return;
  ShopRecordTexts *texts = record->reserved;
  g_ptr_array_free(texts->observations, TRUE);
  g_ptr_array_free(texts->actions, TRUE);
  g_free(texts->id);
  g_free(texts->overrides);
  g_free(texts);
  g_free(record);
}

/* Where the last "Action:" stands that begins a line, else the first; NULL when there is none. */
static const char *find_action(const char *text)
{
  const char *first = strstr(text, ACTION), *found = first;
  for (const char *at = first; at; at = strstr(at + 1, ACTION))
    if (at == text || at[-1] == '\n')
      found = at;
  return found;
}

/* What follows "Action:", or the whole text: its first line, after a line break or the one blank that sets
 * the action off. Further blanks and words belong to the action, which the shop then does not know. */
static char *extract_action(const char *text)
{
  const char *start = find_action(text);
  gboolean is_set_off = start != NULL;
  start = start ? start + strlen(ACTION) : text;
  gsize blank = strspn(start, " \t\r");
  if (start[blank] == '\n')
    start += blank + 1;
  else if (is_set_off && *start == ' ')
    start++;
  char *action = g_strndup(start, strcspn(start, "\r\n"));
  return g_strchomp(action);
}

static gboolean read_turns(const json_t *turns, ShopRecordTexts *texts, GError **error)
{
  if (!json_is_array(turns) || json_array_size(turns) == 0)
    return shop_fail(error, CW_ERROR_FORMAT,
                     "'turns' should be a list of turns, the site's first page first");
  for (gsize i = 0; i < json_array_size(turns); i++) {
    const json_t *turn = json_array_get(turns, i);
    const char *from = json_string_value(json_object_get(turn, "from"));
    const char *text = json_string_value(json_object_get(turn, "text"));
    const char *expected = i % 2 == 0 ? "site" : "agent";
    if (!text || g_strcmp0(from, expected) != 0)
      return shop_fail(error, CW_ERROR_FORMAT,
                       "turn %" G_GSIZE_FORMAT
                       " should be {\"from\": \"%s\", \"text\": ...}: site and agent alternate%s%s%s",
                       i, expected, from ? ", found from \"" : "", from ? from : "", from ? "\"" : "");
    if (i % 2 == 0)
      g_ptr_array_add(texts->observations, g_strdup(text));
    else
      g_ptr_array_add(texts->actions, extract_action(text));
  }
  return TRUE;
}

static gboolean fill_turns(const ShopWorld *world, const json_t *object, ShopRecordTexts *texts, gint64 *goal,
                           GError **error)
{
  const char *id = json_string_value(json_object_get(object, "goal_id"));
  *goal = shop_goal_index(world, id, error);
  texts->id = g_strdup(id);
  return *goal >= 0 && read_turns(json_object_get(object, "turns"), texts, error);
}

/* The task on a first page: what stands between its heading and the search button. */
static char *extract_instruction(const char *page)
{
  static const char heading[] = "Instruction:";
  const char *start = strstr(page, heading);
  if (!start)
    return NULL;
  start += strlen(heading);
  if (g_str_has_prefix(start, " [SEP] "))
    start += strlen(" [SEP] ");
  const char *end = strstr(start, "\n[button] Search");
  if (!end)
    end = strstr(start, " [SEP] Search");
  return end ? g_strstrip(g_strndup(start, (gsize)(end - start))) : NULL;
}

gint64 shop_goal_reading(const ShopWorld *world, const char *published, gint64 from, ShopGoalView *view)
{
  g_autoptr(GString) form = g_string_new(NULL);
  for (gint64 i = from; i < world->goals->n_items; i++) {
    shop_goal_view_set(view, world->catalogue, world->goals, (guint32)i);
    g_string_truncate(form, 0);
    shop_goal_append_published(form, view->instruction->str);
    if (strcmp(form->str, published) == 0)
      return i;
  }
  return -1;
}

/* The actions of imitation data: given as text, or as indices into the available ones. */
static json_t *find_actions(const json_t *object, GError **error)
{
  json_t *texts = json_object_get(object, "actions");
  const json_t *available = json_object_get(object, "available_actions");
  const json_t *indices = json_object_get(object, "action_idxs");
  if (texts || !indices)
    return json_incref(texts);
  g_autoptr(json_t) actions = json_array();
  for (gsize i = 0; i < json_array_size(indices); i++) {
    const json_t *index = json_array_get(indices, i);
    json_t *text = json_is_integer(index) && json_integer_value(index) >= 0
                       ? json_array_get(json_array_get(available, i), (gsize)json_integer_value(index))
                       : NULL;
    if (!json_is_string(text)) {
      shop_fail(error, CW_ERROR_FORMAT,
                "action_idxs[%" G_GSIZE_FORMAT
                "] names no action: expected an index into available_actions[%" G_GSIZE_FORMAT "]%s",
                i, i,
                json_is_integer(index) && json_integer_value(index) == -1
                    ? "; -1 is a search, whose words only 'actions' tells"
                    : "");
      return NULL;
    }
    json_array_append(actions, text);
  }
  return g_steal_pointer(&actions);
}

static gboolean fill_states_and_actions(const ShopWorld *world, const json_t *states, const json_t *actions,
                                        ShopRecordTexts *texts, gint64 *goal, GError **error)
{
  gsize n_states = json_array_size(states), n_actions = json_array_size(actions);
  if (n_states == 0 || n_actions > n_states || n_actions + 1 < n_states)
    return shop_fail(
        error, CW_ERROR_FORMAT,
        "'states' and 'actions' should be lists of equal length (or one more state), found %" G_GSIZE_FORMAT
        " and %" G_GSIZE_FORMAT " elements",
        n_states, n_actions);
  for (gsize i = 0; i < n_states; i++) {
    const char *state = json_string_value(json_array_get(states, i));
    const char *action = i < n_actions ? json_string_value(json_array_get(actions, i)) : "";
    if (!state || !action)
      return shop_fail(error, CW_ERROR_FORMAT, "%s[%" G_GSIZE_FORMAT "] should be a string",
                       !state ? "states" : "actions", i);
    g_ptr_array_add(texts->observations, g_strdup(state));
    if (i < n_actions)
      g_ptr_array_add(texts->actions, g_strdup(action));
  }
  g_autofree char *instruction = extract_instruction(texts->observations->pdata[0]);
  g_autoptr(ShopGoalView) view = shop_goal_view_new();
  g_autoptr(GString) published = g_string_new(NULL);
  if (instruction)
    shop_goal_append_published(published, instruction);
  *goal = instruction ? shop_goal_reading(world, published->str, 0, view) : -1;
  if (!instruction)
    shop_fail(error, CW_ERROR_FORMAT, "states[0] should be a search page with an instruction");
  else if (*goal < 0)
    shop_fail(error, CW_ERROR_FORMAT, "no %s goal of this shop reads \"%s\"",
              shop_goal_kind_names[world->goals->kind], instruction);
  texts->id = g_strdup_printf("%s_%" G_GINT64_FORMAT, world->prefix, *goal);
  return *goal >= 0;
}

static gboolean fill_states(const ShopWorld *world, const json_t *object, ShopRecordTexts *texts,
                            gint64 *goal, GError **error)
{
  GError *problem = NULL;
  g_autoptr(json_t) actions = find_actions(object, &problem);
  gboolean good = !problem && fill_states_and_actions(world, json_object_get(object, "states"), actions,
                                                      texts, goal, error);
  if (problem)
    g_propagate_error(error, problem);
  return good;
}

/* In which form observations of pages were recorded; text_rich marks its buttons. */
static gint observation_of(const ShopRecordTexts *texts)
{
  gboolean is_rich = strstr(texts->observations->pdata[0], "\n[button] ") != NULL;
  gboolean is_text = strstr(texts->observations->pdata[0], " [SEP] ") != NULL;
  return is_rich == is_text ? -1 : is_rich ? SHOP_OBSERVATION_TEXT_RICH : SHOP_OBSERVATION_TEXT;
}

static gboolean fill(const ShopWorld *world, const json_t *object, CwRecord *record, GError **error)
{
  ShopRecordTexts *texts = record->reserved;
  gboolean good;
  if (json_is_string(json_object_get(object, "goal_id"))) {
    good = fill_turns(world, object, texts, &record->goal, error);
  } else if (json_is_array(json_object_get(object, "states"))) {
    good = fill_states(world, object, texts, &record->goal, error);
  } else {
    shop_fail(
        error, CW_ERROR_FORMAT,
        "expected an object with \"goal_id\" (\"%s_N\") and \"turns\", or with \"states\" and \"actions\"",
        world->prefix);
    good = FALSE;
  }
  if (good) {
    texts->price_upper = shop_price_read_bound(texts->observations->pdata[0]);
    texts->observation = observation_of(texts);
  }
  return good;
}

static void finish(const ShopWorld *world, CwRecord *record)
{
  ShopRecordTexts *texts = record->reserved;
  char bound[G_ASCII_DTOSTR_BUF_SIZE];
  texts->overrides =
      g_strconcat("price_upper=", g_ascii_dtostr(bound, sizeof bound, texts->price_upper), NULL);
  record->id = texts->id;
  record->split = shop_split_name(SHOP_SPLIT_ALL);
  record->home_split = shop_split_name(shop_split_of_goal(
      world->catalogue, world->goals, (ShopSplitRule)world->settings.split_rule, (guint32)record->goal));
  record->overrides = texts->overrides;
  record->observations = (const char *const *)texts->observations->pdata;
  record->n_observations = texts->observations->len;
  record->actions = (const char *const *)texts->actions->pdata;
  record->n_actions = texts->actions->len;
}

/* One line that is no event of a site log. */
static gboolean read_line(const ShopWorld *world, const char *line, const char *where, CwRecord *record,
                          GError **error)
{
  json_error_t problem;
  g_autoptr(json_t) object = shop_json_load(line, strlen(line), 0, &problem);
  gboolean good = object && fill(world, object, record, error);
  if (!object)
    shop_fail(error, CW_ERROR_FORMAT, "%s: not valid JSON: %s (byte %d of the line)", where, problem.text,
              problem.position);
  else if (!good)
    g_prefix_error(error, "%s: ", where);
  return good;
}

static gboolean is_site_log(const char *record)
{
  g_autoptr(json_t) first = shop_json_load(record, strcspn(record, "\n"), 0, NULL);
  return first && shop_site_log_is_event(first);
}

CwRecord *shop_record_read(const ShopWorld *world, const char *line, const char *where, GError **error)
{
  if (line[strspn(line, " \t\r\n")] == '\0')
    return NULL;
  CwRecord *record = g_new0(CwRecord, 1);
  record->struct_size = sizeof *record;
  ShopRecordTexts *texts = g_new0(ShopRecordTexts, 1);
  texts->observations = g_ptr_array_new_with_free_func(g_free);
  texts->actions = g_ptr_array_new_with_free_func(g_free);
  texts->price = NAN;
  texts->observation = -1;
  record->reserved = texts;
  gboolean good = is_site_log(line) ? shop_site_log_read(world, line, where, texts, &record->goal, error)
                                    : read_line(world, line, where, record, error);
  if (!good) {
    shop_record_free(record);
    return NULL;
  }
  finish(world, record);
  return record;
}

void shop_record_apply(const CwRecord *record, ShopSession *session)
{
  const ShopRecordTexts *texts = record->reserved;
  double price_upper;
  if (shop_record_price_upper(record, &price_upper))
    shop_session_set_price_upper(session, price_upper);
  shop_session_set_price(session, texts->price);
  if (texts->has_attributes)
    shop_session_show_attributes(session);
  if (record->as_recorded && texts->has_events)
    shop_session_set_writer(session, shop_site_event_append_page);
  else if (record->as_recorded && texts->observation >= 0)
    shop_session_set_form(session, texts->observation == SHOP_OBSERVATION_TEXT_RICH ? SHOP_FORM_TEXT_RICH
                                                                                    : SHOP_FORM_TEXT);
}

gboolean shop_record_price_upper(const CwRecord *record, double *price_upper)
{
  if (!record->overrides || !g_str_has_prefix(record->overrides, "price_upper="))
    return FALSE;
  const char *amount = record->overrides + strlen("price_upper=");
  char *end;
  *price_upper = g_ascii_strtod(amount, &end);
  return end != amount && *end == '\0';
}
