/* The order in which goals of a split are visited when all should have their turn: every pass over them is
 * shuffled anew. */
#ifndef CW_GOAL_ORDER_H
#define CW_GOAL_ORDER_H

#include <glib.h>

typedef struct CwGoalOrder CwGoalOrder;

/* `index` tells one use from another (the number of a stage). n_goals > 0. */
CwGoalOrder *cw_goal_order_new(guint32 seed, guint64 index, guint32 n_goals);
void cw_goal_order_free(CwGoalOrder *order); /* accepts NULL */

/* The goal that stands at place `number`, counted from 0 over all passes. */
gint64 cw_goal_order_at(CwGoalOrder *order, guint64 number);

#endif
