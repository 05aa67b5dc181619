/* What can be asked of an algorithm's losses while it learns: that their slopes are their derivatives, and
 * that they are pure. */
#ifndef CW_CHECK_LOSSES_H
#define CW_CHECK_LOSSES_H

#include "conformance/check_suite.h"

typedef struct {
  CwVerdict *verdict;
  guint n_calls;    /* of cw_accumulate, looked at so far */
  guint n_compared; /* derivatives, or items */
} CwLossWatch;

/* From now on the slopes of every call are compared with central differences of the returned loss, and each
 * loss is called again alone and in another order; the first difference fails the verdict. */
void cw_check_slopes_begin(CwLossWatch *watch, CwVerdict *verdict);
void cw_check_purity_begin(CwLossWatch *watch, CwVerdict *verdict);
/* Ends either; a verdict about no loss at all is a skip. */
void cw_check_losses_end(CwLossWatch *watch);

#endif
