/* The kernels for x86-64 processors with AVX-512 and its bf16 instructions (AVX512_BF16). Empty elsewhere. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("arch=x86-64-v4,avx512bf16,prefer-vector-width=512")
#define BERT_ISA   avx512_bf16
#define BERT_LANES 16
#define BERT_TILE  12
#define BERT_PAIRS 1
#include "models/kernels/body.h"
#else
typedef int BertNothingHere;
#endif
