/* Joins the lines of a record. */
#include "core/rollout/record_lines.h"

const char *cw_record_lines_next(CwLines *lines, CwEnvironment *environment, GError **error)
{
  const char *record = cw_lines_next(lines, error), *more;
  while (record && (more = cw_lines_peek(lines)) &&
         cw_environment_continues_record(environment, record, more))
    record = cw_lines_join(lines);
  return record;
}
