/* Paths as configurations write them. Nothing is remembered: the caller owns what is returned. */
#include "core/config/paths.h"
#include <string.h>

/* What stands for the reference at `text`, whose end goes to *end; NULL with *problem. */
static const char *look_up(const char *text, const char **end, char **problem)
{
  if (*text == '~') {
    const char *home = g_getenv("HOME");
    *end = text + 1;
    if (!home || !*home)
      *problem =
          g_strdup("begins with ~, and the environment variable HOME is not set; write the folder out");
    return *problem ? NULL : home;
  }
  const char *name = text + strlen("${");
  gsize length = strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
  if (length == 0 || name[length] != '}') {
    g_autofree char *shown = cw_display_text(text);
    *problem = g_strdup_printf("has %s; expected ${NAME}, the name of an environment variable", shown);
    return NULL;
  }
  g_autofree char *variable = g_strndup(name, length);
  const char *value = g_getenv(variable);
  *end = name + length + 1;
  if (!value)
    *problem =
        g_strdup_printf("names ${%s}, and no environment variable %s is set; set it, or write the path out",
                        variable, variable);
  else if (!g_utf8_validate(value, -1, NULL))
    *problem = g_strdup_printf("names ${%s}, which is not valid UTF-8", variable);
  return *problem ? NULL : value;
}

char *cw_path_expand(const char *text, char **problem)
{
  g_autoptr(GString) path = g_string_new(NULL);
  *problem = NULL;
  for (const char *p = text; *p;) {
    gboolean home = p == text && *p == '~' && (p[1] == '\0' || p[1] == '/');
    if (!home && !g_str_has_prefix(p, "${")) {
      g_string_append_c(path, *p++);
      continue;
    }
    const char *value = look_up(p, &p, problem);
    if (!value)
      return NULL;
    g_string_append(path, value);
  }
  return g_string_free(g_steal_pointer(&path), FALSE);
}

/* The path from that folder if something is there, or NULL. */
static char *found_in(const char *folder, const char *text)
{
  g_autofree char *path = g_build_filename(folder, text, NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

char *cw_path_find(const char *text, CwPlace place, const char *const *folders)
{
  g_autofree char *folder = place.line > 0 ? g_path_get_dirname(place.file) : g_strdup(".");
  if (g_path_is_absolute(text))
    return g_strdup(text);
  char *found = strcmp(folder, ".") == 0 ? NULL : found_in(folder, text);
  if (found || g_file_test(text, G_FILE_TEST_EXISTS))
    return found ? found : g_strdup(text);
  for (; folders && *folders && !found; folders++)
    found = found_in(*folders, text);
  return found ? found : g_strdup(text);
}
