/* Requests through libcurl's multi interface, in one thread. A request that failed in a way that may pass (no
 * connection, cut off, too slow, 408, 429, 5xx, a reply that is no JSON) is made again after a while that
 * doubles each time, or after what the server asks for. Connections are kept and used again; redirections are
 * not followed, because the key would go with them. */
#include "models/openai/client.h"
#include <cartwright/policy.h>
#include <curl/curl.h>
#include <string.h>

#define POLL_MILLISECONDS 100       /* how long a wish to stop may go unnoticed */
#define LONGEST_PAUSE     60.0      /* seconds between two tries */
#define LARGEST_REPLY     (8 << 20) /* bytes */
#define QUOTED            300       /* bytes of a server's words in a message */

/* A call under way. */
typedef struct {
  OpenaiCall *call;
  CURL *easy; /* NULL while it waits */
  GString *reply;
  guint tries;
  double pause; /* that the server asked for, in seconds; negative: none */
  gint64 begun, not_before;
  char problem[CURL_ERROR_SIZE];
} Request;

struct OpenaiClient {
  OpenaiServer server;
  CURLM *multi;
  GPtrArray *idle; /* CURL *: handles for the next requests */
  struct curl_slist *headers;
  OpenaiTraffic traffic;
};

OpenaiClient *openai_client_new(const OpenaiServer *server)
{
  OpenaiClient *client = g_new0(OpenaiClient, 1);
  client->server = *server;
  client->multi = curl_multi_init();
  curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)server->concurrency);
  client->idle = g_ptr_array_new_with_free_func(curl_easy_cleanup);
  client->headers = curl_slist_append(NULL, "Content-Type: application/json");
  client->headers = curl_slist_append(client->headers, "Expect:");
  if (server->key) {
    g_autofree char *header = g_strconcat("Authorization: Bearer ", server->key, NULL);
    client->headers = curl_slist_append(client->headers, header);
  }
  return client;
}

void openai_client_free(OpenaiClient *client)
{
  if (!client)
    return;
  g_ptr_array_unref(client->idle);
  curl_multi_cleanup(client->multi);
  curl_slist_free_all(client->headers);
  g_free(client);
}

const OpenaiTraffic *openai_client_traffic(const OpenaiClient *client)
{
  return &client->traffic;
}

void openai_call_clear(OpenaiCall *call)
{
  g_clear_pointer(&call->reply, json_decref);
  g_clear_pointer(&call->problem, g_free);
}

static size_t take_reply(char *bytes, size_t size, size_t n, void *data)
{
  GString *reply = data;
  if (reply->len + size * n > LARGEST_REPLY)
    return 0;
  g_string_append_len(reply, bytes, (gssize)(size * n));
  return size * n;
}

/* "Retry-After: 7". A date in its place is not understood: then our own pause holds. */
static size_t take_header(char *bytes, size_t size, size_t n, void *data)
{
  static const char name[] = "retry-after:";
  Request *request = data;
  if (size * n > strlen(name) && g_ascii_strncasecmp(bytes, name, strlen(name)) == 0) {
    g_autofree char *value = g_strndup(bytes + strlen(name), size * n - strlen(name));
    char *end;
    double pause = g_ascii_strtod(g_strstrip(value), &end);
    if (end > value && !*end && pause >= 0)
      request->pause = pause;
  }
  return size * n;
}

static void begin(OpenaiClient *client, Request *request)
{
  const OpenaiServer *server = &client->server;
  g_autofree char *url = g_strconcat(server->url, request->call->path, NULL);
  request->easy = client->idle->len > 0 ? g_ptr_array_steal_index_fast(client->idle, client->idle->len - 1)
                                        : curl_easy_init();
  curl_easy_reset(request->easy);
  curl_easy_setopt(request->easy, CURLOPT_URL, url);
  curl_easy_setopt(request->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(request->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, client->headers);
  curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->call->body);
  curl_easy_setopt(request->easy, CURLOPT_TIMEOUT_MS, (long)(server->timeout * 1000));
  curl_easy_setopt(request->easy, CURLOPT_WRITEFUNCTION, take_reply);
  curl_easy_setopt(request->easy, CURLOPT_WRITEDATA, request->reply);
  curl_easy_setopt(request->easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(request->easy, CURLOPT_HEADERDATA, request);
  curl_easy_setopt(request->easy, CURLOPT_ERRORBUFFER, request->problem);
  curl_easy_setopt(request->easy, CURLOPT_PRIVATE, request);
  g_string_truncate(request->reply, 0);
  request->problem[0] = '\0';
  request->pause = -1;
  request->begun = g_get_monotonic_time();
  request->tries++;
  client->traffic.requests++;
  curl_multi_add_handle(client->multi, request->easy);
}

/* Takes a request out of the traffic; its handle serves the next one. */
static void end(OpenaiClient *client, Request *request)
{
  if (!request->easy)
    return;
  client->traffic.seconds += (double)(g_get_monotonic_time() - request->begun) / G_USEC_PER_SEC;
  curl_multi_remove_handle(client->multi, request->easy);
  g_ptr_array_add(client->idle, g_steal_pointer(&request->easy));
}

/* What the server said, made fit for a message: UTF-8, not long, without the key. */
static char *quote(const OpenaiClient *client, const char *said)
{
  g_autofree char *text = g_strndup(said, QUOTED);
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *quoted = g_string_new(g_strstrip(valid));
  if (client->server.key)
    g_string_replace(quoted, client->server.key, "(the key)", 0);
  return g_string_free(quoted, FALSE);
}

/* The message in an error's JSON, {"error": {"message": ...}} or the like; otherwise all of it. */
static char *servers_words(const OpenaiClient *client, const GString *reply)
{
  json_t *root = json_loadb(reply->str, reply->len, 0, NULL);
  json_t *error = json_object_get(root, "error");
  const char *said = json_string_value(json_is_object(error) ? json_object_get(error, "message") : error);
  if (!said)
    said = json_string_value(json_object_get(root, "message"));
  char *quoted = quote(client, said ? said : reply->str);
  json_decref(root);
  return quoted;
}

/* llama-server, vLLM and the hubs say it in words of their own, but all of the context. */
static gboolean is_about_length(long status, const char *said)
{
  g_autofree char *lower = g_ascii_strdown(said, -1);
  return (status == 400 || status == 413 || status == 422) &&
         (strstr(lower, "context") || strstr(lower, "too long") || strstr(lower, "maximum length"));
}

static gboolean may_pass(CURLcode code, long status)
{
  if (code != CURLE_OK)
    return code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL && code != CURLE_WRITE_ERROR &&
           code != CURLE_PEER_FAILED_VERIFICATION;
  return status == 408 || status == 429 || status >= 500 || (status >= 200 && status < 300);
}

/* Reads what has come. TRUE: the call has its outcome. FALSE: it may be tried again, and `problem` says why.
 */
static gboolean understand(OpenaiClient *client, Request *request, CURLcode code, long status)
{
  OpenaiCall *call = request->call;
  g_clear_pointer(&call->problem, g_free);
  if (code != CURLE_OK)
    call->problem = g_strdup(*request->problem ? request->problem : curl_easy_strerror(code));
  else if (status >= 200 && status < 300) {
    call->reply = json_loadb(request->reply->str, request->reply->len, 0, NULL);
    if (json_is_object(call->reply)) {
      call->outcome = OPENAI_ANSWERED;
      return TRUE;
    }
    g_clear_pointer(&call->reply, json_decref);
    g_autofree char *said = quote(client, request->reply->str);
    call->problem = g_strdup_printf("expected a JSON object, found \"%s\"", said);
  } else {
    g_autofree char *said = servers_words(client, request->reply);
    call->problem = g_strdup_printf("status %ld: %s", status, *said ? said : "nothing more");
    if (is_about_length(status, said)) {
      call->outcome = OPENAI_TOO_LONG;
      return TRUE;
    }
  }
  call->outcome = OPENAI_UNANSWERED;
  return !may_pass(code, status);
}

/* backoff 2^tries, or what the server asks for, and a little more for some than for others, so that not all
 * come back at the same time. */
static void pause_request(const OpenaiClient *client, Request *request, guint place)
{
  double pause = client->server.backoff * (double)(1u << MIN(request->tries - 1, 10));
  if (request->pause >= 0)
    pause = request->pause;
  pause = MIN(pause, LONGEST_PAUSE) * (1 + (place % 8) / 16.0);
  request->not_before = g_get_monotonic_time() + (gint64)(pause * G_USEC_PER_SEC);
}

/* One call of openai_client_run. */
typedef struct {
  OpenaiClient *client;
  GQueue waiting; /* Request * */
  guint n_active, n_left;
  void (*done)(OpenaiCall *call, gpointer user_data);
  gpointer user_data;
} Running;

static void finish(Running *running, CURL *easy, CURLcode code)
{
  Request *request;
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  end(running->client, request);
  running->n_active--;
  gboolean over = understand(running->client, request, code, status);
  if (!over && (gint64)request->tries <= running->client->server.retries) {
    running->client->traffic.retries++;
    pause_request(running->client, request, running->n_left);
    g_queue_push_tail(&running->waiting, request);
    return;
  }
  running->n_left--;
  if (!over) {
    g_autofree char *last = g_steal_pointer(&request->call->problem);
    request->call->problem = g_strdup_printf("%s (tried %u times)", last, request->tries);
  }
  running->done(request->call, running->user_data);
}

/* Starts what may start; returns the milliseconds until something else may. */
static int begin_waiting(Running *running)
{
  gint64 now = g_get_monotonic_time(), soonest = now + POLL_MILLISECONDS * 1000;
  for (GList *link = running->waiting.head;
       link && running->n_active < running->client->server.concurrency;) {
    GList *next = link->next;
    Request *request = link->data;
    if (request->not_before <= now) {
      g_queue_delete_link(&running->waiting, link);
      begin(running->client, request);
      running->n_active++;
    } else
      soonest = MIN(soonest, request->not_before);
    link = next;
  }
  return (int)((soonest - now) / 1000) + 1;
}

static gboolean roll(Running *running, GError **error)
{
  CURLM *multi = running->client->multi;
  while (running->n_left > 0) {
    if (cw_stop_requested()) {
      g_set_error_literal(error, CW_POLICY_ERROR, CW_ERROR_CANCELLED, "stopped on request");
      return FALSE;
    }
    int wait = begin_waiting(running), n_running, n_messages;
    curl_multi_perform(multi, &n_running);
    gboolean some = FALSE;
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &n_messages)); some = TRUE)
      if (message->msg == CURLMSG_DONE)
        finish(running, message->easy_handle, message->data.result);
    if (!some && running->n_left > 0)
      curl_multi_poll(multi, NULL, 0, wait, NULL);
  }
  return TRUE;
}

gboolean openai_client_run(OpenaiClient *client, OpenaiCall **calls, guint n,
                           void (*done)(OpenaiCall *call, gpointer user_data), gpointer user_data,
                           GError **error)
{
  Running running = {.client = client, .n_left = n, .done = done, .user_data = user_data};
  g_autofree Request *requests = g_new0(Request, n);
  for (guint i = 0; i < n; i++) {
    requests[i].call = calls[i];
    requests[i].reply = g_string_new(NULL);
    g_queue_push_tail(&running.waiting, &requests[i]);
  }
  gboolean good = roll(&running, error);
  for (guint i = 0; i < n; i++) {
    end(client, &requests[i]);
    g_string_free(requests[i].reply, TRUE);
  }
  g_queue_clear(&running.waiting);
  return good;
}
