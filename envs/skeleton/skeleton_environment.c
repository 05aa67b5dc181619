/* A skeleton to copy: an environment of at most two steps. A bag hides a ball; the agent may ask for its
 * colour, then it guesses, and asking first is the way to the reward. The shared part is opened once and only
 * read from then on; a session is one episode slot and keeps what it hands out until its next call. */
#include <cartwright/cartwright.h>
#include <stddef.h>
#include <string.h>

#define MOST_COLOURS 5
static const char *const names[MOST_COLOURS] = {"red", "green", "blue", "white", "black"};
static const char *const guesses[MOST_COLOURS] = {"guess red", "guess green", "guess blue", "guess white",
                                                  "guess black"};

/* What a YAML file may set: the host checks it against the rows and fills the struct. */
typedef struct {
  gint64 colours;
} Options;

static const CwOption rows[] = {
    {.name = "colours",
     .type = CW_OPTION_INTEGER,
     .offset = offsetof(Options, colours),
     .default_value = "4",
     .minimum = 2,
     .maximum = MOST_COLOURS,
     .help = "how many colours the ball may have"},
};

typedef struct {
  guint n_colours;
} Shared;

typedef struct {
  const Shared *shared;
  guint ball;
  char text[64];
  const char *candidates[1 + MOST_COLOURS];
  guint n_candidates;
} Session;

static gpointer open_shared(gconstpointer options, guint32 seed, GError **error)
{
  Shared *shared = g_new0(Shared, 1);
  (void)seed, (void)error; /* a catalogue would be read here, and its faults reported through error */
  shared->n_colours = (guint)((const Options *)options)->colours;
  return shared;
}

/* Facts that go into every result table. */
static const char *const *describe(gpointer shared)
{
  static const char *const facts[] = {"game", "a ball in a bag", "step limit", "2", NULL};
  (void)shared;
  return facts;
}

static gint64 n_goals(gpointer shared, const char *split)
{
  (void)shared;
  if (strcmp(split, "train") == 0 || strcmp(split, "all") == 0)
    return 60;
  return strcmp(split, "dev") == 0 || strcmp(split, "test") == 0 ? 20 : -1;
}

static gpointer session_new(gpointer shared, GError **error)
{
  Session *session = g_new0(Session, 1);
  (void)error;
  session->shared = shared;
  return session;
}

/* All chance comes from `random`: here the ball and the order of the guesses. */
static gboolean reset(gpointer data, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  Session *session = data;
  guint32 order[MOST_COLOURS];
  guint i, n = session->shared->n_colours;
  (void)split, (void)goal, (void)error;
  for (i = 0; i < n; i++)
    order[i] = i;
  cw_random_shuffle(random, order, n);
  session->ball = cw_random_below(random, n);
  for (i = 0; i < n; i++)
    session->candidates[i] = guesses[order[i]];
  session->candidates[n] = "ask";
  session->n_candidates = n + 1;
  g_strlcpy(session->text, "There is a ball in the bag.", sizeof session->text);
  return TRUE;
}

static gboolean observe(gpointer data, CwObservation *observation, GError **error)
{
  Session *session = data;
  (void)error;
  observation->text = session->text;
  observation->candidates = session->candidates;
  observation->n_candidates = session->n_candidates;
  observation->instruction = "Say which colour the ball has.";
  return TRUE;
}

static gboolean step(gpointer data, guint candidate, CwOutcome *outcome, GError **error)
{
  Session *session = data;
  if (candidate >= session->n_candidates) {
    g_set_error(error, CW_ENVIRONMENT_ERROR, CW_ERROR_FAILED, "expected a candidate below %u, found %u",
                session->n_candidates, candidate);
    return FALSE;
  }
  if (candidate == session->shared->n_colours) { /* "ask": it comes last, and only once */
    g_snprintf(session->text, sizeof session->text, "The ball in the bag is %s.", names[session->ball]);
    session->n_candidates--;
    return TRUE; /* the host has zeroed the outcome: no reward, not over */
  }
  outcome->success = session->candidates[candidate] == guesses[session->ball];
  outcome->reward = outcome->success ? 1 : 0;
  outcome->terminated = TRUE;
  return TRUE;
}

/* Scripted agents, named in YAML as `agent:`: they show what can be reached. */
static const char *const *scripts(gpointer shared)
{
  static const char *const all[] = {"expert", NULL};
  (void)shared;
  return all;
}

static gint scripted_action(gpointer data, const char *script, GError **error)
{
  Session *session = data;
  guint i;
  (void)script, (void)error;
  for (i = 0; i < session->shared->n_colours; i++) {
    if (session->n_candidates == session->shared->n_colours &&
        session->candidates[i] == guesses[session->ball])
      break;
  }
  return (gint)i; /* the guess when the ball was named, "ask" before */
}

static const CwEnvironmentVtable vtable = {
    .open = open_shared,
    .close = g_free,
    .describe = describe,
    .n_goals = n_goals,
    .session_new = session_new,
    .session_free = g_free,
    .reset = reset,
    .observe = observe,
    .step = step,
    .scripts = scripts,
    .scripted_action = scripted_action,
};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "skeleton_environment",
     .summary = "Guess the colour of a ball: a skeleton to copy",
     .vtable = &vtable,
     .vtable_size = sizeof vtable,
     .capabilities = CW_ENVIRONMENT_SCRIPTS,
     CW_FEATURE_OPTIONS(rows, Options)},
};

CW_PLUGIN("skeleton_environment", "1.0", "MIT", "A skeleton environment", features);
