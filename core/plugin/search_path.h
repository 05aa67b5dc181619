/* Where plugins are looked for. */
#ifndef CW_SEARCH_PATH_H
#define CW_SEARCH_PATH_H

#include <glib.h>

/* The directories, absolute and without repetition, in order: `extra` (NULL-terminated, may be NULL),
 * $CARTWRIGHT_PLUGIN_PATH (colon separated; empty parts are skipped, so that the current directory never
 * slips in), the build tree that the executable belongs to, the installed directory. Free with g_strfreev. */
char **cw_search_path(const char *const *extra);

/* The directory of built plugins when `executable` was built in a build tree of Cartwright and not installed:
 * BUILD/.libs; NULL otherwise. Free with g_free. */
char *cw_search_path_build_directory(const char *executable);

/* The plugin files of a directory: absolute paths of its *.so, sorted; none when the directory cannot be
 * read. A build tree's lib*.so are libraries, not plugins, and are left out. */
GPtrArray *cw_search_path_files(const char *directory);

#endif
