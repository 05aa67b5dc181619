/* Setting an error of the environment domain in one line. */
#ifndef SHOP_FAIL_H
#define SHOP_FAIL_H

#include <cartwright/error.h>

/* Sets the error; FALSE. */
gboolean shop_fail(GError **error, CwErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* "PATH: WHAT: the system's reason", from errno; FALSE. */
gboolean shop_fail_system(GError **error, const char *path, const char *what);

#endif
