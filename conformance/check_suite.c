/* Runs checks and watches the process: standard output is turned into a file while a check runs, and the C
 * library's generator gets a state of our own whose bytes must not change. Both are put back before anything
 * is reported. */
#include "conformance/check_suite.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GENERATOR_BYTES 128

typedef struct {
  FILE *output;  /* where standard output goes meanwhile; NULL: could not be made */
  long n_output; /* bytes in it so far */
  char *printed; /* the check that first printed, and what */
  char state[GENERATOR_BYTES];
  char expected[GENERATOR_BYTES];
  char *drew; /* the check that first drew from the generator */
} Watch;

static gboolean set_verdict(CwVerdict *verdict, CwCheckResult result, const char *format, va_list arguments)
{
  if (verdict->result != CW_CHECK_FAILED &&
      (result == CW_CHECK_FAILED || verdict->result == CW_CHECK_PASSED)) {
    g_free(verdict->message);
    verdict->result = result;
    verdict->message = g_strdup_vprintf(format, arguments);
  }
  return FALSE;
}

gboolean cw_verdict_fail(CwVerdict *verdict, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  set_verdict(verdict, CW_CHECK_FAILED, format, arguments);
  va_end(arguments);
  return FALSE;
}

gboolean cw_verdict_skip(CwVerdict *verdict, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  set_verdict(verdict, CW_CHECK_SKIPPED, format, arguments);
  va_end(arguments);
  return FALSE;
}

gboolean cw_verdict_fail_error(CwVerdict *verdict, GError **error)
{
  cw_verdict_fail(verdict, "%s", *error ? (*error)->message : "failed without an error");
  g_clear_error(error);
  return FALSE;
}

static void report(CwSuite *suite, const char *check, CwVerdict *verdict)
{
  suite->n_checks++;
  suite->n_failed += verdict->result == CW_CHECK_FAILED;
  suite->report(suite->feature, check, verdict->result, verdict->message ? verdict->message : "",
                suite->user_data);
  g_clear_pointer(&verdict->message, g_free);
}

/* Notes what arrived in the file since the last check. */
static void look_at_output(Watch *watch, const char *check)
{
  char start[61];
  size_t n;
  if (fseek(watch->output, 0, SEEK_END) != 0 || ftell(watch->output) <= watch->n_output)
    return;
  if (!watch->printed && fseek(watch->output, watch->n_output, SEEK_SET) == 0) {
    n = fread(start, 1, sizeof start - 1, watch->output);
    start[n] = '\0';
    watch->printed = g_strdup_printf("%s printed \"%s\"; a plugin never prints", check, g_strchomp(start));
  }
  fseek(watch->output, 0, SEEK_END);
  watch->n_output = ftell(watch->output);
}

static void watch_check(Watch *watch, CwSuite *suite, const CwCheck *check, CwVerdict *verdict)
{
  char *previous = initstate(1, watch->state, sizeof watch->state);
  int output = -1;
  memcpy(watch->expected, watch->state, sizeof watch->state);
  fflush(stdout);
  if (watch->output) {
    output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (output >= 0)
      dup2(fileno(watch->output), STDOUT_FILENO);
  }
  check->function(suite, verdict);
  fflush(stdout);
  if (output >= 0) {
    dup2(output, STDOUT_FILENO);
    close(output);
    look_at_output(watch, check->name);
  }
  setstate(previous);
  if (!watch->drew && memcmp(watch->state, watch->expected, sizeof watch->state) != 0)
    watch->drew =
        g_strdup_printf("%s used rand(), random() or srand(); take a CwRandom instead", check->name);
}

static void report_watch(CwSuite *suite, Watch *watch)
{
  CwVerdict verdict = {CW_CHECK_PASSED, NULL};
  if (!watch->output)
    cw_verdict_skip(&verdict, "no temporary file could be made to catch it");
  else if (watch->printed)
    cw_verdict_fail(&verdict, "%s", watch->printed);
  report(suite, "standard_output_is_left_alone", &verdict);
  verdict = (CwVerdict){CW_CHECK_PASSED, NULL};
  if (watch->drew)
    cw_verdict_fail(&verdict, "%s", watch->drew);
  report(suite, "global_random_generator_is_left_alone", &verdict);
}

void cw_suite_run(CwSuite *suite, const CwCheck *checks, guint n_checks)
{
  Watch watch = {.output = tmpfile()};
  for (guint i = 0; i < n_checks; i++) {
    CwVerdict verdict = {CW_CHECK_PASSED, NULL};
    watch_check(&watch, suite, &checks[i], &verdict);
    report(suite, checks[i].name, &verdict);
    if (i == 0 && verdict.result == CW_CHECK_FAILED)
      break;
  }
  report_watch(suite, &watch);
  if (watch.output)
    fclose(watch.output);
  g_free(watch.printed);
  g_free(watch.drew);
}

void cw_check_description(const char *const *pairs, CwVerdict *verdict)
{
  guint n = g_strv_length((char **)pairs), i, j;
  if (n == 0) {
    cw_verdict_fail(verdict, "expected pairs of key and value, found none");
    return;
  }
  if (n % 2 != 0) {
    cw_verdict_fail(verdict, "expected pairs of key and value, found %u strings; '%s' has no value", n,
                    pairs[n - 1]);
    return;
  }
  for (i = 0; i < n; i++) {
    if (!g_utf8_validate(pairs[i], -1, NULL))
      cw_verdict_fail(verdict, "string %u is not UTF-8", i);
  }
  for (i = 0; i < n; i += 2) {
    if (pairs[i][0] == '\0')
      cw_verdict_fail(verdict, "key %u is empty", i / 2);
    for (j = 0; j < i; j += 2) {
      if (strcmp(pairs[i], pairs[j]) == 0)
        cw_verdict_fail(verdict, "key '%s' occurs twice", pairs[i]);
    }
  }
}

char *cw_check_make_directory(GError **error)
{
  return g_dir_make_tmp("cartwright-check-XXXXXX", error);
}

void cw_check_forget_directory(char *directory)
{
  GDir *listing = directory ? g_dir_open(directory, 0, NULL) : NULL;
  const char *name;
  while (listing && (name = g_dir_read_name(listing))) {
    char *path = g_build_filename(directory, name, NULL);
    if (g_remove(path) == 0)
      g_free(path);
    else
      cw_check_forget_directory(path);
  }
  if (listing)
    g_dir_close(listing);
  if (directory)
    g_rmdir(directory);
  g_free(directory);
}

static void append_weights(const char *name, const gint64 *shape, guint n_dimensions, float *weights,
                           float *gradient, gpointer user_data)
{
  gsize size = sizeof(float);
  (void)name;
  (void)gradient;
  for (guint d = 0; d < n_dimensions; d++)
    size *= (gsize)shape[d];
  g_byte_array_append(user_data, (const guint8 *)weights, (guint)size);
}

GByteArray *cw_check_copy_weights(CwPolicy *policy)
{
  GByteArray *copy = g_byte_array_new();
  cw_policy_visit_tensors(policy, append_weights, copy);
  return copy;
}

gboolean cw_check_same_weights(GByteArray *a, GByteArray *b)
{
  gboolean same = a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
  g_byte_array_free(a, TRUE);
  g_byte_array_free(b, TRUE);
  return same;
}
