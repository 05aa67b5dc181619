#ifndef TEST_EMULATED_AMX_H
#define TEST_EMULATED_AMX_H

#include "models/kernels/kernels.h"

extern const BertKernels bert_kernels_wide; /* wide.c */

/* That table with the bf16 products of AMX, done in plain C. */
BertKernels emulated_amx_make(void);

#endif
