/* Strict scalars. YAML guesses types from how a value looks (yes, 010, 1_000, 0x10); here the option's type
 * decides, there is one way to write each value, and everything else is refused together with what to write
 * instead. Strings written into a member belong to the options struct. */
#include "core/config/scalars.h"
#include "core/base/printable.h"
#include <errno.h>
#include <math.h>
#include <string.h>

gsize cw_scalar_member_size(CwOptionType type)
{
  switch (type) {
  case CW_OPTION_BOOLEAN:
    return sizeof(gboolean);
  case CW_OPTION_INTEGER:
    return sizeof(gint64);
  case CW_OPTION_NUMBER:
    return sizeof(double);
  case CW_OPTION_STRING:
  case CW_OPTION_PATH:
    return sizeof(char *);
  case CW_OPTION_ENUM:
    return sizeof(gint);
  case CW_OPTION_STRING_LIST:
    return sizeof(char **);
  case CW_OPTION_TABLE:
  case CW_OPTION_DEFAULT: /* gone from a flattened table */
    break;
  }
  return 0;
}

gboolean cw_scalar_has_minimum(const CwOption *row)
{
  return (row->minimum != 0 || row->maximum != 0) && row->minimum > -G_MAXDOUBLE;
}

gboolean cw_scalar_has_maximum(const CwOption *row)
{
  return (row->minimum != 0 || row->maximum != 0) && row->maximum < G_MAXDOUBLE;
}

char *cw_scalar_expectation(const CwOption *row)
{
  switch (row->type) {
  case CW_OPTION_BOOLEAN:
    return g_strdup("true or false");
  case CW_OPTION_INTEGER:
    return g_strdup("an integer");
  case CW_OPTION_NUMBER:
    return g_strdup("a number");
  case CW_OPTION_STRING:
    return g_strdup("a string");
  case CW_OPTION_PATH:
    return g_strdup("a path");
  case CW_OPTION_ENUM: {
    g_autofree char *names = g_strjoinv(", ", (char **)row->values);
    return g_strdup_printf("one of %s", names);
  }
  case CW_OPTION_STRING_LIST:
    return g_strdup("a list of strings");
  case CW_OPTION_TABLE:
  case CW_OPTION_DEFAULT: /* gone from a flattened table */
    break;
  }
  return g_strdup("a value");
}

/* The digits of the %e form with the fewest digits that reads back exactly. */
static void shortest_exponent_form(double value, char *buffer, int size)
{
  for (int precision = 0; precision <= 17; precision++) {
    char format[8];
    g_snprintf(format, sizeof format, "%%.%de", precision);
    g_ascii_formatd(buffer, size, format, value);
    if (g_ascii_strtod(buffer, NULL) == value)
      return;
  }
}

char *cw_scalar_number_text(double value)
{
  char scientific[G_ASCII_DTOSTR_BUF_SIZE], fixed[64];
  shortest_exponent_form(value, scientific, sizeof scientific);
  char *mark = strchr(scientific, 'e');
  int exponent = atoi(mark + 1);
  if (value == 0 || (exponent >= -3 && exponent <= 15)) {
    int n_digits = mark - scientific;
    int n_decimals = MAX(0, n_digits - 1 - (strchr(scientific, '.') != NULL) - (value < 0) - exponent);
    char format[8];
    g_snprintf(format, sizeof format, "%%.%df", n_decimals);
    return g_strdup(g_ascii_formatd(fixed, sizeof fixed, format, value));
  }
  *mark = '\0';
  return g_strdup_printf("%se%d", scientific, exponent);
}

/* What a common way of writing an integer elsewhere comes to here, or NULL. */
static char *integer_cure(const char *text)
{
  gboolean negative = *text == '-';
  const char *digits = text + (*text == '-' || *text == '+');
  g_autoptr(GString) plain = g_string_new(NULL);
  int base = 10;
  if (digits[0] == '0' && strchr("xXoObB", digits[1] ? digits[1] : '?')) {
    base = strchr("xX", digits[1]) ? 16 : strchr("oO", digits[1]) ? 8 : 2;
    digits += 2;
  }
  for (const char *p = digits; *p; p++)
    if (*p != '_' && *p != ',')
      g_string_append_c(plain, *p);
  if (base == 10 && g_str_has_suffix(plain->str, ".0"))
    g_string_truncate(plain, plain->len - 2);
  guint64 value;
  if (!g_ascii_string_to_unsigned(plain->str, base, 0, G_MAXINT64, &value, NULL))
    return NULL;
  return g_strdup_printf("%s%" G_GUINT64_FORMAT, negative ? "-" : "", value);
}

static char *out_of_range(const CwOption *row, const char *text, double value)
{
  gboolean below = value < row->minimum;
  g_autofree char *bound = cw_scalar_number_text(below ? row->minimum : row->maximum);
  return g_strdup_printf("is %s, %s its %s %s", text, below ? "below" : "above",
                         below ? "minimum" : "maximum", bound);
}

static gboolean in_range(const CwOption *row, double value)
{
  return (row->minimum == 0 && row->maximum == 0) || (value >= row->minimum && value <= row->maximum);
}

static char *parse_integer(const CwOption *row, const char *text, gint64 *member)
{
  g_autofree char *shown = cw_display_text(text);
  const char *digits = text + (*text == '-' || *text == '+');
  gsize n_digits = strspn(digits, "0123456789");
  if (n_digits == 0 || digits[n_digits] != '\0' || (n_digits > 1 && digits[0] == '0')) {
    g_autofree char *cure = integer_cure(text);
    if (cure)
      return g_strdup_printf("is %s; expected an integer in plain decimal: write %s", shown, cure);
    return g_strdup_printf("is %s; expected an integer", shown);
  }
  errno = 0;
  gint64 value = g_ascii_strtoll(text, NULL, 10);
  if (errno == ERANGE)
    return g_strdup_printf("is %s, which does not fit in 64 bits", shown);
  if (!in_range(row, (double)value))
    return out_of_range(row, text, (double)value);
  *member = value;
  return NULL;
}

/* [+-] digits [. digits] [e [+-] digits], without useless leading zeros. */
static gboolean is_number(const char *text)
{
  const char *p = text + (*text == '-' || *text == '+');
  gsize n_whole = strspn(p, "0123456789"), n_fraction = 0;
  if (n_whole > 1 && *p == '0')
    return FALSE;
  p += n_whole;
  if (*p == '.') {
    n_fraction = strspn(++p, "0123456789");
    p += n_fraction;
  }
  if (n_whole + n_fraction == 0)
    return FALSE;
  if (*p == 'e' || *p == 'E') {
    p++;
    p += *p == '-' || *p == '+';
    gsize n_exponent = strspn(p, "0123456789");
    if (n_exponent == 0)
      return FALSE;
    p += n_exponent;
  }
  return *p == '\0';
}

static char *parse_number(const CwOption *row, const char *text, double *member)
{
  g_autofree char *shown = cw_display_text(text);
  if (!is_number(text)) {
    const char *word = text + strspn(text, "+-.");
    if (g_ascii_strcasecmp(word, "nan") == 0 || g_ascii_strcasecmp(word, "inf") == 0 ||
        g_ascii_strcasecmp(word, "infinity") == 0)
      return g_strdup_printf("is %s; expected a finite number", shown);
    g_autofree char *cure = integer_cure(text);
    if (cure)
      return g_strdup_printf("is %s; expected a number in plain decimal: write %s", shown, cure);
    return g_strdup_printf("is %s; expected a number", shown);
  }
  double value = g_ascii_strtod(text, NULL);
  if (!isfinite(value))
    return g_strdup_printf("is %s, which is too large for a number", shown);
  if (value == 0 && text[strcspn(text, "123456789eE")] && !strchr("eE", text[strcspn(text, "123456789eE")]))
    return g_strdup_printf("is %s, which is too small to tell from 0: write 0", shown);
  if (!in_range(row, value))
    return out_of_range(row, text, value);
  *member = value;
  return NULL;
}

static char *parse_boolean(const char *text, gboolean *member)
{
  static const char *const yes[] = {"yes", "on", "y", "1", "true", NULL};
  static const char *const no[] = {"no", "off", "n", "0", "false", NULL};
  if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
    *member = *text == 't';
    return NULL;
  }
  g_autofree char *shown = cw_display_text(text);
  g_autofree char *lower = g_ascii_strdown(text, -1);
  const char *cure = g_strv_contains(yes, lower)  ? ": write true"
                     : g_strv_contains(no, lower) ? ": write false"
                                                  : "";
  return g_strdup_printf("is %s; expected true or false%s", shown, cure);
}

static char *not_among(const CwOption *row, const char *text)
{
  g_autofree char *shown = cw_display_text(text);
  g_autofree char *names = g_strjoinv(", ", (char **)row->values);
  const char *near = cw_suggest(text, row->values);
  return near ? g_strdup_printf("is %s; expected one of %s; did you mean '%s'?", shown, names, near)
              : g_strdup_printf("is %s; expected one of %s", shown, names);
}

char *cw_scalar_check_item(const CwOption *row, const char *item)
{
  if (row->values && !g_strv_contains(row->values, item))
    return not_among(row, item);
  return *item ? NULL : g_strdup("has an empty item; remove it");
}

static char *parse_enum(const CwOption *row, const char *text, gint *member)
{
  for (gint i = 0; row->values[i]; i++)
    if (strcmp(row->values[i], text) == 0) {
      *member = i;
      return NULL;
    }
  return not_among(row, text);
}

char *cw_scalar_parse(const CwOption *row, const char *text, gboolean quoted, gpointer member)
{
  gboolean wants_string =
      row->type == CW_OPTION_STRING || row->type == CW_OPTION_PATH || row->type == CW_OPTION_ENUM;
  gboolean is_required = (row->flags & CW_OPTION_REQUIRED) != 0;
  if (!quoted && *text == '\0') {
    g_autofree char *expectation = cw_scalar_expectation(row);
    return g_strdup_printf("has no value; expected %s%s", expectation,
                           row->type == CW_OPTION_STRING && !is_required ? " ('' for an empty one)" : "");
  }
  if (quoted && !wants_string) {
    g_autofree char *expectation = cw_scalar_expectation(row);
    g_autofree char *shown = cw_display_text(text);
    return g_strdup_printf("is the string %s; expected %s: remove the quotes", shown, expectation);
  }
  switch (row->type) {
  case CW_OPTION_BOOLEAN:
    return parse_boolean(text, member);
  case CW_OPTION_INTEGER:
    return parse_integer(row, text, member);
  case CW_OPTION_NUMBER:
    return parse_number(row, text, member);
  case CW_OPTION_ENUM:
    return parse_enum(row, text, member);
  case CW_OPTION_STRING:
  case CW_OPTION_PATH:
    if (*text == '\0' && (row->type == CW_OPTION_PATH || is_required))
      return g_strdup_printf("is empty; expected %s", row->type == CW_OPTION_PATH ? "a path" : "a string");
    if (row->type == CW_OPTION_PATH && !cw_is_printable(text, "")) {
      g_autofree char *shown = cw_display_text(text);
      return g_strdup_printf("is %s; expected a path without control characters", shown);
    }
    g_free(*(char **)member);
    *(char **)member = g_strdup(text);
    return NULL;
  case CW_OPTION_STRING_LIST:
  case CW_OPTION_TABLE:
  case CW_OPTION_DEFAULT:
    break;
  }
  return g_strdup("has a type that cannot be written as one value");
}
