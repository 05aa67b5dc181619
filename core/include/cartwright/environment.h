/* What an environment is to the host. It has a shared part (catalogue, index, goals), opened once per process
 * and immutable afterwards, and sessions, one for each episode that is played at the same time. The host
 * resets, observes and steps sessions; a session never resets itself.
 *
 * Threads: one thread at a time calls into a session; different sessions may run in parallel. Ownership:
 * strings and arrays that a session returns are valid until the next call on that session; those that the
 * shared part returns, as long as it is open. */
#ifndef CARTWRIGHT_ENVIRONMENT_H
#define CARTWRIGHT_ENVIRONMENT_H

#include <cartwright/conversion.h>
#include <cartwright/error.h>
#include <cartwright/random.h>
#include <cartwright/trajectory.h>

G_BEGIN_DECLS

/* What a session shows. Filled by the environment; the host zeroes it and sets struct_size first. */
typedef struct CwObservation {
  gsize struct_size;
  const char *text;              /* UTF-8 observation */
  const char *const *candidates; /* n_candidates action texts; at least one while the episode runs */
  guint n_candidates;
  const char *instruction; /* the task in words, for display; may be NULL */
} CwObservation;

/* What a step led to. Filled by the environment; the host zeroes it and sets struct_size first. */
typedef struct CwOutcome {
  gsize struct_size;
  float reward;
  gboolean terminated;       /* the episode is over by its own rules */
  gboolean truncated;        /* the episode is over because of a limit */
  gboolean success;          /* meaningful when the episode is over */
  const CwNamedValue *parts; /* parts of the reward, when the episode is over; may be NULL */
  guint n_parts;
  /* About the episode, when it is over; each may be NULL. */
  const char *category;     /* the kind of goal, by which results are grouped */
  const char *target;       /* what the goal asks for, by a name of the environment (a product's) */
  const char *item;         /* what the episode ended with, in the same names; NULL when with nothing */
  const CwNamedText *facts; /* n_facts further ones, under the environment's own names; may be NULL */
  guint n_facts;
} CwOutcome;

/* A recorded session, for replay and import. read_record makes it; free_record frees it as a whole.
 * observations[i] is what was seen before actions[i]; n_observations is n_actions or one more. */
typedef struct CwRecord {
  gsize struct_size;
  const char *id;    /* as the file names it */
  const char *split; /* goal and split, as reset takes them */
  gint64 goal;
  const char *home_split; /* the split whose agents may learn from the goal, for filters; NULL: `split` */
  const char *overrides;  /* opaque text for reset_record: what the file fixes beyond the goal */
  const char *const *observations; /* n_observations texts; an element may be NULL: not recorded */
  guint n_observations;
  const char *const *actions; /* n_actions action texts in the environment's grammar */
  guint n_actions;
  gpointer reserved; /* the environment's own */
  /* The host sets it before reset_record when it compares observations: until the next reset,
   * where there are several forms of an observation, the session shows that of the record. */
  gboolean as_recorded;
} CwRecord;

typedef struct CwEnvironmentVtable {
  /* Required. Loads everything that sessions share. `options` is the struct that the feature's option table
   * filled; it lives longer than the result. `seed` is the run's root seed. */
  gpointer (*open)(gconstpointer options, guint32 seed, GError **error);
  /* Required. Accepts NULL. All sessions are gone by then. */
  void (*close)(gpointer shared);
  /* Required. The facts that every result must carry (catalogue, products, goals, split rule, candidate mode,
   * step limit, switches), as key, value, key, value, NULL. */
  const char *const *(*describe)(gpointer shared);
  /* Required. Number of goals of a split ("train", "dev", "test", "all"); -1 for a split the environment does
   * not know. */
  gint64 (*n_goals)(gpointer shared, const char *split);
  /* Required. */
  gpointer (*session_new)(gpointer shared, GError **error);
  /* Required. Accepts NULL. */
  void (*session_free)(gpointer session);
  /* Required. Starts an episode on a goal. Everything random in the episode comes from `random`, which the
   * host owns and keeps alive until the next reset. */
  gboolean (*reset)(gpointer session, const char *split, gint64 goal, CwRandom *random, GError **error);
  /* Required. Shows the current observation, which stays the same until step or reset. */
  gboolean (*observe)(gpointer session, CwObservation *observation, GError **error);
  /* Required. Takes candidate number `candidate` (from 0) of the current observation. */
  gboolean (*step)(gpointer session, guint candidate, CwOutcome *outcome, GError **error);

  /* Optional: takes an action given as text, whether or not it is a candidate. */
  gboolean (*step_text)(gpointer session, const char *action, CwOutcome *outcome, GError **error);
  /* Optional: the environment's own name of the current goal (goal_id in trajectories). */
  const char *(*goal_id)(gpointer session);
  /* Optional, with CW_ENVIRONMENT_SCRIPTS: NULL-terminated names of scripted agents ("rule", "expert"). */
  const char *const *(*scripts)(gpointer shared);
  /* Optional, with `scripts`: the index of the candidate that the scripted agent `script` takes now, or -1
   * with error. What the script remembers is kept in the session and cleared by reset. The host calls it once
   * per step. */
  gint (*scripted_action)(gpointer session, const char *script, GError **error);
  /* Optional, with CW_ENVIRONMENT_RECORDS: reads one line of a file of recorded sessions. `where` is
   * "file:line" for messages. NULL without error: a line to skip (blank). */
  CwRecord *(*read_record)(gpointer shared, const char *line, const char *where, GError **error);
  void (*free_record)(gpointer shared, CwRecord *record);
  /* With read_record: as reset, on the recorded goal with its overrides. */
  gboolean (*reset_record)(gpointer session, const CwRecord *record, CwRandom *random, GError **error);
  /* With read_record: the index of `action` among the candidates of the current observation. With `may_add`
   * an action that is none but may be one (a search query) is added. -1 without error: it cannot be a
   * candidate here (an invalid click). -1 with error: failure. */
  gint (*candidate_of)(gpointer session, const char *action, gboolean may_add, GError **error);
  /* Optional: answers a request in the environment's own terms, such as verb "search" or "score" with a JSON
   * object in `request`; returns a JSON text to be freed with g_free, or NULL with error. An unknown verb is
   * CW_ERROR_UNSUPPORTED and the message lists the verbs there are. */
  char *(*answer)(gpointer shared, const char *verb, const char *request, GError **error);
  /* Optional: `cartwright import NAME` turns other files into what `open` reads; `cartwright
   * export NAME` writes the environment's data in another form. */
  const CwConversion *importer;
  const CwConversion *exporter;
  /* Optional, with read_record: whether `line`, the next one of the file, belongs to the
   * record that begins with `record` (one line or more). read_record then gets the lines of a record
   * together, separated by newlines, and `where` names the first. */
  gboolean (*continues_record)(gpointer shared, const char *record, const char *line);
  /* With CW_ENVIRONMENT_RESTORES. The state of a running episode as bytes, and back into any session of the
   * same shared part; what follows is then the same for the same actions. The random stream of the episode
   * is the host's and is saved by it. Release the bytes with g_bytes_unref. */
  GBytes *(*save_session)(gpointer session, GError **error);
  gboolean (*restore_session)(gpointer session, GBytes *state, CwRandom *random, GError **error);
} CwEnvironmentVtable;

G_END_DECLS

#endif
