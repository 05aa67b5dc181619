/* Environments inside your own program: open one by the name of its plugin, run any number of sessions over
 * its one shared part (catalogue, index, goals), and read what they show. What Cartwright's own training loop
 * does with environments can be done from here in any language that calls C; doors/python is built on this
 * header alone.
 *
 *   const char *const options[] = {"products=100", NULL};
 *   CwEmbedSettings settings = {.struct_size = sizeof settings, .plugin = "synthetic", .options = options,
 * .seed = 1}; CwEmbedEnvironment *shop = cw_embed_open(&settings, &error); CwEmbedVector *vector =
 * cw_embed_vector_new(&shop, 1, 64, 2, &error);      // 64 sessions, 2 threads cw_embed_vector_reset(vector,
 * NULL, resets, 64, &error); cw_embed_vector_step(vector, NULL, actions, 64, &error); const CwEmbedView *view
 * = cw_embed_vector_view(vector, 0);                 // view->text, view->reward, ...
 *
 * examples/embed.c is a whole program. Link with `pkg-config --libs cartwright`.
 *
 * Structs that may grow begin with struct_size, which the caller sets to sizeof of its own; those that
 * Cartwright fills only grow at the end, so a program built against an older header goes on working.
 *
 * Threads: different vectors may be used by different threads at the same time, one vector by one thread at a
 * time. An environment's functions may be called from any thread. A program that forks makes its vectors
 * after the fork: a vector's threads do not follow into the child.
 *
 * Errors are GError: the domains and codes of <cartwright/error.h>, messages with what was expected, found,
 * and the cure. Nothing here exits, aborts or prints. */
#ifndef CARTWRIGHT_EMBED_H
#define CARTWRIGHT_EMBED_H

#include <cartwright/error.h>

G_BEGIN_DECLS

/* The shared part of one environment: read-only once it is open, counted by reference. */
typedef struct CwEmbedEnvironment CwEmbedEnvironment;
/* N sessions, stepped together. */
typedef struct CwEmbedVector CwEmbedVector;

typedef struct CwEmbedSettings {
  gsize struct_size;
  const char *plugin; /* the environment's name: "webshop", "synthetic" */
  /* NULL-terminated "key=value", as after --set and in the plugin's page of the documentation; NULL: all
   * defaults. */
  const char *const *options;
  /* NULL-terminated folders where the plugin is looked for first; then $CARTWRIGHT_PLUGIN_PATH and the
   * installed folder, as the command does. NULL: none. */
  const char *const *plugin_path;
  guint32 seed; /* of everything random in episodes */
} CwEmbedSettings;

/* Opens an environment; NULL with error. All complaints about options come in one message. Release it with
 * cw_embed_unref; vectors hold references of their own. */
CwEmbedEnvironment *cw_embed_open(const CwEmbedSettings *settings, GError **error);
CwEmbedEnvironment *cw_embed_ref(CwEmbedEnvironment *environment);
void cw_embed_unref(CwEmbedEnvironment *environment); /* accepts NULL */

/* What a result made with this environment must state: NULL-terminated key, value, key, value ... It lives as
 * long as the environment. */
const char *const *cw_embed_facts(CwEmbedEnvironment *environment);
/* The number of goals of a split ("train", "dev", "test", "all"); -1 with error for a split that there is
 * not. */
gint64 cw_embed_n_goals(CwEmbedEnvironment *environment, const char *split, GError **error);
/* NULL-terminated names of the scripted agents ("rule", "oracle", ...), possibly none. */
const char *const *cw_embed_scripts(CwEmbedEnvironment *environment);
/* Asks the environment something in its own terms, such as verb "search" with {"query": "red shoes"}: JSON
 * in, JSON out, to be freed with g_free; NULL with error. The message for an unknown verb lists the verbs
 * there are. */
char *cw_embed_answer(CwEmbedEnvironment *environment, const char *verb, const char *request, GError **error);

/* Runs the import of an environment, as `cartwright import` does: `settings` names the plugin and gives the
 * import's own options ("shop=FOLDER"); `into` is the file or folder to write, which replaces a file that is
 * there with `overwrite`. What is written is whole, or nothing is. */
gboolean cw_embed_import(const CwEmbedSettings *settings, const char *into, gboolean overwrite,
                         GError **error);

/* `n_sessions` (1 or more) sessions. Session i belongs to environments[i % n_environments], so that workers
 * with goals of their own can share one vector. `n_threads`: how many step at the same time, the calling one
 * included; 1 starts no thread. Sessions need a reset before their first step. */
CwEmbedVector *cw_embed_vector_new(CwEmbedEnvironment *const *environments, guint n_environments,
                                   guint n_sessions, guint n_threads, GError **error);
void cw_embed_vector_free(CwEmbedVector *vector); /* accepts NULL */
guint cw_embed_vector_n_sessions(const CwEmbedVector *vector);

/* The start of an episode. Equal (seed, goal, episode) give equal episodes for equal actions. */
typedef struct CwEmbedReset {
  const char *split;
  gint64 goal;     /* 0 .. cw_embed_n_goals - 1 */
  guint64 episode; /* which of the episodes on this goal: its random stream */
} CwEmbedReset;

/* An action: candidate number `candidate` of the present view, or, where `text` is not NULL, an action in the
 * environment's own words ("search[red shoes]"), which need not be a candidate. */
typedef struct CwEmbedAction {
  const char *text;
  guint candidate;
} CwEmbedAction;

/* Resets or steps `n` sessions: number sessions[i] takes the i-th reset or action; sessions NULL: session i,
 * and `n` is the number of sessions. No session may be named twice. FALSE with the error of the first session
 * that failed (the message begins with its number); the others have gone on, and the one that failed is where
 * it was, or waits for a reset after a failed one. A session whose episode is over wants a reset before the
 * next step. */
gboolean cw_embed_vector_reset(CwEmbedVector *vector, const guint *sessions, const CwEmbedReset *resets,
                               guint n, GError **error);
gboolean cw_embed_vector_step(CwEmbedVector *vector, const guint *sessions, const CwEmbedAction *actions,
                              guint n, GError **error);

typedef struct CwEmbedNumber {
  const char *name;
  double value;
} CwEmbedNumber;

typedef struct CwEmbedText {
  const char *name, *value;
} CwEmbedText;

/* What a session shows after its last reset or step. Every pointer lives until the session's next reset or
 * step. */
typedef struct CwEmbedView {
  gsize struct_size;
  const char *text;              /* the observation, UTF-8; NULL before the first reset */
  const char *const *candidates; /* n_candidates actions to choose from; none when the episode is over */
  const char *instruction;       /* the task in words, or NULL */
  const char *goal_id;           /* the environment's own name of the goal, or "" */
  const CwEmbedNumber *parts;    /* when the episode is over: n_parts parts of the reward */
  const CwEmbedText *facts;      /* when the episode is over: n_facts facts ("category", "target", "item") */
  double reward;                 /* of the last step; 0 after a reset */
  double total_reward;           /* of the episode so far */
  guint64 n_steps;               /* of the episode so far */
  guint n_candidates, n_parts, n_facts;
  gboolean terminated; /* the episode is over by its own rules */
  gboolean truncated;  /* the episode is over because of a limit */
  gboolean success;    /* when it is over: whether the goal was reached */
} CwEmbedView;

/* The view of session `session`; lives as long as the vector and changes with every reset and step. NULL for
 * a number that there is not. */
const CwEmbedView *cw_embed_vector_view(const CwEmbedVector *vector, guint session);
/* The state of a session's running episode as bytes, its random stream included, to be released with
 * g_bytes_unref; and back into any session over the same environment, which then goes on from there: what a
 * search through possible actions needs. NULL or FALSE with error; after a failed restore the session waits
 * for a reset. */
GBytes *cw_embed_vector_save(CwEmbedVector *vector, guint session, GError **error);
gboolean cw_embed_vector_restore(CwEmbedVector *vector, guint session, GBytes *state, GError **error);
/* The candidate that scripted agent `script` takes now in a session; -1 with error. Its memory is cleared by
 * reset; ask once a step. */
gint cw_embed_vector_script(CwEmbedVector *vector, guint session, const char *script, GError **error);

G_END_DECLS

#endif
