/* The host's handle around an algorithm. */
#include "core/plugin/errors.h"
#include "core/plugin/handles.h"

#include <string.h>

struct CwAlgorithm {
  const CwRegisteredFeature *feature;
  const CwAlgorithmVtable *vtable;
  gpointer object;
};

guint64 cw_algorithm_needs(const CwRegisteredFeature *feature, gconstpointer options)
{
  return feature->vtable.algorithm->needs(options);
}

CwAlgorithm *cw_algorithm_open(const CwRegisteredFeature *feature, gconstpointer options, GError **error)
{
  GError *failure = NULL;
  gpointer object = feature->vtable.algorithm->open(options, &failure);
  CwAlgorithm *algorithm;
  if (!cw_slot_result(feature, "open", object != NULL, failure, error)) {
    feature->vtable.algorithm->close(object);
    return NULL;
  }
  algorithm = g_new0(CwAlgorithm, 1);
  algorithm->feature = feature;
  algorithm->vtable = feature->vtable.algorithm;
  algorithm->object = object;
  return algorithm;
}

void cw_algorithm_close(CwAlgorithm *algorithm)
{
  if (!algorithm)
    return;
  algorithm->vtable->close(algorithm->object);
  g_free(algorithm);
}

gboolean cw_algorithm_collect(CwAlgorithm *algorithm, CwCollectRequest *request, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded;
  memset(request, 0, sizeof *request);
  request->struct_size = sizeof *request;
  if (!algorithm->vtable->collect)
    return TRUE;
  succeeded = algorithm->vtable->collect(algorithm->object, request, &failure);
  return cw_slot_result(algorithm->feature, "collect", succeeded, failure, error);
}

gboolean cw_algorithm_update(CwAlgorithm *algorithm, CwUpdate *update, gboolean *done, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded;
  *done = FALSE;
  succeeded = algorithm->vtable->update(algorithm->object, update, done, &failure);
  return cw_slot_result(algorithm->feature, "update", succeeded, failure, error);
}

guint64 cw_algorithm_expected_updates(CwAlgorithm *algorithm)
{
  return algorithm->vtable->expected_updates ? algorithm->vtable->expected_updates(algorithm->object) : 0;
}

gboolean cw_algorithm_save(CwAlgorithm *algorithm, GKeyFile *state, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded = algorithm->vtable->save(algorithm->object, state, &failure);
  return cw_slot_result(algorithm->feature, "save", succeeded, failure, error);
}

gboolean cw_algorithm_load(CwAlgorithm *algorithm, GKeyFile *state, GError **error)
{
  GError *failure = NULL;
  gboolean succeeded = algorithm->vtable->load(algorithm->object, state, &failure);
  return cw_slot_result(algorithm->feature, "load", succeeded, failure, error);
}
