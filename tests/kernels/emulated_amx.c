/* The products of AMX for any processor: the same source as the processor's own, with the tile instructions
 * in plain C. Everything else of the table is that of wide.c: AMX's panels have 32 columns, and callers count
 * the panels of floats by the same number. */
#pragma GCC diagnostic ignored "-Wpsabi"
#include "tests/kernels/emulated_amx.h"

#include "tests/kernels/emulated_tiles.h"
#define BERT_AMX_NAME "emulated_amx"
#include "models/kernels/amx_product.h"

BertKernels emulated_amx_make(void)
{
  BertKernels table = bert_kernels_wide;
  use_tiles(&table);
  return table;
}
