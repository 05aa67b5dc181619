/* Checkpoint directories: written aside, fsynced, renamed, manifest last. The manifest lists every file with
 * its size and CRC32C; a directory without a valid one is no checkpoint. */
#ifndef CW_CHECKPOINT_H
#define CW_CHECKPOINT_H

#include <glib.h>

/* Starts a checkpoint: returns the temporary directory (PARENT/.NAME.partial, emptied) to be filled by the
 * caller. Free the path with g_free. */
char *cw_checkpoint_begin(const char *parent, const char *name, GError **error);
/* Writes the manifest (with `facts`: NULL-terminated key, value pairs), syncs everything, renames to
 * PARENT/NAME (replacing an older one of that name). */
gboolean cw_checkpoint_commit(const char *parent, const char *name, const char *const *facts, GError **error);
void cw_checkpoint_abandon(const char *parent, const char *name);

/* Verifies sizes and checksums; the message names the first bad file, the expectation and what was found. */
gboolean cw_checkpoint_verify(const char *directory, GError **error);
/* A fact of a checkpoint's manifest; NULL without error when it has no such fact. Free with g_free. */
char *cw_checkpoint_fact(const char *directory, const char *key, GError **error);
/* Name of the newest valid checkpoint step-N in PARENT (highest N), or NULL without error when there is none;
 * broken ones are skipped with a g_warning. */
char *cw_checkpoint_latest(const char *parent, GError **error);
/* Removes every step-N above `step`: what is newer than the newest valid one is broken, and would count as
 * the newest when old ones are pruned. */
gboolean cw_checkpoint_remove_newer(const char *parent, guint64 step, GError **error);
/* Removes all but the newest `keep` whose files are there in their sizes (newer broken ones stay, and do not
 * count), and what killed processes left unfinished. */
gboolean cw_checkpoint_prune(const char *parent, guint keep, GError **error);

#endif
