/* Maps the file and hands out its lines one after another. Owns the mapping, a copy of the present line and
 * the text of its place. */
#include "core/base/lines.h"
#include "core/base/durable.h"
#include <cartwright/error.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct CwLines {
  char *path;
  GMappedFile *file;
  const char *position, *end;
  GString *line, *peeked;
  GString *where;
  guint64 number, count;
};

CwLines *cw_lines_open(const char *path, GError **error)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  GMappedFile *file = NULL;
  if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
    errno = EISDIR;
  else if (fd >= 0)
    file = g_mapped_file_new_from_fd(fd, FALSE, NULL);
  if (!file)
    cw_set_errno_error(error, "read", path);
  if (fd >= 0)
    close(fd);
  if (!file)
    return NULL;
  CwLines *lines = g_new0(CwLines, 1);
  lines->path = g_strdup(path);
  lines->file = file;
  lines->position = g_mapped_file_get_contents(file);
  if (!lines->position)
    lines->position = "";
  lines->end = lines->position + g_mapped_file_get_length(file);
  lines->line = g_string_new(NULL);
  lines->peeked = g_string_new(NULL);
  lines->where = g_string_new(path);
  for (const char *p = lines->position; p < lines->end; lines->count++) {
    const char *newline = memchr(p, '\n', (gsize)(lines->end - p));
    p = newline ? newline + 1 : lines->end;
  }
  return lines;
}

void cw_lines_close(CwLines *lines)
{
  if (!lines)
    return;
  g_mapped_file_unref(lines->file);
  g_string_free(lines->line, TRUE);
  g_string_free(lines->peeked, TRUE);
  g_string_free(lines->where, TRUE);
  g_free(lines->path);
  g_free(lines);
}

guint64 cw_lines_count(const CwLines *lines)
{
  return lines->count;
}

/* The end of the line that begins at the position. */
static const char *line_end(const CwLines *lines)
{
  const char *newline = memchr(lines->position, '\n', (gsize)(lines->end - lines->position));
  return newline ? newline : lines->end;
}

/* Moves the position behind a line that ends at `stop`. */
static void pass(CwLines *lines, const char *stop)
{
  lines->position = stop < lines->end ? stop + 1 : lines->end;
  lines->number++;
}

const char *cw_lines_next(CwLines *lines, GError **error)
{
  if (lines->position >= lines->end)
    return NULL;
  const char *stop = line_end(lines);
  g_string_truncate(lines->line, 0);
  g_string_append_len(lines->line, lines->position, stop - lines->position);
  pass(lines, stop);
  g_string_printf(lines->where, "%s:%" G_GUINT64_FORMAT, lines->path, lines->number);
  const char *bad = NULL;
  if (!g_utf8_validate(lines->line->str, (gssize)lines->line->len, &bad)) {
    g_set_error(error, CW_RUN_ERROR, CW_ERROR_FORMAT,
                "%s: byte %" G_GSIZE_FORMAT " (0x%02x) is not valid UTF-8 text", lines->where->str,
                (gsize)(bad - lines->line->str) + 1, (guchar)*bad);
    return NULL;
  }
  return lines->line->str;
}

const char *cw_lines_peek(CwLines *lines)
{
  if (lines->position >= lines->end)
    return NULL;
  g_string_truncate(lines->peeked, 0);
  g_string_append_len(lines->peeked, lines->position, line_end(lines) - lines->position);
  return g_utf8_validate(lines->peeked->str, (gssize)lines->peeked->len, NULL) ? lines->peeked->str : NULL;
}

const char *cw_lines_join(CwLines *lines)
{
  const char *stop = line_end(lines);
  g_string_append_c(lines->line, '\n');
  g_string_append_len(lines->line, lines->position, stop - lines->position);
  pass(lines, stop);
  return lines->line->str;
}

guint64 cw_lines_number(const CwLines *lines)
{
  return lines->number;
}

const char *cw_lines_where(const CwLines *lines)
{
  return lines->where->str;
}
