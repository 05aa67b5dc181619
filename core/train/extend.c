/* Training a finished run on. The checkpoint at the end of the last stage holds the state of that stage, and
 * what its options were. Once config.yaml says more than that, the run is one that stands inside its last
 * stage, whoever resumes it: being killed in between loses nothing. */
#include "core/train/extend.h"
#include <string.h>

#define OPTIONS "options" /* the group */

static const CwStage *last_stage(const CwExperiment *experiment)
{
  guint n = experiment->stages->len;
  const CwStage *stage = n > 0 ? g_ptr_array_index(experiment->stages, n - 1) : NULL;
  return stage && stage->kind == CW_STAGE_ALGORITHM ? stage : NULL;
}

static gint64 value_of(const CwStage *stage, const CwOption *row)
{
  return *(const gint64 *)(gconstpointer)((const char *)stage->algorithm.options + row->offset);
}

/* Whole numbers that shape the result. */
static gboolean can_be_raised(const CwOption *row)
{
  return row->type == CW_OPTION_INTEGER && !(row->flags & CW_OPTION_RESUME_SAFE);
}

static const CwOption *find_row(const CwOptionTable *table, const char *name)
{
  for (guint i = 0; i < table->n_rows; i++)
    if (can_be_raised(&table->rows[i]) && strcmp(table->rows[i].name, name) == 0)
      return &table->rows[i];
  return NULL;
}

void cw_extend_save(const CwStage *stage, GKeyFile *state)
{
  const CwOptionTable *table = &stage->algorithm.feature->options;
  for (guint i = 0; i < table->n_rows; i++)
    if (can_be_raised(&table->rows[i]))
      g_key_file_set_int64(state, OPTIONS, table->rows[i].name, value_of(stage, &table->rows[i]));
}

/* Whether an option of the stage is another than when it ended. */
static gboolean is_extended(const CwStage *stage, GKeyFile *state)
{
  const CwOptionTable *table = &stage->algorithm.feature->options;
  gboolean extended = FALSE;
  for (guint i = 0; i < table->n_rows; i++) {
    const CwOption *row = &table->rows[i];
    if (can_be_raised(row) && g_key_file_has_key(state, OPTIONS, row->name, NULL))
      extended |= g_key_file_get_int64(state, OPTIONS, row->name, NULL) != value_of(stage, row);
  }
  return extended;
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION, "--continue: %s", text);
  return FALSE;
}

static char *assignment(const CwExperiment *experiment, const CwStage *stage, const char *asked,
                        GError **error)
{
  const CwOptionTable *table = &stage->algorithm.feature->options;
  const char *equals = strchr(asked, '='), *value = equals ? equals + 1 : "";
  g_autofree char *key = g_strndup(asked, equals ? (gsize)(equals - asked) : strlen(asked));
  const CwOption *row = find_row(table, key);
  gint64 number = 0;
  if (!row) {
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < table->n_rows; i++)
      if (can_be_raised(&table->rows[i]))
        g_ptr_array_add(names, (gpointer)table->rows[i].name);
    g_ptr_array_add(names, NULL);
    g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
    refuse(error, "'%s' is no whole number of algorithm '%s', the last stage's; those are %s", key,
           stage->algorithm.feature->name, list);
    return NULL;
  }
  if (!g_ascii_string_to_signed(value + (*value == '+'), 10, 0, G_MAXINT32, &number, NULL)) {
    refuse(error, "expected %s=+N (so many more) or %s=N, found '%s'", key, key, asked);
    return NULL;
  }
  gint64 present = value_of(stage, row);
  if (*value == '+')
    number += present;
  if (number <= present) {
    refuse(error, "%s is %" G_GINT64_FORMAT " already; expected more", key, present);
    return NULL;
  }
  return g_strdup_printf("stages.%u.%s=%" G_GINT64_FORMAT, experiment->stages->len - 1, key, number);
}

char **cw_extend_assignments(const CwExperiment *experiment, const char *const *asked, GError **error)
{
  const CwStage *stage = last_stage(experiment);
  g_autoptr(GPtrArray) assignments = g_ptr_array_new_null_terminated(0, g_free, TRUE);
  if (!stage) {
    refuse(error, "the last stage is none of an algorithm; there is nothing to train on");
    return NULL;
  }
  for (; *asked; asked++) {
    char *text = assignment(experiment, stage, *asked, error);
    if (!text)
      return NULL;
    g_ptr_array_add(assignments, text);
  }
  return (char **)g_ptr_array_free(g_steal_pointer(&assignments), FALSE);
}

gboolean cw_extend_resume_point(CwResumePoint *resume_point, const CwExperiment *experiment,
                                const char *const *asked, GError **error)
{
  guint n = experiment->stages->len;
  gboolean ended = resume_point && n > 0 && resume_point->stage == n && !resume_point->inside;
  const CwStage *stage = last_stage(experiment);
  gboolean holds_stage = ended && stage && g_key_file_has_group(resume_point->state, OPTIONS);
  if (asked && !ended)
    return refuse(error, "the run has not finished; let it finish with --resume first");
  if (asked && !holds_stage)
    return refuse(
        error,
        "%s does not hold the state of the last stage: the run is of a version that did not keep it. "
        "Begin a new run with policy: {from: RUN}",
        resume_point->directory);
  if (holds_stage && is_extended(stage, resume_point->state)) {
    resume_point->stage = n - 1;
    resume_point->inside = TRUE;
    g_key_file_set_boolean(resume_point->state, "stage", "done", FALSE);
  }
  return TRUE;
}
