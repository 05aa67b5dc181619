/* Puts a feature's name in front of what goes wrong in it. */
#include "core/plugin/errors.h"

GQuark cw_feature_error_domain(CwFeatureKind kind)
{
  switch (kind) {
  case CW_FEATURE_ALGORITHM:
    return CW_ALGORITHM_ERROR;
  case CW_FEATURE_ENVIRONMENT:
    return CW_ENVIRONMENT_ERROR;
  case CW_FEATURE_POLICY:
    return CW_POLICY_ERROR;
  }
  return CW_PLUGIN_ERROR;
}

gboolean cw_slot_result(const CwRegisteredFeature *feature, const char *slot, gboolean succeeded,
                        GError *failure, GError **error)
{
  if (succeeded && !failure)
    return TRUE;
  if (!failure)
    cw_feature_error(feature, error, CW_ERROR_FAILED,
                     "%s failed without saying why; the plugin must set its GError when it fails", slot);
  else
    g_propagate_prefixed_error(error, failure, "%s '%s': ", cw_feature_kind_name(feature->kind),
                               feature->name);
  return FALSE;
}

void cw_feature_error(const CwRegisteredFeature *feature, GError **error, CwErrorCode code,
                      const char *format, ...)
{
  va_list arguments;
  char *text;
  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, cw_feature_error_domain(feature->kind), code, "%s '%s': %s",
              cw_feature_kind_name(feature->kind), feature->name, text);
  g_free(text);
}
