/* One trajectory as one line of JSON, and back. Reading trusts nothing: every member is checked for presence,
 * type and range, and a complaint says where it is ("expert.jsonl:3: steps[2].chosen"), what was expected and
 * what was found. */
#include "core/base/json_text.h"
#include "core/trajectory/trajectory_build.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

/* What is there only when it was asked for. */
static void append_recorded(GString *json, const CwStep *step)
{
  gint advised = cw_step_advised(step);
  if (step->probabilities) {
    cw_json_begin(json, "probabilities", '[');
    for (guint i = 0; i < step->decision->n_candidates; i++)
      cw_json_float(json, NULL, step->probabilities[i]);
    cw_json_end(json, ']');
  }
  if (advised >= 0)
    cw_json_integer(json, "advised", advised);
  if (step->prompt)
    cw_json_string(json, "prompt", step->prompt);
  if (step->answer)
    cw_json_string(json, "answer", step->answer);
}

static void append_decision(GString *json, const CwDecision *decision)
{
  cw_json_string(json, "observation", decision->observation);
  cw_json_begin(json, "candidates", '[');
  for (guint i = 0; i < decision->n_candidates; i++)
    cw_json_string(json, NULL, decision->candidates[i]);
  cw_json_end(json, ']');
}

static void append_step(GString *json, const CwStep *step)
{
  cw_json_begin(json, NULL, '{');
  append_decision(json, step->decision);
  if (step->chosen == CW_WORDS)
    cw_json_string(json, "action", step->action);
  else
    cw_json_integer(json, "chosen", step->chosen);
  if (!isnan(step->log_probability))
    cw_json_float(json, "log_probability", step->log_probability);
  if (!isnan(step->value))
    cw_json_float(json, "value", step->value);
  cw_json_float(json, "reward", step->reward);
  cw_json_boolean(json, "terminated", step->terminated);
  cw_json_boolean(json, "truncated", step->truncated);
  append_recorded(json, step);
  cw_json_end(json, '}');
}

char *cw_trajectory_to_json(const CwTrajectory *trajectory)
{
  GString *json = g_string_new("{");
  cw_json_string(json, "split", trajectory->split);
  cw_json_integer(json, "goal", trajectory->goal);
  cw_json_string(json, "goal_id", trajectory->goal_id);
  cw_json_string(json, "agent", trajectory->agent);
  cw_json_integer(json, "episode", (gint64)trajectory->episode);
  cw_json_integer(json, "seed", trajectory->seed);
  cw_json_integer(json, "group", (gint64)trajectory->group);
  cw_json_double(json, "total_reward", trajectory->total_reward);
  cw_json_boolean(json, "success", trajectory->success);
  cw_json_begin(json, "parts", '{');
  for (guint i = 0; i < trajectory->n_parts; i++)
    cw_json_double(json, trajectory->parts[i].name, trajectory->parts[i].value);
  cw_json_end(json, '}');
  if (trajectory->n_facts > 0)
    cw_json_begin(json, "facts", '{');
  for (guint i = 0; i < trajectory->n_facts; i++)
    cw_json_string(json, trajectory->facts[i].name, trajectory->facts[i].text);
  if (trajectory->n_facts > 0)
    cw_json_end(json, '}');
  cw_json_begin(json, "steps", '[');
  for (guint i = 0; i < trajectory->n_steps; i++)
    append_step(json, trajectory->steps[i]);
  cw_json_end(json, ']');
  if (trajectory->first_step > 0)
    cw_json_integer(json, "first_step", trajectory->first_step);
  if (trajectory->after) {
    cw_json_begin(json, "after", '{');
    append_decision(json, trajectory->after);
    cw_json_end(json, '}');
  }
  g_string_append_c(json, '}');
  return g_string_free(json, FALSE);
}

/* What a reader knows: whom to complain to, about which place. `prefix` is the path of the object in hand: ""
 * or "steps[2].". */
typedef struct {
  const char *where;
  char prefix[40];
  GError **error;
} Reader;

/* Describes a value for "found ...". Free with g_free. */
static char *describe(const json_t *value)
{
  char number[32];
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    return g_strdup("an object");
  case JSON_ARRAY:
    return json_array_size(value) == 0 ? g_strdup("an empty array") : g_strdup("an array");
  case JSON_STRING:
    return g_strdup_printf("the string \"%.40s%s\"", json_string_value(value),
                           json_string_length(value) > 40 ? "..." : "");
  case JSON_INTEGER:
    return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
  case JSON_REAL:
    return g_strdup(g_ascii_dtostr(number, sizeof number, json_real_value(value)));
  case JSON_TRUE:
    return g_strdup("true");
  case JSON_FALSE:
    return g_strdup("false");
  default:
    return g_strdup("null");
  }
}

/* value NULL: the member is missing. Always returns FALSE. */
static gboolean complain(Reader *reader, const char *name, const char *expected, const json_t *value)
{
  g_autofree char *found = value ? describe(value) : g_strdup("nothing");
  g_set_error(reader->error, CW_RUN_ERROR, CW_ERROR_FORMAT, "%s: %s%s: expected %s, found %s", reader->where,
              reader->prefix, name, expected, found);
  return FALSE;
}

static gboolean read_string(Reader *reader, const json_t *object, const char *name, const char **result)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_string(value))
    return complain(reader, name, "a string", value);
  *result = json_string_value(value);
  return TRUE;
}

static gboolean read_integer(Reader *reader, const json_t *object, const char *name, gint64 minimum,
                             gint64 maximum, gint64 *result)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_integer(value) || json_integer_value(value) < minimum || json_integer_value(value) > maximum) {
    g_autofree char *expected =
        minimum == G_MININT64
            ? g_strdup("an integer")
            : g_strdup_printf("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, minimum, maximum);

    return complain(reader, name, expected, value);
  }
  *result = json_integer_value(value);
  return TRUE;
}

/* A number whose magnitude is at most `limit`. */
static gboolean read_number(Reader *reader, const json_t *object, const char *name, double limit,
                            double *result)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_number(value) || !(fabs(json_number_value(value)) <= limit))
    return complain(reader, name, limit < G_MAXDOUBLE ? "a number that fits 32 bits" : "a number", value);
  *result = json_number_value(value);
  return TRUE;
}

/* As read_number, into a float; NaN when the member is absent. */
static gboolean read_optional_float(Reader *reader, const json_t *object, const char *name, float *result)
{
  double number = NAN;
  if (json_object_get(object, name) && !read_number(reader, object, name, G_MAXFLOAT, &number))
    return FALSE;
  *result = (float)number;
  return TRUE;
}

static gboolean read_boolean(Reader *reader, const json_t *object, const char *name, gboolean *result)
{
  const json_t *value = json_object_get(object, name);
  if (!json_is_boolean(value))
    return complain(reader, name, "true or false", value);
  *result = json_is_true(value);
  return TRUE;
}

static gboolean read_candidates(Reader *reader, const json_t *object, GPtrArray *candidates)
{
  const json_t *array = json_object_get(object, "candidates"), *item;
  gsize i;
  if (!json_is_array(array) || json_array_size(array) == 0)
    return complain(reader, "candidates", "an array of at least one string", array);
  g_ptr_array_set_size(candidates, 0);
  json_array_foreach(array, i, item)
  {
    if (!json_is_string(item)) {
      g_autofree char *name = g_strdup_printf("candidates[%" G_GSIZE_FORMAT "]", i);
      return complain(reader, name, "a string", item);
    }
    g_ptr_array_add(candidates, (gpointer)json_string_value(item));
  }
  return TRUE;
}

static gboolean read_probabilities(Reader *reader, const json_t *object, guint n,
                                   CwTrajectoryBuilder *builder)
{
  const json_t *array = json_object_get(object, "probabilities"), *item;
  gsize i;
  if (!array)
    return TRUE;
  if (!json_is_array(array) || json_array_size(array) != n) {
    g_autofree char *expected = g_strdup_printf("an array of %u numbers, one for each candidate", n);
    return complain(reader, "probabilities", expected, array);
  }
  g_autofree float *probabilities = g_new(float, n);
  json_array_foreach(array, i, item)
  {
    if (!json_is_number(item) || !(json_number_value(item) >= 0 && json_number_value(item) <= 1.001)) {
      g_autofree char *name = g_strdup_printf("probabilities[%" G_GSIZE_FORMAT "]", i);
      return complain(reader, name, "a number from 0 to 1", item);
    }
    probabilities[i] = (float)json_number_value(item);
  }
  cw_trajectory_builder_set_probabilities(builder, probabilities);
  return TRUE;
}

/* NULL when the member is absent. */
static gboolean read_optional_string(Reader *reader, const json_t *object, const char *name,
                                     const char **result)
{
  *result = NULL;
  return !json_object_get(object, name) || read_string(reader, object, name, result);
}

/* An observation and its candidates, which borrow the strings of the object. */
static gboolean read_decision(Reader *reader, const json_t *object, GPtrArray *candidates,
                              CwObservation *observation)
{
  *observation = (CwObservation){.struct_size = sizeof *observation};
  if (!read_string(reader, object, "observation", &observation->text) ||
      !read_candidates(reader, object, candidates))
    return FALSE;
  observation->candidates = (const char *const *)candidates->pdata;
  observation->n_candidates = candidates->len;
  return TRUE;
}

/* The candidate's number, or CW_WORDS with the action. */
static gboolean read_choice(Reader *reader, const json_t *object, guint n, guint *chosen, const char **words)
{
  gint64 number = 0;
  *words = NULL;
  if (json_object_get(object, "action") && !json_object_get(object, "chosen")) {
    *chosen = CW_WORDS;
    return read_string(reader, object, "action", words);
  }
  if (!read_integer(reader, object, "chosen", 0, (gint64)n - 1, &number))
    return FALSE;
  *chosen = (guint)number;
  return TRUE;
}

/* -1 when the member is absent. */
static gboolean read_advised(Reader *reader, const json_t *object, guint n, gint64 *advised)
{
  *advised = -1;
  return !json_object_get(object, "advised") ||
         read_integer(reader, object, "advised", 0, (gint64)n - 1, advised);
}

/* Adds a step; its advice goes to `advice`, -1 without one: a trajectory takes it when it is finished. */
static gboolean read_step(Reader *reader, const json_t *object, GPtrArray *candidates,
                          CwTrajectoryBuilder *builder, GArray *advice)
{
  CwObservation observation;
  CwOutcome outcome = {.struct_size = sizeof outcome};
  const char *words, *prompt, *answer;
  float log_probability = NAN, value = NAN;
  double reward = 0;
  gint64 advised = -1;
  guint chosen = 0;
  if (!json_is_object(object)) {
    reader->prefix[strlen(reader->prefix) - 1] = '\0';
    return complain(reader, "", "an object", object);
  }
  if (!read_decision(reader, object, candidates, &observation) ||
      !read_choice(reader, object, candidates->len, &chosen, &words) ||
      !read_optional_string(reader, object, "prompt", &prompt) ||
      !read_optional_string(reader, object, "answer", &answer) ||
      !read_optional_float(reader, object, "log_probability", &log_probability) ||
      !read_optional_float(reader, object, "value", &value) ||
      !read_number(reader, object, "reward", G_MAXFLOAT, &reward) ||
      !read_boolean(reader, object, "terminated", &outcome.terminated) ||
      !read_boolean(reader, object, "truncated", &outcome.truncated) ||
      !read_advised(reader, object, candidates->len, &advised))
    return FALSE;
  outcome.reward = (float)reward;
  cw_trajectory_builder_decide(builder, &observation, chosen, log_probability, value);
  cw_trajectory_builder_set_words(builder, words, prompt, answer);
  cw_trajectory_builder_outcome(builder, &outcome);
  g_array_append_val(advice, advised);
  return read_probabilities(reader, object, candidates->len, builder);
}

static gboolean read_parts(Reader *reader, const json_t *root, CwTrajectoryBuilder *builder)
{
  json_t *parts = json_object_get(root, "parts"), *value;
  const char *name;
  if (!parts)
    return TRUE;
  if (!json_is_object(parts))
    return complain(reader, "parts", "an object of numbers", parts);
  g_strlcpy(reader->prefix, "parts.", sizeof reader->prefix);
  json_object_foreach(parts, name, value)
  {
    double number;
    if (!read_number(reader, parts, name, G_MAXDOUBLE, &number))
      return FALSE;
    cw_trajectory_builder_add_part(builder, name, number);
  }
  return TRUE;
}

static gboolean read_facts(Reader *reader, const json_t *root, CwTrajectoryBuilder *builder)
{
  json_t *facts = json_object_get(root, "facts"), *value;
  const char *name;
  if (!facts)
    return TRUE;
  reader->prefix[0] = '\0';
  if (!json_is_object(facts))
    return complain(reader, "facts", "an object of strings", facts);
  g_strlcpy(reader->prefix, "facts.", sizeof reader->prefix);
  json_object_foreach(facts, name, value)
  {
    if (!json_is_string(value))
      return complain(reader, name, "a string", value);
    cw_trajectory_builder_add_fact(builder, name, json_string_value(value));
  }
  return TRUE;
}

static gboolean read_steps(Reader *reader, const json_t *root, CwTrajectoryBuilder *builder, GArray *advice)
{
  const json_t *steps = json_object_get(root, "steps"), *step;
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  gsize i;

  if (!json_is_array(steps) || json_array_size(steps) == 0)
    return complain(reader, "steps", "an array of at least one step", steps);
  json_array_foreach(steps, i, step)
  {
    g_snprintf(reader->prefix, sizeof reader->prefix, "steps[%" G_GSIZE_FORMAT "].", i);
    if (!read_step(reader, step, candidates, builder, advice))
      return FALSE;
  }
  reader->prefix[0] = '\0';
  return TRUE;
}

static gboolean read_after(Reader *reader, const json_t *root, CwTrajectoryBuilder *builder)
{
  const json_t *after = json_object_get(root, "after");
  g_autoptr(GPtrArray) candidates = g_ptr_array_new();
  CwObservation observation;
  reader->prefix[0] = '\0';
  if (!after)
    return TRUE;
  if (!json_is_object(after))
    return complain(reader, "after", "an object", after);
  g_strlcpy(reader->prefix, "after.", sizeof reader->prefix);
  if (!read_decision(reader, after, candidates, &observation))
    return FALSE;
  cw_trajectory_builder_after(builder, &observation);
  return TRUE;
}

static CwTrajectory *read_root(CwStringPool *pool, const json_t *root, const char *where, GError **error)
{
  Reader reader = {.where = where, .error = error};
  gint64 goal = 0, episode = 0, seed = 0, group = 0, first_step = 0;
  const char *split = NULL, *goal_id = NULL, *agent = NULL;
  CwTrajectoryBuilder *builder;
  double total_reward = 0;
  gboolean success = FALSE;
  if (!json_is_object(root)) {
    g_autofree char *found = describe(root);
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected an object (one trajectory on each line), found %s", where, found);
    return NULL;
  }
  if (!read_string(&reader, root, "split", &split) ||
      !read_integer(&reader, root, "goal", G_MININT64, G_MAXINT64, &goal) ||
      !read_string(&reader, root, "goal_id", &goal_id) || !read_string(&reader, root, "agent", &agent) ||
      !read_integer(&reader, root, "episode", 0, G_MAXINT64, &episode) ||
      !read_integer(&reader, root, "seed", 0, G_MAXUINT32, &seed) ||
      (json_object_get(root, "group") && !read_integer(&reader, root, "group", 0, G_MAXINT64, &group)) ||
      (json_object_get(root, "first_step") &&
       !read_integer(&reader, root, "first_step", 0, G_MAXINT32, &first_step)) ||
      !read_number(&reader, root, "total_reward", G_MAXDOUBLE, &total_reward) ||
      !read_boolean(&reader, root, "success", &success))
    return NULL;
  builder = cw_trajectory_builder_new_in(pool, split, goal, goal_id, agent, (guint64)episode, (guint32)seed);
  cw_trajectory_builder_set_first_step(builder, (guint)first_step);
  g_autoptr(GArray) advice = g_array_new(FALSE, FALSE, sizeof(gint64));
  if (!read_steps(&reader, root, builder, advice) || !read_parts(&reader, root, builder) ||
      !read_facts(&reader, root, builder) || !read_after(&reader, root, builder)) {
    cw_trajectory_builder_free(builder);
    return NULL;
  }
  cw_trajectory_builder_set_group(builder, (guint64)group);
  cw_trajectory_builder_set_result(builder, total_reward, success);
  CwTrajectory *trajectory = cw_trajectory_builder_finish(builder);
  for (guint i = 0; i < advice->len; i++)
    if (g_array_index(advice, gint64, i) >= 0)
      cw_trajectory_set_advice(trajectory, i, (guint)g_array_index(advice, gint64, i));
  return trajectory;
}

CwTrajectory *cw_trajectory_from_json_in(CwStringPool *pool, const char *json, gsize length,
                                         const char *where, GError **error)
{
  CwTrajectory *trajectory;
  const char *end;
  json_error_t complaint;
  json_t *root;
  if (!g_utf8_validate_len(json, length, &end)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: byte %" G_GSIZE_FORMAT ": expected UTF-8, found byte 0x%02x", where,
                (gsize)(end - json) + 1, (guint)(guchar)*end);
    return NULL;
  }
  root = json_loadb(json, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &complaint);
  if (!root) {
    g_autofree char *found =
        g_utf8_make_valid(complaint.text, -1); /* the quoted text may be cut in a character */

    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: byte %d: expected one trajectory as JSON, found an error: %s", where, complaint.position,
                found);
    return NULL;
  }
  trajectory = read_root(pool, root, where, error);
  json_decref(root);
  return trajectory;
}

CwTrajectory *cw_trajectory_from_json(const char *json, gsize length, const char *where, GError **error)
{
  CwStringPool *pool = cw_string_pool_new(4096);
  CwTrajectory *trajectory = cw_trajectory_from_json_in(pool, json, length, where, error);
  cw_string_pool_unref(pool);
  return trajectory;
}
