/* Puts episodes into the page's data. Pages of an episode have most of their lines in common, and so have the
 * pages of two agents on the same goal; so an observation is cut into lines, a line is a number, and equal
 * sequences of numbers (pages, sets of candidates) are kept once. The tables own copies of all texts. */
#include "lab/view/episode_lists.h"
#include "core/base/json_text.h"
#include "core/trajectory/trajectories.h"
#include <math.h>
#include <string.h>

/* Where an observation is cut, after the mark: lines, and what stands between the parts of WebShop's text. */
static const char *const cuts[] = {"\n", " [SEP] "};

/* Texts by number: the first new one is 0. */
typedef struct {
  GHashTable *numbers; /* char * (owned) to number + 1 */
  GPtrArray *texts;    /* char *, the keys */
} Table;

struct CwEpisodeLists {
  Table strings;
  Table lists; /* of numbers, as their JSON text "[1,2,3]" */
};

static Table table_new(void)
{
  return (Table){g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), g_ptr_array_new()};
}

static void table_clear(Table *table)
{
  g_ptr_array_unref(table->texts);
  g_hash_table_unref(table->numbers);
}

static guint number_of(Table *table, const char *text)
{
  guint number = GPOINTER_TO_UINT(g_hash_table_lookup(table->numbers, text));
  if (number == 0) {
    char *copy = g_strdup(text);
    g_ptr_array_add(table->texts, copy);
    number = table->texts->len;
    g_hash_table_insert(table->numbers, copy, GUINT_TO_POINTER(number));
  }
  return number - 1;
}

CwEpisodeLists *cw_episode_lists_new(void)
{
  CwEpisodeLists *lists = g_new0(CwEpisodeLists, 1);
  lists->strings = table_new();
  lists->lists = table_new();
  return lists;
}

void cw_episode_lists_free(CwEpisodeLists *lists)
{
  if (!lists)
    return;
  table_clear(&lists->strings);
  table_clear(&lists->lists);
  g_free(lists);
}

static void add_to_list(CwEpisodeLists *lists, GString *list, const char *text)
{
  g_string_append_printf(list, "%s%u", list->len > 1 ? "," : "", number_of(&lists->strings, text));
}

/* The end of the first piece of `text`. */
static const char *end_of_piece(const char *text)
{
  const char *end = text + strlen(text);
  for (guint i = 0; i < G_N_ELEMENTS(cuts); i++) {
    const char *cut = strstr(text, cuts[i]);
    if (cut && cut + strlen(cuts[i]) < end)
      end = cut + strlen(cuts[i]);
  }
  return end;
}

static guint observation_list(CwEpisodeLists *lists, const char *text)
{
  g_autoptr(GString) list = g_string_new("[");
  while (*text) {
    const char *end = end_of_piece(text);
    g_autofree char *piece = g_strndup(text, (gsize)(end - text));
    add_to_list(lists, list, piece);
    text = end;
  }
  g_string_append_c(list, ']');
  return number_of(&lists->lists, list->str);
}

static guint candidate_list(CwEpisodeLists *lists, const CwDecision *decision)
{
  g_autoptr(GString) list = g_string_new("[");
  for (guint i = 0; i < decision->n_candidates; i++)
    add_to_list(lists, list, decision->candidates[i]);
  g_string_append_c(list, ']');
  return number_of(&lists->lists, list->str);
}

/* Four significant digits are more than a reader sees. */
static void append_rounded(GString *json, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append(json, isfinite(value) ? g_ascii_formatd(buffer, sizeof buffer, "%.4g", value) : "null");
}

/* The action in words (-1: it is a candidate), what a language model was asked and what it said (-1: no such
 * model); nothing where there is none of the three. */
static void append_words(CwEpisodeLists *lists, GString *json, const CwStep *step)
{
  if (step->chosen != CW_WORDS && !step->prompt && !step->answer)
    return;
  gint action = step->chosen == CW_WORDS ? (gint)number_of(&lists->strings, step->action) : -1;
  gint prompt = step->prompt ? (gint)observation_list(lists, step->prompt) : -1;
  gint answer = step->answer ? (gint)number_of(&lists->strings, step->answer) : -1;
  g_string_append_printf(json, ",%d,%d,%d", action, prompt, answer);
}

static void append_step(CwEpisodeLists *lists, GString *json, const CwStep *step)
{
  const CwDecision *decision = step->decision;
  g_string_append_printf(json, "[%u,%u,%d,%d,", observation_list(lists, decision->observation),
                         candidate_list(lists, decision), (gint)step->chosen, cw_step_advised(step));
  append_rounded(json, step->reward);
  g_string_append_c(json, ',');
  append_rounded(json, step->value);
  g_string_append(json, step->probabilities ? ",[" : ",0");
  for (guint i = 0; step->probabilities && i < decision->n_candidates; i++) {
    g_string_append(json, i ? "," : "");
    append_rounded(json, step->probabilities[i]);
  }
  g_string_append(json, step->probabilities ? "]" : "");
  append_words(lists, json, step);
  g_string_append_c(json, ']');
}

void cw_episode_lists_append(CwEpisodeLists *lists, GString *json, const CwTrajectory *episode)
{
  gboolean truncated = episode->n_steps > 0 && episode->steps[episode->n_steps - 1]->truncated;
  g_string_append_printf(json, "[%" G_GINT64_FORMAT ",", episode->goal);
  append_rounded(json, episode->total_reward);
  g_string_append_printf(json, ",%d,%d,[", episode->success != FALSE, truncated != FALSE);
  for (guint i = 0; i < episode->n_parts; i++) {
    g_string_append_printf(json, "%s%u,", i ? "," : "", number_of(&lists->strings, episode->parts[i].name));
    append_rounded(json, episode->parts[i].value);
  }
  g_string_append(json, "],[");
  for (guint i = 0; i < episode->n_facts; i++)
    g_string_append_printf(json, "%s%u,%u", i ? "," : "", number_of(&lists->strings, episode->facts[i].name),
                           number_of(&lists->strings, episode->facts[i].text));
  g_string_append(json, "],[");
  for (guint i = 0; i < episode->n_steps; i++) {
    g_string_append(json, i ? "," : "");
    append_step(lists, json, episode->steps[i]);
  }
  g_string_append(json, "]]");
}

void cw_episode_lists_finish(const CwEpisodeLists *lists, GString *json)
{
  const GPtrArray *strings = lists->strings.texts, *sequences = lists->lists.texts;
  cw_json_begin(json, "strings", '[');
  for (guint i = 0; i < strings->len; i++)
    cw_json_string(json, NULL, strings->pdata[i]);
  cw_json_end(json, ']');
  cw_json_begin(json, "lists", '[');
  for (guint i = 0; i < sequences->len; i++) {
    g_string_append(json, i ? ",\n" : "");
    g_string_append(json, sequences->pdata[i]);
  }
  cw_json_end(json, ']');
}
