/* Writing JSON text: strings, and numbers in their shortest round-trip form. */
#ifndef CW_JSON_TEXT_H
#define CW_JSON_TEXT_H

#include <glib.h>

/* Appends a quoted, escaped string. Bytes that are not UTF-8 become U+FFFD. */
void cw_json_append_string(GString *json, const char *text);
/* Appends a number; what is not finite, and so unknown to JSON, becomes null. */
void cw_json_append_double(GString *json, double value);
/* The same for a float: the shortest text that reads back as the same float. */
void cw_json_append_float(GString *json, float value);

/* As cw_format_double (core/base/metrics.h), for a float. */
char *cw_format_float(char *buffer, float value);

#endif
