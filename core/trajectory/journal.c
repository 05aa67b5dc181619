/* Up to two append logs, written aside, and the state file of the first. The state is written when the logs
 * are on the disk, and carries their lengths; whatever a later process finds behind them is cut off. */
#include "core/trajectory/journal.h"
#include "core/base/durable.h"
#include <glib/gstdio.h>
#include <string.h>

#define GROUP            "files"
#define SECONDS_BETWEEN  10
#define MAXIMUM_OF_FILES 2

struct CwJournal {
  char *paths[MAXIMUM_OF_FILES]; /* the second may be NULL */
  CwLog *logs[MAXIMUM_OF_FILES];
  char *progress; /* path of the state file */
  gboolean resumable;
  GKeyFile *state;  /* found; NULL: none */
  char *mark;       /* the state that was marked last, as text; NULL: none */
  gint64 last_save; /* monotonic time */
};

static const char *const offset_keys[MAXIMUM_OF_FILES] = {"offset", "second_offset"};

static void free_journal(CwJournal *journal)
{
  for (guint i = 0; i < MAXIMUM_OF_FILES; i++) {
    cw_log_close(journal->logs[i]);
    g_free(journal->paths[i]);
  }
  g_free(journal->progress);
  g_free(journal->mark);
  g_clear_pointer(&journal->state, g_key_file_unref);
  g_free(journal);
}

/* Opens the logs where an earlier process stopped. FALSE: there is nothing that could be gone on with. */
static gboolean go_on(CwJournal *journal)
{
  g_autoptr(GKeyFile) state = g_key_file_new();
  gboolean good = g_key_file_load_from_file(state, journal->progress, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; i < MAXIMUM_OF_FILES && good && journal->paths[i]; i++) {
    g_autoptr(GError) problem = NULL;
    g_autofree char *aside = cw_aside(journal->paths[i]);
    guint64 offset = g_key_file_get_uint64(state, GROUP, offset_keys[i], &problem);
    good = !problem && (journal->logs[i] = cw_log_open(aside, offset, NULL));
  }
  if (good)
    journal->state = g_steal_pointer(&state);
  for (guint i = 0; i < MAXIMUM_OF_FILES && !good; i++)
    g_clear_pointer(&journal->logs[i], cw_log_close);
  return good;
}

/* RUN/.NAME.progress: hidden, as the files aside are. */
static char *progress_of(const char *path)
{
  g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
  return g_strdup_printf("%s/.%s.progress", parent, name);
}

CwJournal *cw_journal_open(const char *path, const char *second, gboolean resumable, GError **error)
{
  CwJournal *journal = g_new0(CwJournal, 1);
  journal->paths[0] = g_strdup(path);
  journal->paths[1] = g_strdup(second);
  journal->progress = progress_of(path);
  journal->resumable = resumable;
  journal->last_save = g_get_monotonic_time();
  if (resumable && go_on(journal))
    return journal;
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->paths[i]; i++) {
    g_autofree char *aside = cw_aside(journal->paths[i]);
    journal->logs[i] = cw_log_open(aside, 0, error);
    if (!journal->logs[i]) {
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
  if (!journal->state || !journal->logs[file] || cw_log_length(journal->logs[file]) == 0)
    return TRUE;
  g_autofree char *aside = cw_aside(journal->paths[file]);
  return cw_trajectories_read(aside, trajectories, error);
}

gboolean cw_journal_add(CwJournal *journal, guint file, const CwTrajectory *trajectory, GError **error)
{
  g_autofree char *json = cw_trajectory_to_json(trajectory);
  gsize length = strlen(json);
  json[length] = '\n'; /* in the place of the final NUL */
  return cw_log_add(journal->logs[file], json, length + 1, error);
}

/* Brings the last mark to the disk, and what is behind it, which a later process will cut off. */
static gboolean save(CwJournal *journal, GError **error)
{
  journal->last_save = g_get_monotonic_time();
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->logs[i]; i++)
    if (!cw_log_sync(journal->logs[i], error))
      return FALSE;
  return cw_write_file(journal->progress, journal->mark, strlen(journal->mark), error);
}

gboolean cw_journal_mark(CwJournal *journal, GKeyFile *state, GError **error)
{
  if (!journal->resumable)
    return TRUE;
  for (guint i = 0; i < MAXIMUM_OF_FILES && journal->logs[i]; i++)
    g_key_file_set_uint64(state, GROUP, offset_keys[i], cw_log_length(journal->logs[i]));
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
    if (good && journal->logs[i - 1])
      good = cw_log_commit(g_steal_pointer(&journal->logs[i - 1]), journal->paths[i - 1], error);
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
  g_autoptr(GError) problem = NULL;
  if (journal->mark && !save(journal, &problem))
    g_warning("%s; the file will be begun anew", problem->message);
  free_journal(journal);
}

void cw_journal_discard(CwJournal *journal)
{
  if (!journal)
    return;
  for (guint i = 0; i < MAXIMUM_OF_FILES; i++)
    cw_log_discard(g_steal_pointer(&journal->logs[i]));
  g_unlink(journal->progress);
  free_journal(journal);
}
