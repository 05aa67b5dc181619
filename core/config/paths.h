/* Paths as configurations write them: ~ and ${NAME} expanded, relative ones found. */
#ifndef CW_PATHS_H
#define CW_PATHS_H

#include "core/config/diagnostics.h"

/* `text` with ~ (alone or before a slash, at the beginning) and every ${NAME} replaced by what the
 * environment variables say. NULL with *problem, to be put after the option's name ("names ${DATA}, ..."),
 * when one is not set. Free both with g_free. */
char *cw_path_expand(const char *text, char **problem);

/* Where a relative path leads to that was written at `place`: what is there from the folder of that file,
 * else `text` as it is, from the working directory, else what is there from one of `folders`
 * (NULL-terminated, may be NULL). `text` where nothing is there. Free with g_free. */
char *cw_path_find(const char *text, CwPlace place, const char *const *folders);

#endif
