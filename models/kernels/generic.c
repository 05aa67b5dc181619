/* The kernels for any processor: 128-bit vectors, which every x86-64 and AArch64 (NEON) has and which a
 * compiler can take apart for others. AArch64 has 32 vector registers, so that a tile may have twice the
 * rows: 24 multiply-adds for 8 loads instead of 12 for 5. */
#define BERT_ISA   generic
#define BERT_LANES 4
#ifdef __aarch64__
#define BERT_TILE 12
#else
#define BERT_TILE 6
#endif
#include "models/kernels/body.h"
