#ifndef TEST_EMULATED_AMX_H
#define TEST_EMULATED_AMX_H

#include "models/kernels/kernels.h"

/* `base` with the bf16 products of AMX, done in plain C. */
BertKernels emulated_amx_on(const BertKernels *base);

#endif
