/* What plugins there are and what a feature is, in words: a table of everything, and one feature with its
 * options, for the terminal or as a page of Markdown. */
#include "core/plugin/describe.h"
#include "core/base/statistics.h"
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

/* The summary, and what keeps the feature from running here. Free with g_free. */
static char *summary_here(const CwRegisteredFeature *feature)
{
  g_autofree char *why = cw_feature_unavailable(feature);
  return why ? g_strdup_printf("%s; not on this machine: %s", feature->summary, why)
             : g_strdup(feature->summary);
}

char *cw_describe_features(CwRegistry *registry)
{
  static const char *const headings[] = {"kind", "name", "plugin", "version", "summary"};
  const GPtrArray *features = cw_registry_features(registry);
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    const CwPluginDescriptor *plugin = feature->plugin->descriptor;
    g_autofree char *described = summary_here(feature);
    const char *cells[] = {
        cw_feature_kind_name(feature->kind), feature->name, plugin->name, plugin->version, described, NULL};
    g_ptr_array_add(rows, g_strdupv((char **)cells));
  }
  if (rows->len > 0)
    return cw_format_table(headings, G_N_ELEMENTS(headings), rows);
  g_autofree char *path = g_strjoinv("\n  ", (char **)cw_registry_search_path(registry));
  return g_strdup_printf("no plugins found in\n  %s\n", path);
}

typedef struct {
  guint64 bit;
  const char *name;
} Capability;

/* "a, b, c" of the bits that are set; NULL when none is. */
static char *name_bits(guint64 bits, const Capability *capabilities, guint n)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; i < n; i++)
    if (bits & capabilities[i].bit)
      g_ptr_array_add(names, (gpointer)capabilities[i].name);
  g_ptr_array_add(names, NULL);
  return names->len > 1 ? g_strjoinv(", ", (char **)names->pdata) : NULL;
}

/* What the feature needs (an algorithm, with default options) or offers, as words; NULL when there is nothing
 * to say. */
static char *capabilities_text(const CwRegisteredFeature *feature)
{
  static const Capability needs[] = {{CW_NEEDS_TRAINING, "a policy that trains"},
                                     {CW_NEEDS_VALUES, "a value head"},
                                     {CW_NEEDS_REFERENCE, "a frozen reference"},
                                     {CW_NEEDS_TRAJECTORIES, "trajectories"}};
  static const Capability environment[] = {{CW_ENVIRONMENT_SCRIPTS, "scripted agents"},
                                           {CW_ENVIRONMENT_RECORDS, "reading recorded sessions"},
                                           {CW_ENVIRONMENT_FREE_TEXT, "actions as free text"},
                                           {CW_ENVIRONMENT_RESTORES, "sessions that can be saved"}};
  if (feature->kind == CW_FEATURE_ENVIRONMENT)
    return name_bits(feature->capabilities, environment, G_N_ELEMENTS(environment));
  if (feature->kind == CW_FEATURE_POLICY)
    return cw_policy_capabilities_text(feature->capabilities);
  /* A plugin may count on its required options, so without them it is not asked. */
  for (guint i = 0; i < feature->options.n_rows; i++)
    if (feature->options.rows[i].flags & CW_OPTION_REQUIRED)
      return NULL;
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  gpointer options = cw_options_fill(&feature->options, NULL, NULL, feature->name, diagnostics);
  char *text = name_bits(cw_algorithm_needs(feature, options), needs, G_N_ELEMENTS(needs));
  cw_options_free(&feature->options, options);
  cw_diagnostics_free(diagnostics);
  return text;
}

/* The metrics of an algorithm as they stand in metrics.jsonl, between `quote`s; NULL for other kinds. */
static char *metrics_text(const CwRegisteredFeature *feature, const char *quote)
{
  if (feature->kind != CW_FEATURE_ALGORITHM)
    return NULL;
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < feature->n_metrics; i++)
    g_string_append_printf(text, "%s%s%s/%s%s", text->len ? ", " : "", quote, feature->name,
                           feature->metrics[i].name, quote);
  return g_string_free(text, text->len == 0);
}

/* The further networks of an algorithm, each a key of its stage. */
static void add_networks(GString *text, const CwRegisteredFeature *feature, gboolean markdown)
{
  if (feature->n_networks > 0)
    g_string_append(text,
                    markdown ? "\nFurther networks, each a key of the stage that says what `policy` says:\n\n"
                               "| Network | Needs | Meaning |\n|---|---|---|\n"
                             : "\nfurther networks:\n");
  for (guint i = 0; i < feature->n_networks; i++) {
    const CwNetwork *network = &feature->networks[i];
    g_autofree char *needs = cw_policy_capabilities_text(network->needs);
    g_string_append_printf(text, markdown ? "| `%s` | %s | %s |\n" : "  %s (%s): %s\n", network->name,
                           needs ? needs : "scoring", network->help);
  }
}

static void add_conversion(GString *text, const CwRegisteredConversion *conversion, const char *verb,
                           const char *name, gboolean markdown)
{
  if (!conversion->run)
    return;
  g_autofree char *options =
      markdown ? cw_options_markdown(&conversion->options) : cw_options_help(&conversion->options);
  if (markdown)
    g_string_append_printf(text, "\n`cartwright %s %s KEY=VALUE... --into PATH`: %s.\n\n%s", verb, name,
                           conversion->summary, options);
  else
    g_string_append_printf(text, "\ncartwright %s %s KEY=VALUE... --into PATH: %s\n\n%s", verb, name,
                           conversion->summary, options);
}

static void add_feature(GString *text, const CwRegisteredFeature *feature, gboolean markdown)
{
  const CwPluginDescriptor *plugin = feature->plugin->descriptor;
  const char *kind = cw_feature_kind_name(feature->kind);
  const char *verb = feature->kind == CW_FEATURE_ALGORITHM ? "needs" : "offers";
  g_autofree char *capabilities = capabilities_text(feature);
  g_autofree char *metrics = metrics_text(feature, markdown ? "`" : "");
  g_autofree char *described = summary_here(feature);
  g_autofree char *options =
      markdown ? cw_options_markdown(&feature->options) : cw_options_help(&feature->options);
  if (markdown)
    g_string_append_printf(text, "# %s `%s`\n\n%s.\n\nPlugin `%s` %s (%s).\n", kind, feature->name,
                           feature->summary, plugin->name, plugin->version, plugin->license);
  else
    g_string_append_printf(text, "%s %s: %s\nplugin %s %s (%s), %s\n", kind, feature->name, described,
                           plugin->name, plugin->version, plugin->license, feature->plugin->path);
  if (capabilities)
    g_string_append_printf(text, markdown ? "It %s: %s.\n" : "%s: %s\n", verb, capabilities);
  if (metrics)
    g_string_append_printf(text, markdown ? "It reports: %s.\n" : "reports: %s\n", metrics);
  g_string_append_printf(text, "\n%s", options);
  add_networks(text, feature, markdown);
  add_conversion(text, &feature->import, "import", feature->name, markdown);
  add_conversion(text, &feature->export, "export", feature->name, markdown);
}

char *cw_describe_named(CwRegistry *registry, const char *name, gboolean markdown)
{
  const GPtrArray *features = cw_registry_features(registry);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint pass = 0; pass < 2 && text->len == 0; pass++)
    for (guint i = 0; i < features->len; i++) {
      const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
      if (!g_str_equal(pass == 0 ? feature->name : feature->plugin->descriptor->name, name))
        continue;
      if (text->len > 0)
        g_string_append_c(text, '\n');
      add_feature(text, feature, markdown);
    }
  return text->len > 0 ? g_strdup(text->str) : NULL;
}
