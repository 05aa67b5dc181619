/* cartwright plugins: a table of everything on the search path, or one plugin or feature with its options,
 * for the terminal or as a documentation page; the core's own sections likewise. */
#include "core/base/statistics.h"
#include "core/cli/cli.h"
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

/* The summary, and what keeps the feature from running here. Free with g_free. */
static char *summary_here(const CwRegisteredFeature *feature)
{
  g_autofree char *why = cw_feature_unavailable(feature);
  return why ? g_strdup_printf("%s; not on this machine: %s", feature->summary, why)
             : g_strdup(feature->summary);
}

static void list_all(CwRegistry *registry)
{
  static const char *const headings[] = {"kind", "name", "plugin", "version", "summary"};
  const GPtrArray *features = cw_registry_features(registry);
  GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    const CwPluginDescriptor *plugin = feature->plugin->descriptor;
    g_autofree char *described = summary_here(feature);
    const char *cells[] = {
        cw_feature_kind_name(feature->kind), feature->name, plugin->name, plugin->version, described, NULL};
    g_ptr_array_add(rows, g_strdupv((char **)cells));
  }
  if (rows->len > 0) {
    g_autofree char *table = cw_format_table(headings, G_N_ELEMENTS(headings), rows);
    cli_print(table);
  } else {
    g_autofree char *path = g_strjoinv("\n  ", (char **)cw_registry_search_path(registry));
    cli_printf("no plugins found in\n  %s\n", path);
  }
  g_ptr_array_unref(rows);
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
                                           {CW_ENVIRONMENT_RESTORES, "sessions that can be saved"},
                                           {CW_ENVIRONMENT_WRAPS, "a change of another environment"}};
  static const Capability policy[] = {{CW_POLICY_TRAINS, "training"},
                                      {CW_POLICY_VALUES, "a value head"},
                                      {CW_POLICY_CLONES, "frozen copies of itself"},
                                      {CW_POLICY_ON_DEVICE, "computing on an accelerator"},
                                      {CW_POLICY_ACTS, "choosing by itself"},
                                      {CW_POLICY_WORDS, "learning from actions in words"},
                                      {CW_POLICY_HISTORY, "reading the steps before"}};
  if (feature->kind == CW_FEATURE_ENVIRONMENT)
    return name_bits(feature->capabilities, environment, G_N_ELEMENTS(environment));
  if (feature->kind == CW_FEATURE_POLICY)
    return name_bits(feature->capabilities, policy, G_N_ELEMENTS(policy));
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

static void show_conversion(const CwRegisteredConversion *conversion, const char *verb, const char *name,
                            gboolean markdown)
{
  if (!conversion->run)
    return;
  g_autofree char *options =
      markdown ? cw_options_markdown(&conversion->options) : cw_options_help(&conversion->options);
  if (markdown)
    cli_printf("\n`cartwright %s %s KEY=VALUE... --into PATH`: %s.\n\n%s", verb, name, conversion->summary,
               options);
  else
    cli_printf("\ncartwright %s %s KEY=VALUE... --into PATH: %s\n\n%s", verb, name, conversion->summary,
               options);
}

static void show_feature(const CwRegisteredFeature *feature, gboolean markdown)
{
  const CwPluginDescriptor *plugin = feature->plugin->descriptor;
  const char *kind = cw_feature_kind_name(feature->kind);
  const char *verb = feature->kind == CW_FEATURE_ALGORITHM ? "needs" : "offers";
  g_autofree char *capabilities = capabilities_text(feature);
  g_autofree char *metrics = metrics_text(feature, markdown ? "`" : "");
  if (markdown) {
    g_autofree char *options = cw_options_markdown(&feature->options);
    cli_printf("# %s `%s`\n\n%s.\n\nPlugin `%s` %s (%s).\n", kind, feature->name, feature->summary,
               plugin->name, plugin->version, plugin->license);
    if (capabilities)
      cli_printf("It %s: %s.\n", verb, capabilities);
    if (metrics)
      cli_printf("It reports: %s.\n", metrics);
    cli_printf("\n%s", options);
  } else {
    g_autofree char *options = cw_options_help(&feature->options), *described = summary_here(feature);
    cli_printf("%s %s: %s\nplugin %s %s (%s), %s\n", kind, feature->name, described, plugin->name,
               plugin->version, plugin->license, feature->plugin->path);
    if (capabilities)
      cli_printf("%s: %s\n", verb, capabilities);
    if (metrics)
      cli_printf("reports: %s\n", metrics);
    cli_printf("\n%s", options);
  }
  show_conversion(&feature->import, "import", feature->name, markdown);
  show_conversion(&feature->export, "export", feature->name, markdown);
}

/* All features called `name`, or those of the plugin called so. FALSE: there are none. */
static gboolean show_named(CwRegistry *registry, const char *name, gboolean markdown)
{
  const GPtrArray *features = cw_registry_features(registry);
  guint n_shown = 0;
  for (guint pass = 0; pass < 2 && n_shown == 0; pass++)
    for (guint i = 0; i < features->len; i++) {
      const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
      if (!g_str_equal(pass == 0 ? feature->name : feature->plugin->descriptor->name, name))
        continue;
      if (n_shown++ > 0)
        cli_print("\n");
      show_feature(feature, markdown);
    }
  return n_shown > 0;
}

static int unknown_name(const char *what, const char *name, const char *const *names)
{
  const char *suggestion = cw_suggest(name, names);
  return cli_usage_error("plugins", "no %s '%s'%s%s%s", what, name, suggestion ? "; did you mean '" : "",
                         suggestion ? suggestion : "", suggestion ? "'?" : "");
}

static void show_section(const CwExperimentSection *section, gboolean markdown)
{
  g_autofree char *options = markdown ? cw_options_markdown(section->table) : cw_options_help(section->table);
  if (markdown)
    cli_printf("# `%s`\n\n%s.\n\n%s", section->name, section->summary, options);
  else
    cli_printf("%s: %s\n\n%s", section->name, section->summary, options);
}

/* The core's section called `name`, or all of them. */
static int show_core(const char *name, gboolean markdown)
{
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  guint n_shown = 0;
  for (const CwExperimentSection *section = cw_experiment_tables; section->name; section++) {
    g_ptr_array_add(names, (gpointer)section->name);
    if (name && !g_str_equal(section->name, name))
      continue;
    if (n_shown++ > 0)
      cli_print("\n");
    show_section(section, markdown);
  }
  g_ptr_array_add(names, NULL);
  return n_shown > 0 ? CLI_DONE
                     : unknown_name("section of the core", name, (const char *const *)names->pdata);
}

/* What was asked for of the plugins on the search path. */
static int show_plugins(const char *const *plugin_path, const char *name, gboolean markdown)
{
  int status = CLI_DONE;
  CwRegistry *registry = cw_registry_new(plugin_path);
  g_autoptr(GPtrArray) failures = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
  cw_registry_load_all(registry, failures);
  for (guint i = 0; i < failures->len; i++)
    g_warning("%s", ((GError *)g_ptr_array_index(failures, i))->message);
  if (!name)
    list_all(registry);
  else if (!show_named(registry, name, markdown)) {
    const GPtrArray *features = cw_registry_features(registry);
    g_autofree const char **names = g_new0(const char *, features->len + 1);
    for (guint i = 0; i < features->len; i++)
      names[i] = ((const CwRegisteredFeature *)g_ptr_array_index(features, i))->name;
    status = unknown_name("plugin or feature", name, names);
  }
  cw_registry_free(registry);
  return status;
}

int cli_plugins(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  gboolean markdown = FALSE, core = FALSE;
  const GOptionEntry entries[] = {{"core", 0, 0, G_OPTION_ARG_NONE, &core,
                                   "the keys of the core's own sections, or of section NAME", NULL},
                                  {"markdown", 0, 0, G_OPTION_ARG_NONE, &markdown,
                                   "with NAME or --core: the options as a Markdown page", NULL},
                                  {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, 0, 0, 1, &status)) {
    const char *name = options.operands ? options.operands[0] : NULL;
    status = core ? show_core(name, markdown)
                  : show_plugins((const char *const *)options.plugin_path, name, markdown);
  }
  cli_options_clear(&options);
  return status;
}
