/* Filling templates with decisions. A placeholder is a name in braces; one that is not known stays as it is,
 * so that a text may speak of braces. What the model sees of the steps before follows from the steps alone:
 * whether an answer was valid is read from it again. */
#include "models/openai/template.h"
#include <string.h>

/* What placeholders stand for in one text. */
typedef struct {
  const char *name;
  const char *value;
} Word;

static void append_filled(GString *text, const char *pattern, const Word *words)
{
  while (*pattern) {
    const Word *word = words;
    gsize length = *pattern == '{' ? strcspn(pattern, "}") : 0;
    while (length > 0 && word->name &&
           (strlen(word->name) != length - 1 || strncmp(pattern + 1, word->name, length - 1) != 0))
      word++;
    if (length > 0 && word->name) {
      g_string_append(text, word->value);
      pattern += length + 1;
    } else
      g_string_append_c(text, *pattern++);
  }
}

static gboolean is_search(const char *candidate)
{
  return g_str_has_prefix(candidate, "search[");
}

/* {candidates}: a line each; with `query` all searches together. */
static char *candidates_text(const OpenaiTemplate *template, const CwDecision *decision)
{
  GString *text = g_string_new(NULL);
  gboolean searched = FALSE;
  for (guint i = 0; i < decision->n_candidates; i++) {
    const char *candidate = decision->candidates[i];
    gboolean joined = *template->query && is_search(candidate);
    if (joined && searched)
      continue;
    g_autofree char *number = g_strdup_printf("%u", i + 1);
    g_autofree char *any = joined ? g_strdup_printf("search[%s]", template->query) : NULL;
    const Word words[] = {{"number", number}, {"candidate", any ? any : candidate}, {NULL, NULL}};
    searched |= joined;
    if (text->len > 0)
      g_string_append_c(text, '\n');
    append_filled(text, template->texts[OPENAI_CANDIDATE], words);
  }
  return g_string_free(text, FALSE);
}

/* What the model was shown after the step `before` (NULL: the episode began): the page, or a note. */
static char *shown_page(const OpenaiTemplate *template, const CwStep *before, const CwDecision *decision)
{
  const char *note = "";
  if (before && before->answer) {
    guint candidate;
    g_autofree char *words = NULL;
    if (!openai_template_read(template, before->decision, before->answer, &candidate, &words))
      note = template->note;
    else if (words && *template->thought && g_str_has_prefix(words, template->thought))
      note = template->thought_note;
  }
  return !*note                 ? g_strdup(decision->observation)
         : template->note_alone ? g_strdup(note)
                                : g_strconcat(note, "\n\n", decision->observation, NULL);
}

static const CwStep *step_before(const CwDecision *decision, guint number)
{
  return number > 0 ? decision->history[number - 1] : NULL;
}

/* The text of a step before, or of the present decision, whose number among the history is its length. */
static void append_place(const OpenaiTemplate *template, OpenaiText kind, const CwDecision *decision,
                         guint number, guint n_shown, const char *history, GString *text)
{
  gboolean present = number == decision->n_history;
  const CwStep *step = present ? NULL : decision->history[number];
  const CwDecision *at = present ? decision : step->decision;
  guint before = decision->step - decision->n_history + number;
  g_autofree char *page = shown_page(template, step_before(decision, number), at);
  g_autofree char *candidates = candidates_text(template, at);
  g_autofree char *n_candidates = g_strdup_printf("%u", at->n_candidates);
  g_autofree char *steps = g_strdup_printf("%u", before), *this_step = g_strdup_printf("%u", before + 1);
  g_autofree char *length = g_strdup_printf("%u", n_shown);
  const char *instruction = at->instruction ? at->instruction : decision->instruction;
  const Word words[] = {{"instruction", instruction ? instruction : ""},
                        {"observation", page},
                        {"candidates", candidates},
                        {"n_candidates", n_candidates},
                        {"steps", steps},
                        {"step", this_step},
                        {"history", history},
                        {"history_length", length},
                        {"action", step ? step->action : ""},
                        {"answer", step && step->answer ? step->answer
                                   : step               ? step->action
                                                        : ""},
                        {NULL, NULL}};
  append_filled(text, template->texts[kind], words);
}

static void clear_message(gpointer message)
{
  g_free(((OpenaiMessage *)message)->content);
}

static void add_message(GArray *messages, const char *role, GString *content)
{
  OpenaiMessage message = {role, g_strdup(content->str)};
  g_array_append_val(messages, message);
  g_string_truncate(content, 0);
}

GArray *openai_template_fill(const OpenaiTemplate *template, const CwDecision *decision, guint n_history)
{
  GArray *messages = g_array_new(FALSE, FALSE, sizeof(OpenaiMessage));
  g_autoptr(GString) text = g_string_new(NULL), history = g_string_new(NULL);
  g_array_set_clear_func(messages, clear_message);
  guint n_shown = MIN(n_history, decision->n_history), end = decision->n_history;
  append_place(template, OPENAI_SYSTEM, decision, end, n_shown, "", text);
  if (text->len > 0)
    add_message(messages, "system", text);
  for (guint i = end - n_shown; i < end; i++) {
    if (!template->dialogue) {
      append_place(template, OPENAI_STEP, decision, i, n_shown, "", history);
      g_string_append_c(history, '\n');
      continue;
    }
    append_place(template, OPENAI_STEP, decision, i, n_shown, "", text);
    add_message(messages, "user", text);
    append_place(template, OPENAI_ASSISTANT, decision, i, n_shown, "", text);
    add_message(messages, "assistant", text);
  }
  if (history->len > 0)
    g_string_truncate(history, history->len - 1);
  append_place(template, OPENAI_USER, decision, end, n_shown, history->str, text);
  add_message(messages, "user", text);
  return messages;
}

char *openai_messages_text(const GArray *messages, gboolean with_roles)
{
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < messages->len; i++) {
    const OpenaiMessage *message = &g_array_index(messages, OpenaiMessage, i);
    if (i > 0)
      g_string_append(text, "\n\n");
    if (with_roles)
      g_string_append_printf(text, "[%s]\n", message->role);
    g_string_append(text, message->content);
  }
  return g_string_free(text, FALSE);
}
