/* Running a feature's conversion, so that its output is whole or not there. */
#ifndef CW_CONVERT_H
#define CW_CONVERT_H

#include "core/plugin/registry.h"

typedef struct {
  const char *into;   /* the file or folder to be written */
  gboolean overwrite; /* replace what is there: a file, or an empty folder */
  gboolean quiet;     /* no progress */
} CwConvertTarget;

/* The feature's "import" or "export", as `verb` says; NULL when it has none. */
const CwRegisteredConversion *cw_conversion_of(const CwRegisteredFeature *feature, const char *verb);

/* The feature that `name`, and `kind` ("environment", "policy") if not NULL, means; plugins are loaded as
 * needed. NULL with CW_PLUGIN_ERROR / CW_ERROR_CONFIGURATION unless exactly one has such a conversion. */
const CwRegisteredFeature *cw_conversion_find(CwRegistry *registry, const char *verb, const char *name,
                                              const char *kind, GError **error);

/* Fills the conversion's options from "KEY=VALUE" words (NULL-terminated, may be NULL). `what` names their
 * owner: "the import of environment 'webshop'". NULL with CW_CONFIG_ERROR and all complaints. Free with
 * cw_options_free. */
gpointer cw_convert_options(const CwRegisteredConversion *conversion, const char *const *words,
                            const char *what, GError **error);

/* Writes next to `into`, in the folder .INTO.partial, syncs, renames. Nothing is left of a conversion that
 * fails or is interrupted; what is left of a killed one goes with the next. */
gboolean cw_convert(const CwRegisteredFeature *feature, const CwRegisteredConversion *conversion,
                    gconstpointer options, const CwConvertTarget *target, GError **error);

#endif
