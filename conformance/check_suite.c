/* Runs checks and watches the process: standard output is turned into a file while a check runs, and the C
 * library's generator gets a state of our own whose bytes must not change. Both are put back before anything
 * is reported. */
#include "conformance/check_suite.h"
#include "core/base/durable.h"

#include <fcntl.h>
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

static void set_verdict(CwVerdict *verdict, CwCheckResult result, const char *format, va_list arguments)
{
  if (verdict->result == CW_CHECK_FAILED || (result == CW_CHECK_SKIPPED && verdict->result == result))
    return;
  g_free(verdict->message);
  verdict->result = result;
  verdict->message = g_strdup_vprintf(format, arguments);
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

gboolean cw_verdict_check(CwVerdict *verdict, gboolean good)
{
  if (!good)
    cw_verdict_fail(verdict, "%s", verdict->error ? verdict->error->message : "failed without an error");
  g_clear_error(&verdict->error);
  return good;
}

gboolean cw_suite_can(const CwSuite *suite, guint64 capabilities)
{
  return (suite->feature->capabilities & capabilities) == capabilities;
}

static void report(CwSuite *suite, const char *check, CwVerdict *verdict)
{
  suite->n_checks++;
  suite->n_failed += verdict->result == CW_CHECK_FAILED;
  suite->report(suite->feature, check, verdict->result, verdict->message ? verdict->message : "",
                suite->user_data);
  g_clear_pointer(&verdict->message, g_free);
  g_clear_error(&verdict->error);
}

/* Notes what arrived in the file since the last check. */
static void look_at_output(Watch *watch, const char *check)
{
  if (fseek(watch->output, 0, SEEK_END) != 0 || ftell(watch->output) <= watch->n_output)
    return;
  if (!watch->printed && fseek(watch->output, watch->n_output, SEEK_SET) == 0) {
    char start[61];
    start[fread(start, 1, sizeof start - 1, watch->output)] = '\0';
    watch->printed = g_strdup_printf("%s printed \"%s\"; a plugin never prints", check, g_strchomp(start));
  }
  fseek(watch->output, 0, SEEK_END);
  watch->n_output = ftell(watch->output);
}

static void watch_check(Watch *watch, CwSuite *suite, const CwCheck *check, CwVerdict *verdict)
{
  char *previous = initstate(1, watch->state, sizeof watch->state);
  memcpy(watch->expected, watch->state, sizeof watch->state);
  fflush(stdout);
  int output = watch->output ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
  if (output >= 0)
    dup2(fileno(watch->output), STDOUT_FILENO);
  if (!check->applies || check->applies(suite, verdict))
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
  CwVerdict output = {0}, generator = {0};
  if (!watch->output)
    cw_verdict_skip(&output, "no temporary file could be made to catch it");
  else if (watch->printed)
    cw_verdict_fail(&output, "%s", watch->printed);
  report(suite, "standard_output_is_left_alone", &output);
  if (watch->drew)
    cw_verdict_fail(&generator, "%s", watch->drew);
  report(suite, "global_random_generator_is_left_alone", &generator);
}

void cw_suite_run(CwSuite *suite, const CwCheck *checks, guint n_checks)
{
  Watch watch = {.output = tmpfile()};
  CwCheckResult opened = CW_CHECK_PASSED;
  for (guint i = 0; i < n_checks && opened != CW_CHECK_FAILED; i++) {
    CwVerdict verdict = {0};
    watch_check(&watch, suite, &checks[i], &verdict);
    if (i == 0)
      opened = verdict.result;
    report(suite, checks[i].name, &verdict);
  }
  report_watch(suite, &watch);
  if (watch.output)
    fclose(watch.output);
  g_free(watch.printed);
  g_free(watch.drew);
}

void cw_check_description(const char *const *pairs, CwVerdict *verdict)
{
  guint n = g_strv_length((char **)pairs);
  if (n == 0)
    cw_verdict_fail(verdict, "expected pairs of key and value, found none");
  else if (n % 2 != 0)
    cw_verdict_fail(verdict, "expected pairs of key and value, found %u strings; '%s' has no value", n,
                    pairs[n - 1]);
  for (guint i = 0; i < n; i++)
    if (!g_utf8_validate(pairs[i], -1, NULL))
      cw_verdict_fail(verdict, "string %u is not UTF-8", i);
  for (guint i = 0; i < n; i += 2) {
    if (*pairs[i] == '\0')
      cw_verdict_fail(verdict, "key %u is empty", i / 2);
    for (guint j = 0; j < i; j += 2)
      if (strcmp(pairs[i], pairs[j]) == 0)
        cw_verdict_fail(verdict, "key '%s' occurs twice", pairs[i]);
  }
}

char *cw_check_make_directory(GError **error)
{
  return g_dir_make_tmp("cartwright-check-XXXXXX", error);
}

void cw_check_forget_directory(char *directory)
{
  if (directory)
    cw_remove_tree(directory, NULL);
  g_free(directory);
}

static void append_weights(const char *name G_GNUC_UNUSED, const gint64 *shape, guint n_dimensions,
                           const float *weights, const float *gradient G_GNUC_UNUSED, gpointer copy)
{
  g_byte_array_append(copy, (const guint8 *)weights,
                      (guint)(cw_tensor_size(shape, n_dimensions) * sizeof *weights));
}

GByteArray *cw_check_copy_weights(CwPolicy *policy)
{
  GByteArray *copy = g_byte_array_new();
  cw_policy_visit_tensors(policy, append_weights, copy, NULL);
  return copy;
}

gboolean cw_check_same_weights(GByteArray *a, GByteArray *b)
{
  gboolean same = a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
  g_byte_array_unref(a);
  g_byte_array_unref(b);
  return same;
}
