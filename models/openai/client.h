/* HTTP requests to a server, many in flight at once, with retries. */
#ifndef OPENAI_CLIENT_H
#define OPENAI_CLIENT_H

#include <cartwright/error.h>
#include <jansson.h>

G_BEGIN_DECLS

typedef struct {
  const char *url; /* without what a call adds to it */
  const char *key; /* for the server; NULL: none. In no message and no file */
  gint64 retries, concurrency;
  double timeout, backoff; /* seconds */
} OpenaiServer;

/* What became of a call. */
typedef enum {
  OPENAI_ANSWERED,
  OPENAI_TOO_LONG,   /* the prompt is longer than the model can take */
  OPENAI_UNANSWERED, /* for good: `problem` says why */
} OpenaiOutcome;

/* One request and what came of it. What the client fills is freed by openai_call_clear. */
typedef struct {
  const char *path; /* "/chat/completions" */
  const char *body; /* JSON */
  OpenaiOutcome outcome;
  json_t *reply; /* ANSWERED: an object */
  char *problem;
} OpenaiCall;

typedef struct {
  guint64 requests, retries;
  double seconds; /* waited for answers, summed over requests */
} OpenaiTraffic;

typedef struct OpenaiClient OpenaiClient;

OpenaiClient *openai_client_new(const OpenaiServer *server);
void openai_client_free(OpenaiClient *client); /* accepts NULL */
const OpenaiTraffic *openai_client_traffic(const OpenaiClient *client);

/* Makes the calls, at most `concurrency` at a time; `done` is called for each as soon as it has its outcome.
 * FALSE with CW_ERROR_CANCELLED when the user wants to stop: then some have none. */
gboolean openai_client_run(OpenaiClient *client, OpenaiCall **calls, guint n,
                           void (*done)(OpenaiCall *call, gpointer user_data), gpointer user_data,
                           GError **error);
void openai_call_clear(OpenaiCall *call);

G_END_DECLS

#endif
