/* The form in which pages of a site log are compared, and the present page of a session in that form. */
#include "envs/shop/records/site_log.h"
#include "envs/shop/text/text.h"

#include <string.h>

const char *const shop_site_page_names[] = {"index", "search_results", "item_page", "item_sub_page", "done"};
const char *const shop_site_sub_page_names[] = {"Description", "Features", "Reviews", "Attributes"};

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
    append_number(out, "reward", event->reward.total);
    append_number(out, "r_type", event->reward.r_type);
    append_number(out, "r_att", event->reward.r_att);
    if (event->reward.has_options)
      append_number(out, "r_option", event->reward.r_option);
    g_string_append_printf(out, ", \"r_price\": %s", event->reward.r_price ? "true" : "false");
  }
  g_string_append_c(out, '}');
}

void shop_site_event_append_page(const ShopSession *session, GString *out)
{
  const ShopWorld *world = shop_session_world(session);
  const ShopCatalogue *catalogue = world->catalogue;
  ShopPage page = shop_session_page(session);
  guint32 index = shop_session_product(session);
  const ShopProduct *product = &catalogue->products[index];
  ShopSiteEvent event = {.page = shop_site_page_names[page]};
  g_autoptr(GPtrArray) asins = g_ptr_array_new(), options = g_ptr_array_new();
  if (page != SHOP_PAGE_SEARCH && page != SHOP_PAGE_DONE) {
    event.keywords = shop_session_keywords(session);
    event.number = shop_session_page_number(session);
  }
  if (page == SHOP_PAGE_RESULTS) {
    guint first, end, n_results;
    const guint32 *results = shop_session_results(session, &n_results);
    shop_session_shown(session, &first, &end);
    for (guint i = first; i < end; i++)
      g_ptr_array_add(asins, (gpointer)shop_string(catalogue, catalogue->products[results[i]].asin));
    event.asins = asins;
  }
  if (page >= SHOP_PAGE_ITEM) {
    guint n_selections;
    const ShopSelection *selections = shop_session_selections(session, &n_selections);
    const ShopOptionGroup *groups = catalogue->groups + product->groups.first;
    for (guint i = 0; i < n_selections; i++) {
      g_ptr_array_add(options, (gpointer)shop_string(catalogue, groups[selections[i].group].name));
      g_ptr_array_add(options, (gpointer)shop_string(catalogue, selections[i].value));
    }
    event.asin = shop_string(catalogue, product->asin);
    event.options = options;
  }
  if (page == SHOP_PAGE_SUB)
    event.sub_page = shop_site_sub_page_names[shop_session_sub_page(session)];
  if (page == SHOP_PAGE_DONE) {
    event.price = shop_goal_view_price(shop_session_goal(session), catalogue, world->goals, index);
    event.reward = *shop_session_reward(session);
  }
  shop_site_event_append(&event, out);
}
