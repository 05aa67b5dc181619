/* From a YAML file to an experiment: finds the features that it names, fills every section by its table, has
 * the whole cross-checked, and only then resolves it. Nothing is opened or loaded here but the plugins' code.
 * The experiment owns all options structs; features belong to the registry. */
#include "core/experiment/experiment.h"
#include "core/config/paths.h"
#include "core/experiment/experiment_private.h"
#include <string.h>

typedef struct {
  CwRegistry *registry;
  CwYamlNode *root;
  CwYamlNode *nothing; /* an empty mapping, for sections that are absent or empty */
  CwBinding environment, policy;
  GPtrArray *stages;     /* CwStage *, NULL for one that could not be understood */
  GArray *known;         /* CwKnownKey: every key of every table, with its home */
  GPtrArray *homes;      /* owns composed names of homes */
  GPtrArray *notes;      /* char *: what was left out */
  GPtrArray *folders;    /* const char *, NULL-terminated: the environment's, where stages look for files */
  const char *directory; /* the run that is being read, or NULL */
  CwDiagnostics *diagnostics;
} Loader;

static CwOptionsScope scope_of(const Loader *loader, const char *what, CwPlace place,
                               const char *const *also_allowed)
{
  CwOptionsScope scope = {.what = what,
                          .place = place,
                          .also_allowed = also_allowed,
                          .elsewhere = (const CwKnownKey *)(gpointer)loader->known->data,
                          .n_elsewhere = loader->known->len};
  return scope;
}

static void know_table(Loader *loader, const CwOptionTable *table, const char *home)
{
  for (guint i = 0; i < table->n_rows; i++) {
    CwKnownKey known = {table->rows[i].name, home};
    g_array_append_val(loader->known, known);
  }
}

static char *describe_feature(const CwRegisteredFeature *feature)
{
  return g_strdup_printf("%s '%s'", cw_feature_kind_name(feature->kind), feature->name);
}

static void know_feature(Loader *loader, const CwBinding *binding)
{
  if (!binding->feature)
    return;
  char *home = describe_feature(binding->feature);
  g_ptr_array_add(loader->homes, home);
  know_table(loader, &binding->feature->options, home);
}

static void know_core(Loader *loader)
{
  for (const char *const *section = cw_experiment_sections; *section; section++) {
    CwKnownKey known = {*section, "the top level"};
    g_array_append_val(loader->known, known);
  }
  know_table(loader, &cw_experiment_top_table, "the top level");
  know_table(loader, &cw_rollout_table, "rollout");
  know_table(loader, &cw_checkpoint_table, "checkpoint");
  know_table(loader, &cw_evaluate_table, "evaluate");
  know_table(loader, &cw_generate_table, "generate");
  know_table(loader, &cw_import_table, "import");
  know_table(loader, &cw_stage_table, "an algorithm stage");
  know_table(loader, &cw_into_table, "a generate or import stage");
  for (const char *const *kind = cw_stage_kind_names; *kind; kind++) {
    CwKnownKey known = {*kind, "a stage"};
    g_array_append_val(loader->known, known);
  }
}

static gboolean is_empty(const CwYamlNode *node)
{
  return node->kind == CW_YAML_SCALAR && !node->quoted && *node->scalar == '\0';
}

/* The mapping under `key` of `parent`; the empty one when it is absent or empty; NULL when it is something
 * else, which is complained about. */
static const CwYamlNode *section(Loader *loader, const CwYamlNode *parent, const char *key)
{
  const CwYamlNode *node = cw_yaml_get(parent, key);
  if (node && (node->faulty || node->kind == CW_YAML_MAPPING))
    return node->faulty ? NULL : node;
  if (!node || is_empty(node))
    return loader->nothing;
  cw_diagnostics_error(loader->diagnostics, node->place, "%s must be a mapping of keys to values, found %s",
                       key, node->kind == CW_YAML_SEQUENCE ? "a list" : "a single value");
  return NULL;
}

static CwPlace place_of_key(const CwYamlNode *mapping, const char *key)
{
  const CwYamlPair *pair = cw_yaml_get_pair(mapping, key);
  return pair ? pair->place : mapping->place;
}

/* Names of the core that a plugin must not use for options of its own. */
static void check_reserved(Loader *loader, const CwBinding *binding, const CwOptionTable *core)
{
  const CwRegisteredFeature *feature = binding->feature;
  guint n_options = feature->options.n_rows;
  for (guint i = 0; i < n_options + feature->n_networks; i++) {
    const char *name = i < n_options ? feature->options.rows[i].name : feature->networks[i - n_options].name;
    gboolean reserved = core == &cw_stage_table && g_strv_contains(cw_stage_kind_names, name);
    for (guint j = 0; j < core->n_rows; j++)
      reserved = reserved || strcmp(core->rows[j].name, name) == 0;
    if (reserved)
      cw_diagnostics_error(loader->diagnostics, binding->place,
                           "%s '%s' has %s '%s', a key of the core; this is a fault of the plugin %s",
                           cw_feature_kind_name(feature->kind), feature->name,
                           i < n_options ? "an option" : "a network", name, feature->plugin->path);
  }
}

/* The keys of a stage that name kinds of stages or networks of its algorithm. Free with g_ptr_array_unref. */
static GPtrArray *stage_keys(const CwRegisteredFeature *algorithm)
{
  GPtrArray *keys = g_ptr_array_new();
  for (const char *const *kind = cw_stage_kind_names; *kind; kind++)
    g_ptr_array_add(keys, (gpointer)*kind);
  for (guint i = 0; i < algorithm->n_networks; i++)
    g_ptr_array_add(keys, (gpointer)algorithm->networks[i].name);
  g_ptr_array_add(keys, NULL);
  return keys;
}

/* Leaves in the mapping what is for the feature that it names. */
static void choose(Loader *loader, CwYamlNode *mapping, const char *what, const CwOptionTable *name_table,
                   const CwRegisteredFeature *feature)
{
  static const char *const nothing[] = {NULL};
  g_autoptr(GPtrArray) keys = stage_keys(feature);
  const CwBackends backends = {loader->registry, loader->diagnostics, loader->notes};
  gboolean is_stage = name_table == &cw_algorithm_name_table;
  cw_experiment_choose(&backends, mapping, what, name_table, is_stage ? &cw_stage_table : name_table,
                       is_stage ? (const char *const *)keys->pdata : nothing, feature);
}

/* Finds the feature that `mapping` names; binding->feature stays NULL after a complaint. */
static void find_feature(Loader *loader, CwFeatureKind kind, const CwOptionTable *name_table,
                         CwYamlNode *mapping, const char *what, CwPlace place, CwBinding *binding)
{
  CwOptionsScope scope = scope_of(loader, what, place, NULL);
  scope.ignore_unknown = TRUE;
  CwFeatureName *chosen = cw_options_fill_in(name_table, mapping, &scope, loader->diagnostics);
  const CwYamlNode *value = cw_yaml_get(mapping, name_table->rows[0].name);
  binding->place = value ? value->place : place;
  if (chosen->name) {
    g_autoptr(GError) error = NULL;
    binding->feature = cw_registry_find(loader->registry, kind, chosen->name, &error);
    if (!binding->feature)
      cw_diagnostics_error(loader->diagnostics, binding->place, "%s", error->message);
    else {
      check_reserved(loader, binding, name_table == &cw_algorithm_name_table ? &cw_stage_table : name_table);
      choose(loader, mapping, what, name_table, binding->feature);
    }
  }
  binding->from = g_steal_pointer(&chosen->from);
  cw_options_free(name_table, chosen);
}

/* Finds the feature of the section `key` of `parent`, if there is one. */
static void find_section_feature(Loader *loader, CwYamlNode *parent, const char *key, CwFeatureKind kind,
                                 CwBinding *binding)
{
  const CwYamlNode *found = section(loader, parent, key);
  CwYamlPair *pair = (CwYamlPair *)cw_yaml_get_pair(parent, key);
  gboolean is_policy = kind == CW_FEATURE_POLICY;
  if (!found || !pair)
    return;
  if (is_policy && found == pair->value &&
      !cw_experiment_take_policy(&pair->value, loader->directory != NULL, loader->diagnostics))
    return;
  find_feature(loader, kind, is_policy ? &cw_policy_name_table : &cw_plugin_name_table,
               found == loader->nothing ? loader->nothing : pair->value, key, pair->place, binding);
  know_feature(loader, binding);
}

static void find_bound_features(Loader *loader)
{
  if (!cw_yaml_get(loader->root, "environment"))
    cw_diagnostics_error(loader->diagnostics, loader->root->place,
                         "missing key 'environment' in the experiment: a mapping with at least 'plugin'");
  find_section_feature(loader, loader->root, "environment", CW_FEATURE_ENVIRONMENT, &loader->environment);
  find_section_feature(loader, loader->root, "policy", CW_FEATURE_POLICY, &loader->policy);
}

static void stage_free(gpointer data)
{
  CwStage *stage = data;
  if (!stage)
    return;
  for (guint i = 0; stage->networks && i < stage->algorithm.feature->n_networks; i++) {
    CwBinding *network = &stage->networks[i];
    if (network->feature)
      cw_options_free(&network->feature->options, network->options);
    g_free(network->from);
  }
  g_free(stage->networks);
  cw_options_free(&cw_generate_table, stage->generate);
  cw_options_free(&cw_import_table, stage->import);
  cw_options_free(&cw_stage_table, stage->options);
  g_free(stage->policy.from);
  if (stage->policy.feature)
    cw_options_free(&stage->policy.feature->options, stage->policy.options);
  if (stage->algorithm.feature)
    cw_options_free(&stage->algorithm.feature->options, stage->algorithm.options);
  cw_options_free(&cw_into_table, stage);
}

/* -1 after a complaint when the stage is not exactly one of the kinds. */
static gint stage_kind(Loader *loader, const CwYamlNode *mapping)
{
  gint found = -1;
  for (gint kind = 0; cw_stage_kind_names[kind]; kind++) {
    if (!cw_yaml_get_pair(mapping, cw_stage_kind_names[kind]))
      continue;
    if (found >= 0) {
      cw_diagnostics_error(loader->diagnostics, mapping->place,
                           "a stage has both '%s' and '%s'; write two stages, each with one of them",
                           cw_stage_kind_names[found], cw_stage_kind_names[kind]);
      return -1;
    }
    found = kind;
  }
  if (found >= 0)
    return found;
  for (guint i = 0; i < mapping->items->len; i++) {
    const CwYamlPair *pair = g_ptr_array_index(mapping->items, i);
    const char *near = cw_suggest(pair->key, cw_stage_kind_names);
    if (near) {
      cw_diagnostics_error(loader->diagnostics, pair->place,
                           "unknown key '%s' in a stage; did you mean '%s'?", pair->key, near);
      return -1;
    }
  }
  cw_diagnostics_error(loader->diagnostics, mapping->place,
                       "a stage needs exactly one of 'generate', 'import' and 'algorithm'");
  return -1;
}

/* The features of the networks that the stage has keys for. */
static void find_networks(Loader *loader, CwStage *stage, CwYamlNode *mapping)
{
  const CwRegisteredFeature *algorithm = stage->algorithm.feature;
  stage->networks = g_new0(CwBinding, algorithm ? algorithm->n_networks : 0);
  for (guint i = 0; algorithm && i < algorithm->n_networks; i++)
    find_section_feature(loader, mapping, algorithm->networks[i].name, CW_FEATURE_POLICY,
                         &stage->networks[i]);
}

/* The stage's struct with its kind and, if it has one, its algorithm's feature. */
static CwStage *find_stage(Loader *loader, CwYamlNode *mapping)
{
  gint kind = stage_kind(loader, mapping);
  if (kind < 0)
    return NULL;
  CwStage *stage = cw_options_fill(&cw_into_table, NULL, NULL, "the stage", loader->diagnostics);
  stage->kind = kind;
  stage->place = mapping->place;
  if (kind == CW_STAGE_ALGORITHM) {
    find_feature(loader, CW_FEATURE_ALGORITHM, &cw_algorithm_name_table, mapping, "the stage", mapping->place,
                 &stage->algorithm);
    know_feature(loader, &stage->algorithm);
    find_networks(loader, stage, mapping);
  }
  if (kind == CW_STAGE_GENERATE)
    find_section_feature(loader, mapping, "policy", CW_FEATURE_POLICY, &stage->policy);
  return stage;
}

/* Whether a stage writes trajectories of that name. */
static gboolean writes(const CwStage *stage, const char *name)
{
  return stage && (g_strcmp0(stage->into, name) == 0 ||
                   (stage->generate && g_strcmp0(stage->generate->rejected_into, name) == 0));
}

/* Trajectories that no earlier stage writes are paths. */
static void find_trajectories(Loader *loader, guint index, const CwStage *stage, const CwYamlNode *value)
{
  char **names = stage->options->trajectories;
  for (guint i = 0; value && names && names[i]; i++) {
    g_autofree char *problem = NULL, *path = NULL;
    gboolean written = FALSE;
    for (guint k = 0; k < index; k++)
      written = written || writes(g_ptr_array_index(loader->stages, k), names[i]);
    CwPlace place = cw_experiment_item_place(value, i);
    if (written)
      continue;
    if (!(path = cw_path_expand(names[i], &problem))) {
      cw_diagnostics_error(loader->diagnostics, place, "trajectories in the stage %s", problem);
      continue;
    }
    g_free(names[i]);
    names[i] = cw_path_find(path, place, (const char *const *)loader->folders->pdata);
  }
}

static void fill_binding(Loader *loader, const CwYamlNode *parent, const char *key, CwBinding *binding)
{
  static const char *const plugin[] = {"plugin", NULL}, *const policy[] = {"plugin", "from", NULL};
  if (!binding->feature)
    return;
  g_autofree char *what = describe_feature(binding->feature);
  CwOptionsScope scope = scope_of(loader, what, place_of_key(parent, key),
                                  binding->feature->kind == CW_FEATURE_POLICY ? policy : plugin);
  binding->options =
      cw_options_fill_in(&binding->feature->options, cw_yaml_get(parent, key), &scope, loader->diagnostics);
}

static void fill_algorithm_stage(Loader *loader, guint index, CwStage *stage, const CwYamlNode *mapping,
                                 gboolean *filled)
{
  const CwRegisteredFeature *feature = stage->algorithm.feature;
  g_autofree char *what = feature ? describe_feature(feature) : g_strdup("the stage");
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  g_ptr_array_add(keys, "algorithm");
  for (guint i = 0; feature && i < feature->n_networks; i++) {
    g_ptr_array_add(keys, (gpointer)feature->networks[i].name);
    fill_binding(loader, mapping, feature->networks[i].name, &stage->networks[i]);
  }
  for (guint i = 0; i < cw_stage_table.n_rows; i++)
    g_ptr_array_add(keys, (gpointer)cw_stage_table.rows[i].name);
  g_ptr_array_add(keys, NULL);
  CwOptionsScope scope = scope_of(loader, what, mapping->place, (const char *const *)keys->pdata);
  guint n_complaints = cw_diagnostics_count(loader->diagnostics);
  if (feature)
    stage->algorithm.options = cw_options_fill_in(&feature->options, mapping, &scope, loader->diagnostics);
  scope.ignore_unknown = TRUE;
  stage->options = cw_options_fill_in(&cw_stage_table, mapping, &scope, loader->diagnostics);
  find_trajectories(loader, index, stage, cw_yaml_get(mapping, "trajectories"));
  *filled = feature && cw_diagnostics_count(loader->diagnostics) == n_complaints;
}

static void fill_data_stage(Loader *loader, CwStage *stage, const CwYamlNode *mapping)
{
  const char *key = cw_stage_kind_names[stage->kind];
  const char *const allowed[] = {key, stage->kind == CW_STAGE_GENERATE ? "policy" : NULL, NULL};
  g_autofree char *what = g_strdup_printf("the %s stage", key);
  CwOptionsScope scope = scope_of(loader, what, mapping->place, allowed);
  CwStage *filled = cw_options_fill_in(&cw_into_table, mapping, &scope, loader->diagnostics);
  stage->into = g_steal_pointer(&filled->into);
  cw_options_free(&cw_into_table, filled);
  fill_binding(loader, mapping, "policy", &stage->policy);
  const CwYamlNode *body = section(loader, mapping, key);
  scope = scope_of(loader, key, place_of_key(mapping, key), NULL);
  scope.folders = (const char *const *)loader->folders->pdata;
  if (stage->kind == CW_STAGE_GENERATE)
    stage->generate = cw_options_fill_in(&cw_generate_table, body, &scope, loader->diagnostics);
  else
    stage->import = cw_options_fill_in(&cw_import_table, body, &scope, loader->diagnostics);
}

/* The list under `stages`, or NULL when there is none. */
static const CwYamlNode *stage_list(Loader *loader)
{
  const CwYamlNode *list = cw_yaml_get(loader->root, "stages");
  if (!list || list->faulty || is_empty(list) || list->kind == CW_YAML_SEQUENCE)
    return list && list->kind == CW_YAML_SEQUENCE ? list : NULL;
  cw_diagnostics_error(loader->diagnostics, list->place,
                       "stages must be a list, each item starting with '- '; found %s",
                       list->kind == CW_YAML_MAPPING ? "a mapping" : "a single value");
  return NULL;
}

static CwYamlNode *stage_mapping(Loader *loader, CwYamlNode *item)
{
  if (item->faulty || item->kind == CW_YAML_MAPPING)
    return item->faulty ? NULL : item;
  cw_diagnostics_error(loader->diagnostics, item->place,
                       "a stage must be a mapping of keys to values, found %s",
                       item->kind == CW_YAML_SEQUENCE ? "a list" : "a single value");
  return NULL;
}

static void find_stages(Loader *loader, const CwYamlNode *list)
{
  for (guint i = 0; list && i < list->items->len; i++) {
    CwYamlNode *mapping = stage_mapping(loader, g_ptr_array_index(list->items, i));
    g_ptr_array_add(loader->stages, mapping ? find_stage(loader, mapping) : NULL);
  }
}

/* For every stage, whether the options of an algorithm were in order. Free with g_free. */
static gboolean *fill_stages(Loader *loader, const CwYamlNode *list)
{
  gboolean *filled = g_new0(gboolean, loader->stages->len + 1);
  for (guint i = 0; i < loader->stages->len; i++) {
    CwStage *stage = g_ptr_array_index(loader->stages, i);
    if (stage && stage->kind == CW_STAGE_ALGORITHM)
      fill_algorithm_stage(loader, i, stage, g_ptr_array_index(list->items, i), &filled[i]);
    else if (stage)
      fill_data_stage(loader, stage, g_ptr_array_index(list->items, i));
  }
  return filled;
}

/* The folders that the environment's paths name: what belongs to a shop may stand in it. */
static void find_folders(Loader *loader)
{
  const CwBinding *binding = &loader->environment;
  for (guint i = 0; binding->feature && i < binding->feature->options.n_rows; i++) {
    const CwOption *row = &binding->feature->options.rows[i];
    char *path =
        row->type == CW_OPTION_PATH ? *(char **)(gpointer)((char *)binding->options + row->offset) : NULL;
    if (path && g_file_test(path, G_FILE_TEST_IS_DIR))
      g_ptr_array_add(loader->folders, path);
  }
  g_ptr_array_add(loader->folders, NULL);
}

static gpointer fill_section(Loader *loader, const char *key, const CwOptionTable *table)
{
  CwOptionsScope scope = scope_of(loader, key, place_of_key(loader->root, key), NULL);
  return cw_options_fill_in(table, section(loader, loader->root, key), &scope, loader->diagnostics);
}

/* `name` and `output`, where the file leaves them out. */
static void derive_names(CwExperiment *experiment, const char *path)
{
  if (!experiment->name) {
    g_autofree char *base = g_path_get_basename(path);
    char *dot = strrchr(base, '.');
    if (dot && dot != base && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0))
      *dot = '\0';
    experiment->name = g_filename_display_name(base);
  }
  if (!experiment->output)
    experiment->output = g_build_filename("runs", experiment->name, NULL);
}

/* All features are found before anything is filled, so that a key of one is recognised in the mapping of
 * another. */
static CwExperiment *load(Loader *loader, const char *path)
{
  const CwYamlNode *list = stage_list(loader);
  know_core(loader);
  find_bound_features(loader);
  find_stages(loader, list);
  CwOptionsScope scope = scope_of(loader, "the experiment", loader->root->place, cw_experiment_sections);
  scope.from_here = TRUE; /* `output` is made, not found */
  CwExperiment *experiment =
      cw_options_fill_in(&cw_experiment_top_table, loader->root, &scope, loader->diagnostics);
  experiment->directory = g_strdup(loader->directory);
  experiment->notes = g_ptr_array_ref(loader->notes);
  fill_binding(loader, loader->root, "environment", &loader->environment);
  fill_binding(loader, loader->root, "policy", &loader->policy);
  find_folders(loader);
  g_autofree gboolean *filled = fill_stages(loader, list);
  experiment->environment = loader->environment;
  experiment->policy = loader->policy;
  experiment->stages = g_ptr_array_ref(loader->stages);
  experiment->rollout = fill_section(loader, "rollout", &cw_rollout_table);
  experiment->checkpoint = fill_section(loader, "checkpoint", &cw_checkpoint_table);
  experiment->evaluate = fill_section(loader, "evaluate", &cw_evaluate_table);
  derive_names(experiment, path);
  cw_experiment_check(experiment, loader->root, filled, loader->diagnostics);
  if (cw_diagnostics_count(loader->diagnostics) == 0)
    cw_experiment_resolve(experiment, loader->root);
  return experiment;
}

static CwExperiment *load_root(Loader *loader, const char *path, const char *const *sets)
{
  for (guint i = 0; sets && sets[i] && loader->root && loader->root->kind != CW_YAML_SEQUENCE; i++)
    cw_yaml_set(loader->root, sets[i], i + 1, loader->diagnostics);
  const CwYamlPair *base = cw_yaml_get_pair(loader->root, "base");
  if (base)
    cw_diagnostics_error(
        loader->diagnostics, base->place,
        "base cannot be set: it says which file to begin with before anything is set; write it into a "
        "file");
  if (loader->root && loader->root->kind == CW_YAML_MAPPING)
    return load(loader, path);
  if (loader->root && !loader->root->faulty)
    cw_diagnostics_error(loader->diagnostics, loader->root->place,
                         "an experiment must be a mapping of keys to values, found %s",
                         loader->root->kind == CW_YAML_SEQUENCE ? "a list" : "a single value");
  return NULL;
}

static CwExperiment *load_file(const char *path, const char *directory, const char *const *sets,
                               CwRegistry *registry, GError **error)
{
  CwYamlNode nothing = {.kind = CW_YAML_MAPPING, .items = g_ptr_array_new()};
  Loader loader = {.registry = registry,
                   .nothing = &nothing,
                   .stages = g_ptr_array_new_with_free_func(stage_free),
                   .known = g_array_new(FALSE, FALSE, sizeof(CwKnownKey)),
                   .homes = g_ptr_array_new_with_free_func(g_free),
                   .notes = g_ptr_array_new_with_free_func(g_free),
                   .folders = g_ptr_array_new(),
                   .directory = directory,
                   .diagnostics = cw_diagnostics_new()};
  loader.root = cw_yaml_load(path, loader.diagnostics);
  CwExperiment *experiment = load_root(&loader, path, sets);
  if (!cw_diagnostics_propagate(loader.diagnostics, error))
    g_clear_pointer(&experiment, cw_experiment_free);
  g_ptr_array_unref(loader.notes);
  g_ptr_array_free(loader.folders, TRUE);
  g_ptr_array_free(nothing.items, TRUE);
  g_ptr_array_unref(loader.stages);
  g_ptr_array_free(loader.homes, TRUE);
  g_array_free(loader.known, TRUE);
  cw_yaml_free(loader.root);
  cw_diagnostics_free(loader.diagnostics);
  return experiment;
}

CwExperiment *cw_experiment_load(const char *path, const char *const *sets, CwRegistry *registry,
                                 GError **error)
{
  return load_file(path, NULL, sets, registry, error);
}

CwExperiment *cw_experiment_load_run(const char *directory, const char *const *sets, CwRegistry *registry,
                                     GError **error)
{
  g_autofree char *path = g_build_filename(directory, "config.yaml", NULL);
  return load_file(path, directory, sets, registry, error);
}

void cw_experiment_free(CwExperiment *experiment)
{
  if (!experiment)
    return;
  if (experiment->environment.feature)
    cw_options_free(&experiment->environment.feature->options, experiment->environment.options);
  if (experiment->policy.feature)
    cw_options_free(&experiment->policy.feature->options, experiment->policy.options);
  g_free(experiment->policy.from);
  g_free(experiment->directory);
  g_ptr_array_unref(experiment->notes);
  cw_options_free(&cw_rollout_table, experiment->rollout);
  cw_options_free(&cw_checkpoint_table, experiment->checkpoint);
  cw_options_free(&cw_evaluate_table, experiment->evaluate);
  g_ptr_array_unref(experiment->stages);
  if (experiment->values)
    g_ptr_array_free(experiment->values, TRUE);
  g_free(experiment->resolved);
  g_free(experiment->fingerprint);
  cw_options_free(&cw_experiment_top_table, experiment);
}
