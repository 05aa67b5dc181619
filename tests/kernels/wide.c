/* The kernels with the widths of AVX-512 for any processor, so that their logic is tested everywhere. */
#pragma GCC diagnostic ignored "-Wpsabi"
#define BERT_ISA      wide
#define BERT_LANES    16
#define BERT_TILE     12
#define BERT_PORTABLE 1
#include "models/kernels/body.h"
