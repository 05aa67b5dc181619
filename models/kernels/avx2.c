/* The kernels for x86-64 processors with AVX2 and FMA. Empty elsewhere. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("arch=x86-64-v3")
#define BERT_ISA   avx2
#define BERT_LANES 8
#define BERT_TILE  6
/* Six rows have room in the first-level cache wherever they lie: packing them cost more than it gave. */
#define BERT_IN_PLACE 1
#include "models/kernels/body.h"
#else
typedef int BertNothingHere;
#endif
