/* The descriptor of the test plugin. */
#include "tests/toy/toy.h"
#include <stddef.h>

static const CwOption environment_rows[] = {
    {"goals", CW_OPTION_INTEGER, offsetof(ToyEnvironmentOptions, goals), 0, "12", 1, 1000, NULL, "goals",
     "goals of each split"},
    {"steps", CW_OPTION_INTEGER, offsetof(ToyEnvironmentOptions, steps), 0, "3", 1, 6, NULL, "decisions",
     "most decisions of an episode"},
    {"timeless", CW_OPTION_BOOLEAN, offsetof(ToyEnvironmentOptions, timeless), 0, "false", 0, 0, NULL, NULL,
     "do not tell how many steps have been taken"},
    {"patience", CW_OPTION_INTEGER, offsetof(ToyEnvironmentOptions, patience), 0, "0", 0, 8, NULL, NULL,
     "waits without which an odd goal is no success"},
    {"interrupt_at", CW_OPTION_INTEGER, offsetof(ToyEnvironmentOptions, interrupt_at), CW_OPTION_RESUME_SAFE,
     "0", 0, 1e6, NULL, NULL, "reset in which SIGTERM arrives"},
};

static const CwOption policy_rows[] = {
    {"model", CW_OPTION_PATH, offsetof(ToyPolicyOptions, model), 0, NULL, 0, 0, NULL, NULL,
     "folder to load from"},
    {"noise", CW_OPTION_NUMBER, offsetof(ToyPolicyOptions, noise), 0, "0.1", 0, 10, NULL, NULL,
     "noise of the forward pass"},
};

static const CwOption algorithm_rows[] = {
    {"updates", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, updates), 0, "6", 1, 1e6, NULL, NULL,
     "updates"},
    {"episodes", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, episodes), 0, "5", 1, 1e6, NULL, NULL,
     "episodes per update"},
    {"group_size", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, group_size), 0, "0", 0, 100, NULL, NULL,
     "episodes that share a goal"},
    {"learning_rate", CW_OPTION_NUMBER, offsetof(ToyAlgorithmOptions, learning_rate), 0, "0.5", 0, 1e38, NULL,
     NULL, "size of a step"},
    {"reference", CW_OPTION_BOOLEAN, offsetof(ToyAlgorithmOptions, reference), 0, "false", 0, 0, NULL, NULL,
     "ask for a reference policy"},
    {"offline", CW_OPTION_BOOLEAN, offsetof(ToyAlgorithmOptions, offline), 0, "false", 0, 0, NULL, NULL,
     "learn from trajectories"},
    {"interrupt_at", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, interrupt_at), CW_OPTION_RESUME_SAFE,
     "0", 0, 1e6, NULL, NULL, "update in which SIGTERM arrives"},
    {"crash_at", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, crash_at), CW_OPTION_RESUME_SAFE, "0", 0,
     1e6, NULL, NULL, "update in which the process dies"},
    {"nan_at", CW_OPTION_INTEGER, offsetof(ToyAlgorithmOptions, nan_at), CW_OPTION_RESUME_SAFE, "0", 0, 1e6,
     NULL, NULL, "update whose loss is NaN"},
};

static const CwFeature features[] = {
    {.kind = CW_FEATURE_ENVIRONMENT,
     .name = "toy_environment",
     .summary = "Letters with known scores",
     .vtable = &toy_environment,
     .vtable_size = sizeof toy_environment,
     .capabilities = CW_ENVIRONMENT_SCRIPTS | CW_ENVIRONMENT_RECORDS | CW_ENVIRONMENT_FREE_TEXT,
     CW_FEATURE_OPTIONS(environment_rows, ToyEnvironmentOptions)},
    {.kind = CW_FEATURE_POLICY,
     .name = "toy_policy",
     .summary = "A few weights",
     .vtable = &toy_policy,
     .vtable_size = sizeof toy_policy,
     .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
     CW_FEATURE_OPTIONS(policy_rows, ToyPolicyOptions)},
    {.kind = CW_FEATURE_POLICY,
     .name = "toy_environment",
     .summary = "The same weights under the environment's name",
     .vtable = &toy_policy,
     .vtable_size = sizeof toy_policy,
     .capabilities = CW_POLICY_TRAINS | CW_POLICY_VALUES | CW_POLICY_CLONES,
     CW_FEATURE_OPTIONS(policy_rows, ToyPolicyOptions)},
    {.kind = CW_FEATURE_POLICY,
     .name = "toy_words",
     .summary = "Says what it does in words",
     .vtable = &toy_words,
     .vtable_size = sizeof toy_words,
     .capabilities = CW_POLICY_TRAINS | CW_POLICY_ACTS | CW_POLICY_WORDS | CW_POLICY_HISTORY},
    {.kind = CW_FEATURE_ALGORITHM,
     .name = "toy_algorithm",
     .summary = "Learns, or goes wrong on demand",
     .capabilities = CW_NEEDS_TRAINING,
     .vtable = &toy_algorithm,
     .vtable_size = sizeof toy_algorithm,
     CW_FEATURE_OPTIONS(algorithm_rows, ToyAlgorithmOptions)},
};

CW_PLUGIN("toy", "0.1", "MIT", "What the runtime's tests run", features);
