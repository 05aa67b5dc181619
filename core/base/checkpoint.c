/* Checkpoints: trees written aside (core/base/durable.h) with a manifest, which is written last and guards
 * itself with a checksum over its own text. */
#include "core/base/checkpoint.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"
#include <cartwright/checksum.h>
#include <cartwright/error.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#define MANIFEST      "manifest.json"
#define FORMAT        1
#define CHECKSUM_MARK ", \"manifest_crc32c\": \""

char *cw_checkpoint_begin(const char *parent, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename(parent, name, NULL);
  return cw_tree_begin(path, error);
}

void cw_checkpoint_abandon(const char *parent, const char *name)
{
  g_autofree char *path = g_build_filename(parent, name, NULL);
  cw_tree_abandon(path);
}

/* Appends the files under ROOT/RELATIVE ("" for the root itself) to the manifest's list. */
static gboolean add_files(const char *root, const char *relative, GString *list, GError **error)
{
  g_autofree char *directory = g_build_filename(root, relative, NULL);
  g_autoptr(GPtrArray) names = cw_list_directory(directory, error);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *inside =
        g_build_filename(*relative ? relative : names->pdata[i], *relative ? names->pdata[i] : NULL, NULL);
    g_autofree char *path = g_build_filename(root, inside, NULL);
    struct stat status;
    guint64 size;
    guint32 crc;
    if (strcmp(inside, MANIFEST) == 0)
      continue;
    if (lstat(path, &status) < 0) {
      cw_set_errno_error(error, "examine", path);
      return FALSE;
    }
    if (S_ISDIR(status.st_mode)) {
      if (!add_files(root, inside, list, error))
        return FALSE;
      continue;
    }
    if (!S_ISREG(status.st_mode)) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_FAILED,
                  "%s: expected a file or a folder in a checkpoint, found something else", path);
      return FALSE;
    }
    if (!cw_measure_file(path, &size, &crc, error))
      return FALSE;
    g_autofree char *checksum = g_strdup_printf("%08x", crc);
    cw_json_begin(list, NULL, '{');
    cw_json_string(list, "name", inside);
    cw_json_integer(list, "size", (gint64)size);
    cw_json_string(list, "crc32c", checksum);
    cw_json_end(list, '}');
  }
  return names != NULL;
}

static GString *make_manifest(const char *root, const char *const *facts, GError **error)
{
  g_autoptr(GString) manifest = g_string_new("{");
  cw_json_integer(manifest, "format", FORMAT);
  cw_json_facts(manifest, "facts", facts);
  cw_json_begin(manifest, "files", '[');
  if (!add_files(root, "", manifest, error))
    return NULL;
  cw_json_end(manifest, ']');
  guint32 crc = cw_crc32c(0, manifest->str, manifest->len);
  g_string_append_printf(manifest, CHECKSUM_MARK "%08x\"}\n", crc);
  return g_steal_pointer(&manifest);
}

gboolean cw_checkpoint_commit(const char *parent, const char *name, const char *const *facts, GError **error)
{
  g_autofree char *path = g_build_filename(parent, name, NULL), *partial = cw_aside(path);
  g_autofree char *manifest_path = g_build_filename(partial, MANIFEST, NULL);
  g_autoptr(GString) manifest = make_manifest(partial, facts, error);
  return manifest && cw_write_file(manifest_path, manifest->str, manifest->len, error) &&
         cw_tree_commit(path, error);
}

static void set_manifest_error(GError **error, const char *path, const char *found)
{
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
              "%s: expected the manifest of a finished checkpoint, found %s; use another checkpoint", path,
              found);
}

/* TRUE when the text ends in the checksum of what stands before it. */
static gboolean guards_itself(const char *text, gsize length)
{
  const char *mark = g_strrstr_len(text, (gssize)length, CHECKSUM_MARK);
  g_autofree char *expected = NULL;
  if (!mark)
    return FALSE;
  expected = g_strdup_printf(CHECKSUM_MARK "%08x\"}\n", cw_crc32c(0, text, (gsize)(mark - text)));
  return strcmp(mark, expected) == 0;
}

/* The manifest of a checkpoint; free with json_decref. */
static json_t *read_manifest(const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename(directory, MANIFEST, NULL);
  g_autofree char *text = NULL;
  json_t *manifest;
  json_int_t format;
  gsize length;
  if (!g_file_get_contents(path, &text, &length, NULL)) {
    set_manifest_error(error, path,
                       g_file_test(path, G_FILE_TEST_EXISTS) ? "an unreadable file" : "no such file");
    return NULL;
  }
  if (!guards_itself(text, length)) {
    set_manifest_error(error, path, "a damaged file (its checksum does not fit)");
    return NULL;
  }
  manifest = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
  format = json_integer_value(json_object_get(manifest, "format"));
  if (format != FORMAT || !json_is_object(json_object_get(manifest, "facts")) ||
      !json_is_array(json_object_get(manifest, "files"))) {
    g_autofree char *found = g_strdup_printf(
        "one of format %" JSON_INTEGER_FORMAT " (this program reads format %d)", format, FORMAT);

    set_manifest_error(error, path, found);
    json_decref(manifest);
    return NULL;
  }
  return manifest;
}

/* Checks a file against its entry in the manifest; with `checksums`, content too. */
static gboolean verify_file(const char *directory, const json_t *file, gboolean checksums, GError **error)
{
  const char *name = json_string_value(json_object_get(file, "name"));
  const char *expected_crc = json_string_value(json_object_get(file, "crc32c"));
  guint64 expected_size = (guint64)json_integer_value(json_object_get(file, "size"));
  if (!name || !expected_crc) {
    g_autofree char *manifest = g_build_filename(directory, MANIFEST, NULL);
    set_manifest_error(error, manifest, "a file without name or checksum");
    return FALSE;
  }
  g_autofree char *path = g_build_filename(directory, name, NULL);
  struct stat status;
  if (stat(path, &status) < 0) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected a file of %" G_GUINT64_FORMAT
                " bytes, as the checkpoint's manifest says, found none; use another checkpoint",
                path, expected_size);
    return FALSE;
  }
  guint64 size = (guint64)status.st_size;
  guint32 crc = 0;
  if (size == expected_size && checksums && !cw_measure_file(path, &size, &crc, error))
    return FALSE;
  if (size != expected_size) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: expected %" G_GUINT64_FORMAT
                " bytes, as the checkpoint's manifest says, found %" G_GUINT64_FORMAT
                "; use another checkpoint",
                path, expected_size, size);
    return FALSE;
  }
  g_autofree char *found = g_strdup_printf("%08x", crc);
  if (!checksums || strcmp(found, expected_crc) == 0)
    return TRUE;
  g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
              "%s: expected content with CRC32C %s, as the checkpoint's manifest says, found %s: the file is "
              "damaged; use another checkpoint",
              path, expected_crc, found);
  return FALSE;
}

/* With `checksums`, content too; otherwise only that files are there in their sizes. */
static gboolean verify(const char *directory, gboolean checksums, GError **error)
{
  json_t *manifest = read_manifest(directory, error), *file;
  gboolean good = manifest != NULL;
  gsize i;
  json_array_foreach(json_object_get(manifest, "files"), i, file)
  {
    good = good && verify_file(directory, file, checksums, error);
  }
  json_decref(manifest);
  return good;
}

gboolean cw_checkpoint_verify(const char *directory, GError **error)
{
  return verify(directory, TRUE, error);
}

char *cw_checkpoint_fact(const char *directory, const char *key, GError **error)
{
  json_t *manifest = read_manifest(directory, error);
  char *fact = g_strdup(json_string_value(json_object_get(json_object_get(manifest, "facts"), key)));
  json_decref(manifest);
  return fact;
}

/* N of "step-N", or -1. */
static gint64 step_of(const char *name)
{
  guint64 step;
  if (!g_str_has_prefix(name, "step-") ||
      !g_ascii_string_to_unsigned(name + strlen("step-"), 10, 0, G_MAXINT64, &step, NULL))
    return -1;
  return (gint64)step;
}

static gint compare_steps(gconstpointer a, gconstpointer b)
{
  gint64 x = step_of(*(const char *const *)a), y = step_of(*(const char *const *)b);
  return (x < y) - (x > y);
}

/* The step-N of a directory, newest first; empty when there is no directory. */
static GPtrArray *list_steps(const char *parent, GError **error)
{
  GPtrArray *names;
  if (!g_file_test(parent, G_FILE_TEST_EXISTS))
    return g_ptr_array_new_with_free_func(g_free);
  names = cw_list_directory(parent, error);
  for (guint i = names ? names->len : 0; i > 0; i--)
    if (step_of(names->pdata[i - 1]) < 0)
      g_ptr_array_remove_index(names, i - 1);
  if (names)
    g_ptr_array_sort(names, compare_steps);
  return names;
}

char *cw_checkpoint_latest(const char *parent, GError **error)
{
  g_autoptr(GPtrArray) names = list_steps(parent, error);

  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *path = g_build_filename(parent, names->pdata[i], NULL);
    g_autoptr(GError) reason = NULL;

    if (cw_checkpoint_verify(path, &reason))
      return g_strdup(names->pdata[i]);
    g_warning("skipping a broken checkpoint: %s", reason->message);
  }
  return NULL;
}

gboolean cw_checkpoint_remove_newer(const char *parent, guint64 step, GError **error)
{
  g_autoptr(GPtrArray) names = list_steps(parent, error);
  for (guint i = 0; names && i < names->len && (guint64)step_of(names->pdata[i]) > step; i++) {
    g_autofree char *path = g_build_filename(parent, names->pdata[i], NULL);
    if (!cw_tree_remove(path, error))
      return FALSE;
  }
  return names != NULL;
}

gboolean cw_checkpoint_prune(const char *parent, guint keep, GError **error)
{
  g_autoptr(GPtrArray) names = list_steps(parent, error);
  guint kept = 0;
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *path = g_build_filename(parent, names->pdata[i], NULL);
    if (kept >= keep) {
      if (!cw_tree_remove(path, error))
        return FALSE;
    } else if (verify(path, FALSE, NULL)) {
      kept++;
    }
  }
  return names && cw_tree_sweep(parent, error);
}
