/* What the conformance suites share: running named checks one by one, and watching the process while they
 * run. */
#ifndef CW_CHECK_SUITE_H
#define CW_CHECK_SUITE_H

#include "conformance/check.h"
#include "core/plugin/handles.h"

#define CW_CHECK_SEED 20817u

/* How one check ended: passed until something fails or skips it. */
typedef struct {
  CwCheckResult result;
  char *message;
  GError *error; /* for calls that may fail; see cw_verdict_check */
} CwVerdict;

/* Only the first failure counts; a skip does not undo one. Both return FALSE. */
gboolean cw_verdict_fail(CwVerdict *verdict, const char *format, ...) G_GNUC_PRINTF(2, 3);
gboolean cw_verdict_skip(CwVerdict *verdict, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Returns `good`; when it is FALSE, fails with the message of the verdict's error, which is forgotten. */
gboolean cw_verdict_check(CwVerdict *verdict, gboolean good);

typedef struct CwSuite CwSuite;

typedef struct {
  const char *name;
  void (*function)(CwSuite *suite, CwVerdict *verdict);
  /* Whether the feature can be asked; skips the verdict otherwise. NULL: always. */
  gboolean (*applies)(CwSuite *suite, CwVerdict *verdict);
} CwCheck;

struct CwSuite {
  CwRegistry *registry;
  const CwRegisteredFeature *feature;
  const char *options_yaml;
  gpointer options; /* filled from options_yaml */
  CwCheckReport report;
  gpointer user_data;
  guint n_checks, n_failed;
  gpointer subject; /* what the suite of the kind keeps between its checks */
};

/* Whether the feature has the capabilities. */
gboolean cw_suite_can(const CwSuite *suite, guint64 capabilities);

/* Runs the checks in order (the first opens the subject: when it fails, the others are not run), then two
 * about what the process noticed meanwhile: nothing on standard output, no draw from the C library's
 * generator. */
void cw_suite_run(CwSuite *suite, const CwCheck *checks, guint n_checks);

/* The suites of the kinds. */
void cw_check_environment(CwSuite *suite);
void cw_check_policy(CwSuite *suite);
void cw_check_algorithm(CwSuite *suite);

/* Options of a feature from YAML text (with several features in its plugin: from what stands under its name),
 * and with option "model" set unless `model` is NULL. `name` is what messages call the text. Returns NULL
 * with error; NULL without one for a feature without options. Free with cw_options_free. */
gpointer cw_check_fill_options(const CwRegisteredFeature *feature, const char *yaml, const char *name,
                               const char *model, GError **error);

/* Whether every pair of a description is whole, UTF-8 and has a key of its own. */
void cw_check_description(const char *const *pairs, CwVerdict *verdict);

/* A directory that is removed, with all that is in it, by cw_check_forget_directory, which accepts NULL. */
char *cw_check_make_directory(GError **error);
void cw_check_forget_directory(char *directory);

/* All weights of a policy, tensor after tensor; empty when it does not show them. */
GByteArray *cw_check_copy_weights(CwPolicy *policy);
/* Whether two such copies are equal; frees both. */
gboolean cw_check_same_weights(GByteArray *a, GByteArray *b);

#endif
