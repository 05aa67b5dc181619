/* The option tables of the core's own sections. They are all there is to know about a key: parser, default,
 * range, help and documentation read them. */
#include "core/experiment/experiment_private.h"
#include <string.h>

#define SAFE             .flags = CW_OPTION_RESUME_SAFE
#define REQUIRED         .flags = CW_OPTION_REQUIRED
#define AT(type, member) .offset = offsetof(type, member)
#define TABLE(rows, type)                                                                                    \
  {                                                                                                          \
    rows, G_N_ELEMENTS(rows), sizeof(type)                                                                   \
  }

static const CwOption top_rows[] = {
    {"name", CW_OPTION_STRING, AT(CwExperiment, name), SAFE,
     .help = "name of the run, by default that of the file"},
    {"seed", CW_OPTION_INTEGER, AT(CwExperiment, seed), .default_value = "233", .minimum = 0,
     .maximum = G_MAXUINT32, .help = "root of all random streams"},
    {"output", CW_OPTION_PATH, AT(CwExperiment, output), SAFE, .help = "run directory, by default runs/NAME"},
};
const CwOptionTable cw_experiment_top_table = TABLE(top_rows, CwExperiment);

static const CwOption plugin_rows[] = {
    {"plugin", CW_OPTION_STRING, AT(CwFeatureName, name), REQUIRED, .help = "name of what to load"},
};
const CwOptionTable cw_plugin_name_table = TABLE(plugin_rows, CwFeatureName);

static const CwOption policy_rows[] = {
    {"plugin", CW_OPTION_STRING, AT(CwFeatureName, name), REQUIRED, .help = "name of what to load"},
    {"from", CW_OPTION_PATH, AT(CwFeatureName, from),
     .help = "run, or checkpoint of one, whose policy this one begins as: its plugin, its options and its "
             "weights"},
};
const CwOptionTable cw_policy_name_table = TABLE(policy_rows, CwFeatureName);

static const CwOption algorithm_rows[] = {
    {"algorithm", CW_OPTION_STRING, AT(CwFeatureName, name), REQUIRED, .help = "name of what to load"},
};
const CwOptionTable cw_algorithm_name_table = TABLE(algorithm_rows, CwFeatureName);

static const CwOption rollout_rows[] = {
    {"slots", CW_OPTION_INTEGER, AT(CwRolloutOptions, slots), SAFE, .default_value = "16", .minimum = 1,
     .maximum = 65536, .unit = "sessions",
     .help = "sessions stepped together, their observations scored in one batch"},
    {"step_limit", CW_OPTION_INTEGER, AT(CwRolloutOptions, step_limit), .flags = CW_OPTION_LATER,
     .default_value = "10000", .minimum = 0, .maximum = G_MAXUINT32, .unit = "steps",
     .help = "the host ends an episode that the environment has not ended by then, as truncated, and warns "
             "once; 0: never"},
};
const CwOptionTable cw_rollout_table = TABLE(rollout_rows, CwRolloutOptions);

static const CwOption checkpoint_rows[] = {
    {"every", CW_OPTION_INTEGER, AT(CwCheckpointOptions, every), SAFE, .default_value = "100", .minimum = 0,
     .maximum = G_MAXDOUBLE, .unit = "updates",
     .help = "updates between checkpoints; 0: only at the end of a stage"},
    {"keep", CW_OPTION_INTEGER, AT(CwCheckpointOptions, keep), SAFE, .default_value = "2", .minimum = 1,
     .maximum = G_MAXDOUBLE, .unit = "checkpoints", .help = "how many of the newest are kept"},
};
const CwOptionTable cw_checkpoint_table = TABLE(checkpoint_rows, CwCheckpointOptions);

static const char *const recordings[] = {"probabilities", NULL};
static const char *const selections[] = {"sample", "greedy", NULL};
static const CwOption evaluate_rows[] = {
    {"split", CW_OPTION_STRING, AT(CwEvaluateOptions, split), SAFE, .default_value = "test",
     .help = "split of the environment's goals"},
    {"episodes", CW_OPTION_INTEGER, AT(CwEvaluateOptions, episodes), SAFE, .default_value = "500",
     .minimum = 1, .maximum = G_MAXDOUBLE, .unit = "episodes",
     .help = "the first goals of the split, all of them when fewer"},
    {"agents", CW_OPTION_STRING_LIST, AT(CwEvaluateOptions, agents), SAFE,
     .help = "random, scripts of the environment, initial, final; by default all that there are"},
    {"selection", CW_OPTION_STRING_LIST, AT(CwEvaluateOptions, selection), SAFE,
     .default_value = "sample,greedy", .values = selections, .help = "how a policy chooses an action"},
    {"confidence", CW_OPTION_NUMBER, AT(CwEvaluateOptions, confidence), SAFE, .default_value = "0.95",
     .minimum = 0.5, .maximum = 0.9999, .help = "of the interval around the score"},
    {"keep_episodes", CW_OPTION_INTEGER, AT(CwEvaluateOptions, keep_episodes), SAFE, .default_value = "0",
     .minimum = 0, .maximum = 100000, .unit = "episodes",
     .help =
         "of each agent, the first so many are kept step by step in RUN/episodes, for `cartwright view`; 0: "
         "none"},
    {"record", CW_OPTION_STRING_LIST, AT(CwEvaluateOptions, record), SAFE, .default_value = "probabilities",
     .values = recordings, .help = "what kept episodes hold of a policy: the probability of every candidate"},
    {"advisor", CW_OPTION_STRING, AT(CwEvaluateOptions, advisor), SAFE,
     .help = "script of the environment: what it would have done in each step is kept with the episodes; by "
             "default 'expert' where there is one"},
};
const CwOptionTable cw_evaluate_table = TABLE(evaluate_rows, CwEvaluateOptions);

static const CwOption generate_rows[] = {
    {"agent", CW_OPTION_STRING, AT(CwGenerateOptions, agent), .default_value = "policy",
     .help = "a script of the environment, random or policy"},
    {"policy_from", CW_OPTION_PATH, AT(CwGenerateOptions, policy_from),
     .help = "run or checkpoint whose weights the agent policy takes; by default those of this run as they "
             "are then"},
    {"teacher", CW_OPTION_STRING, AT(CwGenerateOptions, teacher),
     .help = "a script of the environment: in every state that the agent, policy or random, comes to, what "
             "the script "
             "would do there is recorded in place of what the agent does (DAgger)"},
    {"split", CW_OPTION_STRING, AT(CwGenerateOptions, split), .default_value = "train",
     .help = "split of the environment's goals"},
    {"episodes", CW_OPTION_INTEGER, AT(CwGenerateOptions, episodes), .default_value = "0", .minimum = 0,
     .maximum = G_MAXUINT32, .unit = "episodes",
     .help = "how many to roll out; with perfect at most so many, 0: 100 for each perfect one"},
    {"perfect", CW_OPTION_INTEGER, AT(CwGenerateOptions, perfect), .default_value = "0", .minimum = 0,
     .maximum = 1e6, .unit = "trajectories",
     .help = "roll out until so many different successful episodes have been found, and keep those; 0: keep "
             "all of "
             "'episodes'"},
    {"per_goal", CW_OPTION_INTEGER, AT(CwGenerateOptions, per_goal), .default_value = "1", .minimum = 1,
     .maximum = 1000, .unit = "episodes", .help = "consecutive episodes on each goal"},
    {"shuffle", CW_OPTION_BOOLEAN, AT(CwGenerateOptions, shuffle), .default_value = "false",
     .help = "goals in shuffled passes, another order in every stage, instead of 0, 1, 2, ...; implied by "
             "perfect"},
    {"successful_only", CW_OPTION_BOOLEAN, AT(CwGenerateOptions, successful_only), .default_value = "false",
     .help = "keep only successful episodes"},
    {"prune_loops", CW_OPTION_BOOLEAN, AT(CwGenerateOptions, prune_loops), .default_value = "false",
     .help = "cut the steps between two equal observations out of kept episodes, if the rest still earns the "
             "same"},
    {"record", CW_OPTION_STRING_LIST, AT(CwGenerateOptions, record), SAFE, .values = recordings,
     .help = "probabilities: of every candidate under the policy, in every step"},
    {"rejected_into", CW_OPTION_STRING, AT(CwGenerateOptions, rejected_into),
     .help = "name of a second file: unsuccessful episodes of groups in which there was a successful one"},
};
const CwOptionTable cw_generate_table = TABLE(generate_rows, CwGenerateOptions);

static const CwOption import_rows[] = {
    {"sessions", CW_OPTION_PATH, AT(CwImportOptions, sessions), REQUIRED,
     .help = "file of recorded sessions, in the environment's own format"},
    {"splits", CW_OPTION_STRING_LIST, AT(CwImportOptions, splits), .default_value = "train",
     .help = "keep sessions whose goal is in one of these splits"},
    {"add_searches", CW_OPTION_BOOLEAN, AT(CwImportOptions, add_searches), .default_value = "true",
     .help = "add a recorded query to the candidates; false: skip its step"},
    {"successful_only", CW_OPTION_BOOLEAN, AT(CwImportOptions, successful_only), .default_value = "false",
     .help = "keep only successful sessions"},
};
const CwOptionTable cw_import_table = TABLE(import_rows, CwImportOptions);

static const char *const refresh_modes[] = {"replace", "extend", NULL};
static const CwOption stage_rows[] = {
    {"trajectories", CW_OPTION_STRING_LIST, AT(CwStageOptions, trajectories),
     .help = "names that earlier stages write, or paths"},
    {"refresh_every", CW_OPTION_INTEGER, AT(CwStageOptions, refresh_every), .default_value = "0",
     .minimum = 0, .maximum = G_MAXDOUBLE, .unit = "updates",
     .help = "updates after which trajectories that the policy generated are generated anew by the policy as "
             "it is then; "
             "0: never"},
    {"refresh_mode", CW_OPTION_ENUM, AT(CwStageOptions, refresh_mode), .default_value = "replace",
     .values = refresh_modes, .help = "whether new trajectories replace or extend those from before"},
    {"evaluate_every", CW_OPTION_INTEGER, AT(CwStageOptions, evaluate_every), SAFE, .default_value = "0",
     .minimum = 0, .maximum = G_MAXDOUBLE, .unit = "updates",
     .help = "updates between evaluations for the curve; 0: none"},
    {"evaluate_episodes", CW_OPTION_INTEGER, AT(CwStageOptions, evaluate_episodes), SAFE,
     .default_value = "100", .minimum = 1, .maximum = G_MAXDOUBLE, .unit = "episodes",
     .help = "episodes of such an evaluation"},
    {"evaluate_split", CW_OPTION_STRING, AT(CwStageOptions, evaluate_split), SAFE, .default_value = "dev",
     .help = "split of such an evaluation"},
};
const CwOptionTable cw_stage_table = TABLE(stage_rows, CwStageOptions);

static const CwOption into_rows[] = {
    {"into", CW_OPTION_STRING, AT(CwStage, into), REQUIRED,
     .help = "name of the file in the run's trajectories"},
};
const CwOptionTable cw_into_table = TABLE(into_rows, CwStage);

const char *const cw_experiment_sections[] = {"environment", "policy",   "rollout", "checkpoint",
                                              "stages",      "evaluate", "base",    NULL};
const char *const cw_stage_kind_names[] = {"generate", "import", "algorithm", NULL};

const CwExperimentSection cw_experiment_tables[] = {
    {"experiment", "Keys of the top level", &cw_experiment_top_table},
    {"environment", "Keys of environment:, with those of the plugin it names", &cw_plugin_name_table},
    {"policy", "Keys of policy:, with those of the plugin it names", &cw_policy_name_table},
    {"rollout", "Keys of rollout:", &cw_rollout_table},
    {"checkpoint", "Keys of checkpoint:", &cw_checkpoint_table},
    {"algorithm", "The key that makes a stage an algorithm's, with those of the plugin it names",
     &cw_algorithm_name_table},
    {"stage", "Keys of the core in a stage with algorithm:", &cw_stage_table},
    {"generate", "Keys of generate: in a stage", &cw_generate_table},
    {"import", "Keys of import: in a stage", &cw_import_table},
    {"into", "Keys next to generate: and import: in a stage", &cw_into_table},
    {"evaluate", "Keys of evaluate:", &cw_evaluate_table},
    {NULL, NULL, NULL},
};

const CwOptionTable *cw_experiment_table(const char *section)
{
  for (const CwExperimentSection *known = cw_experiment_tables; known->name; known++)
    if (strcmp(known->name, section) == 0)
      return known->table;
  return NULL;
}
