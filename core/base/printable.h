/* Text that comes from data, made fit to be shown. */
#ifndef CW_PRINTABLE_H
#define CW_PRINTABLE_H

#include <glib.h>

/* The text with every character that could steer a terminal written out as \u001b: control characters, those
 * that turn the direction of writing, and bytes that are no UTF-8 (as \xff). Control characters in `kept`
 * stay as they are ("\n\t" for text of several lines, "" for a name). Free with g_free. */
char *cw_printable(const char *text, const char *kept);

/* Whether cw_printable would leave the text as it is. */
gboolean cw_is_printable(const char *text, const char *kept);

#endif
