/* Small file operations behind checkpoints, metrics and trajectories. */
#ifndef CW_FILES_H
#define CW_FILES_H

#include <glib.h>

/* Sets CW_RUN_ERROR / CW_ERROR_INPUT_OUTPUT "PATH: cannot DOING: reason" from errno. */
void cw_set_errno_error(GError **error, const char *doing, const char *path);
/* fsyncs a file or a directory. */
gboolean cw_sync_path(const char *path, GError **error);
/* Renames and fsyncs the directory of `to`. */
gboolean cw_rename_file(const char *from, const char *to, GError **error);
gboolean cw_make_directories(const char *path, GError **error);
/* The names in a directory, sorted by bytes; char *, freed with the array. */
GPtrArray *cw_list_directory(const char *path, GError **error);

#endif
