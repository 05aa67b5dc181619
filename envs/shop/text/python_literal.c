/* A reader of two shapes of literals, with the escapes that quoting such strings produces. */
#include "envs/shop/text/python_literal.h"

#include <string.h>

static void skip_blanks(const char **text)
{
  while (g_ascii_isspace(**text))
    (*text)++;
}

/* The character after \x, \u or \U, of `n_digits` hexadecimal digits. */
static gboolean read_code(const char **text, guint n_digits, GString *out)
{
  gunichar code = 0;
  for (guint i = 0; i < n_digits; i++, (*text)++) {
    if (!g_ascii_isxdigit(**text))
      return FALSE;
    code = code * 16 + (gunichar)g_ascii_xdigit_value(**text);
  }
  if (code == 0 || !g_unichar_validate(code))
    return FALSE;
  g_string_append_unichar(out, code);
  return TRUE;
}

static gboolean read_escape(const char **text, GString *out)
{
  static const char known[] = "n\nr\rt\t\\\\'\'\"\"";
  char c = **text;
  if (c == 'x' || c == 'u' || c == 'U') {
    (*text)++;
    return read_code(text, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
  }
  for (const char *k = known; *k != '\0'; k += 2)
    if (c == *k) {
      g_string_append_c(out, k[1]);
      (*text)++;
      return TRUE;
    }
  return FALSE;
}

static gboolean read_string(const char **text, GPtrArray *strings)
{
  char quote = **text;
  if (quote != '\'' && quote != '"')
    return FALSE;
  g_autoptr(GString) out = g_string_new(NULL);
  for ((*text)++; **text != quote;) {
    if (**text == '\0')
      return FALSE;
    if (**text != '\\') {
      g_string_append_c(out, *(*text)++);
      continue;
    }
    (*text)++;
    if (!read_escape(text, out))
      return FALSE;
  }
  (*text)++;
  g_ptr_array_add(strings, g_strdup(out->str));
  return TRUE;
}

static gboolean read_items(const char *text, char open, char close, gboolean pairs, GPtrArray *strings)
{
  skip_blanks(&text);
  if (*text++ != open)
    return FALSE;
  for (gboolean first = TRUE;; first = FALSE) {
    skip_blanks(&text);
    if (*text == close)
      break;
    if (!first && *text++ != ',')
      return FALSE;
    skip_blanks(&text);
    if (!read_string(&text, strings))
      return FALSE;
    if (!pairs)
      continue;
    skip_blanks(&text);
    if (*text++ != ':')
      return FALSE;
    skip_blanks(&text);
    if (!read_string(&text, strings))
      return FALSE;
  }
  text++;
  skip_blanks(&text);
  return *text == '\0';
}

gboolean shop_python_list_read(const char *text, GPtrArray *strings)
{
  return read_items(text, '[', ']', FALSE, strings);
}

gboolean shop_python_dict_read(const char *text, GPtrArray *strings)
{
  return read_items(text, '{', '}', TRUE, strings);
}
