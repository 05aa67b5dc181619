/* Numbers and strings as JSON text. Numbers are written with the fewest digits that read back as the same
 * value, and of those the nearest, which is what Python's repr does, so that files can be compared byte by
 * byte. The locale plays no part. */
#include "core/base/json_text.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits and the power of ten of the last of them. */
typedef struct {
  guint64 digits;
  int exponent;
} Decimal;

static gboolean reads_back(Decimal decimal, double value, gboolean single)
{
  char text[40];
  double read;
  g_snprintf(text, sizeof text, "%" G_GUINT64_FORMAT "e%d", decimal.digits, decimal.exponent);
  read = g_ascii_strtod(text, NULL);
  return single ? (float)read == (float)value : read == value;
}

/* Finds digits, `precision` of them, that read back as `value`, finite and positive. FALSE when there are
 * none. */
static gboolean try_precision(double value, gboolean single, guint precision, Decimal *decimal)
{
  char format[16], text[40];
  const char *p;
  g_snprintf(format, sizeof format, "%%.%ue", precision - 1);
  g_ascii_formatd(text, sizeof text, format, value);
  decimal->digits = 0;
  for (p = text; *p != 'e'; p++)
    if (g_ascii_isdigit(*p))
      decimal->digits = decimal->digits * 10 + (guint64)(*p - '0');
  decimal->exponent = atoi(p + 1) - (int)(precision - 1);
  if (reads_back(*decimal, value, single))
    return TRUE;
  /* Below a power of two the values lie twice as dense as above it, so there the next digits up can do what
   * the nearest ones cannot. */
  decimal->digits++;
  return reads_back(*decimal, value, single);
}

/* The shortest digits of `value`, finite and positive, without zeroes at the end, as text; returns the power
 * of ten of the first. A normal number keeps DIG decimal digits, so fewer need not be tried one by one. */
static int find_digits(char digits[24], double value, gboolean single)
{
  gboolean normal = value >= (single ? (double)FLT_MIN : DBL_MIN);
  guint precision = !normal ? 1 : single ? FLT_DIG : DBL_DIG, most = single ? 9 : 17;
  Decimal decimal;
  while (!try_precision(value, single, precision, &decimal) && precision < most)
    precision++;
  int n_digits = g_snprintf(digits, 24, "%" G_GUINT64_FORMAT, decimal.digits);
  int exponent = decimal.exponent + n_digits - 1;
  while (n_digits > 1 && digits[n_digits - 1] == '0')
    digits[--n_digits] = '\0';
  return exponent;
}

/* Python's repr: digits with a point from 1e-4 to below 1e16, else with an exponent. */
static char *format(char *buffer, double value, gboolean single)
{
  if (!isfinite(value))
    return strcpy(buffer, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
  char digits[24] = "0";
  int exponent = value == 0 ? 0 : find_digits(digits, fabs(value), single), n_digits = (int)strlen(digits);
  const char *sign = signbit(value) ? "-" : "";
  if (exponent < -4 || exponent >= 16)
    g_snprintf(buffer, 32, "%s%c%s%se%c%02d", sign, digits[0], n_digits > 1 ? "." : "", digits + 1,
               exponent < 0 ? '-' : '+', abs(exponent));
  else if (exponent < 0)
    g_snprintf(buffer, 32, "%s0.%.*s%s", sign, -1 - exponent, "000", digits);
  else if (n_digits > exponent + 1)
    g_snprintf(buffer, 32, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
  else
    g_snprintf(buffer, 32, "%s%s%.*s.0", sign, digits, exponent + 1 - n_digits, "0000000000000000");
  return buffer;
}

char *cw_format_double(char *buffer, double value)
{
  return format(buffer, value, FALSE);
}

char *cw_format_float(char *buffer, float value)
{
  return format(buffer, value, TRUE);
}

static void append_quoted(GString *json, const char *text)
{
  g_autofree char *valid = g_utf8_validate(text, -1, NULL) ? NULL : g_utf8_make_valid(text, -1);
  g_string_append_c(json, '"');
  for (const char *p = valid ? valid : text; *p; p++) {
    static const char special[] = "\"\\\n\t\r", letters[] = "\"\\ntr";
    const char *found = strchr(special, *p);
    if (found)
      g_string_append_printf(json, "\\%c", letters[found - special]);
    else if ((guchar)*p < 0x20 || *p == 0x7f)
      g_string_append_printf(json, "\\u%04x", (guint)(guchar)*p);
    else
      g_string_append_c(json, *p);
  }
  g_string_append_c(json, '"');
}

/* What stands before a value: the comma, if there must be one, and the key. */
static void begin_value(GString *json, const char *key)
{
  if (json->len > 0 && !strchr("{[, \n", json->str[json->len - 1]))
    g_string_append(json, ", ");
  if (!key)
    return;
  append_quoted(json, key);
  g_string_append(json, ": ");
}

void cw_json_begin(GString *json, const char *key, char bracket)
{
  begin_value(json, key);
  g_string_append_c(json, bracket);
}

void cw_json_end(GString *json, char bracket)
{
  g_string_append_c(json, bracket);
}

void cw_json_string(GString *json, const char *key, const char *text)
{
  begin_value(json, key);
  append_quoted(json, text);
}

void cw_json_double(GString *json, const char *key, double value)
{
  char buffer[32];
  begin_value(json, key);
  g_string_append(json, isfinite(value) ? cw_format_double(buffer, value) : "null");
}

void cw_json_float(GString *json, const char *key, float value)
{
  char buffer[32];
  begin_value(json, key);
  g_string_append(json, isfinite(value) ? cw_format_float(buffer, value) : "null");
}

void cw_json_integer(GString *json, const char *key, gint64 value)
{
  begin_value(json, key);
  g_string_append_printf(json, "%" G_GINT64_FORMAT, value);
}

void cw_json_boolean(GString *json, const char *key, gboolean value)
{
  begin_value(json, key);
  g_string_append(json, value ? "true" : "false");
}

void cw_json_facts(GString *json, const char *key, const char *const *facts)
{
  cw_json_begin(json, key, '{');
  for (; facts && facts[0] && facts[1]; facts += 2)
    cw_json_string(json, facts[0], facts[1]);
  cw_json_end(json, '}');
}
