/* The course of a learning rate over a stage. */
#ifndef COMMON_SCHEDULE_H
#define COMMON_SCHEDULE_H

typedef enum { COMMON_CONSTANT, COMMON_LINEAR, COMMON_COSINE } CommonSchedule;

/* Their names, for option tables; NULL-terminated. */
extern const char *const common_schedules[];

/* The factor (0 .. 1) of the peak learning rate for an update that takes the stage
 * from `begin` to `end`, both shares of the whole: it rises linearly over the share
 * `warmup`, then stays, or falls so that it would be 0 at the stage's end. The first
 * update of a warm-up is not 0 and neither is the last of a stage. */
double common_schedule(CommonSchedule schedule, double warmup, double begin, double end);

#endif
