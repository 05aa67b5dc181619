/* Conversions between a feature's own data format and others, as `cartwright import` and `cartwright export`
 * run them: a catalogue in JSON into one file that opens at once, a PyTorch checkpoint into a model folder, a
 * generated shop into WebShop's files. A conversion has an option table of its own and writes one file or
 * folder; the feature itself is not opened for it. */
#ifndef CARTWRIGHT_CONVERSION_H
#define CARTWRIGHT_CONVERSION_H

#include <cartwright/error.h>
#include <cartwright/option.h>
#include <glib.h>

G_BEGIN_DECLS

/* Called by a conversion to show its progress. `doing` is a word or two ("products"), the same as long as the
 * same work goes on; `total` is 0 when it is not known. FALSE with CW_ERROR_CANCELLED: the user wants to
 * stop, so clean up and pass the error on. Cheap enough to call every few milliseconds. */
typedef gboolean (*CwProgressSink)(gpointer progress_data, const char *doing, guint64 done, guint64 total,
                                   GError **error);

/* One conversion. A constant that lives as long as the process. */
typedef struct CwConversion {
  gsize struct_size;   /* sizeof(CwConversion) when the plugin was built */
  const char *summary; /* one line: what comes in and what goes out */
  /* Writes a file or a folder at `into`, a path that does not exist yet in a folder that does. The host syncs
   * it and gives it its final name, or removes it on failure. `options` is filled by the rows below. Called
   * from one thread; `progress` only from that thread. */
  gboolean (*run)(gconstpointer options, const char *into, CwProgressSink progress, gpointer progress_data,
                  GError **error);
  const CwOption *options; /* the members that CW_FEATURE_OPTIONS fills, as in CwFeature */
  guint32 n_options;
  guint32 option_size;
  guint32 options_size;
} CwConversion;

G_END_DECLS

#endif
