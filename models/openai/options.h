/* The options of the policy "openai". */
#ifndef OPENAI_OPTIONS_H
#define OPENAI_OPTIONS_H

#include <glib.h>

typedef enum { OPENAI_TEMPLATE, OPENAI_LOG_PROBABILITY } OpenaiMode;
typedef enum { OPENAI_AS_WORDS, OPENAI_AT_RANDOM } OpenaiInvalid;

typedef struct {
  char *url, *model, *template_name, *cache, *api_key_environment;
  gint mode;    /* OpenaiMode */
  gint invalid; /* OpenaiInvalid */
  gint64 history, max_tokens, retries, concurrency;
  double timeout, backoff;
} OpenaiOptions;

#endif
