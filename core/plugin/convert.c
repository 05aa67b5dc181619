/* Conversions, seen from the host: the words of the command line become an options struct, and what the
 * plugin writes is kept next to its final name until it is whole. A folder with something in it is never
 * replaced. */
#include "core/plugin/convert.h"
#include "core/base/durable.h"
#include "core/base/interrupt.h"
#include "core/base/progress.h"
#include "core/plugin/errors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMAND_LINE "<command line>"

/* Puts one word into the mapping; the complaint when it cannot be. */
static void take_word(CwYamlNode *mapping, const char *word, guint number, CwDiagnostics *diagnostics)
{
  g_autofree char *where = g_strdup_printf(COMMAND_LINE ": argument %u", number);
  CwPlace place = {g_intern_string(where), 0, 0};
  const char *equals = strchr(word, '=');
  gboolean valid = g_utf8_validate(word, -1, NULL);
  g_autofree char *shown = valid ? cw_display_text(word) : NULL;
  g_autofree char *key = equals ? g_strndup(word, equals - word) : NULL;
  if (valid && (!key || *key == '\0'))
    cw_diagnostics_error(diagnostics, place, "expected KEY=VALUE, found %s", shown);
  else if (valid && cw_yaml_get(mapping, key))
    cw_diagnostics_error(diagnostics, place, "duplicate key '%s'", key);
  else
    cw_yaml_set_from(mapping, word, where, diagnostics);
}

/* A first word without '=' is the path that the conversion is about, where its first option is a required
 * path: "KEY=PATH", to be freed; NULL for any other word. */
static char *name_first_word(const CwRegisteredConversion *conversion, const char *word)
{
  const CwOption *first = conversion->options.n_rows ? &conversion->options.rows[0] : NULL;
  if (!first || first->type != CW_OPTION_PATH || !(first->flags & CW_OPTION_REQUIRED) || strchr(word, '=') ||
      !g_utf8_validate(word, -1, NULL))
    return NULL;
  g_autofree char *quoted = cw_options_quote(word);
  return g_strdup_printf("%s=%s", first->name, quoted);
}

gpointer cw_convert_options(const CwRegisteredConversion *conversion, const char *const *words,
                            const char *what, GError **error)
{
  CwDiagnostics *diagnostics = cw_diagnostics_new();
  CwYamlNode *mapping = cw_yaml_parse_text("{}", COMMAND_LINE, diagnostics);
  CwOptionsScope scope = {.what = what, .place = {g_intern_static_string(COMMAND_LINE), 0, 0}};
  for (guint i = 0; words && words[i]; i++) {
    g_autofree char *named = i == 0 ? name_first_word(conversion, words[i]) : NULL;
    take_word(mapping, named ? named : words[i], i + 1, diagnostics);
  }
  gpointer options = cw_options_fill_in(&conversion->options, mapping, &scope, diagnostics);
  if (!cw_diagnostics_propagate(diagnostics, error)) {
    cw_options_free(&conversion->options, options);
    options = NULL;
  }
  cw_yaml_free(mapping);
  cw_diagnostics_free(diagnostics);
  return options;
}

typedef struct {
  gboolean quiet;
  char *doing;
  CwProgress *progress;
} Shown;

static void stop_showing(Shown *shown)
{
  g_clear_pointer(&shown->progress, cw_progress_finish);
  g_clear_pointer(&shown->doing, g_free);
}

static gboolean show_progress(gpointer data, const char *doing, guint64 done, guint64 total, GError **error)
{
  Shown *shown = data;
  if (cw_interrupted()) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CANCELLED, "interrupted during '%s'; nothing was written",
                doing);
    return FALSE;
  }
  if (g_strcmp0(shown->doing, doing) != 0) {
    stop_showing(shown);
    shown->doing = g_strdup(doing);
    shown->progress = cw_progress_new(doing, shown->quiet);
  }
  cw_progress_update(shown->progress, done, total, NULL);
  return TRUE;
}

static gboolean is_folder(const char *path)
{
  struct stat status;
  return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Whether the target may be written, asked before the work rather than after it. */
static gboolean check_target(const char *into, gboolean overwrite, GError **error)
{
  g_autofree char *parent = g_path_get_dirname(into);
  struct stat status;
  if (!g_file_test(parent, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: its folder '%s' does not exist; make it first", into, parent);
    return FALSE;
  }
  if (lstat(into, &status) != 0)
    return TRUE;
  if (!overwrite) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: is already there; name another path, or replace it with --overwrite", into);
    return FALSE;
  }
  if (!is_folder(into))
    return TRUE;
  g_autoptr(GPtrArray) names = cw_list_directory(into, error);
  if (names && names->len > 0)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: is a folder with something in it, which --overwrite does not replace; remove it, or "
                "name another path",
                into);
  return names && names->len == 0;
}

/* Gives what was written its name. An empty folder makes room. */
static gboolean put_in_place(const char *written, const char *into, GError **error)
{
  if (!cw_tree_sync(written, error))
    return FALSE;
  if (is_folder(into) && rmdir(into) != 0) {
    cw_set_errno_error(error, "replace", into);
    return FALSE;
  }
  return cw_tree_rename(written, into, error);
}

/* The folder in which the plugin writes, empty, and locked as long as this process lives: what a killed one
 * left there is known to be nobody's. Returns its descriptor, or -1 with error. */
static int open_workplace(const char *path, GError **error)
{
  if (!is_folder(path) && (!cw_remove_tree(path, error) || !cw_make_directories(path, error)))
    return -1;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    cw_set_errno_error(error, "open", path);
    return -1;
  }
  g_autoptr(GPtrArray) names = NULL;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_CONFIGURATION,
                "%s: another process is writing here; wait for it, or name another path", path);
  else if ((names = cw_list_directory(path, error))) {
    gboolean good = TRUE;
    for (guint i = 0; i < names->len && good; i++) {
      g_autofree char *left = g_build_filename(path, names->pdata[i], NULL);
      good = cw_remove_tree(left, error);
    }
    if (good)
      return fd;
  }
  close(fd);
  return -1;
}

static gboolean run_in(const char *workplace, const char *into, const CwRegisteredFeature *feature,
                       const CwRegisteredConversion *conversion, gconstpointer options, gboolean quiet,
                       GError **error)
{
  g_autofree char *name = g_path_get_basename(into), *written = g_build_filename(workplace, name, NULL);
  Shown shown = {.quiet = quiet};
  const char *slot = conversion == &feature->import ? "import" : "export";
  CwSlotCall call = cw_slot_begin(feature, slot);
  gboolean good = conversion->run(options, written, show_progress, &shown, &call.failure);
  stop_showing(&shown);
  if (!cw_slot_end(&call, good, error))
    return FALSE;
  if (g_file_test(written, G_FILE_TEST_EXISTS))
    return put_in_place(written, into, error);
  return cw_feature_error(feature, error, CW_ERROR_FAILED, "%s says that it is done and wrote nothing", slot);
}

gboolean cw_convert(const CwRegisteredFeature *feature, const CwRegisteredConversion *conversion,
                    gconstpointer options, const CwConvertTarget *target, GError **error)
{
  g_autofree char *into = g_strdup(target->into);
  for (gsize length = strlen(into); length > 1 && into[length - 1] == G_DIR_SEPARATOR; length--)
    into[length - 1] = '\0';
  if (!check_target(into, target->overwrite, error))
    return FALSE;
  g_autofree char *workplace = cw_aside(into);
  int lock = open_workplace(workplace, error);
  if (lock < 0)
    return FALSE;
  gboolean good = run_in(workplace, into, feature, conversion, options, target->quiet, error);
  cw_remove_tree(workplace, NULL);
  close(lock);
  return good;
}
