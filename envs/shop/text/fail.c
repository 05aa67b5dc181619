/* Errors of the shop; see fail.h. */
#include "envs/shop/text/fail.h"

#include <errno.h>

gboolean shop_fail(GError **error, CwErrorCode code, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error_literal(error, CW_ENVIRONMENT_ERROR, (gint)code, message);
  return FALSE;
}

gboolean shop_fail_system(GError **error, const char *path, const char *what)
{
  const char *reason = g_strerror(errno);
  return shop_fail(error, CW_ERROR_INPUT_OUTPUT, "%s: %s: %s", path, what, reason);
}
