/* Which build of a program or library runs: the identifier that the linker puts into it (ELF's GNU build ID).
 */
#ifndef CW_BUILD_ID_H
#define CW_BUILD_ID_H

#include <glib.h>

/* Of the object that holds `address`, in hexadecimal digits; "unknown" when it has none. Free with g_free. */
char *cw_build_id(gconstpointer address);

#endif
