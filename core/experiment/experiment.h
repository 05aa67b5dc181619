/* An experiment as a YAML file describes it: checked against the core's own option tables and those of the
 * plugins it names, all complaints at once, before anything is loaded. Owns all options structs. */
#ifndef CW_EXPERIMENT_H
#define CW_EXPERIMENT_H

#include "core/plugin/registry.h"

/* A feature with its filled options. */
typedef struct {
  const CwRegisteredFeature *feature;
  gpointer options;
  CwPlace place;
  char *from; /* of a policy: the run or checkpoint whose weights it begins with; NULL: none */
} CwBinding;

/* environment-independent keys of `rollout:` */
typedef struct {
  gint64 slots;      /* environments stepped together, one batched score per round; default 16 */
  gint64 step_limit; /* steps after which the host ends an episode; 0: never; default 10000 */
} CwRolloutOptions;

/* `checkpoint:` */
typedef struct {
  gint64 every; /* updates between checkpoints within a stage; 0: only at its end; default 100 */
  gint64 keep;  /* newest kept; default 2 */
} CwCheckpointOptions;

/* `evaluate:` */
typedef struct {
  char *split;          /* default "test" */
  gint64 episodes;      /* default 500; the first goals of the split, all of them when fewer */
  char **agents;        /* "random", a script of the environment, "initial", "final"; default random, scripts,
                           initial, final */
  char **selection;     /* "sample", "greedy"; default both; how policies choose */
  double confidence;    /* default 0.95 */
  gint64 keep_episodes; /* of each agent, so many are kept in RUN/episodes; default 0 */
  char **record;        /* "probabilities": what kept episodes hold beyond what was done */
  char *advisor;        /* a script whose choices kept episodes hold too; NULL: "expert" where there is one */
} CwEvaluateOptions;

typedef enum { CW_STAGE_GENERATE, CW_STAGE_IMPORT, CW_STAGE_ALGORITHM } CwStageKind;

/* keys of `generate:` */
typedef struct {
  char *agent; /* a script of the environment, "random" or "policy" (the current one); default "policy" */
  char *policy_from; /* of agent "policy": a run or a checkpoint whose weights it takes; NULL: the current
                        ones */
  char *teacher;     /* a script whose choices are recorded in place of the agent's; NULL: none */
  char *split;       /* default "train" */
  gint64 episodes;   /* how many to roll out, at most with `perfect`; 0: not said */
  gint64 perfect;    /* how many different perfect ones to find; 0: not said */
  gint64 per_goal;   /* consecutive episodes on each goal; default 1 */
  gboolean successful_only; /* keep only successful episodes; default false */
  gboolean shuffle;         /* goals in an order of the stage's own; default false */
  gboolean prune_loops;     /* cut loops out of what is kept; default false */
  char **record;            /* "probabilities": what trajectories hold beyond what was done; NULL: nothing */
  char
      *rejected_into; /* file name for unsuccessful episodes next to successful ones on their goal; NULL: none
                       */
} CwGenerateOptions;

/* keys of `import:` (recorded sessions of the environment's own kind) */
typedef struct {
  char *sessions;        /* path; required */
  char **splits;         /* keep sessions whose goal falls in these splits; default train */
  gboolean add_searches; /* add the recorded query to the candidates (true) or skip search steps (false);
                            default true */
  gboolean successful_only;
} CwImportOptions;

/* What becomes of trajectories when others have been generated. */
typedef enum { CW_REFRESH_REPLACE, CW_REFRESH_EXTEND } CwRefreshMode;

/* keys of a stage with `algorithm:` that belong to the core */
typedef struct {
  char **trajectories;      /* names written by earlier stages' `into`, or paths */
  gint64 refresh_every;     /* updates between regenerations of the trajectories; 0: never */
  gint refresh_mode;        /* CwRefreshMode */
  gint64 evaluate_every;    /* updates between evaluations for the curve; 0: none */
  gint64 evaluate_episodes; /* default 100 */
  char *evaluate_split;     /* default "dev" */
} CwStageOptions;

typedef struct {
  CwStageKind kind;
  CwPlace place;
  char *into; /* GENERATE and IMPORT: file name inside RUN/trajectories */
  CwGenerateOptions *generate;
  CwBinding policy; /* GENERATE: who plays as agent "policy"; policy.feature is NULL: the experiment's */
  CwImportOptions *import;
  CwBinding algorithm;     /* ALGORITHM */
  CwStageOptions *options; /* ALGORITHM */
  CwBinding *networks;     /* ALGORITHM: of each network in its table; without a feature: like the policy */
} CwStage;

typedef struct {
  char *name;
  gint64 seed;                   /* 0 .. 2^32-1; default 233 */
  char *output;                  /* run directory; default runs/NAME */
  CwBinding environment, policy; /* policy.feature is NULL when the file has none */
  CwRolloutOptions *rollout;
  CwCheckpointOptions *checkpoint;
  CwEvaluateOptions *evaluate;
  GPtrArray *stages; /* CwStage * */
  char *resolved;    /* every value as YAML with its origin in a comment */
  char *fingerprint; /* SHA-256 (hex) over the values that must not change on resume */
  GPtrArray *values; /* what `resolved` lists, for cw_experiment_check_resume */
  char *directory;   /* the run that it was read from; NULL: a file of its own */
  GPtrArray *notes; /* char *, each with its place: what of the file was left out, being for another plugin */
} CwExperiment;

/* YAML, in short (docs and `cartwright config` show all keys):
 *
 *   name: demo
 *   environment: {plugin: synthetic, products: 100}    # plugin, and the plugin's own options
 *   policy: {plugin: linear, width: 64}                # may be absent
 *   stages:                                            # each exactly one of generate, import, algorithm
 *     - {generate: {agent: expert, episodes: 50}, into: expert.jsonl}
 *     - {algorithm: bc, trajectories: expert.jsonl, epochs: 3}   # keys of the stage and of the plugin
 *   evaluate: {split: test}                            # also rollout:, checkpoint:
 *
 * Reads, overrides (`sets`: NULL-terminated "a.b=c", may be NULL), checks. NULL with CW_CONFIG_ERROR /
 * CW_ERROR_CONFIGURATION whose message holds all complaints. The registry must outlive the experiment. */
CwExperiment *cw_experiment_load(const char *path, const char *const *sets, CwRegistry *registry,
                                 GError **error);
/* The experiment of a run directory. Files from outside that its stages have read may be gone. */
CwExperiment *cw_experiment_load_run(const char *directory, const char *const *sets, CwRegistry *registry,
                                     GError **error);
void cw_experiment_free(CwExperiment *experiment); /* accepts NULL */

/* Whether a run whose resolved text is `saved` may go on as `experiment`: all values but the resume-safe ones
 * are the same. Otherwise FALSE with CW_CONFIG_ERROR / CW_ERROR_CONFIGURATION that names the first
 * differences: "stages.0.learning_rate was 1e-4, is 2e-4 (configs/x.yaml:12:20)". `saved_name` is the saved
 * file's name for messages; `but` (NULL-terminated, or NULL) are paths of values that may differ, too. */
gboolean cw_experiment_check_resume(const CwExperiment *experiment, const char *saved, const char *saved_name,
                                    const char *const *but, GError **error);

/* The first value at or below `path` that the two do not share, as "environment.products is 100 and 200";
 * NULL when there is none. Values that may change on resume do not count. Free with g_free. */
char *cw_experiment_difference(const CwExperiment *first, const CwExperiment *second, const char *path);

/* The core's own keys, for help and documentation: a table per section, in the order in which a file has
 * them. The last one's name is NULL. */
typedef struct {
  const char *name;    /* "experiment" (the top level), "evaluate", "stage", "into", ... */
  const char *summary; /* one line */
  const CwOptionTable *table;
} CwExperimentSection;

extern const CwExperimentSection cw_experiment_tables[];
/* The table of a section; NULL when there is none of that name. */
const CwOptionTable *cw_experiment_table(const char *section);

#endif
