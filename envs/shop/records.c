/* The reader of recorded sessions. A record owns copies of all its texts, in one
 * array behind `reserved`. */
#include "envs/shop/records.h"

#include <cartwright/error.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define PRICE_CLAUSE ", and price lower than "

typedef struct {
  GPtrArray *observations, *actions; /* char * */
  char *id, *overrides;
} RecordTexts;

gint64 shop_goal_index(const ShopWorld *world, const char *goal_id, GError **error)
{
  gsize length = strlen(world->prefix);
  guint64 index;
  if (strncmp(goal_id, world->prefix, length) != 0 || goal_id[length] != '_' ||
      !g_ascii_string_to_unsigned(goal_id + length + 1, 10, 0, G_MAXUINT32, &index, NULL)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "goal id \"%s\" should be \"%s_N\" with a goal number N",
                goal_id, world->prefix);
    return -1;
  }
  if (index >= world->goals->n_items) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "goal id \"%s\" is beyond the last of this shop's %u %s goals; do catalogue and 'goals' agree with the "
                "recording?",
                goal_id, world->goals->n_items, shop_goal_kind_names[world->goals->kind]);
    return -1;
  }
  return (gint64)index;
}

void shop_record_free(CwRecord *record)
{
  if (record == NULL)
    return;
  RecordTexts *texts = record->reserved;
  g_ptr_array_free(texts->observations, TRUE);
  g_ptr_array_free(texts->actions, TRUE);
  g_free(texts->id);
  g_free(texts->overrides);
  g_free(texts);
  g_free(record);
}

/* What follows the last "Action:", or the whole text; trimmed, first line. */
static char *extract_action(const char *text)
{
  const char *start = g_strrstr(text, "Action:");
  start = start != NULL ? start + strlen("Action:") : text;
  while (g_ascii_isspace(*start))
    start++;
  char *action = g_strndup(start, strcspn(start, "\r\n"));
  return g_strchomp(action);
}

/* The bound in an observation's price clause; SHOP_NO_PRICE_LIMIT without one. */
static double read_bound(const char *observation)
{
  const char *clause = g_strrstr(observation, PRICE_CLAUSE);
  if (clause == NULL)
    return SHOP_NO_PRICE_LIMIT;
  const char *amount = clause + strlen(PRICE_CLAUSE);
  char *end;
  double bound = g_ascii_strtod(amount, &end);
  return end != amount && g_str_has_prefix(end, " dollars") && isfinite(bound) ? bound : SHOP_NO_PRICE_LIMIT;
}

static gboolean read_turns(const json_t *turns, RecordTexts *texts, GError **error)
{
  if (!json_is_array(turns) || json_array_size(turns) == 0) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "'turns' should be a list of turns, the site's first page first");
    return FALSE;
  }
  for (gsize i = 0; i < json_array_size(turns); i++) {
    const json_t *turn = json_array_get(turns, i);
    const char *from = json_string_value(json_object_get(turn, "from"));
    const char *text = json_string_value(json_object_get(turn, "text"));
    const char *expected = i % 2 == 0 ? "site" : "agent";
    if (text == NULL || g_strcmp0(from, expected) != 0) {
      g_set_error(
          error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
          "turn %" G_GSIZE_FORMAT " should be {\"from\": \"%s\", \"text\": ...}: site and agent alternate%s%s%s", i,
          expected, from != NULL ? ", found from \"" : "", from != NULL ? from : "", from != NULL ? "\"" : "");
      return FALSE;
    }
    if (i % 2 == 0)
      g_ptr_array_add(texts->observations, g_strdup(text));
    else
      g_ptr_array_add(texts->actions, extract_action(text));
  }
  return TRUE;
}

static gboolean fill(const ShopWorld *world, const json_t *object, CwRecord *record, GError **error)
{
  RecordTexts *texts = record->reserved;
  const json_t *id = json_object_get(object, "goal_id");
  if (!json_is_string(id)) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT,
                "expected an object with \"goal_id\" (\"%s_N\") and \"turns\"", world->prefix);
    return FALSE;
  }
  record->goal = shop_goal_index(world, json_string_value(id), error);
  if (record->goal < 0 || !read_turns(json_object_get(object, "turns"), texts, error))
    return FALSE;
  char bound[G_ASCII_DTOSTR_BUF_SIZE];
  texts->id = g_strdup(json_string_value(id));
  texts->overrides =
      g_strconcat("price_upper=", g_ascii_dtostr(bound, sizeof bound, read_bound(texts->observations->pdata[0])), NULL);
  record->id = texts->id;
  record->split = shop_split_name(SHOP_SPLIT_ALL);
  record->home_split = shop_split_name(shop_split_of_goal(
      world->catalogue, world->goals, (ShopSplitRule)world->settings.split_rule, (guint32)record->goal));
  record->overrides = texts->overrides;
  record->observations = (const char *const *)texts->observations->pdata;
  record->n_observations = texts->observations->len;
  record->actions = (const char *const *)texts->actions->pdata;
  record->n_actions = texts->actions->len;
  return TRUE;
}

CwRecord *shop_record_read(const ShopWorld *world, const char *line, const char *where, GError **error)
{
  if (line[strspn(line, " \t\r\n")] == '\0')
    return NULL;
  json_error_t problem;
  json_t *object = json_loads(line, 0, &problem);
  if (object == NULL) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "%s: not valid JSON: %s (byte %d of the line)", where,
                problem.text, problem.position);
    return NULL;
  }
  CwRecord *record = g_new0(CwRecord, 1);
  record->struct_size = sizeof *record;
  RecordTexts *texts = g_new0(RecordTexts, 1);
  texts->observations = g_ptr_array_new_with_free_func(g_free);
  texts->actions = g_ptr_array_new_with_free_func(g_free);
  record->reserved = texts;
  if (!fill(world, object, record, error)) {
    g_prefix_error(error, "%s: ", where);
    shop_record_free(record);
    record = NULL;
  }
  json_decref(object);
  return record;
}

gboolean shop_record_price_upper(const CwRecord *record, double *price_upper)
{
  if (record->overrides == NULL || !g_str_has_prefix(record->overrides, "price_upper="))
    return FALSE;
  const char *amount = record->overrides + strlen("price_upper=");
  char *end;
  *price_upper = g_ascii_strtod(amount, &end);
  return end != amount && *end == '\0';
}
