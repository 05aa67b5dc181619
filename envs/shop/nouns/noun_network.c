/* Inference of the noun tagger. The compiled-in weights are turned into floats once, at the first use, and
 * never change afterwards. Activations are rows of
 * `width` floats per token. */
#include "envs/shop/nouns/noun_network.h"

#include <math.h>
#include <string.h>
#include <unicode/uchar.h>

#define N_TABLES   4
#define MAX_LAYERS 4
#define MAX_WIDTH  96
#define MAX_LABELS 64
#define BLOCK      16 /* the outputs of every dense layer are a multiple of this */

/* The weight file: this header, then per embedding table a scale and the rows; per dense layer the scales of
 * its outputs, the weights input by input, and the biases; after each hidden layer the gain and offset of its
 * layer normalisation. Floats and integers in the machine's little-endian order; every part padded to four
 * bytes. */
typedef struct {
  char magic[8]; /* "CWNOUN1" */
  guint32 rows[N_TABLES], dimensions[N_TABLES];
  guint32 width, pieces, layers, labels;
  guint32 noun_labels[2]; /* bit mask: the labels that are nouns */
} Header;

__asm__(".section .rodata\n.balign 16\nshop_noun_weights_start:\n.incbin \"" SHOP_NOUN_WEIGHTS
        "\"\n.balign 16\n.previous\n");
extern const char weights_file[] __asm__("shop_noun_weights_start") __attribute__((visibility("hidden")));

/* A dense layer: weights[input * outputs + output]. */
typedef struct {
  guint32 inputs, outputs;
  float *weights;
  const float *biases;
} Dense;

/* A hidden layer: the maximum of `pieces` dense outputs, normalised. */
typedef struct {
  Dense dense;
  const float *gain, *offset;
} Hidden;

typedef struct {
  const Header *header;
  float *tables[N_TABLES];
  Hidden mixer, layers[MAX_LAYERS];
  Dense output;
} Network;

static const char *skip(const char *data, gsize bytes)
{
  return data + (bytes + 3) / 4 * 4;
}

static const char *read_table(const char *data, gsize n, float **table)
{
  float scale;
  memcpy(&scale, data, sizeof scale);
  const signed char *values = (const signed char *)data + sizeof scale;
  *table = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    (*table)[i] = scale * (float)values[i];
  return skip(data, sizeof scale + n);
}

static const char *read_dense(const char *data, guint32 inputs, guint32 outputs, Dense *dense)
{
  const float *scales = (const float *)(gconstpointer)data;
  const signed char *values = (const signed char *)(scales + outputs);
  gsize n = (gsize)inputs * outputs;
  *dense = (Dense){inputs, outputs, g_new(float, n), NULL};
  for (gsize i = 0; i < n; i++)
    dense->weights[i] = scales[i % outputs] * (float)values[i];
  data = skip(data, outputs * sizeof(float) + n);
  dense->biases = (const float *)(gconstpointer)data;
  return data + outputs * sizeof(float);
}

static const char *read_hidden(const char *data, guint32 inputs, const Header *header, Hidden *hidden)
{
  data = read_dense(data, inputs, header->pieces * header->width, &hidden->dense);
  hidden->gain = (const float *)(gconstpointer)data;
  hidden->offset = hidden->gain + header->width;
  return data + 2 * header->width * sizeof(float);
}

static Network *read_network(void)
{
  Network *network = g_new0(Network, 1);
  const Header *header = (const Header *)(gconstpointer)weights_file;
  const char *data = weights_file + sizeof *header;
  guint32 inputs = 1;
  network->header = header;
  for (guint i = 0; i < N_TABLES; i++) {
    data = read_table(data, (gsize)header->rows[i] * header->dimensions[i], &network->tables[i]);
    inputs += header->dimensions[i];
  }
  data = read_hidden(data, inputs, header, &network->mixer);
  for (guint i = 0; i < header->layers; i++)
    data = read_hidden(data, 3 * header->width, header, &network->layers[i]);
  read_dense(data, header->width, header->labels, &network->output);
  return network;
}

static const Network *get_network(void)
{
  static gsize network;
  if (g_once_init_enter(&network))
    g_once_init_leave(&network, (gsize)read_network());
  return (const Network *)network;
}

/* --------------------------------------------------------------------- features */

/* 64-bit FNV-1a over code points with a final mix (the finalizer of MurmurHash3). */
static guint64 mix(guint64 hash)
{
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdu;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

static void add_rows(const gunichar *text, gsize length, guint table, guint16 *rows)
{
  guint32 n_rows = get_network()->header->rows[table];
  guint64 hash = 14695981039346656037u + table;
  for (gsize i = 0; i < length; i++)
    hash = (hash ^ text[i]) * 1099511628211u;
  for (guint i = 0; i < 4; i++) {
    hash = mix(hash + i + 1);
    rows[4 * table + i] = (guint16)(hash % n_rows);
  }
}

/* Letters become X or x, digits d; of a run of equal signs four are kept. */
static gsize write_shape(const gunichar *text, gsize length, gunichar *shape)
{
  gunichar last = 0;
  gsize run = 0, n = 0;
  for (gsize i = 0; i < length; i++) {
    UChar32 character = (UChar32)text[i];
    gunichar sign = u_isalpha(character)   ? (u_isupper(character) ? 'X' : 'x')
                    : u_isdigit(character) ? 'd'
                                           : (gunichar)character;
    run = sign == last ? run + 1 : 0;
    last = sign;
    if (run < 4)
      shape[n++] = sign;
  }
  return n;
}

static gunichar normalise(gunichar character)
{
  switch (character) {
  case 0x2018:
  case 0x2019:
  case 0x00B4:
  case '`':
    return '\'';
  case 0x201C:
  case 0x201D:
  case 0x201E:
    return '"';
  case 0x2013:
  case 0x2014:
    return '-';
  default:
    return g_unichar_tolower(character);
  }
}

void shop_noun_features(const gunichar *text, gsize length, gboolean space_after, ShopNounFeatures *features)
{
  gunichar small[64] = {0}, *buffer = length <= G_N_ELEMENTS(small) ? small : g_new(gunichar, length);
  for (gsize i = 0; i < length; i++)
    buffer[i] = normalise(text[i]);
  add_rows(buffer, length, 0, features->rows);
  add_rows(text, MIN(length, 1), 1, features->rows);
  add_rows(text + length - MIN(length, 3), MIN(length, 3), 2, features->rows);
  add_rows(buffer, write_shape(text, length, buffer), 3, features->rows);
  features->space_after = space_after;
  if (buffer != small)
    g_free(buffer);
}

/* -------------------------------------------------------------------- inference */

/* Four floats in a register. */
typedef float Four __attribute__((vector_size(16)));

static inline Four load(const float *values)
{
  Four four;
  memcpy(&four, values, sizeof four);
  return four;
}

#if defined(__x86_64__)
/* Eight of them. */
typedef float Eight __attribute__((vector_size(32)));

/* The same sums in the same order as below, hence the same results; twice as many at a time. Where a last
 * block would reach too far it begins earlier and computes some outputs again. */
__attribute__((target("avx"))) static void run_dense_avx(const Dense *dense, const float *input,
                                                         float *output)
{
  guint32 wide = 2 * BLOCK;
  for (guint32 next = 0; next < dense->outputs; next += wide) {
    guint32 first = MIN(next, dense->outputs - wide);
    const float *weights = dense->weights + first;
    Eight a, b, c, d, row;
    memcpy(&a, dense->biases + first, sizeof a);
    memcpy(&b, dense->biases + first + 8, sizeof b);
    memcpy(&c, dense->biases + first + 16, sizeof c);
    memcpy(&d, dense->biases + first + 24, sizeof d);
    for (guint32 i = 0; i < dense->inputs; i++, weights += dense->outputs) {
      Eight value = {input[i], input[i], input[i], input[i], input[i], input[i], input[i], input[i]};
      memcpy(&row, weights, sizeof row);
      a += value * row;
      memcpy(&row, weights + 8, sizeof row);
      b += value * row;
      memcpy(&row, weights + 16, sizeof row);
      c += value * row;
      memcpy(&row, weights + 24, sizeof row);
      d += value * row;
    }
    memcpy(output + first, &a, sizeof a);
    memcpy(output + first + 8, &b, sizeof b);
    memcpy(output + first + 16, &c, sizeof c);
    memcpy(output + first + 24, &d, sizeof d);
  }
}
#endif

/* output = biases + weights' * input, BLOCK outputs at a time so that their sums stay in registers. */
static void run_dense(const Dense *dense, const float *input, float *output)
{
#if defined(__x86_64__)
  if (dense->outputs >= 2 * BLOCK && __builtin_cpu_supports("avx")) {
    run_dense_avx(dense, input, output);
    return;
  }
#endif
  for (guint32 first = 0; first < dense->outputs; first += BLOCK) {
    const float *weights = dense->weights + first, *biases = dense->biases + first;
    Four a = load(biases), b = load(biases + 4), c = load(biases + 8), d = load(biases + 12);
    for (guint32 i = 0; i < dense->inputs; i++, weights += dense->outputs) {
      Four value = {input[i], input[i], input[i], input[i]};
      a += value * load(weights);
      b += value * load(weights + 4);
      c += value * load(weights + 8);
      d += value * load(weights + 12);
    }
    memcpy(output + first, &a, sizeof a);
    memcpy(output + first + 4, &b, sizeof b);
    memcpy(output + first + 8, &c, sizeof c);
    memcpy(output + first + 12, &d, sizeof d);
  }
}

/* output = normalised maximum over the pieces */
static void run_hidden(const Hidden *hidden, guint32 width, guint32 pieces, const float *input, float *output)
{
  float scores[MAX_WIDTH * 4], mean = 0.0f, variance = 0.0f;
  run_dense(&hidden->dense, input, scores);
  for (guint32 i = 0; i < width; i++) {
    output[i] = scores[i];
    for (guint32 piece = 1; piece < pieces; piece++)
      output[i] = MAX(output[i], scores[piece * width + i]);
    mean += output[i];
  }
  mean /= (float)width;
  for (guint32 i = 0; i < width; i++)
    variance += (output[i] - mean) * (output[i] - mean);
  float scale = 1.0f / sqrtf(variance / (float)width + 1e-6f);
  for (guint32 i = 0; i < width; i++)
    output[i] = (output[i] - mean) * scale * hidden->gain[i] + hidden->offset[i];
}

static void embed(const Network *network, const ShopNounFeatures *features, float *input)
{
  for (guint table = 0; table < N_TABLES; table++) {
    guint32 dimensions = network->header->dimensions[table];
    memset(input, 0, dimensions * sizeof(float));
    for (guint i = 0; i < 4; i++) {
      const float *row = network->tables[table] + (gsize)features->rows[4 * table + i] * dimensions;
      for (guint32 j = 0; j < dimensions; j++)
        input[j] += row[j];
    }
    input += dimensions;
  }
  *input = features->space_after ? 1.0f : 0.0f;
}

void shop_noun_network_run(const ShopNounFeatures *features, gsize n, gboolean *is_noun)
{
  const Network *network = get_network();
  const Header *header = network->header;
  guint32 width = header->width;
  /* Rows of activations with a row of zeros at either end. */
  float *before = g_new0(float, (n + 2) * width), *after = g_new0(float, (n + 2) * width);
  float scores[MAX(4 * MAX_WIDTH, MAX_LABELS)];
  for (gsize i = 0; i < n; i++) {
    embed(network, &features[i], scores);
    run_hidden(&network->mixer, width, header->pieces, scores, before + (i + 1) * width);
  }
  for (guint32 layer = 0; layer < header->layers; layer++) {
    for (gsize i = 0; i < n; i++) {
      float *row = after + (i + 1) * width;
      run_hidden(&network->layers[layer], width, header->pieces, before + i * width, row);
      for (guint32 j = 0; j < width; j++)
        row[j] += before[(i + 1) * width + j];
    }
    float *swap = before;
    before = after;
    after = swap;
  }
  for (gsize i = 0; i < n; i++) {
    guint32 best = 0;
    run_dense(&network->output, before + (i + 1) * width, scores);
    for (guint32 j = 1; j < header->labels; j++)
      if (scores[j] > scores[best])
        best = j;
    is_noun[i] = (header->noun_labels[best / 32] >> (best % 32)) & 1;
  }
  g_free(before);
  g_free(after);
}
