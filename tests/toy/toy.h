/* A plugin for the runtime's tests: an environment whose scores are known, a policy of a few weights with
 * noise in its forward pass, and an algorithm that can stop, crash or go wrong at a chosen update. */
#ifndef TOY_H
#define TOY_H

#include <cartwright/cartwright.h>

extern const CwConversion toy_import, toy_export;
extern const CwEnvironmentVtable toy_environment;
extern const CwPolicyVtable toy_policy, toy_words;
extern const CwAlgorithmVtable toy_algorithm;

typedef struct {
  gint64 goals;        /* of each split */
  gint64 steps;        /* most decisions of an episode */
  gboolean timeless;   /* the text does not tell how many steps have been taken */
  gint64 patience;     /* waits without which an odd goal is no success */
  gint64 interrupt_at; /* number of a reset in this process, from 1, in which SIGTERM arrives; 0: never */
} ToyEnvironmentOptions;

typedef struct {
  char *model; /* folder to load from, or NULL */
  double noise;
} ToyPolicyOptions;

typedef struct {
  gint64 updates, episodes, group_size;
  double learning_rate;
  gboolean reference, offline;
  gint64 interrupt_at, crash_at, nan_at; /* number of an update, from 1; 0: never */
} ToyAlgorithmOptions;

#endif
