/* A session's state as bytes and back. They hold what steps have made of the goal: the page, the query and
 * its results, choices and visits, added searches and the memory of a script. The world and the random stream
 * are the caller's; pages and candidates are written anew. */
#include "envs/shop/session/session_private.h"
#include "envs/shop/text/fail.h"
#include <string.h>

/* goal, upper price, price paid; form, page, sub page, page number, product, steps, what was taken and its
 * argument; keywords, results, selections (group, value), visited products, added searches, a script's
 * memory.
 */
#define STATE_TYPE "((uddb)(uuuiuxuu)saua(uu)auasay)"

static GVariant *numbers(const GArray *array)
{
  return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, array->data, array->len, sizeof(guint32));
}

/* The upstream cut of the candidates is drawn when a page is written, so it cannot be written again. */
GBytes *shop_session_save(ShopSession *session, GError **error)
{
  if (session->world->settings.candidates == SHOP_CANDIDATES_UPSTREAM) {
    shop_fail(error, CW_ERROR_UNSUPPORTED,
              "a session with 'candidates: upstream' cannot be saved, for its candidates are drawn anew on "
              "every page; use honest ones");
    return NULL;
  }
  GVariantBuilder selections, added;
  g_variant_builder_init(&selections, G_VARIANT_TYPE("a(uu)"));
  for (guint i = 0; i < session->selections->len; i++) {
    const ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
    g_variant_builder_add(&selections, "(uu)", selection->group, selection->value);
  }
  g_variant_builder_init(&added, G_VARIANT_TYPE("as"));
  for (guint i = 0; i < session->n_added; i++)
    g_variant_builder_add(&added, "s", ((GString *)session->queries->pdata[session->n_queries + i])->str);
  g_autoptr(GVariant) state = g_variant_ref_sink(g_variant_new(
      "((uddb)(uuuiuxuu)s@au@a(uu)@au@as@ay)", session->goal->index, session->goal->price_upper,
      session->goal->price_paid, session->shows_attributes, session->form, session->page, session->sub_page,
      session->page_number, session->product, session->n_steps, session->taken, session->taken_argument,
      session->keywords->str, numbers(session->results), g_variant_builder_end(&selections),
      numbers(session->visited), g_variant_builder_end(&added),
      g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, session->memory, sizeof session->memory, 1)));
  return g_variant_get_data_as_bytes(state);
}

/* FALSE when a number is not one of a product. */
static gboolean take_products(const ShopSession *session, GVariant *from, GArray *into)
{
  gsize n;
  const guint32 *products = g_variant_get_fixed_array(from, &n, sizeof *products);
  g_array_set_size(into, 0);
  g_array_append_vals(into, products, (guint)n);
  for (gsize i = 0; i < n; i++)
    if (products[i] >= session->world->catalogue->n_products)
      return FALSE;
  return TRUE;
}

static gboolean take_state(ShopSession *session, GVariant *state)
{
  guint32 goal, form, page, sub_page, taken;
  gboolean shows_attributes;
  double upper, paid;
  const char *keywords;
  g_autoptr(GVariant) results = NULL, selections = NULL, visited = NULL, added = NULL, memory = NULL;
  g_variant_get(state, "((uddb)(uuuiuxuu)&s@au@a(uu)@au@as@ay)", &goal, &upper, &paid, &shows_attributes,
                &form, &page, &sub_page, &session->page_number, &session->product, &session->n_steps, &taken,
                &session->taken_argument, &keywords, &results, &selections, &visited, &added, &memory);
  gsize memory_size;
  const guint8 *bytes = g_variant_get_fixed_array(memory, &memory_size, 1);
  if (memory_size != sizeof session->memory || page > SHOP_PAGE_DONE || sub_page > SHOP_SUB_ATTRIBUTES ||
      session->product >= session->world->catalogue->n_products ||
      !take_products(session, results, session->results) ||
      !take_products(session, visited, session->visited))
    return FALSE;
  memcpy(session->memory, bytes, memory_size);
  session->shows_attributes = shows_attributes;
  session->form = (ShopForm)form;
  session->page = (ShopPage)page;
  session->sub_page = (ShopSubPage)sub_page;
  session->taken = (ShopActionKind)taken;
  session->goal->price_paid = paid;
  if (upper != session->goal->price_upper)
    shop_session_set_price_upper(session, upper);
  g_string_assign(session->keywords, keywords);
  GVariantIter iterator;
  ShopSelection selection;
  g_variant_iter_init(&iterator, selections);
  while (g_variant_iter_next(&iterator, "(uu)", &selection.group, &selection.value))
    g_array_append_val(session->selections, selection);
  session->text_ready = session->candidates_ready = FALSE;
  const char *action;
  g_variant_iter_init(&iterator, added);
  while (g_variant_iter_next(&iterator, "&s", &action))
    shop_session_candidate_of(session, action, TRUE);
  return TRUE;
}

gboolean shop_session_restore(ShopSession *session, GBytes *bytes, CwRandom *random, GError **error)
{
  g_autoptr(GVariant) state =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(STATE_TYPE), bytes, FALSE));
  guint32 goal;
  if (g_variant_is_normal_form(state)) {
    g_autoptr(GVariant) first = g_variant_get_child_value(state, 0);
    g_variant_get_child(first, 0, "u", &goal);
    if (goal < session->world->goals->n_items) {
      shop_session_reset(session, goal, random);
      if (take_state(session, state))
        return TRUE;
    }
  }
  return shop_fail(error, CW_ERROR_FORMAT,
                   "expected the state of a session of this shop, found %" G_GSIZE_FORMAT
                   " bytes that are none; restore what this shop has saved",
                   g_bytes_get_size(bytes));
}
