/* An environment that breaks one promise, which its option `fault` names: for tests of what the host and the
 * command say then. */
#include <cartwright/cartwright.h>
#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
  NOTHING,
  NULL_CANDIDATE,
  MANY_CANDIDATES,
  NAN_PART,
  PART_NOT_UTF8,
  MANY_PARTS,
  NULL_FACT,
  SEGV,
  TRAP,
  ABORT,
  EXIT,
  EXIT_AT_ONCE,
  STACK,
  THREAD,
  ESCAPES
} Fault;

static const char *const faults[] = {"nothing",   "null_candidate", "many_candidates",
                                     "nan_part",  "part_not_utf8",  "many_parts",
                                     "null_fact", "segv",           "trap",
                                     "abort",     "exit",           "exit_at_once",
                                     "stack",     "thread",         "escapes",
                                     NULL};

typedef struct {
  gint fault;
} Options;

static const CwOption rows[] = {
    {.name = "fault",
     .type = CW_OPTION_ENUM,
     .offset = offsetof(Options, fault),
     .values = faults,
     .help = "what it does wrong"},
};

static gpointer open_liar(gconstpointer options, guint32 seed, GError **error)
{
  (void)seed, (void)error;
  return g_memdup2(options, sizeof(Options));
}

static const char *const *describe(gpointer shared)
{
  static const char *const facts[] = {"game", "yes or no", NULL}, *const bad[] = {"game\033[31m", "a\nb",
                                                                                  NULL};
  return ((Options *)shared)->fault == ESCAPES ? bad : facts;
}

static gint64 n_goals(gpointer shared, const char *split)
{
  (void)shared;
  return strcmp(split, "none") == 0 ? 0 : strcmp(split, "train") == 0 || strcmp(split, "test") == 0 ? 4 : -1;
}

static gpointer session_new(gpointer shared, GError **error)
{
  (void)error;
  return g_memdup2(shared, sizeof(Options));
}

static gboolean reset(gpointer session, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  (void)session, (void)split, (void)goal, (void)random, (void)error;
  return TRUE;
}

static gboolean observe(gpointer session, CwObservation *observation, GError **error)
{
  static const char *const pair[] = {"yes", "no"}, *const hole[] = {"yes", NULL},
                           *const red[] = {"\033[31myes", "n\no"};
  Fault fault = (Fault)((Options *)session)->fault;
  (void)error;
  observation->text =
      fault == ESCAPES ? "\033]0;title\007 say \302\233 something\tnow\nplease" : "say something";
  observation->candidates = fault == NULL_CANDIDATE ? hole : fault == ESCAPES ? red : pair;
  observation->n_candidates = fault == MANY_CANDIDATES ? 0x7fffffff : 2;
  return TRUE;
}

static gpointer crash(gpointer nothing)
{
  raise(SIGSEGV);
  return nothing;
}

static int dig(volatile int depth)
{
  volatile char earth[4096] = {(char)depth};
  return depth == 0 ? earth[0] : dig(depth - 1) + earth[depth % 4096];
}

static void fail(Fault fault)
{
  if (fault == SEGV)
    raise(SIGSEGV);
  if (fault == TRAP)
    g_free(g_malloc(G_MAXSIZE / 2));
  if (fault == ABORT)
    abort();
  if (fault == EXIT)
    exit(0);
  if (fault == EXIT_AT_ONCE)
    _Exit(0);
  if (fault == STACK)
    dig(1 << 20);
  if (fault == THREAD)
    g_thread_join(g_thread_new("liar", crash, NULL));
}

static gboolean step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  static const CwNamedValue parts[] = {{"p", NAN}, {"\xff\xfe", 1}, {"red\033[31m", 1}};
  static const CwNamedText facts[] = {{"category", NULL}};
  Fault fault = (Fault)((Options *)session)->fault;
  if (candidate > 1) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED, "expected candidate 0 or 1, found %u",
                candidate);
    return FALSE;
  }
  fail(fault);
  outcome->terminated = TRUE;
  outcome->reward = candidate == 0;
  outcome->parts = fault == NAN_PART        ? &parts[0]
                   : fault == PART_NOT_UTF8 ? &parts[1]
                   : fault == ESCAPES       ? &parts[2]
                                            : NULL;
  outcome->n_parts = fault == MANY_PARTS ? 0x7fffffff : outcome->parts ? 1 : 0;
  outcome->facts = fault == NULL_FACT ? facts : NULL;
  outcome->n_facts = fault == NULL_FACT ? 1 : 0;
  return TRUE;
}

static const CwEnvironmentVtable vtable = {
    .open = open_liar,
    .close = g_free,
    .describe = describe,
    .n_goals = n_goals,
    .session_new = session_new,
    .session_free = g_free,
    .reset = reset,
    .observe = observe,
    .step = step,
};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "liar",
     .summary = "Breaks one promise",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     CW_FEATURE_OPTIONS(rows, Options)},
};

CW_PLUGIN("liar", "1.0", "MIT", "Breaks one promise", features);
