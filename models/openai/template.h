/* How a language model is asked and how its answer is read: a template, from a file of texts. */
#ifndef OPENAI_TEMPLATE_H
#define OPENAI_TEMPLATE_H

#include <cartwright/policy.h>

G_BEGIN_DECLS

/* The texts with placeholders that a template has. */
typedef enum {
  OPENAI_SYSTEM,    /* the first message; "": none */
  OPENAI_USER,      /* the present decision */
  OPENAI_STEP,      /* a step before, in {history}; in a dialogue: what the user said then */
  OPENAI_ASSISTANT, /* in a dialogue: what the model said then */
  OPENAI_CANDIDATE, /* a line of {candidates} */
  OPENAI_N_TEXTS
} OpenaiText;

typedef struct {
  char *name;
  gboolean numbers;     /* the answer is the number of a candidate */
  gboolean dialogue;    /* steps before are messages of their own */
  gboolean completions; /* asked at /completions, as one text; otherwise at /chat/completions */
  gint64 history;       /* how many steps before are shown, at most */
  char *open, *close;   /* what stands around the action; close "": it ends with the line; open "": no mark */
  char *think_open, *think_close; /* a pair without which an answer is not valid; "": none */
  gint64 fallback;                /* without the mark, so many last characters are the action */
  gboolean lower;                 /* the answer counts in lower case */
  gboolean no_cjk;                /* an answer with Chinese characters is not valid */
  gboolean brackets;   /* an action is a name with an argument in brackets, otherwise it is not valid */
  char *stop;          /* where the model is to stop; "": where it likes */
  char *note;          /* stands before the page that follows an answer without an action */
  gboolean note_alone; /* or in its place */
  char *thought,
      *thought_note; /* an action that begins so changes nothing, and its note; "": no such thing */
  char
      *query; /* not "": all searches among the candidates are shown as one, with this between the brackets */
  char *texts[OPENAI_N_TEXTS];
} OpenaiTemplate;

/* One message of a chat; `role` is constant. */
typedef struct {
  const char *role;
  char *content;
} OpenaiMessage;

/* `name` is that of a template that comes with the plugin, or the path of a file. NULL with
 * CW_ERROR_CONFIGURATION, which names file and line. */
OpenaiTemplate *openai_template_open(const char *name, GError **error);
void openai_template_free(OpenaiTemplate *template); /* accepts NULL */

/* The messages of a decision that show the `n_history` steps before it: OpenaiMessage, to be freed with
 * g_array_unref. */
GArray *openai_template_fill(const OpenaiTemplate *template, const CwDecision *decision, guint n_history);
/* The messages as one text: their contents, or, `with_roles`, each after its role. Free with g_free. */
char *openai_messages_text(const GArray *messages, gboolean with_roles);

/* What an answer means: the number of a candidate, or CW_WORDS with *words (free with g_free), which is never
 * NULL then. FALSE: it is not valid by the template's protocol, and *words is what that makes of it. */
gboolean openai_template_read(const OpenaiTemplate *template, const CwDecision *decision, const char *answer,
                              guint *candidate, char **words);

G_END_DECLS

#endif
