/* The kernels for any processor: 128-bit vectors, which every x86-64 and AArch64 has and which a compiler can
 * take apart for others. */
#define BERT_ISA   generic
#define BERT_LANES 4
#define BERT_TILE  6
#include "models/kernels/body.h"
