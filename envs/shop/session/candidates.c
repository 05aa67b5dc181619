/* Candidate actions of a page. `honest`: every clickable, and search queries made from the instruction.
 * `upstream`: as the original's wrapper, with queries made from the goal's hidden fields and a random cut
 * (docs/spec 7.5). Texts belong to the catalogue, to the session's query strings, or are literals. */
#include "envs/shop/session/queries.h"
#include "envs/shop/session/session_private.h"
#include "envs/shop/text/action.h"
#include "envs/shop/text/text.h"

#include <string.h>

#define UPSTREAM_LIMIT 20
#define UPSTREAM_KEPT  6
#define UPSTREAM_DRAWN 10

static inline void push(ShopSession *session, const char *text, ShopActionKind kind, guint32 argument)
{
  if (G_UNLIKELY(session->n_candidates == session->candidates_room)) {
    session->candidates_room += session->candidates_room / 2 + 16;
    session->candidates = g_renew(ShopCandidate, session->candidates, session->candidates_room);
  }
  session->candidates[session->n_candidates++] = (ShopCandidate){text, kind, argument};
}

/* The original's cut: the first six, then ten of the rest in random order. */
static void cut_upstream(ShopSession *session)
{
  ShopCandidate *items = session->candidates + UPSTREAM_KEPT;
  guint n = session->n_candidates - UPSTREAM_KEPT;
  for (guint i = 0; i < UPSTREAM_DRAWN; i++) {
    guint j = i + cw_random_below(session->random, n - i);
    ShopCandidate spare = items[i];
    items[i] = items[j];
    items[j] = spare;
  }
  session->n_candidates = UPSTREAM_KEPT + UPSTREAM_DRAWN;
}

static inline void add(ShopSession *session, const char *text, ShopActionKind kind, guint32 argument)
{
  const ShopSettings *settings = &session->world->settings;
  gboolean honest = settings->candidates == SHOP_CANDIDATES_HONEST;
  if (honest && settings->max_candidates > 0 && session->n_candidates >= settings->max_candidates)
    return;
  push(session, text, kind, argument);
  if (!honest && session->page != SHOP_PAGE_SEARCH && session->n_candidates > UPSTREAM_LIMIT)
    cut_upstream(session);
}

/* The text of a candidate whose button was clicked before, where such are marked. */
static const char *mark(ShopSession *session, const char *text, gboolean clicked)
{
  if (!clicked || !session->world->settings.mark_clicked)
    return text;
  if (session->n_marked == session->marked->len)
    g_ptr_array_add(session->marked, g_string_new(NULL));
  GString *marked = session->marked->pdata[session->n_marked++];
  g_string_assign(marked, SHOP_CLICKED_MARK);
  g_string_append(marked, text);
  return marked->str;
}

/* docs/spec 7.5: the goal's query, each attribute with it, the instruction. */
static void make_upstream_queries(ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopGoalView *goal = session->goal;
  const char *query = shop_string(catalogue, catalogue->products[goal->product].query);
  shop_queries_add(session->queries, &session->n_queries, query, strlen(query));
  for (guint i = 0; i < goal->attributes->len; i++) {
    g_string_assign(session->scratch, goal->attributes->pdata[i]);
    g_string_append_c(session->scratch, ' ');
    g_string_append(session->scratch, query);
    shop_queries_add(session->queries, &session->n_queries, session->scratch->str, session->scratch->len);
  }
  shop_queries_add(session->queries, &session->n_queries, goal->instruction->str, goal->instruction->len);
}

void shop_session_write_queries(ShopSession *session)
{
  session->n_queries = session->n_added = 0;
  if (session->world->settings.candidates == SHOP_CANDIDATES_UPSTREAM)
    make_upstream_queries(session);
  else
    shop_queries_make(session->goal->instruction->str, session->queries, &session->n_queries, NULL);
}

static void add_queries(ShopSession *session, guint first, guint end)
{
  for (guint i = first; i < end; i++)
    add(session, ((GString *)session->queries->pdata[i])->str, SHOP_ACTION_SEARCH, 0);
}

static void add_results(ShopSession *session)
{
  const ShopWorld *world = session->world;
  add(session, "click[back to search]", SHOP_ACTION_BACK_TO_SEARCH, 0);
  if (session->page_number > 1)
    add(session, "click[< prev]", SHOP_ACTION_PREVIOUS, 0);
  add(session, "click[next >]", SHOP_ACTION_NEXT, 0);
  guint first, end;
  shop_session_shown(session, &first, &end);
  for (guint i = first; i < end; i++) {
    guint32 product = g_array_index(session->results, guint32, i);
    const char *text = shop_string(world->catalogue, world->catalogue->products[product].item_action);
    ShopActionKind kind = SHOP_ACTION_ITEM;
    guint32 opened = product;
    if (world->title_owner && world->title_owner[product] != product) {
      /* The original finds the item by its title: the last with that title, which can be clicked only when
       * this page shows it. */
      opened = world->title_owner[product];
      kind = SHOP_ACTION_NONE;
      for (guint j = first; j < end; j++)
        if (g_array_index(session->results, guint32, j) == opened)
          kind = SHOP_ACTION_ITEM;
    }
    add(session, mark(session, text, shop_session_visited(session, opened)), kind, opened);
  }
}

static gboolean is_button(const ShopSession *session, const char *label)
{
  static const char *const labels[] = {"back to search", "< prev",  "description", "features",
                                       "reviews",        "buy now", "search"};
  for (guint i = 0; i < G_N_ELEMENTS(labels); i++)
    if (strcmp(label, labels[i]) == 0)
      return TRUE;
  return session->shows_attributes && strcmp(label, "attributes") == 0;
}

static void add_option(ShopSession *session, guint32 index)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopOptionTarget *target = &catalogue->targets[index];
  gboolean clicked = shop_session_selected(session, target->group) == target->value;
  add(session, mark(session, shop_string(catalogue, target->action), clicked), SHOP_ACTION_OPTION, index);
}

static void add_item(ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  add(session, "click[back to search]", SHOP_ACTION_BACK_TO_SEARCH, 0);
  add(session, "click[< prev]", SHOP_ACTION_PREVIOUS, 0);
  add(session, "click[description]", SHOP_ACTION_SUB, SHOP_SUB_DESCRIPTION);
  add(session, "click[features]", SHOP_ACTION_SUB, SHOP_SUB_FEATURES);
  add(session, "click[reviews]", SHOP_ACTION_SUB, SHOP_SUB_REVIEWS);
  if (session->shows_attributes)
    add(session, "click[attributes]", SHOP_ACTION_SUB, SHOP_SUB_ATTRIBUTES);
  add(session, "click[buy now]", SHOP_ACTION_BUY, 0);
  for (guint32 t = product->targets.first; t < product->targets.first + product->targets.count; t++) {
    const ShopOptionTarget *target = &catalogue->targets[t];
    const char *action = shop_string(catalogue, target->action);
    if (G_LIKELY(!target->special)) {
      add_option(session, t);
    } else if (!is_button(session, shop_string(catalogue, target->value))) {
      guint32 argument;
      ShopActionKind kind = shop_session_resolve(session, action, &argument);
      add(session, action, kind, argument);
    }
  }
  if (session->world->settings.mode == SHOP_MODE_FIXED)
    for (guint32 t = product->shadowed.first; t < product->shadowed.first + product->shadowed.count; t++)
      add_option(session, t);
}

void shop_session_write_candidates(ShopSession *session)
{
  session->n_candidates = session->n_marked = 0;
  switch (session->page) {
  case SHOP_PAGE_SEARCH:
    add_queries(session, 0, session->n_queries);
    break;
  case SHOP_PAGE_RESULTS:
    add_results(session);
    break;
  case SHOP_PAGE_ITEM:
    add_item(session);
    break;
  case SHOP_PAGE_SUB:
    add(session, "click[back to search]", SHOP_ACTION_BACK_TO_SEARCH, 0);
    add(session, "click[< prev]", SHOP_ACTION_PREVIOUS, 0);
    break;
  case SHOP_PAGE_DONE:
    add(session, "finish", SHOP_ACTION_NONE, 0);
    break;
  }
}

static guint results_of(const ShopWorld *world, const char *query, guint32 *results)
{
  guint n = shop_index_search(world->index, query, SHOP_RESULT_LIMIT, results);
  return n == SHOP_INDEX_TOO_MANY_TERMS ? 0 : n;
}

/* How alike two lists of products are, from 0 to 1 (the Dice coefficient). */
static double likeness(const guint32 *first, guint n_first, const guint32 *second, guint n_second)
{
  guint n_shared = 0;
  for (guint i = 0; i < n_first; i++)
    for (guint j = 0; j < n_second; j++)
      n_shared += first[i] == second[j];
  return n_first + n_second > 0 ? 2.0 * n_shared / (n_first + n_second) : 0;
}

/* The candidate search whose results are most like those of `query`: the first page and all of them, added
 * up; the first of equals. -1 when there is no search among the candidates. */
static gint find_nearest_search(ShopSession *session, const char *query, gsize length)
{
  const ShopWorld *world = session->world;
  guint32 wanted[SHOP_RESULT_LIMIT], found[SHOP_RESULT_LIMIT];
  g_string_truncate(session->scratch, 0);
  shop_text_append_lower(session->scratch, query, length);
  guint n_wanted = results_of(world, session->scratch->str, wanted), n_candidates;
  const ShopCandidate *candidates = shop_session_candidates(session, &n_candidates);
  gint nearest = -1;
  double most = 0;
  for (guint i = 0; i < n_candidates; i++) {
    if (candidates[i].kind != SHOP_ACTION_SEARCH)
      continue;
    const char *argument = candidates[i].text + strlen("search[");
    g_string_assign(session->scratch, argument);
    g_string_truncate(session->scratch, session->scratch->len - strlen("]"));
    guint n_found = results_of(world, session->scratch->str, found);
    double near =
        likeness(wanted, n_wanted, found, n_found) +
        likeness(wanted, MIN(n_wanted, SHOP_ITEMS_PER_PAGE), found, MIN(n_found, SHOP_ITEMS_PER_PAGE));
    if (nearest < 0 || near > most) {
      nearest = (gint)i;
      most = near;
    }
  }
  return nearest;
}

/* The index of the search for `query`; adds it, whatever the limit, or gives -1. */
static gint find_search(ShopSession *session, const char *query, gsize length, gboolean may_add)
{
  guint n_candidates, n = session->n_queries + session->n_added, before = n;
  shop_session_candidates(session, &n_candidates);
  guint index = shop_queries_add(session->queries, &n, query, length);
  const GString *action = session->queries->pdata[index];
  for (guint i = 0; i < n_candidates; i++)
    if (strcmp(session->candidates[i].text, action->str) == 0)
      return (gint)i;
  if (!may_add)
    return -1;
  session->n_added += n - before;
  push(session, action->str, SHOP_ACTION_SEARCH, 0);
  return (gint)n_candidates;
}

guint shop_session_add_search(ShopSession *session, const char *query)
{
  return (guint)find_search(session, query, strlen(query), TRUE);
}

gint shop_session_candidate_of(ShopSession *session, const char *action, gboolean may_add)
{
  guint32 argument;
  guint n_candidates;
  ShopActionKind kind = shop_session_resolve(session, action, &argument);
  if (kind == SHOP_ACTION_SEARCH) {
    ShopActionText parts;
    shop_action_parse(action, session->world->settings.mode == SHOP_MODE_FIXED, &parts);
    gboolean adds = may_add && session->world->settings.recorded_searches == SHOP_SEARCHES_ADDED;
    gint found = find_search(session, parts.argument, parts.argument_length, adds);
    return found >= 0 || !may_add || adds
               ? found
               : find_nearest_search(session, parts.argument, parts.argument_length);
  }
  const ShopCandidate *candidates = shop_session_candidates(session, &n_candidates);
  for (guint i = 0; kind != SHOP_ACTION_NONE && i < n_candidates; i++)
    if (candidates[i].kind == kind && candidates[i].argument == argument)
      return (gint)i;
  return -1;
}
