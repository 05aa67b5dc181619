/* The opened environment as the vector sees it. */
#ifndef CW_EMBED_ENVIRONMENT_H
#define CW_EMBED_ENVIRONMENT_H

#include "core/plugin/handles.h"

#include <cartwright/embed.h>

struct CwEmbedEnvironment {
  gint n_references; /* atomic */
  guint32 seed;
  CwRegistry *registry;
  const CwRegisteredFeature *feature;
  gpointer options;
  CwEnvironment *environment;
};

#endif
