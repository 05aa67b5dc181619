/* Opening an environment for somebody else's program: finds the plugin, fills its option table from words,
 * and keeps both for as long as anybody holds a reference. */
#include "core/embed/environment.h"

#include "core/plugin/convert.h"

#include <string.h>

#define PLACE "<options>"

static gboolean takes_word(const CwYamlNode *mapping, const char *word, CwPlace place,
                           CwDiagnostics *diagnostics)
{
  const char *equals = strchr(word, '=');
  if (!g_utf8_validate(word, -1, NULL)) {
    cw_diagnostics_error(diagnostics, place, "expected KEY=VALUE, found text that is not UTF-8");
    return FALSE;
  }
  if (!equals || equals == word) {
    cw_diagnostics_error(diagnostics, place, "expected KEY=VALUE, found '%s'", word);
    return FALSE;
  }
  g_autofree char *key = g_strndup(word, (gsize)(equals - word));
  if (!cw_yaml_get(mapping, key))
    return TRUE;
  cw_diagnostics_error(diagnostics, place, "duplicate key '%s'", key);
  return FALSE;
}

static gpointer fill_options(const CwRegisteredFeature *feature, const char *const *words, GError **error)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *mapping = cw_yaml_parse_text("{}", PLACE, diagnostics);
  g_autofree char *what = g_strdup_printf("environment '%s'", feature->name);
  CwOptionsScope scope = {.what = what, .place = {g_intern_static_string(PLACE), 0, 0}};
  for (guint i = 0; words && words[i]; i++) {
    g_autofree char *where = g_strdup_printf(PLACE " number %u", i + 1);
    CwPlace place = {g_intern_string(where), 0, 0};
    if (takes_word(mapping, words[i], place, diagnostics))
      cw_yaml_set_from(mapping, words[i], where, diagnostics);
  }
  gpointer options = cw_options_fill_in(&feature->options, mapping, &scope, diagnostics);
  if (!cw_diagnostics_propagate(diagnostics, error)) {
    cw_options_free(&feature->options, options);
    options = NULL;
  }
  cw_yaml_free(mapping);
  cw_diagnostics_free(diagnostics);
  return options;
}

static void environment_free(CwEmbedEnvironment *environment)
{
  cw_environment_close(environment->environment);
  if (environment->feature)
    cw_options_free(&environment->feature->options, environment->options);
  cw_registry_free(environment->registry);
  g_free(environment);
}

static gboolean check_settings(const CwEmbedSettings *settings, GError **error)
{
  if (settings->struct_size >= sizeof *settings && settings->plugin)
    return TRUE;
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_CONFIGURATION,
              "CwEmbedSettings: expected struct_size %" G_GSIZE_FORMAT
              " or more and a plugin's name, found %" G_GSIZE_FORMAT " and %s",
              sizeof *settings, settings->struct_size, settings->plugin ? "a name" : "none");
  return FALSE;
}

CwEmbedEnvironment *cw_embed_open(const CwEmbedSettings *settings, GError **error)
{
  if (!check_settings(settings, error))
    return NULL;
  CwEmbedEnvironment *environment = g_new0(CwEmbedEnvironment, 1);
  environment->n_references = 1;
  environment->seed = settings->seed;
  environment->registry = cw_registry_new(settings->plugin_path);
  environment->feature =
      cw_registry_find(environment->registry, CW_FEATURE_ENVIRONMENT, settings->plugin, error);
  if (environment->feature)
    environment->options = fill_options(environment->feature, settings->options, error);
  if (environment->options)
    environment->environment =
        cw_environment_open(environment->feature, environment->options, settings->seed, error);
  if (environment->environment)
    return environment;
  environment_free(environment);
  return NULL;
}

CwEmbedEnvironment *cw_embed_ref(CwEmbedEnvironment *environment)
{
  g_atomic_int_inc(&environment->n_references);
  return environment;
}

void cw_embed_unref(CwEmbedEnvironment *environment)
{
  if (environment && g_atomic_int_dec_and_test(&environment->n_references))
    environment_free(environment);
}

const char *const *cw_embed_facts(CwEmbedEnvironment *environment)
{
  return cw_environment_describe(environment->environment);
}

gint64 cw_embed_n_goals(CwEmbedEnvironment *environment, const char *split, GError **error)
{
  return cw_environment_n_goals(environment->environment, split, error);
}

const char *const *cw_embed_scripts(CwEmbedEnvironment *environment)
{
  return cw_environment_scripts(environment->environment);
}

char *cw_embed_answer(CwEmbedEnvironment *environment, const char *verb, const char *request, GError **error)
{
  return cw_environment_answer(environment->environment, verb, request, error);
}

static gboolean import(const CwRegisteredFeature *feature, const CwEmbedSettings *settings, const char *into,
                       gboolean overwrite, GError **error)
{
  if (!feature->import.run) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_UNSUPPORTED, "environment '%s' has no import",
                feature->name);
    return FALSE;
  }
  g_autofree char *what = g_strdup_printf("the import of environment '%s'", feature->name);
  CwConvertTarget target = {.into = into, .overwrite = overwrite, .quiet = TRUE};
  gpointer options = cw_convert_options(&feature->import, settings->options, what, error);
  gboolean good = options && cw_convert(feature, &feature->import, options, &target, error);
  cw_options_free(&feature->import.options, options);
  return good;
}

gboolean cw_embed_import(const CwEmbedSettings *settings, const char *into, gboolean overwrite,
                         GError **error)
{
  if (!check_settings(settings, error))
    return FALSE;
  CwRegistry *registry = cw_registry_new(settings->plugin_path);
  const CwRegisteredFeature *feature =
      cw_registry_find(registry, CW_FEATURE_ENVIRONMENT, settings->plugin, error);
  gboolean good = feature && import(feature, settings, into, overwrite, error);
  cw_registry_free(registry);
  return good;
}
