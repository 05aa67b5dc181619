/* The results of an experiment: what every agent scored, with the facts that a score means nothing without
 * (environment, catalogue, goals, split, seed). They are kept in RUN/evaluation.json, which is rewritten
 * whole after every agent, so that a resumed run repeats no evaluation. */
#ifndef CW_RESULTS_H
#define CW_RESULTS_H

#include "core/experiment/experiment.h"
#include "core/rollout/evaluation.h"

/* Owns everything in it. Change it through the functions. */
typedef struct {
  char *name; /* of the experiment */
  guint32 seed;
  double confidence;
  char *split;        /* that the agents are evaluated on */
  gint64 n_goals;     /* of that split */
  guint64 n_episodes; /* the first so many of them */
  char **selections;  /* how policies choose; NULL: any */
  double seconds;     /* wall-clock time of the process that wrote the results; 0: not known */
  char *environment, *environment_version;  /* feature, and version of its plugin */
  char *policy, *policy_version;            /* NULL without a policy */
  char **environment_facts, **policy_facts; /* key, value, ..., NULL */
  char **accepted; /* conditions that changed while the run was stopped: name, "THEN -> NOW", ..., NULL */
  GPtrArray *evaluations; /* CwEvaluation *, in the order in which they came */
} CwResults;

/* `policy` may be NULL. Facts are copied. */
CwResults *cw_results_new(const CwExperiment *experiment, CwEnvironment *environment, CwPolicy *policy);
void cw_results_free(CwResults *results); /* accepts NULL */

/* Takes the evaluation; one of the same agent and selection is replaced, others stay in the order in which
 * they came. */
void cw_results_add(CwResults *results, CwEvaluation *evaluation);
/* The evaluation of an agent after `step` updates on the results' own terms, or NULL. `selection` is "" for
 * agents without a policy. */
const CwEvaluation *cw_results_find(const CwResults *results, const char *agent, const char *selection,
                                    guint64 step);

/* The name of the trajectory file, in RUN/episodes, with an agent's kept episodes: "random.jsonl",
 * "final-greedy.jsonl". Free with g_free. */
char *cw_results_episodes_name(const char *agent, const char *selection);

/* One JSON object, ending in a newline. Free with g_free. */
char *cw_results_json(const CwResults *results);
gboolean cw_results_write(const CwResults *results, const char *path, GError **error);
/* Adds the evaluations of a file that cw_results_write wrote, except those on other terms (split, number of
 * episodes, selection). A file that does not exist adds nothing and is no error. */
gboolean cw_results_read(CwResults *results, const char *path, GError **error);
/* All that a file says that cw_results_write wrote, on whatever terms; `split`, `n_goals`,
 * `n_episodes` and `selections` stay unset. `seconds` is 0 in the file of a run that has not
 * finished. Free with cw_results_free. */
CwResults *cw_results_load(const char *path, GError **error);

/* The table that a run ends with: the facts, then a row per agent, then the parts of the reward. `agents`
 * (NULL: all) says which to show and in which order. Free with g_free. */
char *cw_results_table(const CwResults *results, const char *const *agents);

#endif
