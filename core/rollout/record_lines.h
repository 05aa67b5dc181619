/* Records of a file of recorded sessions, of one line or of several. */
#ifndef CW_RECORD_LINES_H
#define CW_RECORD_LINES_H

#include "core/base/lines.h"
#include "core/plugin/handles.h"

/* The text of the next record: the next line and all that the environment says belong to it. As cw_lines_next
 * otherwise. */
const char *cw_record_lines_next(CwLines *lines, CwEnvironment *environment, GError **error);

#endif
