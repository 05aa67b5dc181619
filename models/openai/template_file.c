/* Reading templates. A file has lines "key: value", then texts, each after a line "=== name". Those that come
 * with the plugin are compiled in from models/openai/templates. */
#include "models/openai/template.h"
#include "models/openai/template_files.h"
#include <string.h>

typedef enum { FLAG, NUMBER, TEXT } Kind;

static const struct {
  const char *name;
  Kind kind;
  gsize offset;
} keys[] = {
    {"numbers", FLAG, offsetof(OpenaiTemplate, numbers)},
    {"dialogue", FLAG, offsetof(OpenaiTemplate, dialogue)},
    {"completions", FLAG, offsetof(OpenaiTemplate, completions)},
    {"history", NUMBER, offsetof(OpenaiTemplate, history)},
    {"open", TEXT, offsetof(OpenaiTemplate, open)},
    {"close", TEXT, offsetof(OpenaiTemplate, close)},
    {"think_open", TEXT, offsetof(OpenaiTemplate, think_open)},
    {"think_close", TEXT, offsetof(OpenaiTemplate, think_close)},
    {"fallback", NUMBER, offsetof(OpenaiTemplate, fallback)},
    {"lower", FLAG, offsetof(OpenaiTemplate, lower)},
    {"no_cjk", FLAG, offsetof(OpenaiTemplate, no_cjk)},
    {"brackets", FLAG, offsetof(OpenaiTemplate, brackets)},
    {"stop", TEXT, offsetof(OpenaiTemplate, stop)},
    {"note", TEXT, offsetof(OpenaiTemplate, note)},
    {"note_alone", FLAG, offsetof(OpenaiTemplate, note_alone)},
    {"thought", TEXT, offsetof(OpenaiTemplate, thought)},
    {"thought_note", TEXT, offsetof(OpenaiTemplate, thought_note)},
    {"query", TEXT, offsetof(OpenaiTemplate, query)},
};

static const char *const texts[OPENAI_N_TEXTS] = {"system", "user", "step", "assistant", "candidate"};

static gpointer member_of(OpenaiTemplate *template, guint key)
{
  return (char *)template + keys[key].offset;
}

static gboolean complain(GError **error, const char *where, guint line, const char *expected,
                         const char *found)
{
  g_set_error(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION, "%s:%u: expected %s, found '%s'", where, line,
              expected, found);
  return FALSE;
}

static gboolean set_value(OpenaiTemplate *template, guint key, const char *value, const char *where,
                          guint line, GError **error)
{
  if (keys[key].kind == TEXT) {
    char **text = member_of(template, key);
    g_free(*text);
    *text = g_strcompress(value);
    return TRUE;
  }
  if (keys[key].kind == FLAG) {
    *(gboolean *)member_of(template, key) = g_str_equal(value, "yes");
    return g_str_equal(value, "yes") || g_str_equal(value, "no") ||
           complain(error, where, line, "yes or no", value);
  }
  return g_ascii_string_to_signed(value, 10, 0, 1000000, member_of(template, key), NULL) ||
         complain(error, where, line, "a number from 0 to 1000000", value);
}

static gboolean read_key(OpenaiTemplate *template, const char *text, const char *where, guint line,
                         GError **error)
{
  g_auto(GStrv) parts = g_strsplit(text, ":", 2);
  for (guint k = 0; parts[0] && parts[1] && k < G_N_ELEMENTS(keys); k++)
    if (g_str_equal(g_strstrip(parts[0]), keys[k].name))
      return set_value(template, k, g_strstrip(parts[1]), where, line, error);
  g_autoptr(GString) known = g_string_new("'key: value' with one of the keys");
  for (guint k = 0; k < G_N_ELEMENTS(keys); k++)
    g_string_append_printf(known, "%s %s", k ? "," : "", keys[k].name);
  return complain(error, where, line, known->str, text);
}

static gint text_named(const char *line)
{
  for (gint t = 0; t < OPENAI_N_TEXTS; t++)
    if (g_str_equal(line, texts[t]))
      return t;
  return -1;
}

/* A text keeps its lines but the last newline. */
static void end_text(OpenaiTemplate *template, gint text, GString *content)
{
  if (text < 0)
    return;
  if (content->len > 0)
    g_string_truncate(content, content->len - 1);
  g_free(template->texts[text]);
  template->texts[text] = g_strdup(content->str);
  g_string_truncate(content, 0);
}

static gboolean read_lines(OpenaiTemplate *template, const char *content, const char *where, GError **error)
{
  g_auto(GStrv) lines = g_strsplit(content, "\n", -1);
  g_autoptr(GString) body = g_string_new(NULL);
  guint n = g_strv_length(lines);
  gint text = -1;
  if (n > 0 && !*lines[n - 1]) /* what follows the last newline */
    n--;
  for (guint i = 0; i < n; i++) {
    if (g_str_has_prefix(lines[i], "=== ")) {
      end_text(template, text, body);
      text = text_named(lines[i] + 4);
      if (text < 0)
        return complain(error, where, i + 1, "=== system, user, step, assistant or candidate", lines[i]);
    } else if (text >= 0)
      g_string_append_printf(body, "%s\n", lines[i]);
    else if (*lines[i] && *lines[i] != '#' && !read_key(template, lines[i], where, i + 1, error))
      return FALSE;
  }
  end_text(template, text, body);
  return *template->texts[OPENAI_USER] ||
         complain(error, where, n, "a text '=== user', which asks for an action", "none");
}

static const OpenaiTemplateFile *built_in(const char *name)
{
  for (const OpenaiTemplateFile *file = openai_template_files; file->name; file++)
    if (g_str_equal(file->name, name))
      return file;
  return NULL;
}

static OpenaiTemplate *template_new(const char *name)
{
  OpenaiTemplate *template = g_new0(OpenaiTemplate, 1);
  template->name = g_strdup(name);
  template->history = 1000000;
  for (guint k = 0; k < G_N_ELEMENTS(keys); k++)
    if (keys[k].kind == TEXT)
      *(char **)member_of(template, k) = g_strdup("");
  for (guint t = 0; t < OPENAI_N_TEXTS; t++)
    template->texts[t] = g_strdup("");
  return template;
}

void openai_template_free(OpenaiTemplate *template)
{
  if (!template)
    return;
  for (guint k = 0; k < G_N_ELEMENTS(keys); k++)
    if (keys[k].kind == TEXT)
      g_free(*(char **)member_of(template, k));
  for (guint t = 0; t < OPENAI_N_TEXTS; t++)
    g_free(template->texts[t]);
  g_free(template->name);
  g_free(template);
}

OpenaiTemplate *openai_template_open(const char *name, GError **error)
{
  const OpenaiTemplateFile *file = built_in(name);
  g_autofree char *content = file ? g_strdup(file->content) : NULL;
  g_autoptr(GError) problem = NULL;
  if (!file && !g_file_get_contents(name, &content, NULL, &problem)) {
    g_autoptr(GString) known = g_string_new(NULL);
    for (file = openai_template_files; file->name; file++)
      g_string_append_printf(known, "%s, ", file->name);
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION,
                "template: expected %sor the path of a file, found '%s': %s", known->str, name,
                problem->message);
    return NULL;
  }
  OpenaiTemplate *template = template_new(name);
  if (!g_utf8_validate(content, -1, NULL))
    complain(error, name, 1, "UTF-8", "other bytes");
  else if (read_lines(template, content, name, error))
    return template;
  openai_template_free(template);
  return NULL;
}
