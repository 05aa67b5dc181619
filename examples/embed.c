/* Sixteen shoppers in one made-up shop, driven by a scripted agent. Build it against an installed Cartwright:
 *   cc examples/embed.c -o shoppers $(pkg-config --cflags --libs cartwright) && ./shoppers */
#include <cartwright/embed.h>
#include <stdio.h>

#define SHOPPERS 16

static int fail(GError *error)
{
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

int main(void)
{
  GError *error = NULL;
  const char *const options[] = {"products=200", "observation=text", "step_limit=30", NULL};
  CwEmbedSettings settings = {
      .struct_size = sizeof settings, .plugin = "synthetic", .options = options, .seed = 7};
  CwEmbedEnvironment *shop = cw_embed_open(&settings, &error);
  CwEmbedVector *vector = shop ? cw_embed_vector_new(&shop, 1, SHOPPERS, 2, &error) : NULL;
  CwEmbedReset resets[SHOPPERS];
  for (guint i = 0; i < SHOPPERS; i++)
    resets[i] = (CwEmbedReset){.split = "train", .goal = i};
  if (!vector || !cw_embed_vector_reset(vector, NULL, resets, SHOPPERS, &error))
    return fail(error);
  CwEmbedAction actions[SHOPPERS];
  guint running[SHOPPERS];
  double total = 0;
  for (guint n = SHOPPERS; n > 0;) {
    total = n = 0;
    for (guint i = 0; i < SHOPPERS; i++) {
      const CwEmbedView *view = cw_embed_vector_view(vector, i);
      total += view->total_reward;
      if (view->terminated || view->truncated)
        continue;
      actions[n] = (CwEmbedAction){.candidate = (guint)cw_embed_vector_script(vector, i, "rule", NULL)};
      running[n++] = i;
    }
    if (!cw_embed_vector_step(vector, running, actions, n, &error))
      return fail(error);
  }
  printf("mean reward of %d episodes: %.3f\n", SHOPPERS, total / SHOPPERS);
  cw_embed_vector_free(vector);
  cw_embed_unref(shop);
  return 0;
}
