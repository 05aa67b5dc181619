/* cartwright plugins: a table of everything on the search path, or one plugin or feature with its options,
 * for the terminal or as a documentation page; the core's own sections likewise. */
#include "core/cli/cli.h"
#include "core/plugin/describe.h"

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
  g_autofree char *text = name ? cw_describe_named(registry, name, markdown) : cw_describe_features(registry);
  if (text)
    cli_print(text);
  else {
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
