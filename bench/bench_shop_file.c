/* What a shop file costs to open and to keep open:
 *
 *   bench/bench_shop_file SHOP.cwshop [ROUNDS]
 *
 * Opening: the median of ROUNDS (7) with the contents verified and without, with the file in the page cache
 * and (for the superuser) without. Memory: a first process opens the file and plays; a second one does the
 * same while the first is alive, and the second's is what a further process costs; then sessions are added to
 * it. Memory is the kernel's account of the process (/proc/self/smaps_rollup). Speed: random episodes on one
 * thread, with and without a bound on file pages. */
#include "envs/shop/session/session.h"
#include "envs/shop/world/world_file.h"

#include <cartwright/random.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define N_SESSIONS 1000
#define N_STEPS    20 /* of every session */
#define N_EPISODES 2000

/* What a shop file stores by default. */
static const ShopSettings stored = {
    .observation = SHOP_OBSERVATION_TEXT_RICH, .step_limit = 100, .goals_per_product = 5, .price_seed = 233};

static ShopWorld *open_shop(const char *path, ShopFileVerify verify, const ShopSettings *settings)
{
  GError *error = NULL;
  ShopWorld *world = shop_world_open(path, verify, "webshop", settings, &error);
  if (!world) {
    fprintf(stderr, "bench_shop_file: %s\n", error->message);
    exit(1);
  }
  return world;
}

static int compare_doubles(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Milliseconds, the median. */
static double time_open(const char *path, ShopFileVerify verify, const ShopSettings *settings, gboolean cold,
                        guint n_rounds)
{
  double *times = g_new(double, n_rounds);
  for (guint i = 0; i < n_rounds; i++) {
    int file = open(path, O_RDONLY);
    if (cold && (file < 0 || fsync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0))
      perror(path);
    close(file);
    gint64 begin = g_get_monotonic_time();
    ShopWorld *world = open_shop(path, verify, settings);
    times[i] = (double)(g_get_monotonic_time() - begin) / 1000;
    shop_world_free(world);
  }
  qsort(times, n_rounds, sizeof *times, compare_doubles);
  double median = times[n_rounds / 2];
  g_free(times);
  return median;
}

/* One number of /proc/self/smaps_rollup, in KiB. */
static long memory(const char *key)
{
  char line[256];
  long value = -1;
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
      value = strtol(line + strlen(key) + 1, NULL, 10);
  if (file)
    fclose(file);
  return value;
}

static void print_memory(const char *label)
{
  printf("%-52s own %7.1f MiB  proportional %7.1f MiB  resident %7.1f MiB\n", label,
         (double)memory("Anonymous") / 1024, (double)memory("Pss") / 1024, (double)memory("Rss") / 1024);
  fflush(stdout);
}

static void play(ShopSession *session, const ShopWorld *world, CwRandom *random)
{
  CwOutcome outcome = {.struct_size = sizeof outcome};
  shop_session_reset(session, cw_random_below(random, world->goals->n_items), random);
  for (guint i = 0; i < N_STEPS && !outcome.terminated; i++) {
    guint n;
    shop_session_candidates(session, &n);
    shop_session_observation(session, NULL);
    shop_session_step(session, cw_random_below(random, n), &outcome);
  }
}

/* Opens the shop, plays an episode, says so, and waits until it may go on. */
static void run_process(const char *path, guint number, int say, int hear)
{
  char byte = 0;
  CwRandom *random = cw_random_new(number, "bench", 0, 0);
  if (number == 1)
    print_memory("further process, before opening");
  ShopWorld *world = open_shop(path, SHOP_FILE_VERIFY_HEADER, &stored);
  if (number == 1)
    print_memory("  opened");
  ShopSession *session = shop_session_new(world);
  play(session, world, random);
  if (number == 1) {
    ShopSession **sessions = g_new(ShopSession *, N_SESSIONS);
    print_memory("  one session, one episode");
    for (guint i = 0; i < 100; i++)
      play(session, world, random);
    print_memory("  one session, 101 episodes");
    long before = memory("Anonymous");
    for (guint i = 0; i < N_SESSIONS; i++) {
      sessions[i] = shop_session_new(world);
      play(sessions[i], world, random);
    }
    printf("per further session, after an episode of %d steps: %.2f KiB (of %d)\n", N_STEPS,
           (double)(memory("Anonymous") - before) / N_SESSIONS, N_SESSIONS);
    print_memory("  all sessions");
    for (guint i = 0; i < N_SESSIONS; i++)
      shop_session_free(sessions[i]);
    g_free(sessions);
  }
  if (write(say, &byte, 1) != 1 || read(hear, &byte, 1) < 0)
    _exit(1);
  shop_session_free(session);
  shop_world_free(world);
  cw_random_free(random);
  fflush(stdout);
  _exit(0);
}

static void measure_processes(const char *path)
{
  int go_on[2];
  pid_t children[2];
  if (pipe(go_on) != 0)
    exit(1);
  for (guint i = 0; i < 2; i++) {
    int said[2];
    char byte;
    if (pipe(said) != 0)
      exit(1);
    fflush(stdout);
    children[i] = fork();
    if (children[i] == 0) {
      close(go_on[1]);
      run_process(path, i, said[1], go_on[0]);
    }
    close(said[1]); /* a child that fails ends the reading */
    if (read(said[0], &byte, 1) != 1)
      exit(1);
    close(said[0]);
  }
  close(go_on[1]);
  for (guint i = 0; i < 2; i++)
    waitpid(children[i], NULL, 0);
}

/* Steps per second of processor time with at most `bound` bytes of the file in memory; 0: as the kernel
 * likes. */
static double measure_steps(const char *path, gsize bound)
{
  ShopWorld *world = open_shop(path, SHOP_FILE_VERIFY_HEADER, &stored);
  shop_file_bound(world->file, bound);
  ShopSession *session = shop_session_new(world);
  CwRandom *random = cw_random_new(1, "bench", 0, 0);
  guint64 n_steps = 0;
  clock_t begin = 0;
  for (guint i = 0; i < 2 * N_EPISODES; i++) {
    if (i == N_EPISODES) /* the first half looks at what the second plays on */
      begin = clock();
    play(session, world, random);
    n_steps += i < N_EPISODES ? 0 : (guint64)shop_session_n_steps(session);
  }
  double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
  shop_session_free(session);
  cw_random_free(random);
  shop_world_free(world);
  return (double)n_steps / seconds;
}

int main(int argc, char **argv)
{
  if (argc < 2) {
    fprintf(stderr, "usage: bench_shop_file SHOP.cwshop [ROUNDS]\n");
    return 2;
  }
  const char *path = argv[1];
  guint n_rounds = argc > 2 ? (guint)MAX(1, atoi(argv[2])) : 7;
  measure_processes(path);
  printf("steps/s, file pages as the kernel likes: %7.0f\n", measure_steps(path, 0));
  printf("steps/s, at most 48 MiB of file pages:   %7.0f\n", measure_steps(path, (gsize)48 << 20));
  printf("open, header and table verified, warm: %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_HEADER, &stored, FALSE, n_rounds));
  printf("open, all contents verified, warm:     %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_ALWAYS, &stored, FALSE, n_rounds));
  printf("open, header and table verified, cold: %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_HEADER, &stored, TRUE, n_rounds));
  printf("open, all contents verified, cold:     %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_ALWAYS, &stored, TRUE, MIN(n_rounds, 3)));
  ShopSettings prices = stored, splits = stored;
  prices.price_seed++;
  splits.goals_per_product--;
  printf("open, other prices than the stored:    %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_HEADER, &prices, FALSE, MIN(n_rounds, 3)));
  printf("open, other splits than the stored:    %8.2f ms\n",
         time_open(path, SHOP_FILE_VERIFY_HEADER, &splits, FALSE, MIN(n_rounds, 3)));
  return 0;
}
