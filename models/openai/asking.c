/* Requests and replies of /chat/completions and /completions. An answer is put into the cache as soon as it
 * is there, so that a stop or a kill loses none. A prompt that is too long is asked again without the oldest
 * steps. */
#include "models/openai/asking.h"
#include <math.h>
#include <string.h>

/* A question on its way. */
typedef struct {
  OpenaiCall call; /* first: what the client hands back */
  OpenaiAsking *asking;
  OpenaiQuestion *question;
  char *body, *key;
  guint n_shown;       /* steps before, in the prompt */
  gsize prompt_length; /* of the text before the continuation, in characters */
  GError **error;
} Request;

static void request_free(gpointer data)
{
  Request *request = data;
  openai_call_clear(&request->call);
  g_free(request->body);
  g_free(request->key);
  g_free(request);
}

void openai_question_clear(OpenaiQuestion *question)
{
  g_clear_pointer(&question->prompt, g_free);
  g_clear_pointer(&question->answer, g_free);
}

static json_t *messages_json(const GArray *messages)
{
  json_t *array = json_array();
  for (guint i = 0; i < messages->len; i++) {
    const OpenaiMessage *message = &g_array_index(messages, OpenaiMessage, i);
    json_array_append_new(array, json_pack("{s:s, s:s}", "role", message->role, "content", message->content));
  }
  return array;
}

static json_t *answer_body(const OpenaiAsking *asking, const OpenaiQuestion *question, const GArray *messages)
{
  const OpenaiTemplate *template = asking->template;
  json_t *body = json_pack("{s:s, s:f, s:I}", "model", asking->options->model, "temperature",
                           question->temperature, "max_tokens", (json_int_t)asking->options->max_tokens);
  if (template->completions)
    json_object_set_new(body, "prompt", json_string(question->prompt));
  else
    json_object_set_new(body, "messages", messages_json(messages));
  if (question->seed != OPENAI_NO_SEED)
    json_object_set_new(body, "seed", json_integer(question->seed));
  if (*template->stop)
    json_object_set_new(body, "stop", json_pack("[s]", template->stop));
  return body;
}

/* The prompt and the continuation as one text, whose tokens' log-probabilities the server says; it makes one
 * token more, because some take 0 for no limit. */
static json_t *likelihood_body(const OpenaiAsking *asking, const OpenaiQuestion *question)
{
  g_autofree char *text = g_strdup_printf("%s %s", question->prompt, question->continuation);
  return json_pack("{s:s, s:s, s:i, s:f, s:b, s:i}", "model", asking->options->model, "prompt", text,
                   "max_tokens", 1, "temperature", 0.0, "echo", 1, "logprobs", 1);
}

static Request *request_new(OpenaiAsking *asking, OpenaiQuestion *question, GError **error)
{
  Request *request = g_new0(Request, 1);
  gboolean as_text = question->continuation || asking->template->completions;
  g_autoptr(GArray) messages =
      openai_template_fill(asking->template, question->decision, question->n_history);
  openai_question_clear(question);
  question->prompt = openai_messages_text(messages, !as_text);
  json_t *body =
      question->continuation ? likelihood_body(asking, question) : answer_body(asking, question, messages);
  char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
  request->body = g_strdup(text);
  free(text);
  json_decref(body);
  request->asking = asking;
  request->n_shown = question->n_history;
  request->question = question;
  request->call.path = as_text ? "/completions" : "/chat/completions";
  request->call.body = request->body;
  request->key = openai_memory_key(asking->url, request->call.path, request->body);
  request->prompt_length = (gsize)g_utf8_strlen(question->prompt, -1);
  request->error = error;
  return request;
}

/* choices[0].message.content or choices[0].text; "" where that is null; NULL: there is no such thing. */
static char *answer_of(const Request *request)
{
  json_t *choice = json_array_get(json_object_get(request->call.reply, "choices"), 0);
  json_t *message = json_object_get(choice, "message");
  json_t *content =
      json_is_object(message) ? json_object_get(message, "content") : json_object_get(choice, "text");
  if (json_is_null(content) || (json_is_object(message) && !content))
    return g_strdup("");
  return g_strdup(json_string_value(content));
}

/* The sum over the tokens of the continuation: those that begin within it. NULL: the server does not say. */
static char *likelihood_of(const Request *request)
{
  json_t *choice = json_array_get(json_object_get(request->call.reply, "choices"), 0);
  json_t *said = json_object_get(choice, "logprobs"), *offset;
  json_t *offsets = json_object_get(said, "text_offset"), *numbers = json_object_get(said, "token_logprobs");
  gsize end = request->prompt_length + 1 + (gsize)g_utf8_strlen(request->question->continuation, -1), i;
  double sum = 0;
  guint n = 0;
  json_array_foreach(offsets, i, offset)
  {
    json_int_t begins = json_integer_value(offset);
    json_t *number = json_array_get(numbers, i);
    if (begins < (json_int_t)request->prompt_length || begins >= (json_int_t)end || !json_is_number(number))
      continue;
    sum += json_number_value(number);
    n++;
  }
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  return n > 0 ? g_strdup(g_ascii_formatd(text, sizeof text, "%.9g", sum)) : NULL;
}

static guint64 usage(const Request *request, const char *name)
{
  json_t *number = json_object_get(json_object_get(request->call.reply, "usage"), name);
  return (guint64)MAX(json_integer_value(number), 0);
}

/* Called by the client for each request that has its outcome. */
static void answered(OpenaiCall *call, gpointer user_data G_GNUC_UNUSED)
{
  Request *request = (Request *)call;
  OpenaiAsking *asking = request->asking;
  if (call->outcome != OPENAI_ANSWERED)
    return;
  gboolean likelihood = request->question->continuation != NULL;
  request->question->answer = likelihood ? likelihood_of(request) : answer_of(request);
  asking->n_tokens_in += usage(request, "prompt_tokens");
  asking->n_tokens_out += usage(request, "completion_tokens");
  if (request->question->answer) {
    asking->n_answers++;
    if (!*request->error)
      openai_memory_add(asking->memory, request->key, request->question->answer, request->error);
    return;
  }
  call->outcome = OPENAI_UNANSWERED;
  call->problem =
      g_strdup(likelihood ? "the reply has no log-probabilities of the prompt (echo and logprobs); "
                            "use 'mode: template'"
                          : "the reply has no choices[0].message.content or choices[0].text");
}

static gboolean look_up(OpenaiAsking *asking, const Request *request)
{
  const char *found = openai_memory_find(asking->memory, request->key);
  if (!found)
    return FALSE;
  request->question->answer = g_strdup(found);
  asking->n_answers++;
  asking->n_found++;
  return TRUE;
}

static gboolean fail(const OpenaiAsking *asking, const OpenaiCall *call, GError **error)
{
  g_set_error(
      error, CW_POLICY_ERROR, CW_ERROR_INPUT_OUTPUT,
      "%s%s (model '%s'): %s; look whether the server runs and serves that model, and run again: what was "
      "answered is kept",
      asking->url, call->path, asking->options->model, call->problem);
  return FALSE;
}

/* Makes all questions about the decision of `request` shorter, to be asked again; where no step is left,
 * gives this one up. FALSE: there is nothing to ask again. */
static gboolean shorten(OpenaiAsking *asking, const Request *request, OpenaiQuestion *questions, guint n)
{
  guint n_less = MAX(request->n_shown / 4, 1);
  asking->n_too_long++;
  if (!asking->said_too_long)
    g_message("openai: a prompt is too long for model '%s' (%s); its oldest steps are left out",
              asking->options->model, request->call.problem);
  asking->said_too_long = TRUE;
  request->question->given_up = request->n_shown == 0;
  if (request->n_shown == 0 || request->question->n_history < request->n_shown) /* or another one did it */
    return request->n_shown > 0;
  asking->n_dropped += n_less;
  for (guint i = 0; i < n; i++)
    if (questions[i].decision == request->question->decision) {
      g_clear_pointer(&questions[i].answer, g_free);
      questions[i].n_history = request->n_shown - n_less;
    }
  return TRUE;
}

/* Asks once what has no answer; *again: some prompts were too long and are shorter now. */
static gboolean ask_once(OpenaiAsking *asking, OpenaiQuestion *questions, guint n, gboolean *again,
                         GError **error)
{
  g_autoptr(GPtrArray) requests = g_ptr_array_new_with_free_func(request_free);
  g_autoptr(GError) problem = NULL;
  for (guint i = 0; i < n; i++) {
    if (questions[i].answer || questions[i].given_up)
      continue;
    Request *request = request_new(asking, &questions[i], &problem);
    if (look_up(asking, request))
      request_free(request);
    else
      g_ptr_array_add(requests, request);
  }
  *again = FALSE;
  if (!openai_client_run(asking->client, (OpenaiCall **)requests->pdata, requests->len, answered, NULL,
                         error))
    return FALSE;
  if (problem) {
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
  }
  for (guint i = 0; i < requests->len; i++) {
    const Request *request = requests->pdata[i];
    if (request->call.outcome == OPENAI_UNANSWERED)
      return fail(asking, &request->call, error);
    if (request->call.outcome == OPENAI_TOO_LONG && shorten(asking, request, questions, n))
      *again = TRUE;
  }
  return TRUE;
}

gboolean openai_ask(OpenaiAsking *asking, OpenaiQuestion *questions, guint n, GError **error)
{
  gint64 limit = asking->options->history >= 0 ? asking->options->history : asking->template->history;
  for (guint i = 0; i < n; i++)
    questions[i].n_history = (guint)MIN(limit, (gint64)questions[i].decision->n_history);
  gboolean again = TRUE;
  while (again)
    if (!ask_once(asking, questions, n, &again, error))
      return FALSE;
  return TRUE;
}
