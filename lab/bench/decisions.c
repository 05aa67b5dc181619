/* Plays back the order of a rollout: which episode each slot has, and how far. */
#include "lab/bench/decisions.h"
#include "core/base/durable.h"
#include "core/base/json_text.h"

CwDecisionStream *cw_decision_stream_new(GPtrArray *trajectories, guint slots, guint most)
{
  CwDecisionStream *stream = g_new0(CwDecisionStream, 1);
  stream->trajectories = trajectories;
  stream->steps = g_ptr_array_new();
  stream->decisions = g_ptr_array_new();
  stream->calls = g_array_new(FALSE, FALSE, sizeof(guint));
  g_autofree guint *episode = g_new(guint, slots), *step = g_new0(guint, slots);
  guint next = 0;
  for (guint i = 0; i < slots; i++)
    episode[i] = next++;
  for (guint n = 0;; n = stream->steps->len) {
    g_array_append_val(stream->calls, n);
    for (guint i = 0; i < slots; i++) {
      while (episode[i] < trajectories->len &&
             step[i] >= ((const CwTrajectory *)g_ptr_array_index(trajectories, episode[i]))->n_steps) {
        episode[i] = next++;
        step[i] = 0;
      }
      if (episode[i] >= trajectories->len || (most > 0 && stream->steps->len >= most))
        continue;
      const CwTrajectory *trajectory = g_ptr_array_index(trajectories, episode[i]);
      const CwStep *taken = trajectory->steps[step[i]++];
      g_ptr_array_add(stream->steps, (gpointer)taken);
      g_ptr_array_add(stream->decisions, (gpointer)taken->decision);
    }
    if (stream->steps->len == n)
      return stream;
  }
}

void cw_decision_stream_free(CwDecisionStream *stream)
{
  if (!stream)
    return;
  g_ptr_array_unref(stream->trajectories);
  g_ptr_array_unref(stream->steps);
  g_ptr_array_unref(stream->decisions);
  g_array_unref(stream->calls);
  g_free(stream);
}

gboolean cw_decision_stream_write(const CwDecisionStream *stream, const char *path, GError **error)
{
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0, call = 0; i < stream->steps->len; i++) {
    const CwStep *step = g_ptr_array_index(stream->steps, i);
    while (g_array_index(stream->calls, guint, call + 1) <= i)
      call++;
    cw_json_begin(text, NULL, '{');
    cw_json_integer(text, "call", call);
    cw_json_string(text, "observation", step->decision->observation);
    cw_json_begin(text, "candidates", '[');
    for (guint k = 0; k < step->decision->n_candidates; k++)
      cw_json_string(text, NULL, step->decision->candidates[k]);
    cw_json_end(text, ']');
    if (step->chosen == CW_WORDS)
      cw_json_string(text, "action", step->action);
    else
      cw_json_integer(text, "chosen", step->chosen);
    g_string_append(text, "}\n");
  }
  return cw_write_file(path, text->str, text->len, error);
}
