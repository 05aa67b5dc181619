/* The inside of a session, shared by its state machine (session.c), its pages (pages.c) and its candidates
 * (candidates.c). */
#ifndef SHOP_SESSION_PRIVATE_H
#define SHOP_SESSION_PRIVATE_H

#include "envs/shop/session/session.h"
#include "envs/shop/text/action.h"

#define SHOP_RESULT_LIMIT  50
#define SHOP_SCRIPT_MEMORY 256

/* What a candidate begins with whose button was clicked before, with mark_clicked. */
#define SHOP_CLICKED_MARK "[clicked button] "

/* Growing bytes, NUL-terminated on demand. */
typedef struct ShopBuffer {
  char *bytes;
  gsize length, room;
} ShopBuffer;

struct ShopSession {
  const ShopWorld *world;
  ShopGoalView *goal;
  CwRandom *random;

  ShopForm form;
  gboolean shows_attributes; /* items have a sub page of attributes */
  ShopPageWriter writer;     /* or NULL: pages.c */
  ShopPage page;
  ShopSubPage sub_page;
  GString *keywords; /* the lower-cased query; empty on the search page */
  gint page_number;
  guint32 product;
  GArray *results;    /* guint32 */
  GArray *selections; /* ShopSelection, in the order in which groups were first chosen */
  GArray *visited;    /* guint32 */
  gint64 n_steps;
  ShopActionKind taken; /* by the last step; NONE before the first */
  guint32 taken_argument;
  ShopReward reward;
  CwNamedValue parts[4];

  ShopBuffer text;
  gboolean text_ready;
  ShopCandidate *candidates; /* n_candidates of candidates_room */
  guint n_candidates, candidates_room;
  gboolean candidates_ready;
  GPtrArray *queries; /* GString *, "search[...]": n_queries of this goal, then spare ones */
  guint n_queries;
  guint n_added;     /* search actions added since the last step, kept behind the n_queries */
  GPtrArray *marked; /* GString *, candidates that say that they were clicked: n_marked, then spare ones */
  guint n_marked;
  GPtrArray *values; /* const char *: what is bought */
  GString *scratch, *url;
  GArray *segments;      /* offset and length of what stands between double quotes in url */
  ShopString chosen[16]; /* n_chosen names and values of the chosen options, where they decide about clicked
                            labels */
  guint n_chosen;
  guint64 memory[SHOP_SCRIPT_MEMORY / sizeof(guint64)];
};

/* pages.c: writes the present page into session->text. */
void shop_session_write_page(ShopSession *session);
/* candidates.c: fills session->candidates. */
void shop_session_write_candidates(ShopSession *session);
/* candidates.c: the search queries of a new goal. */
void shop_session_write_queries(ShopSession *session);

/* session_actions.c: as shop_session_resolve; with SHOP_ACTION_SEARCH the query is in *parts. */
ShopActionKind shop_session_read_action(ShopSession *session, const char *action, guint32 *argument,
                                        ShopActionText *parts);

/* session_url.c: whether `needle` occurs in the address of the present page; what the original takes for the
 * page's name. */
gboolean shop_session_url_has(ShopSession *session, const char *needle);

static inline gboolean shop_session_is_fixed(const ShopSession *session)
{
  return session->world->settings.mode == SHOP_MODE_FIXED;
}

#endif
