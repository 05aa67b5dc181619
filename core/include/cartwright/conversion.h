/* Conversions between a feature's own form of its data and other people's, as
 * `cartwright import` and `cartwright export` run them: a catalogue in JSON into
 * one file that opens at once, somebody's checkpoint into a model folder, a made-up shop into WebShop's
 * files. A conversion opens nothing of the feature beforehand, has an option table of its own, and writes one
 * file or folder. */
#ifndef CARTWRIGHT_CONVERSION_H
#define CARTWRIGHT_CONVERSION_H

#include <cartwright/error.h>
#include <cartwright/option.h>
#include <glib.h>

G_BEGIN_DECLS

/* What the host does with a progress report: `doing` is a short word or two ("products"), constant while the
 * same is being done; `total` is 0 when it is not known. FALSE with CW_ERROR_CANCELLED: the user wants it
 * stopped, so clean up and pass the error on. Cheap enough to be called every few milliseconds. */
typedef gboolean (*CwReport)(gpointer report_data, const char *doing, guint64 done, guint64 total,
                             GError **error);

/* One conversion. A constant that lives as long as the process. */
typedef struct CwConversion {
  gsize struct_size;   /* sizeof(CwConversion) when the plugin was built */
  const char *summary; /* one line: what comes in and what goes out */
  /* Writes `into`, a path that does not exist and whose folder does: a file or a folder, as the conversion
   * likes. The host syncs it and gives it its final name, or removes it on failure. `options` is filled by
   * the rows below. Called from one thread; `report` only from that thread. */
  gboolean (*run)(gconstpointer options, const char *into, CwReport report, gpointer report_data,
                  GError **error);
  const CwOption *options; /* the members that CW_FEATURE_OPTIONS fills, as in CwFeature */
  guint32 n_options;
  guint32 option_size;
  guint32 options_size;
} CwConversion;

G_END_DECLS

#endif
