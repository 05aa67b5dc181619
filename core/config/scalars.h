/* One scalar of a configuration as a typed value, and back: the strict typing that stands in for YAML's own
 * guessing. */
#ifndef CW_SCALARS_H
#define CW_SCALARS_H

#include "core/config/options.h"

/* Parses `text` for a scalar row (not a STRING_LIST) into `member` (the struct's member, whose string, if it
 * holds one, is replaced). `quoted` means it was written as a string. NULL on success, otherwise what is
 * wrong, to be put after the option's name: "is 'yes'; expected true or false: write true". The member is
 * unchanged then. Free with g_free. */
char *cw_scalar_parse(const CwOption *row, const char *text, gboolean quoted, gpointer member);

/* What is wrong with `item` as an item of a STRING_LIST row, or NULL. Free with g_free. */
char *cw_scalar_check_item(const CwOption *row, const char *item);

/* "an integer", "true or false", "one of a, b". Free with g_free. */
char *cw_scalar_expectation(const CwOption *row);

/* The shortest decimal text that reads back as the same double; finite values only. Free with g_free. */
char *cw_scalar_number_text(double value);

/* Whether INTEGER or NUMBER rows have a lower or upper bound worth naming. */
gboolean cw_scalar_has_minimum(const CwOption *row);
gboolean cw_scalar_has_maximum(const CwOption *row);

/* The size in bytes of the member of a type; 0 for an unknown type. */
gsize cw_scalar_member_size(CwOptionType type);

#endif
