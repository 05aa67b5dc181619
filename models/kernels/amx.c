/* The bf16 products for x86-64 processors with AMX; everything else of their table is that of AVX512_BF16.
 * Empty elsewhere, and with compilers that do not know the tile instructions. */
#include "models/kernels/kernels.h"
#if defined(__x86_64__) && defined(__GNUC__) && __GNUC__ >= 11 && !defined(__clang__)
#pragma GCC target("arch=x86-64-v4,avx512bf16,amx-tile,amx-bf16,prefer-vector-width=512")
#include <immintrin.h>
#define BERT_AMX_NAME "amx"
#include "models/kernels/amx_product.h"

void bert_kernels_use_tiles(BertKernels *table);
void bert_kernels_use_tiles(BertKernels *table)
{
  use_tiles(table);
}
#else
typedef int BertNothingHere;
#endif
