/* Passes over rows: LayerNorm, activations, softmax. Part of body.h. */

static void affine(gsize n, const float *x, const float *weight, const float *bias, float *output)
{
  for (gsize i = 0; i < n; i++)
    output[i] = x[i] * weight[i] + bias[i];
}

static float layer_norm(gsize n, const float *x, const float *residual, const float *weight,
                        const float *bias, float epsilon, float *normalised, float *output)
{
  float total = 0, squares = 0;
  if (residual) {
    for (gsize i = 0; i < n; i++) {
      output[i] = x[i] + residual[i];
      total += output[i];
    }
  } else {
    for (gsize i = 0; i < n; i++) {
      output[i] = x[i];
      total += output[i];
    }
  }
  float mean = total / (float)n;
  for (gsize i = 0; i < n; i++) {
    float difference = output[i] - mean;
    squares += difference * difference;
  }
  float inverse = 1.0f / sqrtf(squares / (float)n + epsilon);
  /* Two loops, whether or not the normalised row is wanted, so that both round alike. */
  float *middle = normalised ? normalised : output;
  for (gsize i = 0; i < n; i++)
    middle[i] = (output[i] - mean) * inverse;
  affine(n, middle, weight, bias, output);
  return inverse;
}

static void layer_norm_backward(gsize n, const float *d_output, const float *normalised, const float *weight,
                                float inverse_deviation, float *d_x, float *d_weight, float *d_bias)
{
  float total = 0, projection = 0;
  for (gsize i = 0; i < n; i++) {
    float d = d_output[i];
    d_weight[i] += d * normalised[i];
    d_bias[i] += d;
    total += d * weight[i];
    projection += d * weight[i] * normalised[i];
  }
  total /= (float)n;
  projection /= (float)n;
  for (gsize i = 0; i < n; i++)
    d_x[i] = inverse_deviation * (d_output[i] * weight[i] - total - normalised[i] * projection);
}

/* e^x for x <= 0 to a relative error of 2e-7, and 0 below -87.3: x = n ln 2 + r with |r| <= ln 2 / 2, a
 * polynomial in r (Cephes' expf), and n put into the exponent. The limit is a matter of n and not of x, so
 * that NaN passes through. */
static inline float exponential(float x)
{
  gint32 whole = (gint32)(x * 1.44269504f - 0.5f);
  float n = (float)whole;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  union {
    gint32 bits;
    float value;
  } power = {.bits = whole < -126 ? 0 : (whole + 127) << 23};
  return y * power.value;
}

/* Activations are made in stretches: first what output and derivative share, then each of them in a loop of
 * its own, so that the output does not depend on whether the derivative is wanted. */
#define STRETCH 256

/* The normal distribution function and density. The upper tail of erf is Abramowitz and Stegun 7.1.26
 * (absolute error 1.5e-7), which needs the same exponential as the density. */
static inline void normal(gsize n, const float *x, float *distribution, float *density)
{
  for (gsize i = 0; i < n; i++) {
    float value = x[i], size = fabsf(value) * 0.70710678f;
    float t = 1.0f / (1.0f + 0.3275911f * size);
    float e = exponential(-size * size);
    float tail =
        ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float bf16 = 0.5f * tail * e;
    distribution[i] = value < 0 ? bf16 : 1.0f - bf16;
    density[i] = 0.39894228f * e;
  }
}

/* x's share in gelu_tanh, and the share's derivative. */
static inline void tanh_share(gsize n, const float *x, float *share, float *slope)
{
  for (gsize i = 0; i < n; i++) {
    float value = x[i], square = value * value;
    float inner = 1.5957691216f * value * (1.0f + 0.044715f * square); /* twice the argument of tanh */
    float e = exponential(-fabsf(inner));
    float tail = e / (1.0f + e); /* (1 - tanh) / 2 of the magnitude */
    share[i] = value < 0 ? tail : 1.0f - tail;
    slope[i] = tail * (1.0f - tail) * 1.5957691216f * (1.0f + 0.134145f * square);
  }
}

static inline void combine(gsize n, const float *x, const float *share, const float *slope, float *output,
                           float *derivative)
{
  float products[STRETCH];
  for (gsize i = 0; i < n; i++)
    products[i] = x[i] * share[i];
  if (derivative)
    for (gsize i = 0; i < n; i++)
      derivative[i] = share[i] + x[i] * slope[i];
  memcpy(output, products, n * sizeof *output);
}

static void gelu(gsize n, const float *x, float *output, float *derivative)
{
  float share[STRETCH], slope[STRETCH];
  for (gsize i = 0; i < n; i += STRETCH) {
    gsize count = MIN((gsize)STRETCH, n - i);
    normal(count, x + i, share, slope);
    combine(count, x + i, share, slope, output + i, derivative ? derivative + i : NULL);
  }
}

static void gelu_tanh(gsize n, const float *x, float *output, float *derivative)
{
  float share[STRETCH], slope[STRETCH];
  for (gsize i = 0; i < n; i += STRETCH) {
    gsize count = MIN((gsize)STRETCH, n - i);
    tanh_share(count, x + i, share, slope);
    combine(count, x + i, share, slope, output + i, derivative ? derivative + i : NULL);
  }
}

/* The largest element, lane by lane: a loop over single elements would not vectorise where NaN counts. */
static inline float largest_of(gsize n, const float *x)
{
  float largest = x[0];
  gsize i = 0;
  if (n >= LANES) {
    Vector lanes = load(x);
    for (i = LANES; i + LANES <= n; i += LANES) {
      Vector next = load(x + i);
      IntegerVector greater = next > lanes;
      lanes = (Vector)(((IntegerVector)next & greater) | ((IntegerVector)lanes & ~greater));
    }
    for (gsize j = 0; j < LANES; j++)
      largest = lanes[j] > largest ? lanes[j] : largest;
  }
  for (; i < n; i++)
    largest = x[i] > largest ? x[i] : largest;
  return largest;
}

static void softmax(gsize n, float scale, float *x)
{
  float largest = largest_of(n, x), total = 0;
  for (gsize i = 0; i < n; i++) {
    x[i] = exponential(scale * (x[i] - largest));
    total += x[i];
  }
  float inverse = 1.0f / total;
  for (gsize i = 0; i < n; i++)
    x[i] *= inverse;
}

/* `exponential`, in all lanes. */
static inline Vector exponential_lanes(Vector x)
{
  IntegerVector whole = __builtin_convertvector(x * 1.44269504f - 0.5f, IntegerVector);
  Vector n = __builtin_convertvector(whole, Vector);
  Vector r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vector y = 1.9875691500e-4f * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  return y * (Vector)(((whole + 127) << 23) & (whole >= -126));
}

static inline float sum_of_lanes(Vector x)
{
  float lanes[LANES];
  store(lanes, x);
  for (gsize bf16 = LANES / 2; bf16 > 0; bf16 /= 2)
    for (gsize i = 0; i < bf16; i++)
      lanes[i] += lanes[i + bf16];
  return lanes[0];
}

static inline float maximum_of_lanes(Vector x)
{
  float lanes[LANES];
  store(lanes, x);
  for (gsize bf16 = LANES / 2; bf16 > 0; bf16 /= 2)
    for (gsize i = 0; i < bf16; i++)
      lanes[i] = lanes[i + bf16] > lanes[i] ? lanes[i + bf16] : lanes[i];
  return lanes[0];
}

static inline Vector select_lanes(IntegerVector mask, Vector yes, Vector no)
{
  return (Vector)(((IntegerVector)yes & mask) | ((IntegerVector)no & ~mask));
}

/* -1 in the first `count` lanes. */
static inline IntegerVector first_lanes(gint32 count)
{
  IntegerVector index;
  for (gint32 i = 0; i < LANES; i++)
    index[i] = i;
  return index < count;
}

static void softmax_padded(gsize n, gsize padded, float scale, float *x)
{
  gsize last = (n - 1) / LANES * LANES; /* where the last vector begins */
  IntegerVector inside = first_lanes((gint32)(n - last));
  Vector largest = select_lanes(inside, load(x + last), (Vector){0} + x[0]), total = {0};
  for (gsize i = 0; i < last; i += LANES) {
    Vector value = load(x + i);
    largest = select_lanes(value > largest, value, largest);
  }
  float top = maximum_of_lanes(largest);
  for (gsize i = 0; i < last; i += LANES) {
    Vector value = exponential_lanes((load(x + i) - top) * scale);
    store(x + i, value);
    total += value;
  }
  Vector tail = (Vector)((IntegerVector)exponential_lanes((load(x + last) - top) * scale) & inside);
  float inverse = 1.0f / sum_of_lanes(total + tail);
  for (gsize i = 0; i < last; i += LANES)
    store(x + i, load(x + i) * inverse);
  store(x + last, tail * inverse);
  for (gsize i = last + LANES; i < padded; i++)
    x[i] = 0;
}

static void softmax_padded_backward(gsize n, gsize padded, float scale, const float *p, float *d_p)
{
  gsize last = (n - 1) / LANES * LANES;
  IntegerVector inside = first_lanes((gint32)(n - last));
  Vector tail = (Vector)((IntegerVector)load(d_p + last) & inside), products = load(p + last) * tail;
  for (gsize i = 0; i < last; i += LANES)
    products += load(p + i) * load(d_p + i);
  float total = sum_of_lanes(products);
  for (gsize i = 0; i < last; i += LANES)
    store(d_p + i, load(p + i) * (load(d_p + i) - total) * scale);
  store(d_p + last, load(p + last) * (tail - total) * scale);
  for (gsize i = last + LANES; i < padded; i++)
    d_p[i] = 0;
}

static void softmax_backward(gsize n, float scale, const float *p, float *d_p)
{
  float total = 0;
  for (gsize i = 0; i < n; i++)
    total += p[i] * d_p[i];
  for (gsize i = 0; i < n; i++)
    d_p[i] = scale * p[i] * (d_p[i] - total);
}
