/* Chooses the kernels for the processor at hand. The tables are constant; the choice is made at every call,
 * from what the compiler's run time found at start-up. */
#include "models/kernels/kernels.h"

extern const BertKernels bert_kernels_generic;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define BERT_HAS_X86_KERNELS 1
extern const BertKernels bert_kernels_avx2, bert_kernels_avx512, bert_kernels_avx512_bf16;
#else
#define BERT_HAS_X86_KERNELS 0
#endif

const BertKernels *bert_kernels_named(const char *name)
{
#if BERT_HAS_X86_KERNELS
  __builtin_cpu_init();
  if (g_str_equal(name, "avx512_bf16"))
    return bert_kernels_named("avx512") && __builtin_cpu_supports("avx512bf16") ? &bert_kernels_avx512_bf16
                                                                                : NULL;
  if (g_str_equal(name, "avx512"))
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")
               ? &bert_kernels_avx512
               : NULL;
  if (g_str_equal(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")
               ? &bert_kernels_avx2
               : NULL;
#endif
  return g_str_equal(name, "generic") ? &bert_kernels_generic : NULL;
}

const BertKernels *bert_kernels(void)
{
  static const char *const names[] = {"avx512_bf16", "avx512", "avx2"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    const BertKernels *kernels = bert_kernels_named(names[i]);
    if (kernels)
      return kernels;
  }
  return &bert_kernels_generic;
}
