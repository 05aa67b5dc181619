/* Trajectory files that may take more than one process to write. What has been written, and the state from
 * which to go on, are synced to the disk together, in .FILE.partial and .FILE.progress; an interrupted or
 * killed process loses what came after the last such moment and nothing else. */
#ifndef CW_JOURNAL_H
#define CW_JOURNAL_H

#include "core/trajectory/trajectories.h"

typedef struct CwJournal CwJournal;

/* Writes `path` and, unless it is NULL, `second`, each as a whole or not at all. With `resumable` it goes on
 * with what an earlier process left. */
CwJournal *cw_journal_open(const char *path, const char *second, gboolean resumable, GError **error);
/* The state that an earlier process saved, or NULL: nothing has been written yet. */
GKeyFile *cw_journal_state(CwJournal *journal);
/* Reads what earlier processes wrote into `path` (file 0) or `second` (1), appending CwTrajectory *; nothing
 * when there is none. */
gboolean cw_journal_read(CwJournal *journal, guint file, GPtrArray *trajectories, GError **error);

gboolean cw_journal_add(CwJournal *journal, guint file, const CwTrajectory *trajectory, GError **error);
/* A place to go on from: everything added so far, with `state`, of which a copy is kept. Comes to the disk
 * every few seconds, and when the journal is left. */
gboolean cw_journal_mark(CwJournal *journal, GKeyFile *state, GError **error);

/* All three free it. */
gboolean cw_journal_commit(CwJournal *journal, GError **error);
void cw_journal_leave(CwJournal *journal); /* what was marked stays for another process, if it is resumable */
void cw_journal_discard(CwJournal *journal); /* nothing stays; accepts NULL */

#endif
