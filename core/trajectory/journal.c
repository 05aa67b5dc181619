/* Writers of up to two trajectory files and the state file beside the first. The state is written when the
 * trajectories are on the disk, and carries their lengths; whatever a later process finds behind them is cut
 * off. */
#include "core/trajectory/journal.h"
#include "core/base/checkpoint.h"
#include <glib/gstdio.h>
#include <string.h>

#define GROUP            "files"
#define SECONDS_BETWEEN  10
#define MAXIMUM_OF_FILES 2

struct CwJournal {
  char *paths[MAXIMUM_OF_FILES]; /* the second may be NULL */
  CwTrajectoryWriter *writers[MAXIMUM_OF_FILES];
  char *progress; /* path of the state file */
  gboolean resumable;
  GKeyFile *state;  /* found; NULL: none */
  char *mark;       /* the state that was marked last, as text; NULL: none */
  gint64 last_save; /* monotonic time */
};

static const char *const offset_keys[MAXIMUM_OF_FILES] = {"offset", "second_offset"};

static void free_journal(CwJournal *journal)
{
  for (guint i = 0; i < MAXIMUM_OF_FILES; i++)
    g_free(journal->paths[i]);
  g_free(journal->progress);
  g_free(journal->mark);
  if (journal->state)
    g_key_file_unref(journal->state);
  g_free(journal);
}

/* Opens the writers where an earlier process stopped. FALSE: there is nothing that could be gone on with. */
static gboolean go_on(CwJournal *journal)
{
  GKeyFile *state = g_key_file_new();
  gboolean good = g_key_file_load_from_file(state, journal->progress, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; i < MAXIMUM_OF_FILES && good && journal->paths[i]; i++) {
    GError *problem = NULL;
    guint64 offset = g_key_file_get_uint64(state, GROUP, offset_keys[i], &problem);
    if (!problem)
      journal->writers[i] = cw_trajectory_writer_continue(journal->paths[i], offset, &problem);
    good = !problem;
    g_clear_error(&problem);
  }
  for (guint i = 0; i < MAXIMUM_OF_FILES && !good; i++)
    g_clear_pointer(&journal->writers[i], cw_trajectory_writer_leave);
  if (good)
    journal->state = state;
  else
    g_key_file_unref(state);
  return good;
}

CwJournal *cw_journal_open(const char *path, const char *second, gboolean resumable, GError **error)
{
  CwJournal *journal = g_new0(CwJournal, 1);
  journal->paths[0] = g_strdup(path);
  journal->paths[1] = g_strdup(second);
  journal->progress = g_strconcat(path, ".progress", NULL);
  journal->resumable = resumable;
  journal->last_save = g_get_monotonic_time();
  if (resumable && go_on(journal))
    return journal;
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->paths[i]; i++) {
    journal->writers[i] = cw_trajectory_writer_new(journal->paths[i], error);
    if (!journal->writers[i]) {
      cw_journal_discard(journal);
      return NULL;
    }
  }
  return journal;
}

GKeyFile *cw_journal_state(CwJournal *journal)
{
  return journal->state;
}

gboolean cw_journal_read(CwJournal *journal, guint file, GPtrArray *trajectories, GError **error)
{
  if (!journal->state || !journal->writers[file] || cw_trajectory_writer_length(journal->writers[file]) == 0)
    return TRUE;
  g_autofree char *partial = g_strconcat(journal->paths[file], ".partial", NULL);
  return cw_trajectories_read(partial, trajectories, error);
}

gboolean cw_journal_add(CwJournal *journal, guint file, const CwTrajectory *trajectory, GError **error)
{
  return cw_trajectory_writer_add(journal->writers[file], trajectory, error);
}

/* Brings the last mark to the disk, and what is behind it, which a later process will cut off. */
static gboolean save(CwJournal *journal, GError **error)
{
  journal->last_save = g_get_monotonic_time();
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->writers[i]; i++)
    if (!cw_trajectory_writer_sync(journal->writers[i], error))
      return FALSE;
  return cw_write_file(journal->progress, journal->mark, strlen(journal->mark), error);
}

gboolean cw_journal_mark(CwJournal *journal, GKeyFile *state, GError **error)
{
  if (!journal->resumable)
    return TRUE;
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->writers[i]; i++)
    g_key_file_set_uint64(state, GROUP, offset_keys[i], cw_trajectory_writer_length(journal->writers[i]));
  g_free(journal->mark);
  journal->mark = g_key_file_to_data(state, NULL, NULL);
  return g_get_monotonic_time() - journal->last_save < SECONDS_BETWEEN * G_USEC_PER_SEC ||
         save(journal, error);
}

/* The first file last: that it is there says that all are. */
gboolean cw_journal_commit(CwJournal *journal, GError **error)
{
  gboolean good = TRUE;
  for (guint i = MAXIMUM_OF_FILES; i > 0; i--)
    if (journal->writers[i - 1]) {
      CwTrajectoryWriter *writer = g_steal_pointer(&journal->writers[i - 1]);
      if (good)
        good = cw_trajectory_writer_commit(writer, error);
      else
        cw_trajectory_writer_leave(writer);
    }
  if (good)
    g_unlink(journal->progress);
  free_journal(journal);
  return good;
}

void cw_journal_leave(CwJournal *journal)
{
  if (!journal->resumable) {
    cw_journal_discard(journal);
    return;
  }
  GError *problem = NULL;
  if (journal->mark && !save(journal, &problem)) {
    g_warning("%s; the file will be begun anew", problem->message);
    g_error_free(problem);
  }
  for (guint i = 0; i < MAXIMUM_OF_FILES; i++)
    cw_trajectory_writer_leave(journal->writers[i]);
  free_journal(journal);
}

void cw_journal_discard(CwJournal *journal)
{
  if (!journal)
    return;
  for (guint i = 0; i < MAXIMUM_OF_FILES; i++)
    cw_trajectory_writer_discard(journal->writers[i]);
  g_unlink(journal->progress);
  free_journal(journal);
}
