/* What the loader says about features that are not whole, without files: the plugin is made up here. */
#include "core/plugin/loader.h"
#include "tests/plugin/fixtures/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const CwPolicyVtable sound_vtable = {FIXTURE_VTABLE};

static const CwOption sound_rows[] = {
    {"count", CW_OPTION_INTEGER, offsetof(FixtureOptions, count), .default_value = "3", .help = "how many"},
};

static CwFeature sound_feature(void)
{
  CwFeature feature = {CW_FEATURE_POLICY,   "made_up",
                       "Made up",           &sound_vtable,
                       sizeof sound_vtable, CW_FEATURE_OPTIONS(sound_rows, FixtureOptions)};

  return feature;
}

/* Features of a plugin made of `features`, which lie `size` bytes apart. */
static GPtrArray *load(gconstpointer features, guint n, gsize size, const GPtrArray *registered,
                       GError **error)
{
  CwPluginDescriptor descriptor = {CW_PLUGIN_MAGIC,
                                   CW_ABI_MAJOR,
                                   CW_ABI_MINOR,
                                   sizeof descriptor,
                                   (guint32)size,
                                   "made_up",
                                   "1",
                                   "MIT",
                                   "Made up",
                                   features,
                                   n};
  static CwLoadedPlugin plugin;
  GPtrArray *none = g_ptr_array_new();
  GPtrArray *copies;

  plugin.path = (char *)"made_up.so";
  plugin.descriptor = &descriptor;
  copies = cw_loader_features(&plugin, registered ? registered : none, error);
  plugin.descriptor = NULL;
  g_ptr_array_free(none, TRUE);
  return copies;
}

static void assert_refused(const CwFeature *feature, const char *message)
{
  GError *error = NULL;
  assert_null(load(feature, 1, sizeof *feature, NULL, &error));
  assert_non_null(error);
  assert_string_equal(error->message, message);
  assert_true(g_error_matches(error, CW_PLUGIN_ERROR, CW_ERROR_FORMAT));
  g_error_free(error);
}

static void test_sound_feature_is_copied(void **state)
{
  CwFeature feature = sound_feature();
  GPtrArray *copies = load(&feature, 1, sizeof feature, NULL, NULL);
  const CwRegisteredFeature *copy;
  (void)state;
  assert_int_equal(copies->len, 1);
  copy = copies->pdata[0];
  assert_int_equal(copy->kind, CW_FEATURE_POLICY);
  assert_string_equal(copy->name, "made_up");
  assert_ptr_not_equal(copy->vtable.policy, &sound_vtable);
  assert_memory_equal(copy->vtable.policy, &sound_vtable, sizeof sound_vtable);
  assert_int_equal(copy->options.n_rows, 1);
  assert_int_equal(copy->options.size, sizeof(FixtureOptions));
  assert_string_equal(copy->options.rows[0].name, "count");
  g_ptr_array_free(copies, TRUE);
}

/* What a newer plugin of the same minor might bring: longer structs everywhere. */
static void test_longer_structs_are_cut_to_ours(void **state)
{
  struct {
    CwPolicyVtable vtable;
    gpointer future[4];
  } vtable = {sound_vtable, {NULL}};
  struct {
    CwOption row;
    gint64 future;
  } rows[2] = {{sound_rows[0], -1}, {sound_rows[0], -1}};
  struct {
    CwFeature feature;
    gint64 future[3];
  } features[2] = {{sound_feature(), {-1, -1, -1}}, {sound_feature(), {-1, -1, -1}}};
  GPtrArray *copies;
  (void)state;
  rows[1].row.name = "more";
  rows[1].row.offset = sizeof(FixtureOptions);
  for (guint i = 0; i < 2; i++) {
    features[i].feature.vtable = &vtable;
    features[i].feature.vtable_size = sizeof vtable;
    features[i].feature.options = &rows[0].row;
    features[i].feature.n_options = 2;
    features[i].feature.option_size = sizeof rows[0];
    features[i].feature.options_size = 2 * sizeof(FixtureOptions);
  }
  features[1].feature.name = "other";
  copies = load(features, 2, sizeof features[0], NULL, NULL);
  assert_int_equal(copies->len, 2);
  assert_string_equal(((CwRegisteredFeature *)copies->pdata[1])->name, "other");
  assert_string_equal(((CwRegisteredFeature *)copies->pdata[1])->options.rows[1].name, "more");
  g_ptr_array_free(copies, TRUE);
}

static gboolean update_nothing(gconstpointer options G_GNUC_UNUSED, gpointer state G_GNUC_UNUSED,
                               CwUpdate *update G_GNUC_UNUSED, gboolean *done, GError **error G_GNUC_UNUSED)
{
  return *done = TRUE;
}

/* An algorithm with a network `name` next to one that is called "critic". */
static void assert_network(const char *name, const char *help, const char *fault)
{
  static const CwMetric metrics[] = {{"loss", NULL, CW_LOWER_IS_BETTER}};
  const CwNetwork networks[] = {{"critic", "values", CW_POLICY_VALUES}, {name, help, 0}};
  const CwAlgorithmVtable vtable = {CW_METRICS(metrics), CW_NETWORKS(networks), .update = update_nothing};
  CwFeature feature = {CW_FEATURE_ALGORITHM,
                       "made_up",
                       "Made up",
                       &vtable,
                       sizeof vtable,
                       CW_FEATURE_OPTIONS(sound_rows, FixtureOptions)};
  g_autofree char *message =
      g_strdup_printf("made_up.so: algorithm 'made_up': expected networks with help and names of their own, "
                      "found %s (network 1, '%s'); correct that row",
                      fault, name ? name : "(null)");
  assert_refused(&feature, message);
}

static void test_networks_need_names_of_their_own(void **state G_GNUC_UNUSED)
{
  assert_network(NULL, "values", "a network without a name or a help");
  assert_network("target", NULL, "a network without a name or a help");
  assert_network("The target", "lags", "a name that is not of lower-case letters, digits and underscores");
  assert_network("policy", "lags", "the name of an agent");
  assert_network("critic", "lags", "this name twice");
  assert_network("count", "lags", "the name of one of its options");
}

static void test_unknown_kind_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.kind = (CwFeatureKind)9;
  assert_refused(&feature,
                 "made_up.so: feature 0: expected kind 1 (algorithm), 2 (environment) or 3 (policy), found "
                 "9; use a CW_FEATURE_... constant");
}

static void test_number_of_rows_that_nobody_counted_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.n_options = 0x7fffffff;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected at most 10000 option rows, found n_options "
                 "2147483647; fill the option members with CW_FEATURE_OPTIONS(...)");
}

static void test_missing_name_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.name = NULL;
  assert_refused(&feature,
                 "made_up.so: feature 0: expected a name and a summary, found NULL; fill both in its "
                 "CwFeature");
}

static void test_name_with_capitals_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.name = "MadeUp";
  assert_refused(&feature, "made_up.so: policy 'MadeUp': expected a name of lower-case letters, digits and "
                           "underscores that starts with a letter, found this one; rename the feature");
}

static void test_missing_vtable_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.vtable = NULL;
  assert_refused(&feature, "made_up.so: policy 'made_up': expected a vtable, found NULL; set .vtable and "
                           ".vtable_size");
}

static void test_short_vtable_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.vtable_size = 16;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected a vtable of at least 80 bytes and a multiple of 8, "
                 "found vtable_size 16; set it to the sizeof of the vtable");
}

static void test_missing_rows_are_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.options = NULL;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected 1 option rows, found NULL; fill the option members "
                 "with CW_FEATURE_OPTIONS(...)");
}

static void test_short_rows_are_refused(void **state)
{
  CwFeature feature = sound_feature();
  (void)state;
  feature.option_size = 8;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected option rows of at least 72 bytes and a multiple of "
                 "8, found option_size 8; fill the option members with CW_FEATURE_OPTIONS(...)");
}

static void test_option_outside_of_its_struct_is_refused(void **state)
{
  CwFeature feature = sound_feature();
  GError *error = NULL;
  (void)state;
  feature.options_size = 4;
  assert_null(load(&feature, 1, sizeof feature, NULL, &error));
  assert_true(g_str_has_prefix(error->message,
                               "made_up.so: policy 'made_up': expected a sound option table, found: "
                               "option 'count' "));
  g_error_free(error);
}

static gboolean no_run(gconstpointer options, const char *into, CwProgressSink progress,
                       gpointer progress_data, GError **error)
{
  (void)options, (void)into, (void)progress, (void)progress_data, (void)error;
  return TRUE;
}

static const CwConversion sound_conversion = {sizeof sound_conversion, "A into B", no_run,
                                              CW_FEATURE_OPTIONS(sound_rows, FixtureOptions)};

/* A policy whose import is `conversion`. */
static CwFeature importing_feature(CwPolicyVtable *vtable, const CwConversion *conversion)
{
  CwFeature feature = sound_feature();
  *vtable = sound_vtable;
  vtable->importer = conversion;
  feature.vtable = vtable;
  return feature;
}

static void test_conversion_is_copied(void **state)
{
  CwPolicyVtable vtable;
  CwFeature feature = importing_feature(&vtable, &sound_conversion);
  GPtrArray *copies = load(&feature, 1, sizeof feature, NULL, NULL);
  const CwRegisteredFeature *copy = copies->pdata[0];
  (void)state;
  assert_true(copy->import.run == no_run);
  assert_string_equal(copy->import.summary, "A into B");
  assert_int_equal(copy->import.options.n_rows, 1);
  assert_int_equal(copy->import.options.size, sizeof(FixtureOptions));
  assert_null(copy->export.run);
  g_ptr_array_free(copies, TRUE);
}

static void test_bad_conversions_are_refused(void **state)
{
  static const CwOption bad_rows[] = {
      {"count", CW_OPTION_INTEGER, offsetof(FixtureOptions, count), .default_value = "many",
       .help = "how many"},
  };
  CwConversion conversion = sound_conversion;
  CwPolicyVtable vtable;
  CwFeature feature = importing_feature(&vtable, &conversion);

  (void)state;
  conversion.struct_size = 8;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected an import of at least 44 bytes, found struct_size "
                 "8; set it to sizeof(CwConversion)");
  conversion = sound_conversion;
  conversion.run = NULL;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected an import with a summary and a run function, found "
                 "NULL");
  conversion = sound_conversion;
  conversion.option_size = 0;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected the option members of its import to be filled with "
                 "CW_FEATURE_OPTIONS(...), found 1 rows of 0 bytes");
  conversion = sound_conversion;
  conversion.options = bad_rows;
  assert_refused(&feature,
                 "made_up.so: policy 'made_up': expected a sound option table in its import, found: option "
                 "'count' has a default that is 'many'; expected an integer; correct that row");
}

static void test_one_name_may_serve_two_kinds(void **state)
{
  CwRegisteredFeature other = {.kind = CW_FEATURE_ENVIRONMENT, .name = "made_up"};
  GPtrArray *registered = g_ptr_array_new();
  CwFeature feature = sound_feature();
  GPtrArray *copies;
  (void)state;
  g_ptr_array_add(registered, &other);
  copies = load(&feature, 1, sizeof feature, registered, NULL);
  assert_int_equal(copies->len, 1);
  g_ptr_array_free(copies, TRUE);
  g_ptr_array_free(registered, TRUE);
}

/* The table of slots, through what it misses in an empty vtable. */
static void test_every_kind_has_its_required_slots(void **state)
{
  static const struct {
    CwFeatureKind kind;
    guint64 capabilities;
    const char *const slots[16];
  } expected[] = {
      {CW_FEATURE_ALGORITHM, 0, {"metrics", "update"}},
      {CW_FEATURE_ENVIRONMENT,
       CW_ENVIRONMENT_SCRIPTS | CW_ENVIRONMENT_RECORDS | CW_ENVIRONMENT_FREE_TEXT,
       {"open", "close", "describe", "n_goals", "session_new", "session_free", "reset", "observe", "step",
        "step_text", "scripts", "scripted_action", "read_record", "free_record", "reset_record",
        "candidate_of"}},
      {CW_FEATURE_POLICY,
       CW_POLICY_TRAINS | CW_POLICY_CLONES,
       {"open", "close", "describe", "score", "save", "load", "forward", "backward", "step", "clone_frozen"}},
  };
  guint j;

  (void)state;
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    gpointer slots[64];
    gsize size = cw_loader_vtable_size(expected[i].kind), n = size / sizeof slots[0], slot;
    const char *needed_by = NULL, *missing;
    for (slot = 0; slot < n; slot++)
      slots[slot] = &slots[slot];
    assert_null(cw_loader_missing_slot(expected[i].kind, expected[i].capabilities, slots, &needed_by));
    for (slot = 0, j = 0; slot < n; slot++) {
      slots[slot] = NULL;
      missing = cw_loader_missing_slot(expected[i].kind, expected[i].capabilities, slots, &needed_by);
      if (missing) {
        guint k;
        for (k = 0; k < 16 && expected[i].slots[k] && strcmp(expected[i].slots[k], missing) != 0; k++)
          ;
        assert_true(k < 16 && expected[i].slots[k]);
        j++;
      }
      slots[slot] = &slots[slot];
    }
    for (slot = 0; slot < 16 && expected[i].slots[slot]; slot++)
      ;
    assert_int_equal(j, slot);
  }
}

/* Members of the structs that cross the seam stay where ABI 2.0 puts them. */
static void test_layout_of_abi_2_is_kept(void **state)
{
  (void)state;
  assert_int_equal(offsetof(CwPluginDescriptor, magic), 0);
  assert_int_equal(offsetof(CwPluginDescriptor, abi_major), 4);
  assert_int_equal(offsetof(CwPluginDescriptor, abi_minor), 6);
  assert_int_equal(offsetof(CwPluginDescriptor, struct_size), 8);
  assert_int_equal(offsetof(CwPluginDescriptor, feature_size), 12);
  assert_int_equal(offsetof(CwPluginDescriptor, n_features), 56);
  assert_int_equal(offsetof(CwFeature, vtable), 24);
  assert_int_equal(offsetof(CwFeature, capabilities), 40);
  assert_int_equal(offsetof(CwFeature, options_size), 64);
  assert_int_equal(offsetof(CwFeature, unavailable), 72);
  assert_int_equal(offsetof(CwOption, minimum), 32);
  assert_int_equal(offsetof(CwOption, help), 64);
  assert_int_equal(offsetof(CwPolicyVtable, load), 72);
  assert_int_equal(offsetof(CwPolicyVtable, visit_tensors), 88);
  assert_int_equal(offsetof(CwPolicyVtable, forward_words), 144);
  assert_int_equal(offsetof(CwEnvironmentVtable, restore_session), 176);
  assert_int_equal(offsetof(CwEnvironmentVtable, step), 64);
  assert_int_equal(offsetof(CwEnvironmentVtable, answer), 136);
  assert_int_equal(offsetof(CwEnvironmentVtable, importer), 144);
  assert_int_equal(offsetof(CwPolicyVtable, importer), 104);
  assert_int_equal(offsetof(CwPolicyVtable, counters), 120);
  assert_int_equal(offsetof(CwPolicyVtable, estimate_memory), 128);
  assert_int_equal(offsetof(CwOption, table), 72);
  assert_int_equal(offsetof(CwAlgorithmVtable, metrics), 24);
  assert_int_equal(offsetof(CwAlgorithmVtable, load_files), 96);
  assert_int_equal(offsetof(CwAlgorithmVtable, networks), 104);
  assert_int_equal(offsetof(CwCollectRequest, keep_after), 72);
  assert_int_equal(offsetof(CwDecision, n_candidates), 24);
  assert_int_equal(offsetof(CwDecision, history), 48);
  assert_int_equal(offsetof(CwStep, truncated), 36);
  assert_int_equal(offsetof(CwStep, answer), 72);
  assert_int_equal(offsetof(CwTrajectory, group), 104);
  assert_int_equal(offsetof(CwTrajectory, after), 152);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sound_feature_is_copied),
      cmocka_unit_test(test_longer_structs_are_cut_to_ours),
      cmocka_unit_test(test_networks_need_names_of_their_own),
      cmocka_unit_test(test_unknown_kind_is_refused),
      cmocka_unit_test(test_number_of_rows_that_nobody_counted_is_refused),
      cmocka_unit_test(test_missing_name_is_refused),
      cmocka_unit_test(test_name_with_capitals_is_refused),
      cmocka_unit_test(test_missing_vtable_is_refused),
      cmocka_unit_test(test_short_vtable_is_refused),
      cmocka_unit_test(test_missing_rows_are_refused),
      cmocka_unit_test(test_short_rows_are_refused),
      cmocka_unit_test(test_option_outside_of_its_struct_is_refused),
      cmocka_unit_test(test_conversion_is_copied),
      cmocka_unit_test(test_bad_conversions_are_refused),
      cmocka_unit_test(test_one_name_may_serve_two_kinds),
      cmocka_unit_test(test_every_kind_has_its_required_slots),
      cmocka_unit_test(test_layout_of_abi_2_is_kept),
  };

  return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
