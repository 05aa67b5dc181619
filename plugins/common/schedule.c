/* The course of a learning rate: a warm-up, then constant, linear or cosine. It is
 * told in shares of the stage, since not every algorithm knows the number of its
 * updates in advance. */
#include "plugins/common/schedule.h"
#include <glib.h>
#include <math.h>

const char *const common_schedules[] = {"constant", "linear", "cosine", NULL};

double common_schedule(CommonSchedule schedule, double warmup, double begin, double end)
{
  double left;

  if (end < warmup)
    return end / warmup;
  left = warmup < 1 ? CLAMP((1 - begin) / (1 - warmup), 0, 1) : 1;
  switch (schedule) {
  case COMMON_LINEAR:
    return left;
  case COMMON_COSINE:
    return 0.5 * (1 - cos(G_PI * left));
  case COMMON_CONSTANT:
    break;
  }
  return 1;
}
