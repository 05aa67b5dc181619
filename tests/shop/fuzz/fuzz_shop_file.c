/* A libFuzzer target: a whole shop file with changed contents and mended checksums is opened and played in.
 * What it may do is refuse the file or play; the sanitizers see the rest. `make fuzz-shop-file` builds it;
 * run it as
 *
 *   FUZZ_SHOP=SHOP.cwshop tests/shop/fuzz/fuzz_shop_file -max_len=64 -runs=1000000 CORPUS-FOLDER
 *
 * where SHOP.cwshop is an import of tests/shop/data. An input is a list of changes of eight
 * bytes: an array, how to change, where, and a value. */
#include "envs/shop/environment.h"
#include "envs/shop/file/file_private.h"
#include "envs/shop/world/world_file.h"

#include <cartwright/checksum.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static char *original, *path;
static gsize length;
static int descriptor;

static void begin(void)
{
  const char *name = g_getenv("FUZZ_SHOP");
  g_autoptr(GError) error = NULL;
  if (!name || !g_file_get_contents(name, &original, &length, &error))
    g_error("FUZZ_SHOP should name a shop file: %s", error ? error->message : "it is not set");
  descriptor = memfd_create("shop", 0);
  path = g_strdup_printf("/proc/self/fd/%d", descriptor);
}

static void change(char *bytes, const ShopFileEntry *entries, guint32 n_arrays, const guint8 *change)
{
  const ShopFileEntry *entry = &entries[change[0] % n_arrays];
  guint64 n_bytes = entry->n_elements * entry->element_size;
  guint32 value, present, position = (guint32)change[2] << 8 | change[3];
  memcpy(&value, change + 4, sizeof value);
  if (n_bytes < sizeof value)
    return;
  guint64 place = (change[1] & 1 ? position * 4u : (guint64)position * 131u) % (n_bytes - 3);
  char *word = bytes + entry->position + (change[1] & 2 ? place & ~3u : place);
  memcpy(&present, word, sizeof present);
  switch (change[1] >> 2 & 3) {
  case 0:
    break;
  case 1:
    value = present + (value & 0xff) - 0x80;
    break;
  case 2:
    value = (guint32)(entry->n_elements + (value & 0xf) - 8);
    break;
  default:
    value = G_MAXUINT32 - (value & 0xf);
  }
  memcpy(word, &value, sizeof value);
}

static void mend(char *bytes)
{
  ShopFileHeader *header = (ShopFileHeader *)bytes;
  guint32 *crcs = (guint32 *)(bytes + header->table + header->n_arrays * sizeof(ShopFileEntry));
  guint64 n = shop_file_content_length(header);
  for (guint32 i = 0; i < header->n_blocks; i++) {
    guint64 start = (guint64)i * SHOP_FILE_BLOCK;
    crcs[i] = cw_crc32c(0, bytes + sizeof *header + start, MIN(n - start, SHOP_FILE_BLOCK));
  }
  header->table_crc = cw_crc32c(0, bytes + header->table, length - header->table);
  header->crc = cw_crc32c(0, header, offsetof(ShopFileHeader, crc));
}

static void play(ShopWorld *world, guint seed)
{
  gpointer session = shop_environment_session_new(world, NULL);
  CwRandom *random = cw_random_new(seed, "fuzz", 0, 0);
  CwObservation observation = {.struct_size = sizeof observation};
  CwOutcome outcome = {.struct_size = sizeof outcome};
  const char *script = shop_environment_scripts(world)[seed % 4];
  guint32 goal = cw_random_below(random, world->goals->n_items);
  if (shop_environment_reset(session, "all", goal, random, NULL))
    for (guint step = 0; step < 6 && !outcome.terminated; step++) {
      shop_environment_observe(session, &observation, NULL);
      gint candidate = shop_environment_scripted_action(session, script, NULL);
      if (candidate < 0 || step == 4)
        candidate = (gint)cw_random_below(random, MAX(observation.n_candidates, 1));
      shop_environment_step(session, (guint)candidate, &outcome, NULL);
    }
  shop_environment_goal_id(session);
  g_autofree char *answer = shop_environment_answer(world, "goal", "0", NULL);
  shop_environment_session_free(session);
  cw_random_free(random);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
  if (!original)
    begin();
  if (size < 1)
    return 0;
  g_autofree char *bytes = g_memdup2(original, length);
  const ShopFileHeader *header = (const ShopFileHeader *)original;
  const ShopFileEntry *entries = (const ShopFileEntry *)(original + header->table);
  for (gsize i = 1; i + 8 <= size; i += 8)
    change(bytes, entries, header->n_arrays, data + i);
  mend(bytes);
  if (pwrite(descriptor, bytes, length, 0) != (gssize)length)
    abort();
  ShopSettings settings = {.observation = data[0] & 1,
                           .goals = data[0] >> 1 & 1,
                           .mode = data[0] >> 2 & 1,
                           .candidates = data[0] >> 3 & 1,
                           .split_rule = data[0] >> 4 & 1,
                           .goals_per_product = data[0] & 32 ? 5 : 3,
                           .price_seed = data[0] & 64 ? 233 : 1,
                           .step_limit = 100,
                           .expert_detours = 0.5};
  g_autoptr(GError) error = NULL;
  ShopFileVerify verify = data[0] & 128 ? SHOP_FILE_VERIFY_ALWAYS : SHOP_FILE_VERIFY_HEADER;
  g_autoptr(ShopWorld) world = shop_world_open(path, verify, "webshop", &settings, &error);
  if (!world && !error)
    abort();
  if (world)
    play(world, (guint)(data[0] + size));
  return 0;
}
