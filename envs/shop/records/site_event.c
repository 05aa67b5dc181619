/* The form in which pages of a site log are compared, and the present page of a session in that form. */
#include "envs/shop/records/site_log.h"
#include "envs/shop/session/session_private.h"
#include "envs/shop/text/text.h"

#include <string.h>

static void append_text(GString *out, const char *key, const char *value)
{
  g_string_append_printf(out, ", \"%s\": ", key);
  shop_text_append_json(out, value, FALSE);
}

static void append_number(GString *out, const char *key, double value)
{
  g_string_append_printf(out, ", \"%s\": ", key);
  shop_text_append_double(out, value);
}

/* By name: which was chosen first is in the address, but no matter of the page. */
static void append_options(GString *out, const GPtrArray *options)
{
  const char *last = NULL;
  g_string_append(out, ", \"options\": {");
  for (guint n = 0; n < options->len / 2; n++) {
    guint next = options->len;
    for (guint i = 0; i < options->len; i += 2)
      if ((!last || strcmp(options->pdata[i], last) > 0) &&
          (next == options->len || strcmp(options->pdata[i], options->pdata[next]) < 0))
        next = i;
    if (next == options->len)
      break;
    last = options->pdata[next];
    g_string_append(out, n > 0 ? ", " : "");
    shop_text_append_json(out, last, FALSE);
    g_string_append(out, ": ");
    shop_text_append_json(out, options->pdata[next + 1], FALSE);
  }
  g_string_append_c(out, '}');
}

void shop_site_event_append(const ShopSiteEvent *event, GString *out)
{
  g_string_append(out, "{\"page\": ");
  shop_text_append_json(out, event->page, FALSE);
  if (event->keywords) {
    append_text(out, "keywords", event->keywords);
    g_string_append_printf(out, ", \"number\": %" G_GINT64_FORMAT, event->number);
  }
  if (event->asins) {
    g_string_append(out, ", \"search_result_asins\": [");
    for (guint i = 0; i < event->asins->len; i++) {
      g_string_append(out, i > 0 ? ", " : "");
      shop_text_append_json(out, event->asins->pdata[i], FALSE);
    }
    g_string_append_c(out, ']');
  }
  if (event->asin)
    append_text(out, "asin", event->asin);
  if (event->sub_page)
    append_text(out, "sub_page", event->sub_page);
  if (event->options)
    append_options(out, event->options);
  if (strcmp(event->page, "done") == 0) {
    append_number(out, "price", event->price);
    append_number(out, "reward", event->reward);
    append_number(out, "r_type", event->r_type);
    append_number(out, "r_att", event->r_att);
    if (event->has_options)
      append_number(out, "r_option", event->r_option);
    g_string_append_printf(out, ", \"r_price\": %s", event->r_price ? "true" : "false");
  }
  g_string_append_c(out, '}');
}

void shop_session_append_event(const ShopSession *session, GString *out)
{
  static const char *const pages[] = {"index", "search_results", "item_page", "item_sub_page", "done"};
  static const char *const subs[] = {"Description", "Features", "Reviews", "Attributes"};
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  ShopSiteEvent event = {.page = pages[session->page]};
  g_autoptr(GPtrArray) asins = g_ptr_array_new(), options = g_ptr_array_new();
  if (session->page != SHOP_PAGE_SEARCH && session->page != SHOP_PAGE_DONE) {
    event.keywords = session->keywords->str;
    event.number = session->page_number;
  }
  if (session->page == SHOP_PAGE_RESULTS) {
    guint first, end;
    shop_session_shown(session, &first, &end);
    for (guint i = first; i < end; i++)
      g_ptr_array_add(asins,
                      (gpointer)shop_string(
                          catalogue, catalogue->products[g_array_index(session->results, guint32, i)].asin));
    event.asins = asins;
  }
  if (session->page >= SHOP_PAGE_ITEM) {
    for (guint i = 0; i < session->selections->len; i++) {
      const ShopSelection *selection = &g_array_index(session->selections, ShopSelection, i);
      g_ptr_array_add(
          options,
          (gpointer)shop_string(catalogue, catalogue->groups[product->groups.first + selection->group].name));
      g_ptr_array_add(options, (gpointer)shop_string(catalogue, selection->value));
    }
    event.asin = shop_string(catalogue, product->asin);
    event.options = options;
  }
  if (session->page == SHOP_PAGE_SUB)
    event.sub_page = subs[session->sub_page];
  if (session->page == SHOP_PAGE_DONE) {
    const ShopVerdict *verdict = &session->verdict;
    event.price = shop_goal_view_price(session->goal, catalogue, session->world->goals, session->product);
    event.reward = verdict->reward;
    event.r_type = verdict->type;
    event.r_att = verdict->attributes;
    event.r_option = verdict->options;
    event.has_options = session->goal->option_values->len > 0;
    event.r_price = verdict->price == 1;
  }
  shop_site_event_append(&event, out);
}
