/* Files that survive a stop: everything that Cartwright writes and reads again goes through here, so that a
 * process killed at any moment, or a machine that loses power, leaves the old state or the new one.
 *   a file or a tree aside   filled under another name, synced, then given its own in one rename
 *   an append log            grows in place; who relies on its first N bytes syncs it and remembers N
 *   a cache                  cartwright/cache.h: records with checksums; a torn end is cut off
 * docs/reference/files.md lists what is on disk. Errors are CW_RUN_ERROR and name the path. */
#ifndef CW_DURABLE_H
#define CW_DURABLE_H

#include <glib.h>

/* Sets CW_ERROR_INPUT_OUTPUT "PATH: cannot DOING: reason" from errno. */
void cw_set_errno_error(GError **error, const char *doing, const char *path);
/* fsyncs a file or a directory. */
gboolean cw_sync_path(const char *path, GError **error);
/* Makes a directory and those above it that are missing; the names are on the disk afterwards. */
gboolean cw_make_directories(const char *path, GError **error);
/* The names in a directory, sorted by bytes; char *, freed with the array. */
GPtrArray *cw_list_directory(const char *path, GError **error);
/* Removes a file or a folder with all that is in it; symbolic links are removed, not followed. Nothing there:
 * TRUE. */
gboolean cw_remove_tree(const char *path, GError **error);

/* Size and CRC32C of a file. */
gboolean cw_measure_file(const char *path, guint64 *size, guint32 *crc, GError **error);

/* What is written or removed aside is hidden under PARENT/.NAME.partial, next to PARENT/NAME. Once its
 * process is dead it belongs to nobody. Free with g_free. */
char *cw_aside(const char *path);

/* Writes a whole file aside and gives it its name. */
gboolean cw_write_file(const char *path, const char *data, gsize length, GError **error);

/* An append log. Records of text, each ending in a newline, leave in one write. */
typedef struct CwLog CwLog;

/* Opens `path` behind its first `length` bytes, which must end a record, and cuts off the rest; 0: a new file
 * in the place of what is there. The file is locked: a second process that opens it is refused. */
CwLog *cw_log_open(const char *path, guint64 length, GError **error);
/* The length of the whole records at the beginning of a log of text whose end may be torn or, after a loss of
 * power, zeroes: what can be kept of it when nobody has remembered a length. 0: none, or no file. */
guint64 cw_log_whole(const char *path);
gboolean cw_log_add(CwLog *log, const char *data, gsize length, GError **error);
/* Brings everything added to the disk. */
gboolean cw_log_sync(CwLog *log, GError **error);
/* Bytes in the file. */
guint64 cw_log_length(const CwLog *log);
void cw_log_close(CwLog *log); /* accepts NULL */
/* Syncs a log that was opened aside, closes it and gives it the name `path`. */
gboolean cw_log_commit(CwLog *log, const char *path, GError **error);
/* Closes the log and removes the file; accepts NULL. */
void cw_log_discard(CwLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CwLog, cw_log_close)

/* A tree aside: an empty directory to be filled, whatever a killed process left under its name. Free the path
 * with g_free. */
char *cw_tree_begin(const char *path, GError **error);
/* Syncs everything in it and gives it the name `path`, in one step also where an older tree has that name. */
gboolean cw_tree_commit(const char *path, GError **error);
void cw_tree_abandon(const char *path);
/* Removes the tree `path`. It loses its name first: half a tree is never found under it. */
gboolean cw_tree_remove(const char *path, GError **error);
/* Syncs a file, or a folder with all that is in it. */
gboolean cw_tree_sync(const char *path, GError **error);
/* Gives `from` the name `to`, in place of what has it, and brings the name to the disk. */
gboolean cw_tree_rename(const char *from, const char *to, GError **error);
/* Removes what killed processes left aside in a directory, hidden names that end in .partial or .progress; no
 * directory: TRUE. */
gboolean cw_tree_sweep(const char *directory, GError **error);

#endif
