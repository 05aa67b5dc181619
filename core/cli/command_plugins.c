/* cartwright plugins: a table of everything on the search path, or one plugin or
 * feature with its options, for the terminal or as a documentation page. */
#include "core/base/statistics.h"
#include "core/cli/cli.h"

static void list_all(CwRegistry *registry)
{
  static const char *const headings[] = {"kind", "name", "plugin", "version", "summary"};
  const GPtrArray *features = cw_registry_features(registry);
  GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    const CwPluginDescriptor *plugin = feature->plugin->descriptor;
    const char *cells[] = {
        cw_feature_kind_name(feature->kind), feature->name, plugin->name, plugin->version, feature->summary, NULL};
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

static void show_feature(const CwRegisteredFeature *feature, gboolean markdown)
{
  const CwPluginDescriptor *plugin = feature->plugin->descriptor;
  const char *kind = cw_feature_kind_name(feature->kind);
  if (markdown) {
    g_autofree char *options = cw_options_markdown(&feature->options);
    cli_printf("# %s `%s`\n\n%s.\n\nPlugin `%s` %s (%s).\n\n%s", kind, feature->name, feature->summary, plugin->name,
               plugin->version, plugin->license, options);
  } else {
    g_autofree char *options = cw_options_help(&feature->options);
    cli_printf("%s %s: %s\nplugin %s %s (%s), %s\n\n%s", kind, feature->name, feature->summary, plugin->name,
               plugin->version, plugin->license, feature->plugin->path, options);
  }
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

static int unknown_name(CwRegistry *registry, const char *name)
{
  const GPtrArray *features = cw_registry_features(registry);
  g_autofree const char **names = g_new0(const char *, features->len + 1);
  for (guint i = 0; i < features->len; i++)
    names[i] = ((const CwRegisteredFeature *)g_ptr_array_index(features, i))->name;
  const char *suggestion = cw_suggest(name, names);
  return cli_usage_error("plugins", "no plugin or feature '%s'%s%s%s", name, suggestion ? "; did you mean '" : "",
                         suggestion ? suggestion : "", suggestion ? "'?" : "");
}

int cli_plugins(const char *arguments, const char *summary, char **argv)
{
  CliOptions options;
  gboolean markdown = FALSE;
  const GOptionEntry entries[] = {
      {"markdown", 0, 0, G_OPTION_ARG_NONE, &markdown, "with NAME: the options as a Markdown page", NULL}, {NULL}};
  int status;
  if (cli_parse(&options, arguments, summary, argv, entries, 0, 0, 1, &status)) {
    const char *name = options.operands ? options.operands[0] : NULL;
    CwRegistry *registry = cw_registry_new((const char *const *)options.plugin_path);
    GPtrArray *failures = g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
    cw_registry_load_all(registry, failures);
    for (guint i = 0; i < failures->len; i++)
      g_warning("%s", ((GError *)g_ptr_array_index(failures, i))->message);
    if (!name)
      list_all(registry);
    else if (!show_named(registry, name, markdown))
      status = unknown_name(registry, name);
    g_ptr_array_unref(failures);
    cw_registry_free(registry);
  }
  cli_options_clear(&options);
  return status;
}
