/* Random streams over Philox. A stream is a 64-bit key, a 64-bit number that fills the upper half of the
 * counter, and a position counted in 32-bit words; key and upper half are the first 128 bits of a SHA-256
 * over (seed, purpose, index, episode), so two different uses practically never share a stream. Nothing else
 * is remembered: not even the second half of a pair of normals. */
#include "core/sdk/philox.h"
#include <cartwright/random.h>
#include <math.h>
#include <string.h>

struct CwRandom {
  guint64 key, high;
  guint64 position;  /* words drawn so far */
  guint32 output[4]; /* the block that holds word `position`, valid unless position is a multiple of 4 */
};

void cw_philox4x32_10(const guint32 counter[4], const guint32 key[2], guint32 output[4])
{
  guint32 x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
  guint32 k0 = key[0], k1 = key[1];
  for (guint round = 0; round < 10; round++) {
    guint64 a = (guint64)0xD2511F53u * x0, b = (guint64)0xCD9E8D57u * x2;
    x0 = (guint32)(b >> 32) ^ x1 ^ k0;
    x1 = (guint32)b;
    x2 = (guint32)(a >> 32) ^ x3 ^ k1;
    x3 = (guint32)a;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  output[0] = x0;
  output[1] = x1;
  output[2] = x2;
  output[3] = x3;
}

static void fill_block(CwRandom *random)
{
  guint64 block = random->position / 4;
  guint32 counter[4] = {(guint32)block, (guint32)(block >> 32), (guint32)random->high,
                        (guint32)(random->high >> 32)};
  guint32 key[2] = {(guint32)random->key, (guint32)(random->key >> 32)};

  cw_philox4x32_10(counter, key, random->output);
}

CwRandom *cw_random_new(guint32 seed, const char *purpose, guint64 index, guint64 episode)
{
  CwRandom *random = g_new0(CwRandom, 1);
  cw_random_restart(random, seed, purpose, index, episode);
  return random;
}

void cw_random_free(CwRandom *random)
{
  g_free(random);
}

void cw_random_restart(CwRandom *random, guint32 seed, const char *purpose, guint64 index, guint64 episode)
{
  /* Little-endian numbers of fixed width first, so that no two tuples give the same bytes. */
  guint32 little_seed = GUINT32_TO_LE(seed);
  guint64 numbers[2] = {GUINT64_TO_LE(index), GUINT64_TO_LE(episode)};
  guint64 words[4];
  gsize length = sizeof words;
  GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);

  g_checksum_update(checksum, (const guchar *)&little_seed, sizeof little_seed);
  g_checksum_update(checksum, (const guchar *)numbers, sizeof numbers);
  g_checksum_update(checksum, (const guchar *)purpose, (gssize)strlen(purpose));
  g_checksum_get_digest(checksum, (guint8 *)words, &length);
  g_checksum_free(checksum);
  random->key = GUINT64_FROM_LE(words[0]);
  random->high = GUINT64_FROM_LE(words[1]);
  random->position = 0;
}

guint32 cw_random_uint32(CwRandom *random)
{
  guint word = random->position % 4;
  if (word == 0)
    fill_block(random);
  random->position++;
  return random->output[word];
}

guint64 cw_random_uint64(CwRandom *random)
{
  guint64 low = cw_random_uint32(random);
  return low | (guint64)cw_random_uint32(random) << 32;
}

double cw_random_uniform(CwRandom *random)
{
  return (double)(cw_random_uint64(random) >> 11) * 0x1p-53;
}

double cw_random_normal(CwRandom *random)
{
  /* Box and Muller 1958; 1 - u is in (0, 1], where the logarithm is finite. */
  double radius = sqrt(-2 * log(1 - cw_random_uniform(random)));

  return radius * cos(2 * G_PI * cw_random_uniform(random));
}

guint32 cw_random_below(CwRandom *random, guint32 limit)
{
  /* Lemire, "Fast random integer generation in an interval", 2019. */
  guint64 product;
  guint32 threshold;

  g_return_val_if_fail(limit > 0, 0);
  product = (guint64)cw_random_uint32(random) * limit;
  if ((guint32)product < limit) {
    threshold = -limit % limit; /* 2^32 mod limit: the values that would be too many */
    while ((guint32)product < threshold)
      product = (guint64)cw_random_uint32(random) * limit;
  }
  return (guint32)(product >> 32);
}

void cw_random_shuffle(CwRandom *random, guint32 *items, guint n_items)
{
  for (guint i = n_items; i > 1; i--) {
    guint j = cw_random_below(random, i);
    guint32 item = items[i - 1];
    items[i - 1] = items[j];
    items[j] = item;
  }
}

guint cw_random_categorical(CwRandom *random, const float *logits, guint n_logits)
{
  double total = 0, threshold, sum = 0;
  float maximum;
  guint last = 0;
  g_return_val_if_fail(n_logits > 0, 0);
  maximum = logits[0];
  for (guint i = 1; i < n_logits; i++)
    maximum = MAX(maximum, logits[i]);
  for (guint i = 0; i < n_logits; i++)
    total += exp((double)logits[i] - maximum);
  threshold = cw_random_uniform(random) * total;
  for (guint i = 0; i < n_logits; i++) {
    double weight = exp((double)logits[i] - maximum);
    sum += weight;
    if (sum > threshold)
      return i;
    if (weight > 0)
      last = i;
  }
  return last; /* rounding ate the end of the interval */
}

char *cw_random_save(const CwRandom *random)
{
  return g_strdup_printf("philox4x32-10:%016" G_GINT64_MODIFIER "x:%016" G_GINT64_MODIFIER
                         "x:%" G_GUINT64_FORMAT,
                         random->key, random->high, random->position);
}

gboolean cw_random_load(CwRandom *random, const char *state)
{
  g_auto(GStrv) fields = g_strsplit(state, ":", -1);
  g_autofree char *again = NULL;
  CwRandom loaded = {0};

  if (g_strv_length(fields) != 4 ||
      !g_ascii_string_to_unsigned(fields[1], 16, 0, G_MAXUINT64, &loaded.key, NULL) ||
      !g_ascii_string_to_unsigned(fields[2], 16, 0, G_MAXUINT64, &loaded.high, NULL) ||
      !g_ascii_string_to_unsigned(fields[3], 10, 0, G_MAXUINT64, &loaded.position, NULL))
    return FALSE;
  again = cw_random_save(&loaded);
  if (strcmp(again, state) != 0)
    return FALSE;
  if (loaded.position % 4 != 0)
    fill_block(&loaded);
  *random = loaded;
  return TRUE;
}
