/* Sixteen shoppers in one made-up shop, driven by a scripted agent. Build it against an installed Cartwright:
 *   cc examples/embed.c -o shoppers $(pkg-config --cflags --libs cartwright) && ./shoppers */
#include <cartwright/embed.h>
#include <stdio.h>

int main(void)
{
  enum { SHOPPERS = 16 };
  GError *error = NULL;
  const char *const options[] = {"products=200", "observation=text", "step_limit=30", NULL};
  CwEmbedSettings settings = {.struct_size = sizeof settings, .plugin = "synthetic", .options = options};
  CwEmbedEnvironment *shop = cw_embed_open(&settings, &error);
  CwEmbedVector *vector = shop ? cw_embed_vector_new(&shop, 1, SHOPPERS, 2, &error) : NULL;
  CwEmbedReset resets[SHOPPERS];
  CwEmbedAction actions[SHOPPERS] = {{0}};
  guint running[SHOPPERS];
  double total = 0;
  for (guint i = 0; i < SHOPPERS; i++)
    resets[i] = (CwEmbedReset){.split = "train", .goal = i};
  gboolean good = vector && cw_embed_vector_reset(vector, NULL, resets, SHOPPERS, &error);
  for (guint n = SHOPPERS; good && n > 0;) {
    total = n = 0;
    for (guint i = 0; i < SHOPPERS; i++) {
      const CwEmbedView *view = cw_embed_vector_view(vector, i);
      total += view->total_reward;
      if (view->terminated || view->truncated)
        continue;
      actions[n].candidate = (guint)cw_embed_vector_script(vector, i, "rule", NULL);
      running[n++] = i;
    }
    good = cw_embed_vector_step(vector, running, actions, n, &error);
  }
  if (good)
    printf("mean reward of %d episodes: %.3f\n", SHOPPERS, total / SHOPPERS);
  else
    fprintf(stderr, "%s\n", error->message);
  cw_embed_vector_free(vector);
  cw_embed_unref(shop);
  return good ? 0 : 1;
}
