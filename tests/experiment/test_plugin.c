/* A plugin whose features exist only to be named in configurations: option tables and capabilities are real,
 * but nothing is ever opened. An algorithm is asked what it needs; every other slot refuses. */
#include <cartwright/cartwright.h>
#include <stddef.h>

static gboolean refuse(GError **error)
{
  g_set_error_literal(error, CW_RUN_ERROR, CW_ERROR_UNSUPPORTED, "only for tests of the configuration");
  return FALSE;
}

static gpointer open_nothing(gconstpointer options, guint32 seed, GError **error)
{
  (void)options, (void)seed;
  refuse(error);
  return NULL;
}

static void close_nothing(gpointer object)
{
  (void)object;
}

static const char *const *describe(gpointer object)
{
  static const char *const facts[] = {NULL};
  (void)object;
  return facts;
}

/* Environments. */

typedef struct {
  char *catalogue;
  gint64 products, step_limit;
  gint observation;
} ShopOptions;

static const char *const observations[] = {"text", "text_rich", NULL};
static const CwOption shop_options[] = {
    {"catalogue", CW_OPTION_PATH, offsetof(ShopOptions, catalogue), .help = "products to sell"},
    {"products", CW_OPTION_INTEGER, offsetof(ShopOptions, products), .default_value = "10", .minimum = 1,
     .maximum = 1000, .help = "how many"},
    {"step_limit", CW_OPTION_INTEGER, offsetof(ShopOptions, step_limit), .default_value = "100", .minimum = 1,
     .maximum = 1000, .unit = "steps", .help = "longest episode"},
    {"observation", CW_OPTION_ENUM, offsetof(ShopOptions, observation), .default_value = "text",
     .values = observations, .help = "what is seen"},
};

static gint64 n_goals(gpointer shared, const char *split)
{
  (void)shared, (void)split;
  return -1;
}

static gpointer session_new(gpointer shared, GError **error)
{
  (void)shared;
  refuse(error);
  return NULL;
}

static gboolean reset(gpointer session, const char *split, gint64 goal, CwRandom *random, GError **error)
{
  (void)session, (void)split, (void)goal, (void)random;
  return refuse(error);
}

static gboolean observe(gpointer session, CwObservation *observation, GError **error)
{
  (void)session, (void)observation;
  return refuse(error);
}

static gboolean step(gpointer session, guint candidate, CwOutcome *outcome, GError **error)
{
  (void)session, (void)candidate, (void)outcome;
  return refuse(error);
}

static gint scripted_action(gpointer session, const char *script, GError **error)
{
  (void)session, (void)script;
  refuse(error);
  return -1;
}

static CwRecord *read_record(gpointer shared, const char *line, const char *where, GError **error)
{
  (void)shared, (void)line, (void)where;
  refuse(error);
  return NULL;
}

static void free_record(gpointer shared, CwRecord *record)
{
  (void)shared, (void)record;
}

static gboolean reset_record(gpointer session, const CwRecord *record, CwRandom *random, GError **error)
{
  (void)session, (void)record, (void)random;
  return refuse(error);
}

static gint candidate_of(gpointer session, const char *action, gboolean may_add, GError **error)
{
  (void)session, (void)action, (void)may_add;
  refuse(error);
  return -1;
}

static const CwEnvironmentVtable environment = {
    .open = open_nothing,
    .close = close_nothing,
    .describe = describe,
    .n_goals = n_goals,
    .session_new = session_new,
    .session_free = close_nothing,
    .reset = reset,
    .observe = observe,
    .step = step,
    .scripts = describe,
    .scripted_action = scripted_action,
    .read_record = read_record,
    .free_record = free_record,
    .reset_record = reset_record,
    .candidate_of = candidate_of,
};

/* Policies. */

typedef struct {
  gint64 width;
  double dropout;
  gboolean bias;
} PolicyOptions;

static const CwOption policy_options[] = {
    {"width", CW_OPTION_INTEGER, offsetof(PolicyOptions, width), .flags = CW_OPTION_REQUIRED, .minimum = 1,
     .maximum = 4096, .help = "number of features"},
    {"dropout", CW_OPTION_NUMBER, offsetof(PolicyOptions, dropout), .default_value = "0.1", .minimum = 0,
     .maximum = 0.9, .help = "probability"},
    {"bias", CW_OPTION_BOOLEAN, offsetof(PolicyOptions, bias), .default_value = "true",
     .help = "add a constant"},
};

typedef struct {
  char *model;
  gint64 buckets;
  double dropout;
} TableOptions;

static const CwOption table_options[] = {
    CW_PATH(TableOptions, model, NULL, "a saved table"),
    CW_INTEGER(TableOptions, buckets, 16, 1, 1024, "size"),
    CW_NUMBER(TableOptions, dropout, 0, 0, 0.5, "probability"),
};

static gboolean score(gpointer policy, const CwDecision *const *decisions, guint n_decisions, float *logits,
                      float *values, GError **error)
{
  (void)policy, (void)decisions, (void)n_decisions, (void)logits, (void)values;
  return refuse(error);
}

static gboolean backward(gpointer policy, const float *dlogits, const float *dvalues, GError **error)
{
  (void)policy, (void)dlogits, (void)dvalues;
  return refuse(error);
}

static gboolean optimise(gpointer policy, double learning_rate, double max_norm, double *gradient_norm,
                         GError **error)
{
  (void)policy, (void)learning_rate, (void)max_norm, (void)gradient_norm;
  return refuse(error);
}

static gboolean file(gpointer policy, const char *directory, GError **error)
{
  (void)policy, (void)directory;
  return refuse(error);
}

static gboolean forward(gpointer object, const CwDecision *const *decisions, guint n_decisions,
                        const CwForward *how G_GNUC_UNUSED, float *logits, float *values, GError **error)
{
  return score(object, decisions, n_decisions, logits, values, error);
}

static const CwPolicyVtable policy = {
    .open = open_nothing,
    .close = close_nothing,
    .describe = describe,
    .score = score,
    .forward = forward,
    .backward = backward,
    .step = optimise,
    .clone_frozen = session_new,
    .save = file,
    .load = file,
};

/* Algorithms. */

typedef struct {
  gint64 epochs, log_every;
  double learning_rate, gamma;
  gint schedule;
  gboolean since;
  char **phases;
} AlgorithmOptions;

static const char *const schedules[] = {"constant", "linear", NULL};
static const CwOption imitation_options[] = {
    {"epochs", CW_OPTION_INTEGER, offsetof(AlgorithmOptions, epochs), .default_value = "3", .minimum = 1,
     .maximum = 1000, .help = "passes over the data"},
    {"learning_rate", CW_OPTION_NUMBER, offsetof(AlgorithmOptions, learning_rate), .default_value = "1e-4",
     .minimum = 0, .maximum = 1, .help = "step size"},
    {"schedule", CW_OPTION_ENUM, offsetof(AlgorithmOptions, schedule), .default_value = "linear",
     .values = schedules, .help = "of the step size"},
    {"log_every", CW_OPTION_INTEGER, offsetof(AlgorithmOptions, log_every), .default_value = "1",
     .minimum = 1, .maximum = 1000, .flags = CW_OPTION_RESUME_SAFE, .help = "updates between lines"},
};
static const CwOption online_options[] = {
    {"gamma", CW_OPTION_NUMBER, offsetof(AlgorithmOptions, gamma), .default_value = "0.9", .minimum = 0,
     .maximum = 1, .help = "discount"},
    {"since", CW_OPTION_BOOLEAN, offsetof(AlgorithmOptions, since), .default_value = "false",
     .flags = CW_OPTION_LATER, .help = "came after runs had been made"},
};
static const CwOption greedy_options[] = {
    {"trajectories", CW_OPTION_STRING_LIST, offsetof(AlgorithmOptions, phases),
     .help = "takes a key of the core"},
};

static guint64 online_needs(gconstpointer options)
{
  const AlgorithmOptions *online = options;
  return online->gamma == 1 ? CW_NEEDS_REFERENCE : 0;
}

static gboolean update(gconstpointer options, gpointer state, CwUpdate *context, gboolean *done,
                       GError **error)
{
  (void)options, (void)state, (void)context, (void)done;
  return refuse(error);
}

static const CwMetric metrics[] = {{"loss", NULL, CW_LOWER_IS_BETTER}};
static const CwAlgorithmVtable imitation = {CW_METRICS(metrics), .update = update};
static const CwAlgorithmVtable online = {CW_METRICS(metrics), .update = update, .needs = online_needs};

static const CwNetwork networks[] = {{"critic", "values", CW_POLICY_TRAINS | CW_POLICY_VALUES},
                                     {"target", "lags behind", CW_POLICY_TRAINS}};
static const CwAlgorithmVtable two_networks = {CW_METRICS(metrics), CW_NETWORKS(networks), .update = update};

#define ENVIRONMENT(feature_name, bits)                                                                      \
  CW_FEATURE_ENVIRONMENT, feature_name, "for tests", &environment, sizeof(CwEnvironmentVtable), bits,        \
      CW_FEATURE_OPTIONS(shop_options, ShopOptions)
#define POLICY(feature_name, bits)                                                                           \
  CW_FEATURE_POLICY, feature_name, "for tests", &policy, sizeof(CwPolicyVtable), bits,                       \
      CW_FEATURE_OPTIONS(policy_options, PolicyOptions)
#define ALGORITHM(feature_name, vtable, needs, rows)                                                         \
  CW_FEATURE_ALGORITHM, feature_name, "for tests", &vtable, sizeof(CwAlgorithmVtable), needs,                \
      CW_FEATURE_OPTIONS(rows, AlgorithmOptions)

static const CwFeature features[] = {
    {ENVIRONMENT("test_shop", CW_ENVIRONMENT_SCRIPTS | CW_ENVIRONMENT_RECORDS)},
    {ENVIRONMENT("test_maze", 0)},
    {POLICY("test_trainer", CW_POLICY_TRAINS | CW_POLICY_CLONES)},
    {POLICY("test_actor_critic", CW_POLICY_TRAINS | CW_POLICY_VALUES)},
    {POLICY("test_scorer", 0)},
    {CW_FEATURE_POLICY, "test_table", "for tests", &policy, sizeof(CwPolicyVtable), CW_POLICY_TRAINS,
     CW_FEATURE_OPTIONS(table_options, TableOptions)},
    {CW_FEATURE_POLICY, "test_heap", "for tests", &policy, sizeof(CwPolicyVtable), CW_POLICY_TRAINS,
     CW_FEATURE_OPTIONS(table_options, TableOptions)},
    {ALGORITHM("test_imitation", imitation, CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES, imitation_options)},
    {ALGORITHM("test_online", online, CW_NEEDS_TRAINING | CW_NEEDS_VALUES, online_options)},
    {ALGORITHM("test_networks", two_networks, CW_NEEDS_TRAINING, online_options)},
    {ALGORITHM("test_greedy_for_keys", imitation, CW_NEEDS_TRAINING | CW_NEEDS_TRAJECTORIES, greedy_options)},
};

CW_PLUGIN("test_plugin", "1.0", "MIT", "Features to be named in configurations", features);
