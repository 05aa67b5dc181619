/* The kernels for x86-64 processors with AVX-512 (F, BW, CD, DQ, VL). Empty elsewhere. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#define BERT_ISA   avx512
#define BERT_LANES 16
#define BERT_TILE  12
#include "models/kernels/body.h"
#else
typedef int BertNothingHere;
#endif
