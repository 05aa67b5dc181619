/* The resolved experiment: every value with its origin, as YAML that loads to the same experiment; a
 * fingerprint over what must not change on resume; and the explanation of what did change. All three read one
 * list of values, made here and owned by the experiment. */
#include "core/base/printable.h"
#include "core/experiment/experiment_private.h"
#include <cartwright/error.h>
#include <string.h>

typedef struct {
  char *path, *text, *origin;
  char *plain;      /* of a saved value: a scalar as it is, without quotes; else NULL */
  gboolean is_file; /* names a file or a folder */
  gboolean resume_safe;
  gboolean as_ever; /* at the default of an option that older runs did not have */
} Value;

typedef struct {
  GString *text;
  GPtrArray *values; /* Value * */
} Writer;

static void value_free(gpointer data)
{
  Value *value = data;
  g_free(value->path);
  g_free(value->text);
  g_free(value->origin);
  g_free(value->plain);
  g_free(value);
}

static char *place_origin(CwPlace place)
{
  static const char prefix[] = "<command line>: ";
  g_autofree char *text = cw_place_text(place);
  g_autofree char *origin =
      g_filename_display_name(g_str_has_prefix(text, prefix) ? text + strlen(prefix) : text);
  g_strdelimit(origin, "\r\n", '?'); /* it goes into a comment */
  return cw_printable(origin, "");
}

/* Where a value came from: "configs/x.yaml:3:7", "--set #1", "default". Items of a list that were set one by
 * one are named too. */
static char *origin_of(const CwYamlNode *node)
{
  if (!node)
    return g_strdup("default");
  GString *origin = g_string_new(NULL);
  const char *last_file = node->place.file;
  g_autofree char *own = place_origin(node->place);
  g_string_append(origin, own);
  for (guint i = 0; node->kind == CW_YAML_SEQUENCE && i < node->items->len; i++) {
    const CwYamlNode *item = g_ptr_array_index(node->items, i);
    if (item->place.file != last_file && item->place.file != node->place.file) {
      g_autofree char *other = place_origin(item->place);
      g_string_append_printf(origin, ", %s", other);
    }
    last_file = item->place.file;
  }
  return g_string_free(origin, FALSE);
}

static void write_line(Writer *writer, const char *lead, const char *key, const char *text,
                       const char *origin)
{
  g_string_append_printf(writer->text, "%s%s:%s%s # %s\n", lead, key, *text ? " " : "", text, origin);
}

static void write_header(Writer *writer, const char *lead, const char *key, const CwYamlNode *node)
{
  g_autofree char *origin = origin_of(node && node->kind == CW_YAML_MAPPING ? node : NULL);
  write_line(writer, lead, key, "", origin);
}

/* Takes over `text`. */
static Value *write_value(Writer *writer, const char *lead, const char *path, const char *key, char *text,
                          const CwYamlNode *node, gboolean resume_safe)
{
  Value *value = g_new0(Value, 1);
  value->path = *path ? g_strdup_printf("%s.%s", path, key) : g_strdup(key);
  value->text = text;
  value->origin = origin_of(node);
  value->resume_safe = resume_safe;
  write_line(writer, lead, key, text, value->origin);
  g_ptr_array_add(writer->values, value);
  return value;
}

static void write_table(Writer *writer, const char *lead, const char *path, const CwOptionTable *table,
                        gconstpointer options, const CwYamlNode *mapping)
{
  for (guint i = 0; i < table->n_rows; i++) {
    const CwOption *row = &table->rows[i];
    Value *value = write_value(writer, lead, path, row->name, cw_options_value_text(row, options),
                               cw_yaml_get(mapping, row->name), (row->flags & CW_OPTION_RESUME_SAFE) != 0);
    value->is_file = row->type == CW_OPTION_PATH;
    value->as_ever = (row->flags & CW_OPTION_LATER) && g_strcmp0(value->text, row->default_value) == 0;
  }
}

/* `parent` is the path of the mapping that holds the key: "" or that of a stage. */
static void write_feature(Writer *writer, const char *parent, const char *key, const CwBinding *binding,
                          const CwYamlNode *root)
{
  const CwYamlNode *mapping = cw_yaml_get(root, key);
  const char *lead = *parent ? "    " : "", *inner = *parent ? "      " : "  ";
  g_autofree char *path = *parent ? g_strdup_printf("%s.%s", parent, key) : g_strdup(key);
  if (!binding->feature)
    return;
  write_header(writer, lead, key, mapping);
  write_value(writer, inner, path, "plugin", cw_options_quote(binding->feature->name),
              cw_yaml_get(mapping, "plugin"), FALSE);
  if (binding->from)
    write_value(writer, inner, path, "from", cw_options_quote(binding->from), cw_yaml_get(mapping, "from"),
                FALSE);
  write_table(writer, inner, path, &binding->feature->options, binding->options, mapping);
}

static void write_section(Writer *writer, const char *key, const CwOptionTable *table, gconstpointer options,
                          const CwYamlNode *root)
{
  const CwYamlNode *mapping = cw_yaml_get(root, key);
  write_header(writer, "", key, mapping);
  write_table(writer, "  ", key, table, options, mapping);
}

static void write_stage(Writer *writer, guint index, const CwStage *stage, const CwYamlNode *mapping)
{
  g_autofree char *path = g_strdup_printf("stages.%u", index);
  const char *kind = cw_stage_kind_names[stage->kind];
  if (stage->kind == CW_STAGE_ALGORITHM) {
    const CwRegisteredFeature *feature = stage->algorithm.feature;
    write_value(writer, "  - ", path, kind, cw_options_quote(feature->name), cw_yaml_get(mapping, kind),
                FALSE);
    write_table(writer, "    ", path, &cw_stage_table, stage->options, mapping);
    write_table(writer, "    ", path, &feature->options, stage->algorithm.options, mapping);
    for (guint i = 0; i < feature->n_networks; i++)
      write_feature(writer, path, feature->networks[i].name, &stage->networks[i], mapping);
    return;
  }
  g_autofree char *inner = g_strdup_printf("%s.%s", path, kind);
  const CwYamlNode *body = cw_yaml_get(mapping, kind);
  write_header(writer, "  - ", kind, body);
  if (stage->kind == CW_STAGE_GENERATE)
    write_table(writer, "      ", inner, &cw_generate_table, stage->generate, body);
  else
    write_table(writer, "      ", inner, &cw_import_table, stage->import, body);
  write_feature(writer, path, "policy", &stage->policy, mapping);
  write_table(writer, "    ", path, &cw_into_table, stage, mapping);
}

static void write_stages(Writer *writer, const CwExperiment *experiment, const CwYamlNode *root)
{
  const CwYamlNode *list = cw_yaml_get(root, "stages");
  g_autofree char *origin = origin_of(list);
  write_line(writer, "", "stages", experiment->stages->len ? "" : "[]", origin);
  for (guint i = 0; i < experiment->stages->len; i++)
    write_stage(writer, i, g_ptr_array_index(experiment->stages, i), g_ptr_array_index(list->items, i));
}

static char *fingerprint_of(const GPtrArray *values)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint i = 0; i < values->len; i++) {
    const Value *value = g_ptr_array_index(values, i);
    if (value->resume_safe || value->as_ever)
      continue;
    g_autofree char *line = g_strdup_printf("%s=%s\n", value->path, value->text);
    g_checksum_update(checksum, (const guchar *)line, -1);
  }
  return g_strdup(g_checksum_get_string(checksum));
}

void cw_experiment_resolve(CwExperiment *experiment, const CwYamlNode *root)
{
  Writer writer = {g_string_new(NULL), g_ptr_array_new_with_free_func(value_free)};
  write_table(&writer, "", "", &cw_experiment_top_table, experiment, root);
  write_feature(&writer, "", "environment", &experiment->environment, root);
  write_feature(&writer, "", "policy", &experiment->policy, root);
  write_section(&writer, "rollout", &cw_rollout_table, experiment->rollout, root);
  write_section(&writer, "checkpoint", &cw_checkpoint_table, experiment->checkpoint, root);
  write_stages(&writer, experiment, root);
  write_section(&writer, "evaluate", &cw_evaluate_table, experiment->evaluate, root);
  experiment->resolved = g_string_free(writer.text, FALSE);
  experiment->values = writer.values;
  experiment->fingerprint = fingerprint_of(writer.values);
}

static char *node_text(const CwYamlNode *node)
{
  if (node->kind == CW_YAML_SCALAR)
    return node->quoted ? cw_options_quote(node->scalar) : g_strdup(node->scalar);
  GString *text = g_string_new("[");
  for (guint i = 0; i < node->items->len; i++) {
    g_autofree char *item = node_text(g_ptr_array_index(node->items, i));
    g_string_append_printf(text, "%s%s", i ? ", " : "", item);
  }
  g_string_append_c(text, ']');
  return g_string_free(text, FALSE);
}

static gboolean holds_values(const CwYamlNode *node)
{
  const CwYamlNode *first =
      node->kind == CW_YAML_SEQUENCE && node->items->len ? g_ptr_array_index(node->items, 0) : NULL;
  return node->kind != CW_YAML_MAPPING && !(first && first->kind != CW_YAML_SCALAR);
}

/* Every value of a saved resolved text, path to text, in its order. */
static void flatten(const CwYamlNode *node, const char *path, GPtrArray *values)
{
  if (holds_values(node)) {
    Value *value = g_new0(Value, 1);
    value->path = g_strdup(path);
    value->text = node_text(node);
    value->plain = g_strdup(node->scalar);
    g_ptr_array_add(values, value);
    return;
  }
  for (guint i = 0; i < node->items->len; i++) {
    g_autofree char *number = g_strdup_printf("%u", i);
    const CwYamlPair *pair = node->kind == CW_YAML_MAPPING ? g_ptr_array_index(node->items, i) : NULL;
    g_autofree char *inner = g_strdup_printf("%s%s%s", path, *path ? "." : "", pair ? pair->key : number);
    flatten(pair ? pair->value : g_ptr_array_index(node->items, i), inner, values);
  }
}

static const Value *find_value(const GPtrArray *values, const char *path)
{
  for (guint i = 0; i < values->len; i++) {
    const Value *value = g_ptr_array_index(values, i);
    if (strcmp(value->path, path) == 0)
      return value;
  }
  return NULL;
}

/* Whether a value names another place of what is not any more where it was. What is in it is compared by the
 * run's conditions. */
static gboolean has_moved(const Value *value, const Value *before)
{
  return value->is_file && before && before->plain && strcmp(before->text, "null") != 0 &&
         strcmp(value->text, "null") != 0 && !g_file_test(before->plain, G_FILE_TEST_EXISTS);
}

/* The differences that forbid a resume, as sentences. `stages` itself has a value only when it is empty; its
 * items tell the rest. */
static GPtrArray *differences(const GPtrArray *present, const GPtrArray *saved, const char *const *but)
{
  GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < present->len; i++) {
    const Value *value = g_ptr_array_index(present, i), *before = find_value(saved, value->path);
    if (value->resume_safe || (but && g_strv_contains(but, value->path)) || has_moved(value, before) ||
        (before ? strcmp(before->text, value->text) == 0 : value->as_ever))
      continue;
    if (before)
      g_ptr_array_add(found, g_strdup_printf("%s was %s, is %s (%s)", value->path, before->text, value->text,
                                             value->origin));
    else
      g_ptr_array_add(found,
                      g_strdup_printf("%s was absent, is %s (%s)", value->path, value->text, value->origin));
  }
  for (guint i = 0; i < saved->len; i++) {
    const Value *before = g_ptr_array_index(saved, i);
    if (!find_value(present, before->path) && strcmp(before->path, "stages") != 0)
      g_ptr_array_add(found, g_strdup_printf("%s was %s, is absent", before->path, before->text));
  }
  return found;
}

gboolean cw_experiment_check_resume(const CwExperiment *experiment, const char *saved, const char *saved_name,
                                    const char *const *but, GError **error)
{
  enum { MOST = 5 };
  g_autoptr(CwDiagnostics) diagnostics = cw_diagnostics_new();
  g_autoptr(CwYamlNode) root = cw_yaml_parse_text(saved, saved_name, diagnostics);
  if (!cw_diagnostics_propagate(diagnostics, error))
    return FALSE;
  g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func(value_free);
  flatten(root, "", values);
  g_autoptr(GPtrArray) found = differences(experiment->values, values, but);
  if (found->len == 0)
    return TRUE;
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < MIN(found->len, MOST); i++)
    g_string_append_printf(text, "%s%s", i ? "; " : "", (const char *)g_ptr_array_index(found, i));
  if (found->len > MOST)
    g_string_append_printf(text, "; and %u more", found->len - MOST);
  g_set_error(error, CW_CONFIG_ERROR, CW_ERROR_CONFIGURATION,
              "%s: this run cannot be resumed with other values: %s. Set them back, or start a new run with "
              "--out DIR",
              saved_name, text->str);
  return FALSE;
}

static gboolean is_within(const Value *value, const char *path)
{
  gsize length = strlen(path);
  return strncmp(value->path, path, length) == 0 && strchr(".", value->path[length]) && !value->resume_safe;
}

char *cw_experiment_difference(const CwExperiment *first, const CwExperiment *second, const char *path)
{
  const CwExperiment *pairs[][2] = {{first, second}, {second, first}};
  for (guint pair = 0; pair < G_N_ELEMENTS(pairs); pair++)
    for (guint i = 0; i < pairs[pair][0]->values->len; i++) {
      const Value *value = g_ptr_array_index(pairs[pair][0]->values, i);
      if (!is_within(value, path))
        continue;
      const Value *other = find_value(pairs[pair][1]->values, value->path);
      const char *texts[] = {value->text, other ? other->text : "absent"};
      if (strcmp(texts[0], texts[1]) != 0)
        return g_strdup_printf("%s is %s and %s", value->path, texts[pair], texts[1 - pair]);
    }
  return NULL;
}
