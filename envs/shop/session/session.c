/* The state machine of one shopping session (docs/spec 5.3 to 5.7). Pages and candidates are written
 * lazily from this state, by pages.c and candidates.c. Where the original decides by looking into the page's
 * address, faithful mode builds that address and looks; fixed mode looks at the state. */
#include "envs/shop/session/session_private.h"

#include "envs/shop/text/action.h"
#include "envs/shop/text/text.h"

#include <string.h>

#define RANDOM_PRODUCTS 50
#define TYPICAL_QUERY   127 /* bytes */

ShopSession *shop_session_new(const ShopWorld *world)
{
  static const char *const part_names[] = {"attributes", "options", "type", "price"};
  ShopSession *session = g_new0(ShopSession, 1);
  session->world = world;
  session->goal = shop_goal_view_new();
  session->keywords = g_string_sized_new(TYPICAL_QUERY);
  session->results = g_array_sized_new(FALSE, FALSE, sizeof(guint32), SHOP_RESULT_LIMIT);
  session->selections = g_array_sized_new(FALSE, FALSE, sizeof(ShopSelection), 4);
  session->visited = g_array_sized_new(FALSE, FALSE, sizeof(guint32), 16);
  session->queries = g_ptr_array_new();
  session->marked = g_ptr_array_new();
  session->values = g_ptr_array_new();
  session->scratch = g_string_sized_new(TYPICAL_QUERY);
  session->url = g_string_new(NULL);
  session->segments = g_array_new(FALSE, FALSE, 2 * sizeof(gsize));
  for (guint i = 0; i < G_N_ELEMENTS(session->parts); i++)
    session->parts[i].name = part_names[i];
  return session;
}

void shop_session_free(ShopSession *session)
{
  if (!session)
    return;
  shop_goal_view_free(session->goal);
  g_string_free(session->keywords, TRUE);
  g_array_free(session->results, TRUE);
  g_array_free(session->selections, TRUE);
  g_array_free(session->visited, TRUE);
  g_free(session->candidates);
  for (guint i = 0; i < session->queries->len; i++)
    g_string_free(session->queries->pdata[i], TRUE);
  g_ptr_array_free(session->queries, TRUE);
  for (guint i = 0; i < session->marked->len; i++)
    g_string_free(session->marked->pdata[i], TRUE);
  g_ptr_array_free(session->marked, TRUE);
  g_ptr_array_free(session->values, TRUE);
  g_string_free(session->scratch, TRUE);
  g_string_free(session->url, TRUE);
  g_array_free(session->segments, TRUE);
  g_free(session->text.bytes);
  g_free(session);
}

static void show(ShopSession *session, ShopPage page)
{
  session->page = page;
  session->text_ready = session->candidates_ready = FALSE;
  session->n_added = 0;
}

/* What a visit of the search page forgets. */
static void go_to_search(ShopSession *session)
{
  g_string_truncate(session->keywords, 0);
  session->page_number = 0;
  g_array_set_size(session->results, 0);
  g_array_set_size(session->selections, 0);
  g_array_set_size(session->visited, 0);
  show(session, SHOP_PAGE_SEARCH);
}

void shop_session_reset(ShopSession *session, guint32 index, CwRandom *random)
{
  if (session->world->file)
    shop_file_trim(session->world->file);
  session->random = random;
  session->form = session->world->settings.observation == SHOP_OBSERVATION_TEXT_RICH ? SHOP_FORM_TEXT_RICH
                                                                                     : SHOP_FORM_TEXT;
  session->shows_attributes = session->world->settings.show_attributes;
  session->writer = NULL;
  session->n_steps = 0;
  session->taken = SHOP_ACTION_NONE;
  memset(&session->reward, 0, sizeof session->reward);
  memset(session->memory, 0, sizeof session->memory);
  shop_goal_view_set(session->goal, session->world->catalogue, session->world->goals, index);
  go_to_search(session);
  shop_session_write_queries(session);
}

void shop_session_set_price_upper(ShopSession *session, double price_upper)
{
  shop_goal_view_set_price_upper(session->goal, price_upper);
  session->text_ready = session->candidates_ready = FALSE;
  shop_session_write_queries(session);
}

void shop_session_set_price(ShopSession *session, double price)
{
  session->goal->price_paid = price;
}

void shop_session_set_form(ShopSession *session, ShopForm form)
{
  session->form = form;
  session->text_ready = FALSE;
}

void shop_session_set_writer(ShopSession *session, ShopPageWriter writer)
{
  session->writer = writer;
  session->text_ready = FALSE;
}

void shop_session_show_attributes(ShopSession *session)
{
  session->shows_attributes = TRUE;
  session->text_ready = session->candidates_ready = FALSE;
}

/* Searching. */

/* The products whose category, query or attribute is `text`, in load order. */
static void find_equal(ShopSession *session, char prefix, const char *text, gsize length)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  shop_text_trim(&text, &length);
  g_array_set_size(session->results, 0);
  for (guint32 i = 0; i < catalogue->n_products; i++) {
    const ShopProduct *product = &catalogue->products[i];
    const ShopString *strings = prefix == 'c' ? &product->category : &product->query;
    guint32 n = 1;
    if (prefix == 'a') {
      strings = catalogue->strings + product->attributes.first;
      n = product->attributes.count;
    }
    gboolean equal = FALSE;
    for (guint32 s = 0; s < n && !equal; s++)
      equal = shop_string_length(catalogue, strings[s]) == length &&
              memcmp(shop_string(catalogue, strings[s]), text, length) == 0;
    if (equal)
      g_array_append_val(session->results, i);
    if (shop_session_is_fixed(session) && session->results->len == SHOP_RESULT_LIMIT)
      break;
  }
}

static gboolean find_random(ShopSession *session)
{
  guint32 n_products = session->world->catalogue->n_products;
  if (n_products < RANDOM_PRODUCTS && !shop_session_is_fixed(session))
    return FALSE;
  guint32 n = MIN(n_products, RANDOM_PRODUCTS);
  g_array_set_size(session->results, 0);
  while (session->results->len < n) {
    guint32 product = cw_random_below(session->random, n_products);
    gboolean known = FALSE;
    for (guint i = 0; i < session->results->len && !known; i++)
      known = g_array_index(session->results, guint32, i) == product;
    if (!known)
      g_array_append_val(session->results, product);
  }
  return TRUE;
}

/* Fills the result list for `keywords` (docs/spec 4.3). FALSE, with everything unchanged, where the
 * original fails with an exception. */
static gboolean find(ShopSession *session, const char *keywords)
{
  gsize first = strcspn(keywords, " ");
  const char *rest = keywords[first] == ' ' ? keywords + first + 1 : NULL;
  if (first == 3 && keywords[0] == '<' && keywords[2] == '>' && strchr("racq", keywords[1])) {
    char prefix = keywords[1];
    if (prefix == 'r')
      return find_random(session);
    if (!shop_session_is_fixed(session) && ((prefix == 'a' && !session->writer) || (prefix == 'c' && !rest)))
      return FALSE;
    rest = rest ? rest : "";
    find_equal(session, prefix, rest, prefix == 'c' ? strcspn(rest, " ") : strlen(rest));
    return TRUE;
  }
  guint32 documents[SHOP_RESULT_LIMIT];
  guint n = shop_index_search(session->world->index, keywords, SHOP_RESULT_LIMIT, documents);
  if (n == SHOP_INDEX_TOO_MANY_TERMS)
    return FALSE;
  g_array_set_size(session->results, 0);
  g_array_append_vals(session->results, documents, n);
  return TRUE;
}

static void show_results(ShopSession *session, gint page_number)
{
  session->page_number = page_number;
  g_array_set_size(session->selections, 0);
  show(session, SHOP_PAGE_RESULTS);
}

static void search(ShopSession *session, const char *query, gsize length)
{
  g_string_truncate(session->scratch, 0);
  shop_text_append_lower(session->scratch, query, length);
  if (!find(session, session->scratch->str))
    return;
  g_string_assign(session->keywords, session->scratch->str);
  show_results(session, 1);
}

/* Turning the page or coming back from an item runs the search again, which matters only for random results.
 */
static void turn_page(ShopSession *session, gint page_number)
{
  if (g_str_has_prefix(session->keywords->str, "<r>") && strchr(" ", session->keywords->str[3]))
    find_random(session);
  show_results(session, page_number);
}

static void go_back(ShopSession *session)
{
  if (session->page == SHOP_PAGE_RESULTS) {
    turn_page(session, session->page_number - 1);
    return;
  }
  /* The original takes the first of these words in the address for the page's name, wherever it stands. */
  if (!shop_session_is_fixed(session) && shop_session_url_has(session, "search_results"))
    turn_page(session, session->page_number - 1);
  else if (session->page == SHOP_PAGE_ITEM ||
           (!shop_session_is_fixed(session) && shop_session_url_has(session, "item_page")))
    turn_page(session, session->page_number);
  else
    show(session, SHOP_PAGE_ITEM);
}

static void choose(ShopSession *session, const ShopOptionTarget *target)
{
  for (guint i = 0; i < session->selections->len; i++) {
    ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
    if (selection->group == target->group) {
      selection->value = target->value;
      show(session, SHOP_PAGE_ITEM);
      return;
    }
  }
  ShopSelection selection = {target->group, target->value};
  g_array_append_val(session->selections, selection);
  show(session, SHOP_PAGE_ITEM);
}

static void buy(ShopSession *session)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  g_ptr_array_set_size(session->values, 0);
  for (guint i = 0; i < session->selections->len; i++)
    g_ptr_array_add(
        session->values,
        (gpointer)shop_string(catalogue, g_array_index(session->selections, ShopSelection, i).value));
  shop_world_reward(session->world, session->goal, session->product,
                    (const char *const *)session->values->pdata, session->values->len, &session->reward);
  show(session, SHOP_PAGE_DONE);
}

static void apply(ShopSession *session, ShopActionKind kind, guint32 argument)
{
  session->taken = kind;
  session->taken_argument = argument;
  switch (kind) {
  case SHOP_ACTION_NONE:
  case SHOP_ACTION_SEARCH: /* has its text elsewhere */
    break;
  case SHOP_ACTION_BACK_TO_SEARCH:
    go_to_search(session);
    break;
  case SHOP_ACTION_NEXT:
    turn_page(session, session->page_number + 1);
    break;
  case SHOP_ACTION_PREVIOUS:
    go_back(session);
    break;
  case SHOP_ACTION_ADDRESS:
    turn_page(session, (gint32)argument);
    break;
  case SHOP_ACTION_ITEM:
    session->product = argument;
    if (!shop_session_visited(session, argument))
      g_array_append_val(session->visited, argument);
    show(session, SHOP_PAGE_ITEM);
    break;
  case SHOP_ACTION_OPTION:
    choose(session, &session->world->catalogue->targets[argument]);
    break;
  case SHOP_ACTION_SUB:
    session->sub_page = (ShopSubPage)argument;
    show(session, SHOP_PAGE_SUB);
    break;
  case SHOP_ACTION_BUY:
    buy(session);
    break;
  }
}

/* Steps. */

/* What the episode was about: the kind of product wanted, its ASIN, and the ASIN of what was bought. */
static void report_facts(ShopSession *session, gboolean was_bought, CwOutcome *outcome)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *wanted = &catalogue->products[session->goal->product];
  outcome->category = shop_string(catalogue, wanted->category);
  outcome->target = shop_string(catalogue, wanted->asin);
  outcome->item = was_bought ? shop_string(catalogue, catalogue->products[session->product].asin) : NULL;
}

static void report(ShopSession *session, gboolean was_bought, CwOutcome *outcome)
{
  gint64 limit = session->world->settings.step_limit;
  gboolean sticky = shop_session_is_fixed(session) && session->page == SHOP_PAGE_DONE;
  outcome->reward = was_bought ? (float)session->reward.total : 0;
  outcome->terminated = was_bought || sticky;
  outcome->truncated = !outcome->terminated && limit > 0 && session->n_steps >= limit;
  outcome->success = was_bought && session->reward.total == 1;
  outcome->parts = NULL;
  outcome->n_parts = 0;
  outcome->facts = NULL;
  outcome->n_facts = 0;
  if (outcome->terminated || outcome->truncated) {
    const ShopReward *reward = &session->reward;
    const double values[] = {reward->r_att, reward->has_options ? reward->r_option : 1, reward->r_type,
                             reward->r_price ? 1 : 0};
    for (guint i = 0; i < G_N_ELEMENTS(values); i++)
      session->parts[i].value = outcome->terminated ? values[i] : 0;
    outcome->parts = session->parts;
    outcome->n_parts = G_N_ELEMENTS(session->parts);
    report_facts(session, was_bought, outcome);
  }
}

/* The upstream cut is drawn anew for every observation, even of an unchanged page. */
static void begin_step(ShopSession *session)
{
  session->n_steps++;
  session->taken = SHOP_ACTION_NONE;
  if (session->world->settings.candidates == SHOP_CANDIDATES_UPSTREAM || session->n_added > 0)
    session->candidates_ready = FALSE;
  session->n_added = 0;
}

void shop_session_step(ShopSession *session, guint candidate, CwOutcome *outcome)
{
  const ShopCandidate chosen = session->candidates[candidate];
  begin_step(session);
  gboolean sticky = shop_session_is_fixed(session) && session->page == SHOP_PAGE_DONE;
  ShopActionText parts;
  if (!sticky && chosen.kind == SHOP_ACTION_SEARCH) {
    /* Through the grammar, which has its say about brackets in a query. */
    if (shop_action_parse(chosen.text, shop_session_is_fixed(session), &parts) &&
        parts.name_length == strlen("search"))
      search(session, parts.argument, parts.argument_length);
  } else if (!sticky)
    apply(session, chosen.kind, chosen.argument);
  report(session, !sticky && chosen.kind == SHOP_ACTION_BUY, outcome);
}

void shop_session_step_text(ShopSession *session, const char *action, CwOutcome *outcome)
{
  guint32 argument;
  ShopActionText parts;
  begin_step(session);
  gboolean sticky = shop_session_is_fixed(session) && session->page == SHOP_PAGE_DONE;
  ShopActionKind kind =
      sticky ? SHOP_ACTION_NONE : shop_session_read_action(session, action, &argument, &parts);
  if (kind == SHOP_ACTION_SEARCH)
    search(session, parts.argument, parts.argument_length);
  else if (kind != SHOP_ACTION_NONE)
    apply(session, kind, argument);
  report(session, kind == SHOP_ACTION_BUY, outcome);
}

/* Looking. */

const char *shop_session_observation(ShopSession *session, gsize *length)
{
  if (!session->text_ready) {
    shop_session_write_page(session);
    session->text_ready = TRUE;
  }
  if (length)
    *length = session->text.length;
  return session->text.bytes;
}

const ShopCandidate *shop_session_candidates(ShopSession *session, guint *n_candidates)
{
  if (!session->candidates_ready) {
    shop_session_write_candidates(session);
    session->candidates_ready = TRUE;
  }
  *n_candidates = session->n_candidates;
  return session->candidates;
}

const ShopWorld *shop_session_world(const ShopSession *session)
{
  return session->world;
}

const ShopGoalView *shop_session_goal(const ShopSession *session)
{
  return session->goal;
}

CwRandom *shop_session_random(const ShopSession *session)
{
  return session->random;
}

ShopPage shop_session_page(const ShopSession *session)
{
  return session->page;
}

ShopSubPage shop_session_sub_page(const ShopSession *session)
{
  return session->sub_page;
}

const ShopReward *shop_session_reward(const ShopSession *session)
{
  return &session->reward;
}

const ShopSelection *shop_session_selections(const ShopSession *session, guint *n_selections)
{
  *n_selections = session->selections->len;
  return (const ShopSelection *)(gpointer)session->selections->data;
}

const guint32 *shop_session_results(const ShopSession *session, guint *n_results)
{
  *n_results = session->results->len;
  return (const guint32 *)(gpointer)session->results->data;
}

gint shop_session_page_number(const ShopSession *session)
{
  return session->page_number;
}

const char *shop_session_keywords(const ShopSession *session)
{
  return session->keywords->str;
}

guint32 shop_session_product(const ShopSession *session)
{
  return session->product;
}

ShopString shop_session_selected(const ShopSession *session, guint32 group)
{
  for (guint i = 0; i < session->selections->len; i++) {
    const ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
    if (selection->group == group)
      return selection->value;
  }
  return SHOP_STRING_NONE;
}

gboolean shop_session_visited(const ShopSession *session, guint32 product)
{
  for (guint i = 0; i < session->visited->len; i++)
    if (g_array_index(session->visited, guint32, i) == product)
      return TRUE;
  return FALSE;
}

const guint32 *shop_session_all_visited(const ShopSession *session, guint *n)
{
  *n = session->visited->len;
  return (const guint32 *)(gpointer)session->visited->data;
}

ShopActionKind shop_session_taken(const ShopSession *session, guint32 *argument)
{
  *argument = session->taken_argument;
  return session->taken;
}

gint64 shop_session_n_steps(const ShopSession *session)
{
  return session->n_steps;
}

gpointer shop_session_script_memory(ShopSession *session, gsize size)
{
  g_return_val_if_fail(size <= sizeof session->memory, NULL);
  return session->memory;
}
