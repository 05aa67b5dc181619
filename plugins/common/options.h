/* Option rows that several algorithms have, so that they are called and explained
 * alike everywhere. */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include "plugins/common/schedule.h"
#include <cartwright/cartwright.h>
#include <stddef.h>

/* The optimiser's part of an options struct. */
typedef struct {
  double learning_rate;
  gint schedule; /* CommonSchedule */
  double warmup;
  double max_gradient_norm;
  gint64 batch_tokens; /* in one forward pass */
} CommonOptimizer;

#define COMMON_OPTIMIZER_ROWS(Options, member)                                                               \
  {"learning_rate",                                                                                          \
   CW_OPTION_NUMBER,                                                                                         \
   offsetof(Options, member.learning_rate),                                                                  \
   .default_value = "1e-5",                                                                                  \
   .minimum = 0,                                                                                             \
   .maximum = 100,                                                                                           \
   .help = "peak learning rate; 1e-5 suits the fine-tuning of a BERT"},                                      \
      {"schedule",                                                                                           \
       CW_OPTION_ENUM,                                                                                       \
       offsetof(Options, member.schedule),                                                                   \
       .default_value = "constant",                                                                          \
       .values = common_schedules,                                                                           \
       .help = "course of the learning rate after the warm-up; linear and cosine fall to zero"},             \
      {"warmup",                                                                                             \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.warmup),                                                                     \
       .default_value = "0",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 1,                                                                                         \
       .help = "share of the stage over which the learning rate rises to its peak"},                         \
      {"max_gradient_norm",                                                                                  \
       CW_OPTION_NUMBER,                                                                                     \
       offsetof(Options, member.max_gradient_norm),                                                          \
       .default_value = "1",                                                                                 \
       .minimum = 0,                                                                                         \
       .maximum = 1e9,                                                                                       \
       .help = "gradients are clipped to this L2 norm; 0 does not clip"},                                    \
  {                                                                                                          \
    "batch_tokens", CW_OPTION_INTEGER, offsetof(Options, member.batch_tokens),                               \
        .flags = CW_OPTION_RESUME_SAFE, .default_value = "8192", .minimum = 1, .maximum = 1000000000,        \
        .unit = "tokens",                                                                                    \
        .help = "tokens in one forward pass, at most; bounds memory, and gradients add up over the passes "  \
                "of a step"                                                                                  \
  }

/* The learning rate of the part of the stage from `begin` to `end` (0 .. 1). */
static inline double common_learning_rate(const CommonOptimizer *optimizer, double begin, double end)
{
  return optimizer->learning_rate *
         common_schedule((CommonSchedule)optimizer->schedule, optimizer->warmup, begin, end);
}

#endif
