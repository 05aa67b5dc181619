/* The policy plugin "openai": any server that speaks OpenAI's protocol (llama-server, vLLM, a hub) chooses.
 * It is asked with a template and answers with a candidate's number or in words; or it says how likely each
 * candidate is, and the policy draws. It does not learn. It owns the connection, the cache and the texts of
 * the last act. */
#include "models/openai/asking.h"
#include <cartwright/cartwright.h>
#include <curl/curl.h>
#include <math.h>
#include <string.h>

static const char *const modes[] = {"template", "log_probability", NULL};
static const char *const invalids[] = {"words", "random", NULL};

static const CwOption rows[] = {
    CW_STRING(OpenaiOptions, url, "http://127.0.0.1:8080/v1",
              "address of the server, up to what stands before /chat/completions"),
    {"model", CW_OPTION_STRING, offsetof(OpenaiOptions, model), CW_OPTION_REQUIRED, NULL, 0, 0, NULL, NULL,
     "name of the model, as the server knows it", NULL},
    {"template", CW_OPTION_STRING, offsetof(OpenaiOptions, template_name), 0, "ours", 0, 0, NULL, NULL,
     "how it is asked and how its answer is read: ours, verl_agent, agentgym, react, ragen, or the path of a "
     "file",
     NULL},
    CW_ENUM(OpenaiOptions, mode, "template", modes,
            "template: it answers as the template says; log_probability: the server says how likely each "
            "candidate "
            "is as a continuation of the prompt (/completions with echo and logprobs)"),
    CW_ENUM(OpenaiOptions, invalid, "words", invalids,
            "what an answer without an action does: words, the environment gets what the template's protocol "
            "makes "
            "of it, as a rule a lost step; random, a candidate drawn at random"),
    CW_COUNT(OpenaiOptions, history, -1, -1, 1000, "steps",
             "steps before that a prompt shows; -1: as the template says"),
    CW_COUNT(OpenaiOptions, max_tokens, 512, 1, 100000, "tokens", "longest answer"),
    CW_ROW(OpenaiOptions, concurrency, gint64, CW_OPTION_INTEGER, CW_OPTION_RESUME_SAFE, "64", 1, 4096, NULL,
           "requests", "requests in flight at the same time, at most"),
    CW_ROW(OpenaiOptions, timeout, double, CW_OPTION_NUMBER, CW_OPTION_RESUME_SAFE, "120", 0.01, 86400, NULL,
           "seconds", "until a request counts as failed"),
    CW_ROW(OpenaiOptions, retries, gint64, CW_OPTION_INTEGER, CW_OPTION_RESUME_SAFE, "5", 0, 100, NULL,
           "requests", "how often a request is made again that failed in a way that may pass"),
    CW_ROW(OpenaiOptions, backoff, double, CW_OPTION_NUMBER, CW_OPTION_RESUME_SAFE, "0.5", 0, 60, NULL,
           "seconds",
           "before the first retry, twice as long before each further one; Retry-After of the server counts "
           "more"),
    {"api_key_environment", CW_OPTION_STRING, offsetof(OpenaiOptions, api_key_environment),
     CW_OPTION_RESUME_SAFE, NULL, 0, 0, NULL, NULL,
     "name of the environment variable that holds the key, which is written nowhere", NULL},
    {"cache", CW_OPTION_PATH, offsetof(OpenaiOptions, cache), CW_OPTION_RESUME_SAFE, NULL, 0, 0, NULL, NULL,
     "folder of answers, by request; without it the user's cache folder; none: nothing is kept", NULL},
};

typedef struct {
  OpenaiAsking asking; /* first */
  guint64 n_invalid;
  gboolean said_invalid; /* in the log */
  char *facts[3];
  const char *description[13];
  CwNamedValue counters[10];
  GPtrArray *texts; /* char *: those of the last act */
} Policy;

static void policy_close(gpointer object)
{
  Policy *policy = object;
  if (!policy)
    return;
  openai_client_free(policy->asking.client);
  openai_memory_close(policy->asking.memory);
  openai_template_free(policy->asking.template);
  g_clear_pointer(&policy->texts, g_ptr_array_unref);
  for (guint i = 0; i < G_N_ELEMENTS(policy->facts); i++)
    g_free(policy->facts[i]);
  g_free(policy->asking.url);
  g_free(policy->asking.key);
  g_free(policy);
}

static gboolean complain(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean complain(GError **error, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_propagate_error(error, g_error_new_valist(CW_POLICY_ERROR, CW_ERROR_CONFIGURATION, format, arguments));
  va_end(arguments);
  return FALSE;
}

/* A password in an address would be written into results. */
static gboolean take_url(Policy *policy, const char *url, GError **error)
{
  gboolean http = g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://");
  const char *host = http ? strstr(url, "://") + 3 : url;
  if (!http || !*host)
    return complain(error, "url: expected http://HOST... or https://HOST..., found '%s'", url);
  if (memchr(host, '@', strcspn(host, "/")))
    return complain(error, "url: expected an address without a name and password; put the key into an "
                           "environment variable and its name into api_key_environment");
  policy->asking.url = g_strdup(url);
  while (g_str_has_suffix(policy->asking.url, "/"))
    policy->asking.url[strlen(policy->asking.url) - 1] = '\0';
  return TRUE;
}

static gboolean take_key(Policy *policy, const char *variable, GError **error)
{
  policy->asking.key = variable ? g_strdup(g_getenv(variable)) : NULL;
  if (!variable || (policy->asking.key && *policy->asking.key))
    return TRUE;
  return complain(error, "api_key_environment: expected a key in the environment variable %s, found none",
                  variable);
}

static void describe_policy(Policy *policy)
{
  const OpenaiOptions *options = policy->asking.options;
  policy->facts[0] = g_strdup_printf(
      "%" G_GINT64_FORMAT, options->history >= 0 ? options->history : policy->asking.template->history);
  policy->facts[1] = g_strdup_printf("%" G_GINT64_FORMAT, options->max_tokens);
  const char *facts[] = {"model",   options->model,       "server",     policy->asking.url,
                         "mode",    modes[options->mode], "template",   options->template_name,
                         "history", policy->facts[0],     "max_tokens", policy->facts[1],
                         NULL};
  G_STATIC_ASSERT(sizeof facts == sizeof policy->description);
  memcpy(policy->description, facts, sizeof facts);
}

static gpointer policy_open(gconstpointer data, guint32 seed G_GNUC_UNUSED, GError **error)
{
  const OpenaiOptions *options = data;
  Policy *policy = g_new0(Policy, 1);
  OpenaiAsking *asking = &policy->asking;
  asking->options = options;
  policy->texts = g_ptr_array_new_with_free_func(g_free);
  if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && take_url(policy, options->url, error) &&
      take_key(policy, options->api_key_environment, error) &&
      (asking->template = openai_template_open(options->template_name, error)) &&
      (asking->memory = openai_memory_open(options->cache, error))) {
    OpenaiServer server = {asking->url,          asking->key,      options->retries,
                           options->concurrency, options->timeout, options->backoff};
    asking->client = openai_client_new(&server);
    describe_policy(policy);
    return policy;
  }
  if (error && !*error)
    complain(error, "libcurl cannot be used");
  policy_close(policy);
  return NULL;
}

static const char *const *policy_describe(gpointer policy)
{
  return ((Policy *)policy)->description;
}

static const CwNamedValue *policy_counters(gpointer object, guint *n)
{
  Policy *policy = object;
  const OpenaiAsking *asking = &policy->asking;
  const OpenaiTraffic *traffic = openai_client_traffic(asking->client);
  const CwNamedValue counters[] = {{"requests", (double)traffic->requests},
                                   {"retries", (double)traffic->retries},
                                   {"seconds_waited", traffic->seconds},
                                   {"answers", (double)asking->n_answers},
                                   {"answers_found", (double)asking->n_found},
                                   {"tokens_in", (double)asking->n_tokens_in},
                                   {"tokens_out", (double)asking->n_tokens_out},
                                   {"invalid_answers", (double)policy->n_invalid},
                                   {"prompts_too_long", (double)asking->n_too_long},
                                   {"steps_left_out", (double)asking->n_dropped}};
  G_STATIC_ASSERT(sizeof counters == sizeof policy->counters);
  memcpy(policy->counters, counters, sizeof counters);
  *n = G_N_ELEMENTS(policy->counters);
  return policy->counters;
}

/* A question for each candidate of each decision, in the order of the logits. */
static OpenaiQuestion *likelihood_questions(const CwDecision *const *decisions, guint n)
{
  OpenaiQuestion *questions = g_new0(OpenaiQuestion, cw_count_logits(decisions, n)), *next = questions;
  for (guint i = 0; i < n; i++)
    for (guint c = 0; c < decisions[i]->n_candidates; c++)
      *next++ = (OpenaiQuestion){
          .decision = decisions[i], .seed = OPENAI_NO_SEED, .continuation = decisions[i]->candidates[c]};
  return questions;
}

static void free_questions(OpenaiQuestion *questions, guint n)
{
  for (guint i = 0; i < n; i++)
    openai_question_clear(&questions[i]);
  g_free(questions);
}

/* NaN for every candidate of a decision whose prompt is too long. */
static gboolean likelihoods(Policy *policy, const CwDecision *const *decisions, guint n, float *logits,
                            GError **error)
{
  guint n_logits = cw_count_logits(decisions, n);
  OpenaiQuestion *questions = likelihood_questions(decisions, n);
  gboolean good = openai_ask(&policy->asking, questions, n_logits, error);
  for (guint i = 0; good && i < n_logits; i++)
    logits[i] = questions[i].answer ? (float)g_ascii_strtod(questions[i].answer, NULL) : NAN;
  free_questions(questions, n_logits);
  return good;
}

static gboolean policy_score(gpointer object, const CwDecision *const *decisions, guint n, float *logits,
                             float *values, GError **error)
{
  Policy *policy = object;
  if (policy->asking.options->mode != OPENAI_LOG_PROBABILITY) {
    g_set_error_literal(
        error, CW_POLICY_ERROR, CW_ERROR_UNSUPPORTED,
        "it answers, and has no number for each candidate; 'mode: log_probability' has, where the "
        "server says them");
    return FALSE;
  }
  for (guint i = 0; values && i < n; i++)
    values[i] = 0;
  return likelihoods(policy, decisions, n, logits, error);
}

static gboolean is_known(const float *logits, guint n)
{
  for (guint i = 0; i < n; i++)
    if (isnan(logits[i]))
      return FALSE;
  return TRUE;
}

/* There is no action in what the model said (NULL: it could not be asked). */
static void act_invalid(Policy *policy, const CwDecision *decision, CwRandom *random, const char *said,
                        CwAct *act)
{
  policy->n_invalid++;
  act->invalid = TRUE;
  if (!policy->said_invalid)
    g_message("openai: an answer holds no action and counts as invalid: \"%.200s\"", said ? said : "");
  policy->said_invalid = TRUE;
  if (policy->asking.options->invalid == OPENAI_AT_RANDOM)
    act->candidate = cw_random_below(random, decision->n_candidates);
}

static gboolean act_by_likelihood(Policy *policy, const CwDecision *const *decisions, guint n,
                                  CwRandom *const *random, const CwActing *how, CwAct *acts, GError **error)
{
  g_autofree float *all = g_new(float, cw_count_logits(decisions, n));
  float *logits = all;
  if (!likelihoods(policy, decisions, n, logits, error))
    return FALSE;
  for (guint i = 0; i < n; logits += decisions[i++]->n_candidates) {
    guint n_candidates = decisions[i]->n_candidates, best = 0;
    if (!is_known(logits, n_candidates)) {
      acts[i].words = "";
      act_invalid(policy, decisions[i], random[i], NULL, &acts[i]);
      continue;
    }
    for (guint c = 0; c < n_candidates; c++) {
      best = logits[c] > logits[best] ? c : best;
      logits[c] = how->greedy ? logits[c] : (float)(logits[c] / how->temperature);
    }
    acts[i].candidate = how->greedy ? best : cw_random_categorical(random[i], logits, n_candidates);
    cw_log_softmax(logits, n_candidates, logits);
    acts[i].log_probability = logits[acts[i].candidate];
  }
  return TRUE;
}

/* Gives a text to the last act; it is the policy's until the next one. */
static const char *keep(Policy *policy, char *text)
{
  if (text)
    g_ptr_array_add(policy->texts, text);
  return text;
}

static void act_as_answered(Policy *policy, OpenaiQuestion *question, CwRandom *random, CwAct *act)
{
  const char *answer = keep(policy, g_steal_pointer(&question->answer));
  char *words = NULL;
  act->prompt = keep(policy, g_steal_pointer(&question->prompt));
  act->answer = answer;
  gboolean valid = answer && openai_template_read(policy->asking.template, question->decision, answer,
                                                  &act->candidate, &words);
  act->words = keep(policy, words ? words : g_strdup(""));
  if (!valid)
    act_invalid(policy, question->decision, random, answer, act);
  if (act->candidate != CW_WORDS)
    act->words = NULL;
}

/* The server draws: its seed comes from the stream of the decision. */
static gboolean policy_act(gpointer object, const CwDecision *const *decisions, guint n,
                           CwRandom *const *random, const CwActing *how, CwAct *acts, GError **error)
{
  Policy *policy = object;
  g_ptr_array_set_size(policy->texts, 0);
  if (policy->asking.options->mode == OPENAI_LOG_PROBABILITY)
    return act_by_likelihood(policy, decisions, n, random, how, acts, error);
  OpenaiQuestion *questions = g_new0(OpenaiQuestion, n);
  for (guint i = 0; i < n; i++) {
    questions[i].decision = decisions[i];
    questions[i].seed = how->greedy ? OPENAI_NO_SEED : cw_random_uint32(random[i]) >> 1;
    questions[i].temperature = how->greedy ? 0 : how->temperature;
  }
  gboolean good = openai_ask(&policy->asking, questions, n, error);
  for (guint i = 0; good && i < n; i++)
    act_as_answered(policy, &questions[i], random[i], &acts[i]);
  free_questions(questions, n);
  return good;
}

/* There are no weights here; a saved policy says whose they are. */
static gboolean policy_save(gpointer object, const char *directory, GError **error)
{
  const Policy *policy = object;
  g_autofree char *path = g_build_filename(directory, "model.txt", NULL);
  g_autofree char *text = g_strconcat(policy->asking.options->model, "\n", NULL);
  return g_file_set_contents(path, text, -1, error);
}

static gboolean policy_load(gpointer object, const char *directory, GError **error)
{
  const Policy *policy = object;
  g_autofree char *path = g_build_filename(directory, "model.txt", NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, error))
    return FALSE;
  g_strchomp(text);
  if (g_str_equal(text, policy->asking.options->model))
    return TRUE;
  g_set_error(error, CW_POLICY_ERROR, CW_ERROR_CONFIGURATION, "%s: expected model '%s', found '%s'", path,
              policy->asking.options->model, text);
  return FALSE;
}

static const CwPolicyVtable vtable = {
    .open = policy_open,
    .close = policy_close,
    .describe = policy_describe,
    .score = policy_score,
    .save = policy_save,
    .load = policy_load,
    .counters = policy_counters,
    .act = policy_act,
};

static const CwFeature features[] = {
    {
        .kind = CW_FEATURE_POLICY,
        .name = "openai",
        .summary = "A language model behind an OpenAI-compatible server",
        .vtable = &vtable,
        .vtable_size = sizeof vtable,
        .capabilities = CW_POLICY_ACTS | CW_POLICY_HISTORY,
        CW_FEATURE_OPTIONS(rows, OpenaiOptions),
    },
};

CW_PLUGIN("openai", "1.0", "MIT", "A language model behind an OpenAI-compatible server", features);
