/* Answers in files of <cartwright/cache.h>. A row there holds numbers; ours are bytes packed into them: the
 * key, a newline, the answer, and zeros up to a whole number. One process writes a file: it holds a lock, and
 * another one that comes meanwhile takes the next file, and does not see what is in the others. */
#include "models/openai/memory.h"
#include <cartwright/cache.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MOST_FILES 64

struct OpenaiMemory {
  GHashTable *answers; /* char * key to char * answer */
  CwCache *cache;      /* NULL: nothing is kept */
  int lock;
};

static gboolean take_row(guint32 number G_GNUC_UNUSED, const float *row, guint32 n, gpointer user_data)
{
  OpenaiMemory *memory = user_data;
  g_autofree char *text = g_strndup((const char *)row, n * sizeof *row);
  char *newline = strchr(text, '\n');
  if (!newline)
    return FALSE;
  g_hash_table_replace(memory->answers, g_strndup(text, (gsize)(newline - text)), g_strdup(newline + 1));
  return TRUE;
}

/* Takes file number `number` if no other process has it; *good is FALSE with error. */
static gboolean take_file(OpenaiMemory *memory, const char *folder, guint number, gboolean *good,
                          GError **error)
{
  g_autofree char *name = g_strdup_printf("answers-%u", number);
  g_autofree char *path = g_build_filename(folder, name, NULL);
  g_autofree char *lock = g_strconcat(path, ".lock", NULL);
  int file = g_open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  *good = file >= 0;
  if (file < 0)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT, "cache: %s cannot be written: %s", lock,
                g_strerror(errno));
  else if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    close(file);
    return FALSE;
  } else {
    memory->lock = file;
    memory->cache = cw_cache_open(path, take_row, memory, error);
    *good = memory->cache != NULL;
  }
  return memory->cache != NULL;
}

OpenaiMemory *openai_memory_open(const char *folder, GError **error)
{
  OpenaiMemory *memory = g_new0(OpenaiMemory, 1);
  memory->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  memory->lock = -1;
  if (folder && g_str_equal(folder, "none"))
    return memory;
  g_autofree char *own =
      folder ? g_strdup(folder) : g_build_filename(g_get_user_cache_dir(), "cartwright", "openai", NULL);
  gboolean good = g_mkdir_with_parents(own, 0700) == 0;
  if (!good)
    g_set_error(error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT,
                "cache: folder %s cannot be made: %s; name another one, or none", own, g_strerror(errno));
  for (guint i = 0; good && i < MOST_FILES && !take_file(memory, own, i, &good, error); i++)
    continue;
  if (good)
    return memory;
  openai_memory_close(memory);
  return NULL;
}

void openai_memory_close(OpenaiMemory *memory)
{
  if (!memory)
    return;
  cw_cache_close(memory->cache);
  if (memory->lock >= 0)
    close(memory->lock);
  g_hash_table_unref(memory->answers);
  g_free(memory);
}

char *openai_memory_key(const char *url, const char *path, const char *body)
{
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  const char *const parts[] = {url, path, "\n", body};
  for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
    g_checksum_update(checksum, (const guchar *)parts[i], (gssize)strlen(parts[i]));
  return g_strdup(g_checksum_get_string(checksum));
}

const char *openai_memory_find(const OpenaiMemory *memory, const char *key)
{
  return g_hash_table_lookup(memory->answers, key);
}

gboolean openai_memory_add(OpenaiMemory *memory, const char *key, const char *answer, GError **error)
{
  gsize n = (strlen(key) + strlen(answer) + 2 + sizeof(float) - 1) / sizeof(float);
  g_hash_table_replace(memory->answers, g_strdup(key), g_strdup(answer));
  if (!memory->cache)
    return TRUE;
  g_autofree float *row = g_new0(float, n);
  g_snprintf((char *)row, (gulong)(n * sizeof *row), "%s\n%s", key, answer);
  return cw_cache_add(memory->cache, 0, row, (guint32)n, error);
}
