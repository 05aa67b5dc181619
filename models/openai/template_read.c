/* Reading answers, as the protocol of a template has it. The same answer always means the same. */
#include "models/openai/template.h"
#include <string.h>

/* The number of the candidate of that text, whatever the case; CW_WORDS: none. */
static guint candidate_named(const CwDecision *decision, const char *text)
{
  for (guint i = 0; i < decision->n_candidates; i++)
    if (g_ascii_strcasecmp(decision->candidates[i], text) == 0)
      return i;
  return CW_WORDS;
}

/* The first whole number from 1 to the number of candidates. */
static guint candidate_numbered(const CwDecision *decision, const char *text)
{
  while (*text && !g_ascii_isdigit(*text))
    text++;
  guint64 number = g_ascii_strtoull(text, NULL, 10);
  return number >= 1 && number <= decision->n_candidates ? (guint)number - 1 : CW_WORDS;
}

static gboolean has_chinese(const char *text)
{
  for (; *text; text = g_utf8_next_char(text)) {
    gunichar character = g_utf8_get_char(text);
    if (character >= 0x4e00 && character <= 0x9fff)
      return TRUE;
  }
  return FALSE;
}

/* What stands between the marks, the last of them when there are several and the action ends with its line;
 * NULL: nothing does. */
static char *marked_part(const OpenaiTemplate *template, const char *answer)
{
  if (!*template->open)
    return g_strdup(answer);
  const char *open = *template->close ? strstr(answer, template->open) : g_strrstr(answer, template->open);
  if (!open)
    return NULL;
  open += strlen(template->open);
  if (*template->close) {
    const char *close = strstr(open, template->close);
    return close ? g_strndup(open, (gsize)(close - open)) : NULL;
  }
  while (g_ascii_isspace(*open))
    open++;
  return g_strndup(open, strcspn(open, "\n"));
}

static char *last_characters(const char *text, gint64 n)
{
  glong length = g_utf8_strlen(text, -1);
  return g_strdup(g_utf8_offset_to_pointer(text, MAX(length - (glong)n, 0)));
}

static gboolean has_pair(const char *text, const char *open, const char *close)
{
  return !*open || (strstr(text, open) && strstr(text, close));
}

/* "search[red shoes]": a name, and something in brackets up to the end. */
static gboolean has_brackets(const char *action)
{
  const char *open = strchr(action, '[');
  return open && open > action && g_str_has_suffix(open, "]") && strlen(open) > 2;
}

gboolean openai_template_read(const OpenaiTemplate *template, const CwDecision *decision, const char *answer,
                              guint *candidate, char **words)
{
  g_autofree char *text = template->lower ? g_utf8_strdown(answer, -1) : g_strdup(answer);
  g_autofree char *part = marked_part(template, text);
  gboolean valid = part && has_pair(text, template->think_open, template->think_close) &&
                   !(template->no_cjk && has_chinese(answer));
  if (!part)
    part = last_characters(text, template->fallback);
  g_strstrip(part);
  *candidate = candidate_named(decision, part);
  if (*candidate == CW_WORDS && template->numbers && valid) {
    *candidate = candidate_numbered(decision, part);
    valid = *candidate != CW_WORDS;
  }
  *words = *candidate == CW_WORDS ? g_steal_pointer(&part) : NULL;
  return valid && (!*words || (**words && (!template->brackets || has_brackets(*words))));
}
