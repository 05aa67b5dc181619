/* Checkpoints. The caller fills PARENT/.NAME.partial; commit writes the manifest last, syncs everything and
 * gives the directory its name in one rename, so that a process killed at any moment leaves either the old
 * state or the new one, and perhaps a hidden directory that the next prune removes. The manifest guards
 * itself with a checksum over its own text. */
#include "core/base/checkpoint.h"
#include "core/base/files.h"
#include "core/base/json_text.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST      "manifest.json"
#define FORMAT        1
#define CHECKSUM_MARK ", \"manifest_crc32c\": \""

static char *partial_path(const char *parent, const char *name)
{
  return g_strdup_printf("%s/.%s.partial", parent, name);
}

char *cw_checkpoint_begin(const char *parent, const char *name, GError **error)
{
  g_autofree char *path = partial_path(parent, name);
  if (!cw_remove_tree(path, error) || !cw_make_directories(path, error))
    return NULL;
  return g_steal_pointer(&path);
}

void cw_checkpoint_abandon(const char *parent, const char *name)
{
  g_autofree char *path = partial_path(parent, name);
  cw_remove_tree(path, NULL);
}

/* Size and checksum of a file. */
static gboolean measure(const char *path, guint64 *size, guint32 *crc, GError **error)
{
  g_autofree char *buffer = g_malloc(1 << 20);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  gssize length;
  *size = 0;
  *crc = 0;
  if (fd < 0) {
    cw_set_errno_error(error, "open", path);
    return FALSE;
  }
  while ((length = read(fd, buffer, 1 << 20)) > 0 || (length < 0 && errno == EINTR)) {
    if (length < 0)
      continue;
    *crc = cw_crc32c(*crc, buffer, (gsize)length);
    *size += (guint64)length;
  }
  if (length < 0)
    cw_set_errno_error(error, "read", path);
  close(fd);
  return length == 0;
}

/* Appends the files under ROOT/RELATIVE ("" for the root itself) to the manifest's list and syncs them, then
 * their directory. */
static gboolean add_files(const char *root, const char *relative, GString *list, GError **error)
{
  g_autofree char *directory = g_build_filename(root, relative, NULL);
  g_autoptr(GPtrArray) names = cw_list_directory(directory, error);

  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *inside =
        *relative ? g_build_filename(relative, names->pdata[i], NULL) : g_strdup(names->pdata[i]);
    g_autofree char *path = g_build_filename(root, inside, NULL);
    guint64 size;
    guint32 crc;

    if (strcmp(inside, MANIFEST) == 0)
      continue;
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
      if (!add_files(root, inside, list, error))
        return FALSE;
      continue;
    }
    if (!measure(path, &size, &crc, error) || !cw_sync_path(path, error))
      return FALSE;
    g_string_append(list, list->len > 0 ? ", {\"name\": " : "{\"name\": ");
    cw_json_append_string(list, inside);
    g_string_append_printf(list, ", \"size\": %" G_GUINT64_FORMAT ", \"crc32c\": \"%08x\"}", size, crc);
  }
  return cw_sync_path(directory, error);
}

static GString *make_manifest(const char *root, const char *const *facts, GError **error)
{
  g_autoptr(GString) list = g_string_new(NULL);
  GString *manifest;

  if (!add_files(root, "", list, error))
    return NULL;
  manifest = g_string_new(NULL);
  g_string_append_printf(manifest, "{\"format\": %d, \"facts\": {", FORMAT);
  for (guint i = 0; facts && facts[i]; i += 2) {
    if (i > 0)
      g_string_append(manifest, ", ");
    cw_json_append_string(manifest, facts[i]);
    g_string_append(manifest, ": ");
    cw_json_append_string(manifest, facts[i + 1]);
  }
  g_string_append_printf(manifest, "}, \"files\": [%s]", list->str);
  g_string_append_printf(manifest, CHECKSUM_MARK "%08x\"}\n", cw_crc32c(0, manifest->str, manifest->len));
  return manifest;
}

/* Gives `partial` the name `path`; an older directory of that name is exchanged for it in one step where the
 * file system can, and then removed. */
static gboolean install(const char *partial, const char *path, GError **error)
{
  g_autofree char *doing = g_strdup_printf("rename to %s", path);
  if (rename(partial, path) == 0)
    return TRUE;
  if (errno != ENOTEMPTY && errno != EEXIST) {
    cw_set_errno_error(error, doing, partial);
    return FALSE;
  }
#ifdef RENAME_EXCHANGE
  if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
    return cw_remove_tree(partial, error);
#endif
  if (!cw_remove_tree(path, error))
    return FALSE;
  if (rename(partial, path) == 0)
    return TRUE;
  cw_set_errno_error(error, doing, partial);
  return FALSE;
}

gboolean cw_checkpoint_commit(const char *parent, const char *name, const char *const *facts, GError **error)
{
  g_autofree char *partial = partial_path(parent, name);
  g_autofree char *path = g_build_filename(parent, name, NULL);
  g_autofree char *manifest_path = g_build_filename(partial, MANIFEST, NULL);
  g_autoptr(GString) manifest = make_manifest(partial, facts, error);

  return manifest && cw_write_file(manifest_path, manifest->str, manifest->len, error) &&
         install(partial, path, error) && cw_sync_path(parent, error);
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

/* With `checksums`, content too; otherwise only that files are there in their sizes. */
static gboolean verify(const char *directory, gboolean checksums, GError **error)
{
  json_t *manifest = read_manifest(directory, error), *file;
  gboolean good = manifest != NULL;
  gsize i;
  json_array_foreach(json_object_get(manifest, "files"), i, file)
  {
    const char *name = json_string_value(json_object_get(file, "name"));
    guint64 expected_size = (guint64)json_integer_value(json_object_get(file, "size")), size = 0;
    const char *expected_crc = json_string_value(json_object_get(file, "crc32c"));
    g_autofree char *path = g_build_filename(directory, name ? name : "", NULL);
    g_autofree char *found = NULL;
    struct stat status;
    guint32 crc = 0;
    if (!name || !expected_crc) {
      g_autofree char *manifest_path = g_build_filename(directory, MANIFEST, NULL);
      set_manifest_error(error, manifest_path, "a file without name or checksum");
      good = FALSE;
      break;
    }
    if (stat(path, &status) < 0) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                  "%s: expected a file of %" G_GUINT64_FORMAT
                  " bytes, as the checkpoint's manifest says, found none; use another checkpoint",
                  path, expected_size);
      good = FALSE;
      break;
    }
    size = (guint64)status.st_size;
    if (size == expected_size && checksums && !measure(path, &size, &crc, error)) {
      good = FALSE;
      break;
    }
    if (size != expected_size) {
      g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                  "%s: expected %" G_GUINT64_FORMAT
                  " bytes, as the checkpoint's manifest says, found %" G_GUINT64_FORMAT
                  "; use another checkpoint",
                  path, expected_size, size);
      good = FALSE;
      break;
    }
    found = g_strdup_printf("%08x", crc);
    if (checksums && strcmp(found, expected_crc) != 0) {
      g_set_error(
          error, CW_RUN_ERROR, CW_ERROR_FORMAT,
          "%s: expected content with CRC32C %s, as the checkpoint's manifest says, found %s: the file is "
          "damaged; use another checkpoint",
          path, expected_crc, found);
      good = FALSE;
      break;
    }
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

/* Hides the directory first: a removal cut short must not leave half a checkpoint. */
static gboolean remove_checkpoint(const char *parent, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename(parent, name, NULL);
  g_autofree char *partial = partial_path(parent, name);
  if (!cw_remove_tree(partial, error))
    return FALSE;
  if (rename(path, partial) < 0) {
    cw_set_errno_error(error, "remove the checkpoint", path);
    return FALSE;
  }
  return cw_remove_tree(partial, error);
}

/* What a killed process left unfinished. */
static gboolean remove_leftovers(const char *parent, GError **error)
{
  g_autoptr(GPtrArray) names = cw_list_directory(parent, error);

  for (guint i = 0; names && i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *path = g_build_filename(parent, name, NULL);
    if (g_str_has_prefix(name, ".step-") && g_str_has_suffix(name, ".partial") &&
        !cw_remove_tree(path, error))
      return FALSE;
  }
  return names != NULL;
}

gboolean cw_checkpoint_prune(const char *parent, guint keep, GError **error)
{
  g_autoptr(GPtrArray) names = list_steps(parent, error);
  guint kept = 0;

  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename(parent, names->pdata[i], NULL);
    if (kept >= keep) {
      if (!remove_checkpoint(parent, names->pdata[i], error))
        return FALSE;
    } else if (verify(path, FALSE, NULL)) {
      kept++;
    }
  }
  return !g_file_test(parent, G_FILE_TEST_EXISTS) || remove_leftovers(parent, error);
}
