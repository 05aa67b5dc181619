/* Conversions that write a word, or go wrong on demand. */
#include "tests/toy/toy.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

typedef struct {
  char *text;
  gboolean interrupt; /* SIGTERM arrives in the middle */
  gboolean fail;      /* after the file was begun */
  gboolean forget;    /* writes nothing */
} Options;

static const CwOption rows[] = {
    {"text", CW_OPTION_STRING, offsetof(Options, text), CW_OPTION_REQUIRED, NULL, 0, 0, NULL, NULL,
     "what to write"},
    {"interrupt", CW_OPTION_BOOLEAN, offsetof(Options, interrupt), 0, "false", 0, 0, NULL, NULL,
     "SIGTERM arrives"},
    {"fail", CW_OPTION_BOOLEAN, offsetof(Options, fail), 0, "false", 0, 0, NULL, NULL, "fail half way"},
    {"forget", CW_OPTION_BOOLEAN, offsetof(Options, forget), 0, "false", 0, 0, NULL, NULL, "write nothing"},
};

static gboolean write_file(gconstpointer data, const char *into, CwProgressSink progress,
                           gpointer progress_data, GError **error)
{
  const Options *options = data;
  if (options->forget)
    return TRUE;
  if (!g_file_set_contents(into, options->text, -1, error))
    return FALSE;
  if (options->interrupt)
    raise(SIGTERM);
  if (options->fail)
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FORMAT, "items.json:1:2: expected a toy");
  return !options->fail &&
         progress(progress_data, "letters", strlen(options->text), strlen(options->text), error);
}

static gboolean write_folder(gconstpointer data, const char *into, CwProgressSink progress,
                             gpointer progress_data, GError **error)
{
  g_autofree char *file = g_build_filename(into, "letters", NULL);
  if (g_mkdir(into, 0777) == 0)
    return write_file(data, file, progress, progress_data, error);
  g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_INPUT_OUTPUT, "%s: %s", into, g_strerror(errno));
  return FALSE;
}

const CwConversion toy_import = {
    sizeof toy_import,
    "letters into a file",
    write_file,
    CW_FEATURE_OPTIONS(rows, Options),
};

const CwConversion toy_export = {
    sizeof toy_export,
    "letters into a folder",
    write_folder,
    CW_FEATURE_OPTIONS(rows, Options),
};
