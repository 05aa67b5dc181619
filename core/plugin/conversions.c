/* Which feature's import or export a name means. */
#include "core/plugin/convert.h"
#include <cartwright/error.h>

const CwRegisteredConversion *cw_conversion_of(const CwRegisteredFeature *feature, const char *verb)
{
  const CwRegisteredConversion *conversion =
      g_str_equal(verb, "import") ? &feature->import : &feature->export;
  return conversion->run ? conversion : NULL;
}

/* "environment 'webshop', policy 'x'": who has such a conversion, or "none". */
static char *who_converts(CwRegistry *registry, const char *verb)
{
  const GPtrArray *features = cw_registry_features(registry);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    if (cw_conversion_of(feature, verb))
      g_string_append_printf(text, "%s%s '%s'", text->len ? ", " : "", cw_feature_kind_name(feature->kind),
                             feature->name);
  }
  return g_string_free(text->len ? text : g_string_append(text, "none"), FALSE);
}

static gboolean is_wanted(const CwRegisteredFeature *feature, const char *name, const char *kind)
{
  return g_str_equal(feature->name, name) &&
         (!kind || g_str_equal(cw_feature_kind_name(feature->kind), kind));
}

/* Why there is no one feature of that name, kind and conversion. */
static void set_not_one(CwRegistry *registry, const char *verb, const char *name, const char *kind,
                        guint n_named, guint n_found, GError **error)
{
  const char *what = kind ? kind : "feature";
  if (n_found > 1)
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION,
                "there is an environment and a policy '%s' with an %s: choose with --kind", name, verb);
  else if (n_named) {
    cw_registry_load_all(registry, NULL);
    g_autofree char *who = who_converts(registry, verb);
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, "%s '%s' has no %s; who has: %s", what, name,
                verb, who);
  } else {
    g_autofree char *alternatives = cw_registry_alternatives(registry, 0, name);
    g_set_error(error, CW_PLUGIN_ERROR, CW_ERROR_CONFIGURATION, "no %s '%s'%s", what, name, alternatives);
  }
}

/* Loads what may offer a feature of that name, of any kind; a plugin that cannot be loaded is warned of. */
static void load_named(CwRegistry *registry, const char *name)
{
  for (CwFeatureKind kind = CW_FEATURE_ALGORITHM; kind <= CW_FEATURE_POLICY; kind++) {
    g_autoptr(GError) error = NULL;
    if (cw_registry_find(registry, kind, name, &error) || error->code == CW_ERROR_CONFIGURATION)
      continue;
    g_warning("%s", error->message);
    return;
  }
}

const CwRegisteredFeature *cw_conversion_find(CwRegistry *registry, const char *verb, const char *name,
                                              const char *kind, GError **error)
{
  load_named(registry, name);
  const GPtrArray *features = cw_registry_features(registry);
  const CwRegisteredFeature *found = NULL;
  guint n_named = 0, n_found = 0;
  for (guint i = 0; i < features->len; i++) {
    const CwRegisteredFeature *feature = g_ptr_array_index(features, i);
    if (!is_wanted(feature, name, kind))
      continue;
    n_named++;
    if (!cw_conversion_of(feature, verb))
      continue;
    n_found++;
    found = feature;
  }
  if (n_found == 1)
    return found;
  set_not_one(registry, verb, name, kind, n_named, n_found, error);
  return NULL;
}
