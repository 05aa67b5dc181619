/* Finding a protocol's file, and saying what its episodes are: every goal that the experiment evaluates on
 * is started once, as an agent would find it. Nothing here knows what an environment is about. */
#include "lab/protocol/protocol.h"

#include "core/plugin/handles.h"
#include "core/plugin/search_path.h"

#include <string.h>

#define FOLDER "protocols"
#define SUFFIX ".yaml"
#define DIGITS 16

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all protocols, sorted, NULL-terminated. */
static GPtrArray *list_names(char **directories)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; directories[i]; i++) {
    g_autofree char *folder = g_build_filename(directories[i], FOLDER, NULL);
    g_autoptr(GDir) listing = g_dir_open(folder, 0, NULL);
    const char *file;
    while (listing && (file = g_dir_read_name(listing))) {
      if (!g_str_has_suffix(file, SUFFIX))
        continue;
      g_autofree char *name = g_strndup(file, strlen(file) - strlen(SUFFIX));
      if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_ptr_array_add(names, g_steal_pointer(&name));
    }
  }
  g_ptr_array_sort(names, compare_names);
  g_ptr_array_add(names, NULL);
  return names;
}

char *cw_protocol_find(const char *name, const char *const *plugin_path, GError **error)
{
  if (strchr(name, G_DIR_SEPARATOR) || g_str_has_suffix(name, SUFFIX))
    return g_strdup(name);
  g_auto(GStrv) directories = cw_search_path(plugin_path);
  g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
  for (guint i = 0; directories[i]; i++) {
    g_autofree char *path = g_build_filename(directories[i], FOLDER, file, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
      return g_steal_pointer(&path);
  }
  g_autoptr(GPtrArray) names = list_names(directories);
  const char *const *known = (const char *const *)names->pdata;
  const char *suggestion = cw_suggest(name, known);
  g_autofree char *list = g_strjoinv(", ", (char **)names->pdata);
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
              "there is no protocol '%s'%s%s%s expected an experiment's file or one of: %s", name,
              suggestion ? "; did you mean '" : ";", suggestion ? suggestion : "", suggestion ? "'?" : "",
              names->len > 1 ? list : "none is installed");
  return NULL;
}

/* Starts goal number `goal`; adds its task to the digest and, with `lines`, to them. */
static gboolean add_goal(CwSession *session, const char *split, gint64 goal, CwRandom *random,
                         GChecksum *checksum, GString *lines, GError **error)
{
  CwObservation seen;
  if (!cw_session_reset(session, split, goal, random, error) || !cw_session_observe(session, &seen, error))
    return FALSE;
  const char *task = seen.instruction ? seen.instruction : seen.text;
  g_checksum_update(checksum, (const guchar *)task, (gssize)strlen(task));
  g_checksum_update(checksum, (const guchar *)"\n", 1);
  if (lines)
    g_string_append_printf(lines, "%s\t%s\n", cw_session_goal_id(session), task);
  return TRUE;
}

static void append_facts(GString *out, const char *const *facts)
{
  for (; facts[0] && facts[1]; facts += 2)
    g_string_append_printf(out, "  %-20s %s\n", facts[0], facts[1]);
}

static char *describe(const CwExperiment *experiment, CwEnvironment *environment, gboolean with_goals,
                      GError **error)
{
  const CwEvaluateOptions *evaluate = experiment->evaluate;
  gint64 n = cw_environment_n_goals(environment, evaluate->split, error);
  g_autoptr(CwSession) session = n < 0 ? NULL : cw_session_new(environment, error);
  if (!session)
    return NULL;
  n = MIN(n, evaluate->episodes);
  g_autoptr(CwRandom) random = cw_random_new((guint32)experiment->seed, "protocol", 0, 0);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_autoptr(GString) lines = with_goals ? g_string_new(NULL) : NULL;
  for (gint64 goal = 0; goal < n; goal++)
    if (!add_goal(session, evaluate->split, goal, random, checksum, lines, error))
      return NULL;
  GString *out = g_string_new(NULL);
  g_string_append_printf(out, "%s: %" G_GINT64_FORMAT " episodes of split %s, digest %.*s\n",
                         experiment->name, n, evaluate->split, DIGITS, g_checksum_get_string(checksum));
  append_facts(out, cw_environment_describe(environment));
  if (lines)
    g_string_append_len(out, lines->str, (gssize)lines->len);
  return g_string_free(out, FALSE);
}

char *cw_protocol_describe(const CwExperiment *experiment, gboolean with_goals, GError **error)
{
  g_autoptr(CwEnvironment) environment = cw_environment_open(
      experiment->environment.feature, experiment->environment.options, (guint32)experiment->seed, error);
  return environment ? describe(experiment, environment, with_goals, error) : NULL;
}
