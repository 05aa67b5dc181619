/* Kills runs at random moments, or takes their power away, lets them go on, and compares what they end with.
 *   check_kill BUILD SOURCE KILLS CUTS SEED
 * A kill: a run is killed, one to four times, after a random time (often within its first milliseconds), and
 * then resumed to its end. Some begin as --overwrite of a finished run, some as a conversion. A cut: a run is
 * killed with tests/reliability/power.c loaded, and what a disk would have kept takes the folder's place:
 * unsynced data and names are lost, all of them or at random. A trial fails when the run cannot go on
 * ("stuck"), ends with other bytes ("different") or leaves something unfinished ("left over"). */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN "disk/run" /* the folder of a trial, in the scratch folder */

typedef struct {
  const char *name; /* NAME.yaml; NULL: a conversion */
  char *expected;   /* digest of a run that was never stopped */
  gint64 duration;  /* of that run, microseconds */
  guint n_syncs;    /* of it, under the scratch folder */
} Subject;

typedef struct {
  char *cartwright, *power;
  GRand *chance;
  guint64 n_kills, n_resumes;
  guint n_trials, n_stuck, n_different, n_left;
} Check;

static void die(const char *what)
{
  fprintf(stderr, "check_kill: %s\n", what);
  exit(99);
}

static void shell(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void shell(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *command = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (system(command) != 0)
    die(command);
}

/* Wall-clock figures are not compared. */
static void drop_seconds(GString *text)
{
  static const char *const keys[] = {"\"seconds\": ", "\"decisions_per_second\": "};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    for (char *at; (at = strstr(text->str, keys[i]));)
      g_string_erase(text, at - text->str, (gssize)strcspn(at, ",\n") + 1);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list(const char *path)
{
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    g_ptr_array_add(names, g_strdup(name));
  g_ptr_array_sort(names, compare_names);
  return names;
}

/* The newest of step-N. */
static char *newest(const char *path)
{
  g_autoptr(GPtrArray) names = list(path);
  glong best = -1;
  for (guint i = 0; i < names->len; i++)
    if (g_str_has_prefix(names->pdata[i], "step-"))
      best = MAX(best, atol((char *)names->pdata[i] + 5));
  return g_strdup_printf("step-%ld", best);
}

/* A line "PATH CHECKSUM" for everything that must be the same. */
static void add_digest(GString *digest, const char *path, const char *shown)
{
  if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_autofree char *contents = NULL;
    gsize length = 0;
    if (!g_file_get_contents(path, &contents, &length, NULL))
      return;
    g_autoptr(GString) text = g_string_new_len(contents, (gssize)length);
    if (g_str_has_suffix(path, "evaluation.json"))
      drop_seconds(text);
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)text->str, text->len);
    g_string_append_printf(digest, "%s %s\n", shown, sum);
    return;
  }
  g_autoptr(GPtrArray) names = list(path);
  g_autofree char *last = newest(path);
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *child = g_build_filename(path, name, NULL),
                    *inside = g_build_filename(shown, name, NULL);
    static const char *const not_same[] = {"timings.jsonl", "events.out", "curves.", "."};
    gboolean skip = g_str_has_prefix(name, "step-") && !g_str_equal(name, last);
    for (guint k = 0; k < G_N_ELEMENTS(not_same); k++)
      skip |= g_str_has_prefix(name, not_same[k]);
    if (!skip)
      add_digest(digest, child, inside);
  }
}

static char *digest_of(const char *path)
{
  GString *digest = g_string_new(NULL);
  add_digest(digest, path, "");
  return g_string_free(digest, FALSE);
}

/* The first unfinished thing in a folder, or NULL. */
static char *left_over(const char *path)
{
  g_autoptr(GPtrArray) names = list(path);
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *child = g_build_filename(path, name, NULL);
    if (strstr(name, ".partial") || strstr(name, ".progress") || g_str_equal(name, "scratch"))
      return g_steal_pointer(&child);
    char *inside = g_file_test(child, G_FILE_TEST_IS_DIR) ? left_over(child) : NULL;
    if (inside)
      return inside;
  }
  return NULL;
}

typedef enum { AFRESH, RESUME, OVERWRITE } How;

/* Starts a process on the subject. `notes`: with power.c loaded, to be killed at its sync number `stop`. */
static pid_t start(const Check *check, const Subject *subject, How how, const char *notes, guint stop)
{
  pid_t child = fork();
  if (child != 0)
    return child;
  g_autofree char *config = g_strdup_printf("%s.yaml", subject->name ? subject->name : "none");
  const char *run[] = {"cartwright",
                       "run",
                       config,
                       "--out",
                       RUN,
                       "--quiet",
                       how == RESUME      ? "--resume"
                       : how == OVERWRITE ? "--overwrite"
                                          : NULL,
                       NULL};
  const char *convert[] = {"cartwright",    "import",  "webshop",     "shop=shop", "--into",
                           RUN "/a.cwshop", "--quiet", "--overwrite", NULL};
  if (freopen("out", "w", stdout) == NULL || freopen("err", "w", stderr) == NULL)
    _exit(99);
  if (notes) {
    g_autofree char *number = g_strdup_printf("%u", stop);
    char *disk = realpath("disk", NULL);
    g_setenv("LD_PRELOAD", check->power, TRUE);
    g_setenv("POWER_ROOT", disk, TRUE);
    g_setenv("POWER_NOTES", notes, TRUE);
    g_setenv("POWER_STOP", number, TRUE);
  }
  execv(check->cartwright, (char **)(subject->name ? run : convert));
  _exit(99);
}

/* Waits `delay` microseconds, then kills; -1: does not kill. Returns the wait status. */
static int finish(Check *check, pid_t child, gint64 delay, int number)
{
  int status = 0;
  gint64 end = g_get_monotonic_time() + delay;
  while (delay >= 0 && g_get_monotonic_time() < end) {
    if (waitpid(child, &status, WNOHANG) == child)
      return status;
    g_usleep((gulong)CLAMP(end - g_get_monotonic_time(), 50, 500));
  }
  if (delay >= 0) {
    kill(child, number);
    check->n_kills++;
  }
  waitpid(child, &status, 0);
  return status;
}

/* A time within a run, or in its first moments. */
static gint64 choose_delay(const Check *check, const Subject *subject)
{
  gboolean early = g_rand_double(check->chance) < 0.3;
  return (gint64)(g_rand_double(check->chance) * (early ? 30000 : (double)subject->duration));
}

static char *complaint(void)
{
  char *text = NULL;
  g_file_get_contents("err", &text, NULL, NULL);
  return text ? g_strchomp(text) : g_strdup("");
}

/* Goes on until the run ends, killing it `n_kills` more times. FALSE: it is stuck. */
static gboolean go_on(Check *check, const Subject *subject, How how, guint n_kills)
{
  for (guint n_starts = 0; n_starts < 50; n_starts++) {
    gboolean kills = n_kills > 0;
    n_kills -= kills ? 1 : 0;
    int number = g_rand_double(check->chance) < 0.85 ? SIGKILL : SIGTERM;
    int status =
        finish(check, start(check, subject, how, NULL, 0), kills ? choose_delay(check, subject) : -1, number);
    check->n_resumes += how == RESUME ? 1 : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
      return TRUE;
    gboolean stopped = WIFSIGNALED(status) || WEXITSTATUS(status) == 130;
    g_autofree char *said = complaint();
    if (!stopped && !(how == RESUME && strstr(said, "no run to resume here"))) {
      printf("# stuck: %s\n", said);
      return FALSE;
    }
    /* What a person would do: resume, and begin when there is nothing to resume. */
    how = stopped ? RESUME : AFRESH;
    if (!g_file_test(RUN, G_FILE_TEST_IS_DIR))
      how = AFRESH;
  }
  printf("# stuck: it does not come to its end\n");
  return FALSE;
}

static void judge(Check *check, const Subject *subject, gboolean ended, guint64 trial)
{
  check->n_trials++;
  if (!ended) {
    check->n_stuck++;
    /* For a look at it. */
    shell("rm -rf stuck-%" G_GUINT64_FORMAT " && cp -r disk stuck-%" G_GUINT64_FORMAT, trial, trial);
    return;
  }
  g_autofree char *found = digest_of(RUN), *left = left_over(RUN);
  if (left) {
    check->n_left++;
    printf("# trial %" G_GUINT64_FORMAT " of %s: left over: %s\n", trial, subject->name, left);
  }
  if (g_str_equal(found, subject->expected))
    return;
  check->n_different++;
  printf("# trial %" G_GUINT64_FORMAT " of %s: different\n", trial, subject->name);
  g_file_set_contents("found", found, -1, NULL);
  g_file_set_contents("expected", subject->expected, -1, NULL);
  if (system("diff expected found | sed 's/^/# /'") < 0)
    die("diff");
}

static void kill_once(Check *check, const Subject *subject, guint64 trial)
{
  shell("rm -rf disk && mkdir disk");
  if (!subject->name) {
    shell("mkdir " RUN);
    for (gint i = g_rand_int_range(check->chance, 1, 5); i > 0; i--)
      finish(check, start(check, subject, AFRESH, NULL, 0), choose_delay(check, subject), SIGKILL);
    judge(check, subject, finish(check, start(check, subject, AFRESH, NULL, 0), -1, 0) == 0, trial);
    return;
  }
  gboolean overwrite = g_rand_double(check->chance) < 0.2;
  if (overwrite)
    shell("cp -r whole-%s " RUN, subject->name);
  gboolean ended =
      go_on(check, subject, overwrite ? OVERWRITE : AFRESH, (guint)g_rand_int_range(check->chance, 1, 5));
  judge(check, subject, ended, trial);
}

/* What is where now: inode to path. */
static void map_tree(GHashTable *paths, const char *path)
{
  struct stat status;
  if (lstat(path, &status) != 0)
    return;
  g_hash_table_insert(paths, GSIZE_TO_POINTER((gsize)status.st_ino), g_strdup(path));
  g_autoptr(GPtrArray) names = list(path);
  for (guint i = 0; S_ISDIR(status.st_mode) && i < names->len; i++) {
    g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
    map_tree(paths, child);
  }
}

/* How much of what was not synced survives: none of it; all names, but no data; each name and some data by
 * chance. */
typedef enum { STRICT, NAMES, RANDOM, N_MODELS } Model;

typedef struct {
  Check *check;
  Model model;
  const char *notes;
  GHashTable *now; /* inode to path */
} Disk;

static gboolean survives(const Disk *disk)
{
  return disk->model == NAMES || (disk->model == RANDOM && g_rand_boolean(disk->check->chance));
}

static char *note_of(const Disk *disk, const char *kind, gsize inode)
{
  return g_strdup_printf("%s/%s-%" G_GSIZE_FORMAT, disk->notes, kind, inode);
}

static void put_file(const Disk *disk, gsize inode, const char *into)
{
  g_autofree char *note = note_of(disk, "data", inode), *kept = NULL, *written = NULL;
  const char *path = g_hash_table_lookup(disk->now, GSIZE_TO_POINTER(inode));
  gsize n_kept = 0, n_written = 0;
  g_file_get_contents(note, &kept, &n_kept, NULL);
  if (disk->model == RANDOM && path && g_rand_boolean(disk->check->chance) &&
      g_file_get_contents(path, &written, &n_written, NULL)) {
    /* Some of what was written behind what is known to be there; now and then zeroes instead. */
    gsize from = n_kept <= n_written && (n_kept == 0 || memcmp(kept, written, n_kept) == 0) ? n_kept : 0;
    gsize length = from + (gsize)(g_rand_double(disk->check->chance) * (double)(n_written - from + 1));
    length = MIN(length, n_written);
    if (g_rand_double(disk->check->chance) < 0.2)
      memset(written + from, 0, length - from);
    g_file_set_contents(into, written, (gssize)length, NULL);
    return;
  }
  g_file_set_contents(into, kept ? kept : "", (gssize)n_kept, NULL);
}

/* A name in a folder and what it stands for. */
typedef struct {
  gsize inode;
  gboolean is_folder;
} Entry;

static void add_entry(GHashTable *entries, const char *name, gsize inode, gboolean is_folder)
{
  Entry *entry = g_new(Entry, 1);
  *entry = (Entry){inode, is_folder};
  g_hash_table_insert(entries, g_strdup(name), entry);
}

static GHashTable *entries_kept(const Disk *disk, gsize inode)
{
  GHashTable *entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *note = note_of(disk, "names", inode), *text = NULL;
  g_file_get_contents(note, &text, NULL, NULL);
  g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
  for (guint i = 0; lines[i] && *lines[i]; i++) {
    char *rest;
    gsize number = (gsize)g_ascii_strtoull(lines[i], &rest, 10);
    add_entry(entries, rest + 3, number, rest[1] == 'd');
  }
  return entries;
}

static GHashTable *entries_now(const Disk *disk, gsize inode)
{
  GHashTable *entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  const char *path = g_hash_table_lookup(disk->now, GSIZE_TO_POINTER(inode));
  g_autoptr(GPtrArray) names = path ? list(path) : g_ptr_array_new();
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
    struct stat status;
    if (lstat(child, &status) != 0)
      die(child);
    add_entry(entries, names->pdata[i], (gsize)status.st_ino, S_ISDIR(status.st_mode));
  }
  return entries;
}

static void put_folder(const Disk *disk, gsize inode, const char *into)
{
  g_autoptr(GHashTable) kept = entries_kept(disk, inode), now = entries_now(disk, inode);
  gboolean exists = g_hash_table_lookup(disk->now, GSIZE_TO_POINTER(inode)) != NULL;
  g_autoptr(GList) names = g_hash_table_get_keys(kept);
  GHashTableIter iterator;
  gpointer name;
  g_hash_table_iter_init(&iterator, now);
  while (g_hash_table_iter_next(&iterator, &name, NULL))
    if (!g_hash_table_contains(kept, name))
      names = g_list_prepend(names, name);
  names = g_list_sort(names, (GCompareFunc)strcmp); /* chance is drawn in this order */
  g_mkdir(into, 0777);
  for (const GList *item = names; item; item = item->next) {
    const Entry *entry = g_hash_table_lookup(exists && survives(disk) ? now : kept, item->data);
    g_autofree char *child = g_build_filename(into, item->data, NULL);
    if (entry && entry->is_folder)
      put_folder(disk, entry->inode, child);
    else if (entry)
      put_file(disk, entry->inode, child);
  }
}

/* Loses power: `disk` becomes what it would be afterwards. */
static void lose_power(Check *check, Model model, const char *notes)
{
  struct stat status;
  g_autoptr(GHashTable) now = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  Disk disk = {check, model, notes, now};
  map_tree(now, "disk");
  if (stat("disk", &status) != 0)
    die("disk");
  put_folder(&disk, (gsize)status.st_ino, "after");
  shell("rm -rf disk && mv after disk");
}

static void cut_once(Check *check, const Subject *subject, guint64 trial)
{
  g_autofree char *here = realpath(".", NULL), *notes = g_build_filename(here, "notes", NULL);
  gboolean overwrite = g_rand_double(check->chance) < 0.15;
  shell("rm -rf disk && mkdir disk");
  if (overwrite)
    shell("cp -r whole-%s " RUN, subject->name);
  for (gint n = g_rand_int_range(check->chance, 1, 3), i = 0; i < n; i++) {
    gboolean at_sync = g_rand_boolean(check->chance);
    guint stop = at_sync ? (guint)g_rand_int_range(check->chance, 1, (gint)subject->n_syncs + 2) : 0;
    How how = i > 0 && g_file_test(RUN "/config.yaml", G_FILE_TEST_EXISTS) ? RESUME
              : i == 0 && overwrite                                        ? OVERWRITE
                                                                           : AFRESH;
    shell("rm -rf notes && mkdir notes");
    pid_t child = start(check, subject, how, notes, stop);
    while (!g_file_test("notes/ready-0", G_FILE_TEST_EXISTS) && kill(child, 0) == 0)
      g_usleep(200);
    int status = finish(check, child, at_sync ? -1 : choose_delay(check, subject), SIGKILL);
    check->n_kills += at_sync ? 1 : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
      g_autofree char *said = complaint();
      printf("# stuck after a cut: %s\n", said);
      judge(check, subject, FALSE, trial);
      return;
    }
    lose_power(check, (Model)g_rand_int_range(check->chance, 0, N_MODELS), notes);
  }
  gboolean used = g_file_test(RUN "/config.yaml", G_FILE_TEST_EXISTS);
  judge(check, subject, go_on(check, subject, used ? RESUME : AFRESH, 0), trial);
}

/* Lets a run go through, for its bytes, its time and its syncs. */
static void measure(Check *check, Subject *subject)
{
  g_autofree char *here = realpath(".", NULL), *notes = g_build_filename(here, "notes", NULL);
  shell("rm -rf disk && mkdir disk");
  if (!subject->name)
    shell("mkdir " RUN);
  gint64 begin = g_get_monotonic_time();
  if (finish(check, start(check, subject, AFRESH, NULL, 0), -1, 0) != 0) {
    g_autofree char *said = complaint();
    die(said);
  }
  subject->duration =
      (g_get_monotonic_time() - begin) / 2; /* a machine that was busy just now may be faster later */
  subject->expected = digest_of(RUN);
  if (!subject->name)
    return;
  shell("mv " RUN " whole-%s", subject->name);
  /* The number of syncs: the largest at which it is still stopped. */
  guint low = 1, high = 1;
  for (gboolean stopped = TRUE; stopped; high *= 2) {
    shell("rm -rf disk notes && mkdir disk notes");
    stopped = WIFSIGNALED(finish(check, start(check, subject, AFRESH, notes, high), -1, 0));
    low = stopped ? high : low;
  }
  subject->n_syncs = low * 2;
}

int main(int argc, char **argv)
{
  if (argc != 6)
    die("usage: check_kill BUILD SOURCE KILLS CUTS SEED");
  g_autofree char *plugins = g_build_filename(argv[1], "tests/toy/.libs", NULL);
  g_autofree char *scratch = g_dir_make_tmp("cartwright-kill-XXXXXX", NULL);
  Subject subjects[] = {{.name = "stages"}, {.name = "bert"}, {.name = NULL}};
  Check check = {.cartwright = g_build_filename(argv[1], ".libs/cartwright", NULL),
                 .power = g_build_filename(argv[1], "tests/reliability/.libs/power.so", NULL),
                 .chance = g_rand_new_with_seed((guint32)atoi(argv[5]))};
  guint64 n_kills = g_ascii_strtoull(argv[3], NULL, 10), n_cuts = g_ascii_strtoull(argv[4], NULL, 10);
  setvbuf(stdout, NULL, _IOLBF, 0);
  g_autofree char *library = g_build_filename(argv[1], ".libs", NULL);
  g_setenv("CARTWRIGHT_PLUGIN_PATH", plugins, TRUE);
  g_setenv("LD_LIBRARY_PATH", library, TRUE);
  if (chdir(scratch) != 0)
    die(scratch);
  shell("cp '%s'/tests/reliability/*.yaml . && cp -r '%s/tests/bert_cpu/model' . && mkdir shop", argv[2],
        argv[2]);
  shell("cd '%s/tests/shop/data' && cp items.json \"$OLDPWD/shop/items_shuffle_1000.json\" && "
        "cp attributes.json \"$OLDPWD/shop/items_ins_v2_1000.json\" && cp human.json "
        "\"$OLDPWD/shop/items_human_ins.json\"",
        argv[2]);
  shell("for goal in 1 2 3 4 5 6 7 8 9 10; do echo "
        "'{\"id\":\"s\",\"split\":\"train\",\"goal\":'$goal',\"noise\":5,"
        "\"actions\":[\"take a\",\"take a\",\"take a\"]}'; done >sessions.jsonl");
  for (guint i = 0; i < G_N_ELEMENTS(subjects); i++)
    measure(&check, &subjects[i]);
  /* A trial in which nothing was killed does not count. */
  for (guint64 before = 0; check.n_trials < n_kills; before = check.n_kills) {
    double share = g_rand_double(check.chance);
    kill_once(&check, &subjects[share < 0.6 ? 0 : share < 0.8 ? 1 : 2], check.n_trials);
    check.n_trials -= check.n_kills == before ? 1 : 0;
  }
  printf("kills: %u trials with %" G_GUINT64_FORMAT " kills: %u stuck, %u different, %u left over\n",
         check.n_trials, check.n_kills, check.n_stuck, check.n_different, check.n_left);
  guint failed = check.n_stuck + check.n_different + check.n_left;
  check.n_trials = check.n_stuck = check.n_different = check.n_left = 0;
  check.n_kills = 0;
  for (guint64 i = 0; i < n_cuts; i++)
    cut_once(&check, &subjects[g_rand_double(check.chance) < 0.75 ? 0 : 1], i);
  printf("power cuts: %u trials with %" G_GUINT64_FORMAT " cuts: %u stuck, %u different, %u left over\n",
         check.n_trials, check.n_kills, check.n_stuck, check.n_different, check.n_left);
  failed += check.n_stuck + check.n_different + check.n_left;
  if (failed == 0)
    shell("rm -rf '%s'", scratch);
  for (guint i = 0; i < G_N_ELEMENTS(subjects); i++)
    g_free(subjects[i].expected);
  g_free(check.cartwright);
  g_free(check.power);
  g_rand_free(check.chance);
  return failed > 0;
}
