/* The address that the original shows for a page (docs/spec 5.7), and which items a results page shows. In
 * faithful mode some decisions look into that address, as the original's do. */
#include "envs/shop/session/session_private.h"

#include "envs/shop/text/text.h"

#include <string.h>

#define BASE_URL "http://127.0.0.1:3000"

void shop_session_shown(const ShopSession *session, guint *first, guint *end)
{
  guint n = session->results->len;
  /* As the original's slice of a list: what is below zero counts from the end. */
  gint64 stop = (gint64)session->page_number * SHOP_ITEMS_PER_PAGE, start = stop - SHOP_ITEMS_PER_PAGE;
  start = CLAMP(start < 0 ? start + n : start, 0, n);
  stop = CLAMP(stop < 0 ? stop + n : stop, 0, n);
  *first = start < stop ? (guint)start : 0;
  *end = start < stop ? (guint)stop : 0;
}

static void append_keywords(const ShopSession *session, GString *url)
{
  gsize start = url->len;
  g_string_append_len(url, session->keywords->str, (gssize)session->keywords->len);
  for (gsize i = start; i < url->len; i++)
    if (url->str[i] == ' ')
      url->str[i] = '+';
}

static const char *group_name(const ShopSession *session, guint32 group)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  return shop_string(catalogue,
                     catalogue->groups[catalogue->products[session->product].groups.first + group].name);
}

/* The chosen options as JSON, or in the source notation of the original. */
static void append_selections(const ShopSession *session, GString *url, gboolean json)
{
  g_string_append_c(url, '{');
  for (guint i = 0; i < session->selections->len; i++) {
    const ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
    const char *texts[] = {group_name(session, selection->group),
                           shop_string(session->world->catalogue, selection->value)};
    for (guint t = 0; t < 2; t++) {
      g_string_append(url, t == 1 ? ": " : i > 0 ? ", " : "");
      if (json)
        shop_text_append_json(url, texts[t], FALSE);
      else
        shop_text_append_quoted(url, texts[t]);
    }
  }
  g_string_append_c(url, '}');
}

void shop_session_append_url(const ShopSession *session, GString *url)
{
  static const char *const pages[] = {"/", "/search_results/", "/item_page/", "/item_sub_page/", "/done/"};
  static const char *const subs[] = {"/Description/", "/Features/", "/Reviews/", "/Attributes/"};
  const ShopCatalogue *catalogue = session->world->catalogue;
  g_string_append(url, BASE_URL);
  g_string_append(url, pages[session->page]);
  shop_text_append_integer(url, session->goal->index); /* the session's id: goals are reset by number */
  if (session->page >= SHOP_PAGE_ITEM) {
    g_string_append_c(url, '/');
    g_string_append(url, shop_string(catalogue, catalogue->products[session->product].asin));
  }
  if (session->page != SHOP_PAGE_SEARCH && session->page != SHOP_PAGE_DONE) {
    g_string_append_c(url, '/');
    append_keywords(session, url);
    g_string_append_c(url, '/');
    shop_text_append_integer(url, session->page_number);
  }
  if (session->page == SHOP_PAGE_SUB)
    g_string_append(url, subs[session->sub_page]);
  else if (session->page >= SHOP_PAGE_ITEM)
    g_string_append_c(url, '/');
  if (session->page >= SHOP_PAGE_ITEM)
    append_selections(session, url, session->page == SHOP_PAGE_ITEM);
}

gboolean shop_session_url_has(ShopSession *session, const char *needle)
{
  g_string_truncate(session->url, 0);
  shop_session_append_url(session, session->url);
  return strstr(session->url->str, needle) != NULL;
}
