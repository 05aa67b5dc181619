/* Writing JSON text. The writer appends to a string and puts the commas: ", " unless the string ends in an
 * opening bracket, a comma or white space. Members of an object have a key; items of an array have NULL. */
#ifndef CW_JSON_TEXT_H
#define CW_JSON_TEXT_H

#include <glib.h>

/* Begins an object ('{') or an array ('['), and ends it ('}', ']'). */
void cw_json_begin(GString *json, const char *key, char bracket);
void cw_json_end(GString *json, char bracket);
/* A quoted, escaped string. Bytes that are not UTF-8 become U+FFFD. */
void cw_json_string(GString *json, const char *key, const char *text);
/* A number in its shortest form; what is not finite, and so unknown to JSON, becomes null. */
void cw_json_double(GString *json, const char *key, double value);
/* The same for a float: the shortest text that reads back as the same float. */
void cw_json_float(GString *json, const char *key, float value);
void cw_json_integer(GString *json, const char *key, gint64 value);
void cw_json_boolean(GString *json, const char *key, gboolean value);
/* An object of strings: key, value, ..., NULL. */
void cw_json_facts(GString *json, const char *key, const char *const *facts);

/* Shortest decimal text that reads back as the same double, always with a fraction or exponent ("1.0", "0.1",
 * "1e-07"), as Python's repr writes it. `buffer`
 * holds at least 32 bytes; returns it. */
char *cw_format_double(char *buffer, double value);

/* The same for a float. */
char *cw_format_float(char *buffer, float value);

#endif
