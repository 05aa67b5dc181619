/* One mapping, options of several backends. A mapping that names a feature may hold, next to the options of
 * that one, mappings named after others; and when another one is chosen (by --set, or by a file over its
 * base), the flat keys that were written for the former one stay there. This leaves in the mapping what is
 * meant for the chosen feature, before anything is filled from it. What is left out is noted, a line a key.
 */
#include "core/experiment/experiment_private.h"
#include <string.h>

typedef struct {
  const CwBackends *backends;
  CwYamlNode *mapping;
  const CwYamlNode *name; /* the value that names the feature */
  const CwRegisteredFeature *chosen;
  const char *what; /* "policy", in messages */
  const CwOptionTable *core;
  const char *const *more; /* further keys of the core; NULL-terminated */
} Choice;

static const CwOption *find_row(const CwOptionTable *table, const char *name)
{
  for (guint i = 0; i < table->n_rows; i++)
    if (strcmp(table->rows[i].name, name) == 0)
      return &table->rows[i];
  return NULL;
}

static gboolean is_of_core(const Choice *choice, const char *key)
{
  return find_row(choice->core, key) || g_strv_contains(choice->more, key);
}

static void note(const Choice *choice, CwPlace place, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void note(const Choice *choice, CwPlace place, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments), *where = cw_place_text(place);
  va_end(arguments);
  g_ptr_array_add(choice->backends->notes, g_strdup_printf("%s: %s", where, text));
}

/* The options in the mapping of the chosen feature come before flat ones, but for those of the command line.
 */
static void hoist(const Choice *choice, const CwYamlNode *inner)
{
  for (guint i = 0; i < inner->items->len; i++) {
    CwYamlPair *pair = g_ptr_array_index(inner->items, i);
    const CwYamlPair *flat = cw_yaml_get_pair(choice->mapping, pair->key);
    if (is_of_core(choice, pair->key))
      cw_diagnostics_error(choice->backends->diagnostics, pair->place,
                           "misplaced key '%s' in the options of '%s'; it belongs to %s itself", pair->key,
                           choice->chosen->name, choice->what);
    else if (!flat || !cw_place_is_command_line(flat->value->place) ||
             cw_place_is_command_line(pair->value->place))
      cw_yaml_put(choice->mapping, pair->key, pair->place, g_steal_pointer(&pair->value));
  }
}

/* Complaints about options of a feature that was not chosen. */
static void look_at(const Choice *choice, const CwRegisteredFeature *feature, const CwYamlPair *pair)
{
  g_autofree char *what = g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
  CwOptionsScope scope = {.what = what, .place = pair->place, .partial = TRUE};
  cw_options_free(&feature->options,
                  cw_options_fill_in(&feature->options, pair->value, &scope, choice->backends->diagnostics));
}

/* Whether the key may be a misspelt one of the core or of the chosen feature. */
static gboolean is_near_an_option(const Choice *choice, const char *key)
{
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  const CwOptionTable *tables[] = {choice->core, &choice->chosen->options};
  for (guint t = 0; t < G_N_ELEMENTS(tables); t++)
    for (guint i = 0; i < tables[t]->n_rows; i++)
      g_ptr_array_add(words, (gpointer)tables[t]->rows[i].name);
  g_ptr_array_add(words, NULL);
  return cw_suggest(key, (const char *const *)words->pdata) != NULL;
}

/* In a stage, a mapping that names a plugin is meant for a network, even where the algorithm has none. */
static gboolean is_network(const Choice *choice, const CwYamlNode *mapping)
{
  return choice->chosen->kind == CW_FEATURE_ALGORITHM && cw_yaml_get_pair(mapping, "plugin");
}

/* Mappings named after features. The chosen one's is looked at last: it changes the flat keys. */
static void take_mappings(const Choice *choice)
{
  const CwRegisteredFeature *chosen = choice->chosen;
  CwYamlNode *own = NULL;
  for (guint i = 0; i < choice->mapping->items->len; i++) {
    CwYamlPair *pair = g_ptr_array_index(choice->mapping->items, i);
    if (pair->value->kind != CW_YAML_MAPPING || is_of_core(choice, pair->key) ||
        find_row(&chosen->options, pair->key) || is_network(choice, pair->value))
      continue;
    const CwRegisteredFeature *feature =
        cw_registry_find(choice->backends->registry, chosen->kind, pair->key, NULL);
    if (!feature && is_near_an_option(choice, pair->key))
      continue;
    if (feature == chosen)
      own = g_steal_pointer(&pair->value);
    else if (feature)
      look_at(choice, feature, pair);
    else
      note(choice, pair->place, "no %s '%s' is installed here; the options for it are not looked at",
           cw_feature_kind_name(chosen->kind), pair->key);
    cw_yaml_remove(choice->mapping, i--);
  }
  if (own)
    hoist(choice, own);
  cw_yaml_free(own);
}

/* For whom a flat key was written: for the feature that the same file names, else for the first that was
 * named. */
static const char *owner_of(const Choice *choice, const CwYamlPair *pair)
{
  const CwYamlNode *name = choice->name;
  if (cw_place_is_command_line(pair->value->place))
    return choice->chosen->name;
  for (; name->former && strcmp(name->place.file, pair->value->place.file) != 0; name = name->former)
    ;
  return name->scalar;
}

/* A path that the chosen feature can do without leads to files in the form of the other one. */
static gboolean is_foreign_path(const CwOption *row, const CwOption *theirs)
{
  return row && row->type == CW_OPTION_PATH && theirs && theirs->type == CW_OPTION_PATH &&
         !(row->flags & CW_OPTION_REQUIRED);
}

static void leave_out_former_keys(const Choice *choice)
{
  const CwRegisteredFeature *chosen = choice->chosen;
  for (guint i = 0; i < choice->mapping->items->len; i++) {
    const CwYamlPair *pair = g_ptr_array_index(choice->mapping->items, i);
    const char *owner = owner_of(choice, pair);
    if (is_of_core(choice, pair->key) || strcmp(owner, chosen->name) == 0)
      continue;
    const CwRegisteredFeature *former =
        cw_registry_find(choice->backends->registry, chosen->kind, owner, NULL);
    const CwOption *row = find_row(&chosen->options, pair->key);
    const CwOption *theirs = former ? find_row(&former->options, pair->key) : NULL;
    if (is_foreign_path(row, theirs))
      note(choice, pair->place, "%s in %s is left out: it is a path for '%s', and '%s' can do without",
           pair->key, choice->what, owner, chosen->name);
    else if (!row && (theirs || !former))
      note(choice, pair->place, "%s in %s is left out: it is for '%s', %s", pair->key, choice->what, owner,
           former ? "and the one chosen does not have it" : "which is not installed here");
    else
      continue;
    cw_yaml_remove(choice->mapping, i--);
  }
}

void cw_experiment_choose(const CwBackends *backends, CwYamlNode *mapping, const char *what,
                          const CwOptionTable *name_table, const CwOptionTable *core, const char *const *more,
                          const CwRegisteredFeature *chosen)
{
  Choice choice = {backends, mapping, cw_yaml_get(mapping, name_table->rows[0].name), chosen, what,
                   core,     more};
  take_mappings(&choice);
  if (choice.name->former)
    leave_out_former_keys(&choice);
}
