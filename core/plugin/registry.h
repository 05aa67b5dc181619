/* Finds, checks and remembers plugins. Features are found by kind and name; NAME.so is tried first in every
 * directory of the search path, then the plugins whose files hold the name as a text are loaded until one
 * offers the feature: no other file is opened for a name that is misspelt. Nothing is ever unloaded. */
#ifndef CW_REGISTRY_H
#define CW_REGISTRY_H

#include "core/config/options.h"
#include <cartwright/cartwright.h>

typedef struct {
  char *path;
  const CwPluginDescriptor *descriptor;
} CwLoadedPlugin;

/* A conversion after all checks; `run` is NULL when the feature has none. */
typedef struct {
  const char *summary;
  gboolean (*run)(gconstpointer options, const char *into, CwProgressSink report, gpointer progress_data,
                  GError **error);
  CwOptionTable options;
} CwRegisteredConversion;

/* A feature after all checks. The vtable is a zero-extended copy of the plugin's, of the host's own size. */
typedef struct {
  CwFeatureKind kind;
  const char *name, *summary;
  guint64 capabilities;
  char *(*unavailable)(void); /* may be NULL; see cw_feature_unavailable */
  union {
    const void *any;
    const CwAlgorithmVtable *algorithm;
    const CwEnvironmentVtable *environment;
    const CwPolicyVtable *policy;
  } vtable;
  CwOptionTable options;
  CwOptionTable state;     /* of an algorithm: what a checkpoint keeps */
  const CwMetric *metrics; /* of an algorithm: n_metrics of them */
  guint n_metrics;
  const CwNetwork *networks; /* of an algorithm: n_networks of them */
  guint n_networks;
  CwRegisteredConversion import, export;
  const CwLoadedPlugin *plugin;
} CwRegisteredFeature;

typedef struct CwRegistry CwRegistry;

/* The search path: `extra` (from --plugin-path, NULL-terminated, may be NULL), then $CARTWRIGHT_PLUGIN_PATH
 * (colon separated), then the build tree when this process runs from one, then the installed directory. */
CwRegistry *cw_registry_new(const char *const *extra);
void cw_registry_free(CwRegistry *registry);
const char *const *cw_registry_search_path(const CwRegistry *registry);

/* Loads one file and registers its features. */
const CwLoadedPlugin *cw_registry_load(CwRegistry *registry, const char *path, GError **error);
/* Loads everything on the search path. Files that fail are reported through
 * `failures` (GError *; may be NULL) and skipped. */
void cw_registry_load_all(CwRegistry *registry, GPtrArray *failures);

/* NULL with an error that lists what there is (features that are registered and plugin files that are not)
 * and the search path. */
const CwRegisteredFeature *cw_registry_find(CwRegistry *registry, CwFeatureKind kind, const char *name,
                                            GError **error);
/* What there is in the place of a name that was not found: "; did you mean 'x'? found: x, y; plugins not
 * opened: z; searched /a:/b". Kind 0: features of all kinds. Free with g_free. */
char *cw_registry_alternatives(CwRegistry *registry, CwFeatureKind kind, const char *name);
/* All features registered so far: CwRegisteredFeature *, sorted by kind and name. Owned by the registry. */
const GPtrArray *cw_registry_features(CwRegistry *registry);

const char *cw_feature_kind_name(CwFeatureKind kind); /* "algorithm", ... */

#endif
