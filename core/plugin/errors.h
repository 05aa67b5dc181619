/* Errors of plugins, as the host passes them on: with the feature's name in front, and never silent. */
#ifndef CW_PLUGIN_ERRORS_H
#define CW_PLUGIN_ERRORS_H

#include "core/plugin/registry.h"

/* The domain that speaks for a kind: CW_POLICY_ERROR, ... */
GQuark cw_feature_error_domain(CwFeatureKind kind);

/* Ends the call of a slot: returns `succeeded`, unless the plugin contradicts itself (an error is set
 * although it reports success). On failure `failure` (taken over, may be NULL) goes to `error` with "KIND
 * 'NAME': " in front; a plugin that failed without an error gets one that says so. */
gboolean cw_slot_result(const CwRegisteredFeature *feature, const char *slot, gboolean succeeded,
                        GError *failure, GError **error);

/* An error of the host about a feature: "KIND 'NAME': " and the text. */
void cw_feature_error(const CwRegisteredFeature *feature, GError **error, CwErrorCode code,
                      const char *format, ...) G_GNUC_PRINTF(4, 5);

#endif
