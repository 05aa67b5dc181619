/* The products of AMX for any processor: the same source as the processor's own, with the tile instructions
 * in plain C. Everything else of the table is that of the best table here, or of generic. */
#pragma GCC diagnostic ignored "-Wpsabi"
#include "tests/kernels/emulated_amx.h"

#include "tests/kernels/emulated_tiles.h"
#define BERT_AMX_NAME "emulated_amx"
#include "models/kernels/amx_product.h"

BertKernels emulated_amx_on(const BertKernels *base)
{
  BertKernels table = *base;
  use_tiles(&table);
  return table;
}
