/* Speed and memory of the shop on one thread, over a folder of WebShop's files:
 *   bench_shop [--shop DIR] [--rounds N] [--seconds S] [--processor-time]
 *     [--only WORD]
 * An agent that takes random candidates plays episodes through the environment's slots; each step takes a
 * candidate and builds the next observation and its candidates. Prints a Markdown table of medians over the
 * rounds. */
#include "allocations.h"
#include "envs/shop/catalogue/loader.h"
#include "envs/shop/environment.h"

#include <cartwright/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_LIMIT      100
#define N_PURCHASES     4096
#define N_SESSIONS      64
#define MAX_VALUES      8
#define WARM_UP_SECONDS 0.3

static char *shop_folder = (char *)"../shared/webshop-1k", *items_file, *attributes_file, *only;
static gint n_rounds = 7;
static gboolean uses_processor_time;
static double n_seconds = 1;

static const GOptionEntry entries[] = {
    {"shop", 0, 0, G_OPTION_ARG_FILENAME, &shop_folder, "the folder of WebShop's files", "DIR"},
    {"items", 0, 0, G_OPTION_ARG_FILENAME, &items_file, "items_shuffle_1000.json or another in it", "FILE"},
    {"attributes", 0, 0, G_OPTION_ARG_FILENAME, &attributes_file, "items_ins_v2_1000.json or another",
     "FILE"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &n_rounds, "rounds, of which the median counts", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &n_seconds, "time per round", "S"},
    {"processor-time", 0, 0, G_OPTION_ARG_NONE, &uses_processor_time, "for a machine that others use", NULL},
    {"only", 0, 0, G_OPTION_ARG_STRING, &only, "clicks, steps, resets, purchases or memory", "WORD"},
    {NULL}};

static double now(void)
{
  struct timespec time;
  clock_gettime(uses_processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

static double median(double *values, guint n)
{
  qsort(values, n, sizeof *values, compare_doubles);
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* The settings that the option rows default to. */
static ShopSettings make_settings(void)
{
  return (ShopSettings){.observation = SHOP_OBSERVATION_TEXT_RICH,
                        .step_limit = STEP_LIMIT,
                        .goals_per_product = 5,
                        .price_seed = 233,
                        .expert_detours = 0.1};
}

static ShopWorld *open_world(void)
{
  ShopSettings settings = make_settings();
  GError *error = NULL;
  g_autofree char *items =
      g_build_filename(shop_folder, items_file ? items_file : "items_shuffle_1000.json", NULL);
  g_autofree char *attributes =
      g_build_filename(shop_folder, attributes_file ? attributes_file : "items_ins_v2_1000.json", NULL);
  ShopCatalogue *catalogue = shop_load_catalogue(items, attributes, NULL, 0, TRUE, &error);
  ShopWorld *world = !catalogue ? NULL : shop_world_new(catalogue, "webshop", "shop", &settings, &error);
  if (!world) {
    fprintf(stderr, "%s\n", error->message);
    exit(1);
  }
  return world;
}

/* One agent. */
typedef struct {
  ShopWorld *world;
  gpointer session;
  CwRandom *environment, *choice;
  gboolean over;
  CwObservation observation;
} Player;

static Player player_new(ShopWorld *world, guint index)
{
  return (Player){.world = world,
                  .session = shop_environment_session_new(world, NULL),
                  .environment = cw_random_new(1, "environment", index, 0),
                  .choice = cw_random_new(1, "choice", index, 0),
                  .over = TRUE};
}

static void player_free(Player *player)
{
  shop_environment_session_free(player->session);
  cw_random_free(player->environment);
  cw_random_free(player->choice);
}

static void observe(Player *player)
{
  player->observation.struct_size = sizeof player->observation;
  shop_environment_observe(player->session, &player->observation, NULL);
}

static void reset(Player *player)
{
  guint32 goal = cw_random_below(player->choice, (guint32)player->world->goals->n_items);
  shop_environment_reset(player->session, "all", goal, player->environment, NULL);
  player->over = FALSE;
  observe(player);
}

/* Takes a random candidate and looks at what comes of it. */
static void step(Player *player)
{
  CwOutcome outcome = {.struct_size = sizeof outcome};
  guint candidate = cw_random_below(player->choice, player->observation.n_candidates);
  shop_environment_step(player->session, candidate, &outcome, NULL);
  player->over = outcome.terminated || outcome.truncated;
  observe(player);
}

static gboolean is_searching(const Player *player)
{
  return shop_session_page(shop_environment_session(player->session)) == SHOP_PAGE_SEARCH;
}

typedef struct {
  double seconds;
  guint64 n, n_allocations;
} Count;

/* Clicks only: the clock stands while an episode starts and while it searches. */
static void run_clicks(Player *player, double seconds, Count *count)
{
  *count = (Count){0};
  while (count->seconds < seconds) {
    if (player->over)
      reset(player);
    while (is_searching(player) && !player->over)
      step(player);
    double start = now();
    guint64 allocations = bench_n_allocations();
    for (; !player->over && !is_searching(player); count->n++)
      step(player);
    count->seconds += now() - start;
    count->n_allocations += bench_n_allocations() - allocations;
  }
}

/* Whole episodes, resets included. */
static void run_steps(Player *player, double seconds, Count *count)
{
  double start = now();
  guint64 allocations = bench_n_allocations();
  *count = (Count){0};
  for (; count->seconds < seconds; count->seconds = now() - start)
    for (guint i = 0; i < 64; i++) {
      if (player->over)
        reset(player);
      step(player);
      count->n++;
    }
  count->n_allocations = bench_n_allocations() - allocations;
}

static void run_resets(Player *player, double seconds, Count *count)
{
  double start = now();
  guint64 allocations = bench_n_allocations();
  *count = (Count){0};
  for (; count->seconds < seconds; count->seconds = now() - start)
    for (guint i = 0; i < 64; i++, count->n++)
      reset(player);
  count->n_allocations = bench_n_allocations() - allocations;
}

/* A purchase to judge: a goal, and a product with options as an agent would take them. */
typedef struct {
  ShopGoalView *goal;
  guint32 product;
  const char *values[MAX_VALUES];
  guint n_values;
} Purchase;

/* From the results of the goal's own queries, the options at random; every fourth is the goal's product. */
static Purchase *draw_purchases(Player *player)
{
  Purchase *purchases = g_new0(Purchase, N_PURCHASES);
  const ShopCatalogue *catalogue = player->world->catalogue;
  for (guint i = 0; i < N_PURCHASES; i++) {
    guint n_results;
    ShopSession *session = shop_environment_session(player->session);
    do {
      reset(player);
      step(player);
      shop_session_results(session, &n_results);
    } while (n_results == 0);
    const guint32 *results = shop_session_results(session, &n_results);
    Purchase *purchase = &purchases[i];
    purchase->goal = shop_goal_view_new();
    shop_goal_view_set(purchase->goal, catalogue, player->world->goals, shop_session_goal(session)->index);
    purchase->product =
        i % 4 == 0 ? purchase->goal->product : results[cw_random_below(player->choice, n_results)];
    const ShopProduct *product = &catalogue->products[purchase->product];
    for (guint32 g = 0; g < MIN(product->groups.count, MAX_VALUES); g++) {
      ShopSpan values = catalogue->groups[product->groups.first + g].values;
      if (values.count > 0)
        purchase->values[purchase->n_values++] = shop_string(
            catalogue, catalogue->strings[values.first + cw_random_below(player->choice, values.count)]);
    }
  }
  return purchases;
}

static Purchase *purchases;

static void run_purchases(Player *player, double seconds, Count *count)
{
  if (!purchases)
    purchases = draw_purchases(player);
  double start = now();
  guint64 allocations = bench_n_allocations();
  *count = (Count){0};
  for (; count->seconds < seconds; count->seconds = now() - start)
    for (guint i = 0; i < N_PURCHASES; i++, count->n++) {
      ShopReward reward;
      shop_world_reward(player->world, purchases[i].goal, purchases[i].product, purchases[i].values,
                        purchases[i].n_values, &reward);
    }
  count->n_allocations = bench_n_allocations() - allocations;
}

static const struct {
  const char *word, *label, *unit;
  void (*run)(Player *player, double seconds, Count *count);
} benches[] = {
    {"clicks", "steps without search", "steps/s", run_clicks},
    {"steps", "steps with search, resets included", "steps/s", run_steps},
    {"resets", "resets", "resets/s", run_resets},
    {"purchases", "reward of a purchase", "purchases/s", run_purchases},
};

static void play(Player *player, guint n_steps)
{
  for (guint n = 0; n < n_steps; n++) {
    if (player->over)
      reset(player);
    step(player);
  }
}

/* What sessions hold once each has played for a while, and what the world holds for all of them. */
static void measure_memory(ShopWorld *world)
{
  Player players[N_SESSIONS], first = player_new(world, N_SESSIONS);
  play(&first, 20000);
  gint64 before = bench_live_bytes();
  for (guint i = 0; i < N_SESSIONS; i++)
    players[i] = player_new(world, i);
  gint64 fresh = bench_live_bytes() - before;
  for (guint i = 0; i < N_SESSIONS; i++)
    play(&players[i], 20000);
  gint64 used = bench_live_bytes() - before;
  printf("\nmemory of a session: %.2f KiB new, %.2f KiB after 20,000 steps (mean of %d)\n",
         (double)fresh / N_SESSIONS / 1024, (double)used / N_SESSIONS / 1024, N_SESSIONS);
  for (guint i = 0; i < N_SESSIONS; i++)
    player_free(&players[i]);
  player_free(&first);
}

int main(int argc, char **argv)
{
  GError *error = NULL;
  GOptionContext *context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "%s\n", error->message);
    return 2;
  }
  g_option_context_free(context);
  ShopWorld *world = open_world();
  printf("%u products, %u goals; medians of %d rounds of %g s\n\n", world->catalogue->n_products,
         world->goals->n_items, n_rounds, n_seconds);
  printf("| what | median | lowest | highest | each | allocations each |\n|---|---|---|---|---|---|\n");
  for (guint b = 0; b < G_N_ELEMENTS(benches); b++) {
    if (only && strcmp(only, benches[b].word) != 0)
      continue;
    Player player = player_new(world, 0);
    Count count;
    double *rates = g_new(double, MAX(n_rounds, 1));
    guint64 n = 0, n_allocations = 0;
    benches[b].run(&player, WARM_UP_SECONDS, &count);
    for (gint i = 0; i < n_rounds; i++) {
      benches[b].run(&player, n_seconds, &count);
      rates[i] = (double)count.n / count.seconds;
      n += count.n;
      n_allocations += count.n_allocations;
    }
    double middle = median(rates, (guint)n_rounds);
    printf("| %s | %.0f %s | %.0f | %.0f | %.3f us | %.4f |\n", benches[b].label, middle, benches[b].unit,
           rates[0], rates[n_rounds - 1], 1e6 / middle, (double)n_allocations / (double)n);
    g_free(rates);
    player_free(&player);
  }
  if (!only || strcmp(only, "memory") == 0)
    measure_memory(world);
  for (guint i = 0; purchases && i < N_PURCHASES; i++)
    shop_goal_view_free(purchases[i].goal);
  g_free(purchases);
  shop_world_free(world);
  return 0;
}
