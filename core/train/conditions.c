/* Gathers and compares conditions. They are a key file: group "conditions", group "builds", and group
 * "accepted", which only grows. */
#include "core/train/conditions.h"
#include "config.h"
#include "core/base/durable.h"
#include "core/plugin/build_id.h"
#include "core/train/resume_point.h"
#include <stdlib.h>
#include <string.h>

#define CONDITIONS "conditions"
#define BUILDS     "builds"
#define ACCEPTED   "accepted"
#define FILE_NAME  "conditions.ini"
#define WEIGHTS    "policy.weights"

struct CwConditions {
  GKeyFile *file;
  GPtrArray *accepted; /* char *: name, text, ..., NULL */
  char **accept;       /* names of differences that are to be lived with; may be NULL */
};

static const CwStage *stage_at(const CwRun *run, guint i)
{
  return g_ptr_array_index(run->experiment->stages, i);
}

/* A name that a key file can hold. */
static char *key_of(const char *prefix, const char *name)
{
  return g_strdelimit(g_strconcat(prefix, name, NULL), "=[]\n", '_');
}

static void add_build(CwConditions *conditions, const char *name, gconstpointer address)
{
  g_autofree char *id = cw_build_id(address);
  g_key_file_set_string(conditions->file, BUILDS, name, id);
}

static void add_feature(CwConditions *conditions, const char *key, const CwRegisteredFeature *feature)
{
  const CwPluginDescriptor *descriptor = feature->plugin->descriptor;
  g_autofree char *value = g_strdup_printf("%s %s", feature->name, descriptor->version);
  g_key_file_set_string(conditions->file, CONDITIONS, key, value);
  /* The vtable is a copy of the host's own, but what it points to is the plugin's. */
  add_build(conditions, feature->name, *(const gconstpointer *)feature->vtable.any);
}

/* Results do not depend on the number of threads. `but`: another fact to leave out, or "". */
static void add_facts(CwConditions *conditions, const char *prefix, const char *const *facts, const char *but)
{
  for (; facts && facts[0] && facts[1]; facts += 2) {
    g_autofree char *key = key_of(prefix, facts[0]);
    if (!g_str_equal(facts[0], "threads") && !g_str_equal(facts[0], but))
      g_key_file_set_string(conditions->file, CONDITIONS, key, facts[1]);
  }
}

static gboolean add_file(CwConditions *conditions, const char *key, const char *path, GError **error)
{
  guint64 size;
  guint32 crc;
  if (!cw_measure_file(path, &size, &crc, error))
    return FALSE;
  g_autofree char *value = g_strdup_printf("%" G_GUINT64_FORMAT " bytes, CRC32C %08x", size, crc);
  g_key_file_set_string(conditions->file, CONDITIONS, key, value);
  return TRUE;
}

/* A policy of another run, by the manifest of its checkpoint, which has the checksums of all of it. */
static void add_other_policy(CwConditions *conditions, guint i, const char *policy_from)
{
  g_autofree char *policy = cw_resume_point_policy_of(policy_from, NULL);
  g_autofree char *checkpoint = policy ? g_path_get_dirname(policy) : NULL;
  g_autofree char *manifest = policy ? g_build_filename(checkpoint, "manifest.json", NULL) : NULL;
  g_autofree char *key = g_strdup_printf("stages.%u.policy_from", i);
  if (manifest)
    add_file(conditions, key, manifest, NULL);
}

/* What a stage reads from outside the run. A file that cannot be read is the stage's to complain about. */
static void add_inputs(CwConditions *conditions, const CwRun *run, guint i)
{
  const CwStage *stage = stage_at(run, i);
  char **trajectories = stage->kind == CW_STAGE_ALGORITHM ? stage->options->trajectories : NULL;
  g_autofree char *sessions = g_strdup_printf("stages.%u.sessions", i);
  if (stage->kind == CW_STAGE_IMPORT)
    add_file(conditions, sessions, stage->import->sessions, NULL);
  if (stage->generate && stage->generate->policy_from)
    add_other_policy(conditions, i, stage->generate->policy_from);
  for (guint k = 0; trajectories && trajectories[k]; k++) {
    g_autofree char *key = g_strdup_printf("stages.%u.trajectories.%u", i, k);
    if (cw_run_writer_of(run, i, trajectories[k]) < 0)
      add_file(conditions, key, trajectories[k], NULL);
  }
}

static gboolean add_output(CwConditions *conditions, const CwRun *run, const char *name, GError **error)
{
  g_autofree char *key = key_of("trajectories/", name);
  g_autofree char *path = g_build_filename(run->directory, "trajectories", name, NULL);
  return add_file(conditions, key, path, error);
}

gboolean cw_conditions_add_stage(CwConditions *conditions, const CwRun *run, guint stage, GError **error)
{
  const CwStage *written = stage_at(run, stage);
  const char *rejected = written->generate ? written->generate->rejected_into : NULL;
  return (!written->into || add_output(conditions, run, written->into, error)) &&
         (!rejected || add_output(conditions, run, rejected, error));
}

static void add_policy(CwConditions *conditions, const char *key, CwPolicy *policy, const char *but,
                       gboolean with_weights)
{
  g_autofree char *prefix = g_strconcat(key, ".", NULL), *name = g_strconcat(key, ".weights", NULL);
  g_autofree char *weights = with_weights ? cw_policy_fingerprint(policy) : NULL;
  add_feature(conditions, key, cw_policy_feature(policy));
  add_facts(conditions, prefix, cw_policy_describe(policy), but);
  if (weights)
    g_key_file_set_string(conditions->file, CONDITIONS, name, weights);
}

CwConditions *cw_conditions_new(const CwRun *run, guint first_stage)
{
  CwConditions *conditions = g_new0(CwConditions, 1);
  conditions->file = g_key_file_new();
  conditions->accepted = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  g_key_file_set_string(conditions->file, CONDITIONS, "cartwright", PACKAGE_VERSION);
  add_build(conditions, "cartwright", (gconstpointer)(guintptr)cw_conditions_new);
  add_feature(conditions, "environment", cw_environment_feature(run->environment));
  add_facts(conditions, "environment.", cw_environment_describe(run->environment), "");
  /* A checkpoint that stands in for the model says nothing of what the run began with. */
  if (run->policy)
    add_policy(conditions, "policy", run->policy, run->loss.model_is_gone ? "model" : "",
               !run->loss.initial_is_gone);
  for (guint i = 0; i < run->experiment->stages->len; i++) {
    g_autofree char *key = g_strdup_printf("stages.%u.algorithm", i);
    if (stage_at(run, i)->kind == CW_STAGE_ALGORITHM)
      add_feature(conditions, key, stage_at(run, i)->algorithm.feature);
    if (i >= first_stage)
      add_inputs(conditions, run, i);
    else
      cw_conditions_add_stage(conditions, run, i,
                              NULL); /* what is gone is needed no more, or will be missed */
  }
  return conditions;
}

void cw_conditions_free(CwConditions *conditions)
{
  if (!conditions)
    return;
  g_key_file_unref(conditions->file);
  g_ptr_array_unref(conditions->accepted);
  g_strfreev(conditions->accept);
  g_free(conditions);
}

static void accept_difference(CwConditions *conditions, const char *name, const char *text)
{
  g_key_file_set_string(conditions->file, ACCEPTED, name, text);
  g_ptr_array_add(conditions->accepted, g_strdup(name));
  g_ptr_array_add(conditions->accepted, g_strdup(text));
}

/* What is not gathered any more, because no stage to come needs it, stays recorded. */
static void keep_recorded(CwConditions *conditions, GKeyFile *recorded)
{
  g_auto(GStrv) names = g_key_file_get_keys(recorded, CONDITIONS, NULL, NULL);
  for (guint i = 0; names && names[i]; i++) {
    g_autofree char *value = g_key_file_get_value(recorded, CONDITIONS, names[i], NULL);
    if (!g_key_file_has_key(conditions->file, CONDITIONS, names[i], NULL))
      g_key_file_set_value(conditions->file, CONDITIONS, names[i], value);
  }
}

/* Calls `differ` for every key of the group that both have with different values. */
static void compare(GKeyFile *present, GKeyFile *recorded, const char *group,
                    void (*differ)(const char *name, const char *then, const char *now, gpointer data),
                    gpointer data)
{
  g_auto(GStrv) names = g_key_file_get_keys(recorded, group, NULL, NULL);
  for (guint i = 0; names && names[i]; i++) {
    g_autofree char *then = g_key_file_get_string(recorded, group, names[i], NULL);
    g_autofree char *now = g_key_file_get_string(present, group, names[i], NULL);
    if (then && now && strcmp(then, now) != 0)
      differ(names[i], then, now, data);
  }
}

typedef struct {
  CwConditions *conditions;
  GString *refused, *cure;
} Comparison;

static void weigh(const char *name, const char *then, const char *now, gpointer data)
{
  Comparison *comparison = data;
  char **accept = comparison->conditions->accept;
  if (accept && g_strv_contains((const char *const *)accept, name)) {
    g_autofree char *text = g_strdup_printf("%s -> %s", then, now);
    g_warning("going on with another %s: %s", name, text);
    accept_difference(comparison->conditions, name, text);
    return;
  }
  g_string_append_printf(comparison->refused, "\n  %s: it began with '%s', now it is '%s'", name, then, now);
  g_string_append_printf(comparison->cure, " --accept %s", name);
}

static void warn(const char *name, const char *then, const char *now, gpointer where)
{
  g_warning("%s: the run began with another build of '%s' (%.12s, now %.12s)", (const char *)where, name,
            then, now);
}

/* Those of a further network are not gathered before its stage, but perhaps recorded. */
static gboolean check_names(const CwConditions *conditions, GKeyFile *recorded, const char *const *accept,
                            GError **error)
{
  for (; accept && *accept; accept++)
    if (!g_key_file_has_key(conditions->file, CONDITIONS, *accept, NULL) &&
        !g_key_file_has_key(recorded, CONDITIONS, *accept, NULL)) {
      g_auto(GStrv) names = g_key_file_get_keys(conditions->file, CONDITIONS, NULL, NULL);
      const char *nearest = cw_suggest(*accept, (const char *const *)names);
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "--accept: no condition '%s'%s%s%s", *accept,
                  nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
      return FALSE;
    }
  return TRUE;
}

/* Whether what is `present` may go on with what is `recorded`. Other builds are warned about. */
static gboolean weigh_all(CwConditions *conditions, GKeyFile *present, GKeyFile *recorded, const char *where,
                          GError **error)
{
  g_autoptr(GString) refused = g_string_new(NULL), cure = g_string_new(NULL);
  Comparison comparison = {conditions, refused, cure};
  compare(present, recorded, CONDITIONS, weigh, &comparison);
  if (refused->len > 0) {
    g_set_error(
        error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
        "%s: the run would not end with the bytes of one that was never stopped:%s\n"
        "go back to what it began with, start afresh with --overwrite, or add%s, which the results will say",
        where, refused->str, cure->str);
    return FALSE;
  }
  compare(present, recorded, BUILDS, warn, (gpointer)where);
  return TRUE;
}

gboolean cw_conditions_check(CwConditions *conditions, GKeyFile *recorded, const char *where,
                             const char *const *accept, GError **error)
{
  g_auto(GStrv) names = g_key_file_get_keys(recorded, ACCEPTED, NULL, NULL);
  if (!check_names(conditions, recorded, accept, error))
    return FALSE;
  conditions->accept = g_strdupv((char **)accept);
  for (guint i = 0; names && names[i]; i++) {
    g_autofree char *text = g_key_file_get_string(recorded, ACCEPTED, names[i], NULL);
    accept_difference(conditions, names[i], text ? text : "");
  }
  if (!weigh_all(conditions, conditions->file, recorded, where, error))
    return FALSE;
  keep_recorded(conditions, recorded);
  return TRUE;
}

gboolean cw_conditions_add_network(CwConditions *conditions, guint stage, const char *name, CwPolicy *network,
                                   gboolean with_weights, const char *where, GError **error)
{
  CwConditions found = {.file = g_key_file_new()};
  g_autofree char *key = g_strdup_printf("stages.%u.%s", stage, name);
  add_policy(&found, key, network, "", with_weights);
  gboolean good = weigh_all(conditions, found.file, conditions->file, where, error);
  if (good)
    cw_conditions_save(&found, conditions->file);
  g_key_file_unref(found.file);
  return good;
}

const char *const *cw_conditions_accepted(const CwConditions *conditions)
{
  return (const char *const *)conditions->accepted->pdata;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the names: the same text, however they came. */
void cw_conditions_save(const CwConditions *conditions, GKeyFile *state)
{
  static const char *const groups[] = {CONDITIONS, BUILDS, ACCEPTED};
  for (guint i = 0; i < G_N_ELEMENTS(groups); i++) {
    gsize n = 0;
    g_auto(GStrv) names = g_key_file_get_keys(conditions->file, groups[i], &n, NULL);
    if (names)
      qsort(names, n, sizeof *names, compare_names);
    for (gsize k = 0; k < n; k++) {
      g_autofree char *value = g_key_file_get_value(conditions->file, groups[i], names[k], NULL);
      g_key_file_set_value(state, groups[i], names[k], value);
    }
  }
}

gboolean cw_conditions_write(const CwConditions *conditions, const char *directory, GError **error)
{
  gsize length;
  g_autoptr(GKeyFile) file = g_key_file_new();
  cw_conditions_save(conditions, file);
  g_autofree char *text = g_key_file_to_data(file, &length, NULL);
  g_autofree char *path = g_build_filename(directory, FILE_NAME, NULL);
  return cw_write_file(path, text, length, error);
}

GKeyFile *cw_conditions_read(const char *directory)
{
  g_autofree char *path = g_build_filename(directory, FILE_NAME, NULL);
  g_autoptr(GKeyFile) file = g_key_file_new();
  return g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL) ? g_steal_pointer(&file) : NULL;
}

char *cw_conditions_weights(GKeyFile *recorded)
{
  return g_key_file_get_string(recorded, CONDITIONS, WEIGHTS, NULL);
}

/* The place of a name in an enumeration, or -1. */
static gint find_value(const char *const *values, const char *name)
{
  for (gint i = 0; name && values[i]; i++)
    if (g_str_equal(values[i], name))
      return i;
  return -1;
}

gboolean cw_conditions_keep_auto(CwExperiment *experiment, GKeyFile *recorded, gboolean keep)
{
  const CwRegisteredFeature *feature = experiment->policy.feature;
  gboolean found = FALSE;
  for (guint i = 0; feature && i < feature->options.n_rows; i++) {
    const CwOption *row = &feature->options.rows[i];
    if (row->type != CW_OPTION_ENUM || !(row->flags & CW_OPTION_RESUME_SAFE))
      continue;
    g_autofree char *key = key_of("policy.", row->name);
    g_autofree char *began = g_key_file_get_string(recorded, CONDITIONS, key, NULL);
    gint *value = (gint *)(gpointer)((char *)experiment->policy.options + row->offset);
    gint automatic = find_value(row->values, "auto"), wanted = find_value(row->values, began);
    if (automatic < 0 || wanted < 0 || *value != (keep ? automatic : wanted))
      continue;
    *value = keep ? wanted : automatic;
    found = TRUE;
  }
  return found;
}
