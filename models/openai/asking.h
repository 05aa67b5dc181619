/* Asking a language model about decisions: requests made of templates, answers found in the cache or fetched.
 */
#ifndef OPENAI_ASKING_H
#define OPENAI_ASKING_H

#include "models/openai/client.h"
#include "models/openai/memory.h"
#include "models/openai/options.h"
#include "models/openai/template.h"

G_BEGIN_DECLS

typedef struct {
  const OpenaiOptions *options;
  char *url, *key;
  OpenaiTemplate *template;
  OpenaiClient *client;
  OpenaiMemory *memory;
  guint64 n_answers, n_found;        /* answers had, and those of them that the cache had */
  guint64 n_tokens_in, n_tokens_out; /* as the server counts them */
  guint64 n_too_long, n_dropped;     /* prompts that were too long; steps left out of prompts for it */
  gboolean said_too_long;            /* in the log */
} OpenaiAsking;

#define OPENAI_NO_SEED G_MAXUINT32

/* One thing to ask. Without a continuation: for an answer. With one: how likely it is. */
typedef struct {
  const CwDecision *decision; /* questions about the same one stand together and get the same prompt */
  guint32 seed;               /* of the server's sampling, OPENAI_NO_SEED: none, the likeliest answer */
  double temperature;
  const char *continuation;
  guint n_history; /* the steps that the prompt shows: set by openai_ask */
  /* Filled by openai_ask; freed by openai_question_clear. */
  char *prompt;
  gboolean given_up; /* the prompt is too long without any step before */
  char *answer;      /* with a continuation the log-probability, as text; NULL: the prompt is too long */
} OpenaiQuestion;

/* Asks them all at the same time. FALSE with error when one has no answer for good. */
gboolean openai_ask(OpenaiAsking *asking, OpenaiQuestion *questions, guint n, GError **error);
void openai_question_clear(OpenaiQuestion *question);

G_END_DECLS

#endif
