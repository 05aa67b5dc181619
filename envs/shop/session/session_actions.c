/* What an action text means on the present page of a session (docs/spec 5.4, 5.5): the clickables by their
 * labels, options by their values, items by ASIN or by the candidate text that stands for them. Reads the
 * session, changes nothing but its scratch buffers. */
#include "envs/shop/session/session_private.h"

#include "envs/shop/text/text.h"

#include <string.h>

typedef struct {
  const char *label;
  ShopActionKind kind;
  guint32 argument;
} Button;

static const Button item_buttons[] = {
    {"back to search", SHOP_ACTION_BACK_TO_SEARCH, 0},      {"< prev", SHOP_ACTION_PREVIOUS, 0},
    {"description", SHOP_ACTION_SUB, SHOP_SUB_DESCRIPTION}, {"features", SHOP_ACTION_SUB, SHOP_SUB_FEATURES},
    {"reviews", SHOP_ACTION_SUB, SHOP_SUB_REVIEWS},         {"buy now", SHOP_ACTION_BUY, 0},
};

static gboolean equals(const ShopCatalogue *catalogue, ShopString string, const GString *text)
{
  return shop_string_length(catalogue, string) == text->len &&
         memcmp(shop_string(catalogue, string), text->str, text->len) == 0;
}

static ShopActionKind resolve_option(ShopSession *session, const GString *label, guint32 *argument)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  const ShopProduct *product = &catalogue->products[session->product];
  for (guint32 t = product->targets.first; t < product->targets.first + product->targets.count; t++) {
    const ShopOptionTarget *target = &catalogue->targets[t];
    if (!equals(catalogue, target->value, label))
      continue;
    *argument = t;
    if (!target->special)
      return SHOP_ACTION_OPTION;
    if (strcmp(label->str, "search") == 0)
      return SHOP_ACTION_NONE;
    if (!shop_session_is_fixed(session) && strcmp(label->str, "attributes") == 0) {
      *argument = SHOP_SUB_ATTRIBUTES;
      return SHOP_ACTION_SUB;
    }
    if (!shop_session_is_fixed(session) && strcmp(label->str, "next >") == 0 &&
        shop_session_url_has(session, "search_results"))
      return SHOP_ACTION_NEXT;
    return SHOP_ACTION_OPTION;
  }
  if (shop_session_is_fixed(session)) {
    /* "group: value" reaches what the plain value does not. */
    for (guint32 g = 0; g < product->groups.count; g++) {
      const ShopOptionGroup *group = &catalogue->groups[product->groups.first + g];
      gsize length = shop_string_length(catalogue, group->name);
      if (strncmp(label->str, shop_string(catalogue, group->name), length) != 0 ||
          strncmp(label->str + length, ": ", 2) != 0)
        continue;
      for (guint32 t = product->shadowed.first; t < product->shadowed.first + product->shadowed.count; t++)
        if (catalogue->targets[t].group == g &&
            strcmp(shop_string(catalogue, catalogue->targets[t].value), label->str + length + 2) == 0) {
          *argument = t;
          return SHOP_ACTION_OPTION;
        }
    }
  }
  return SHOP_ACTION_NONE;
}

/* Labels are compared in lower case. */
static gboolean is_asin(ShopSession *session, ShopString asin, const GString *label)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  g_string_truncate(session->url, 0);
  shop_text_append_lower(session->url, shop_string(catalogue, asin), shop_string_length(catalogue, asin));
  return g_string_equal(session->url, label);
}

static ShopActionKind resolve_result(ShopSession *session, const GString *label, guint32 *argument)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  if (strcmp(label->str, "back to search") == 0)
    return SHOP_ACTION_BACK_TO_SEARCH;
  if (strcmp(label->str, "< prev") == 0)
    return session->page_number > 1 ? SHOP_ACTION_PREVIOUS : SHOP_ACTION_NONE;
  if (strcmp(label->str, "next >") == 0)
    return SHOP_ACTION_NEXT;
  guint first, end;
  shop_session_shown(session, &first, &end);
  for (guint i = first; i < end; i++) {
    guint32 product = g_array_index(session->results, guint32, i);
    if (is_asin(session, catalogue->products[product].asin, label)) {
      *argument = product;
      return SHOP_ACTION_ITEM;
    }
  }
  return SHOP_ACTION_NONE;
}

static ShopActionKind resolve_click(ShopSession *session, const GString *label, guint32 *argument)
{
  switch (session->page) {
  case SHOP_PAGE_SEARCH: /* the search button is refused */
  case SHOP_PAGE_DONE:
    return SHOP_ACTION_NONE;
  case SHOP_PAGE_RESULTS:
    return resolve_result(session, label, argument);
  case SHOP_PAGE_SUB:
    if (strcmp(label->str, "back to search") == 0)
      return SHOP_ACTION_BACK_TO_SEARCH;
    return strcmp(label->str, "< prev") == 0 ? SHOP_ACTION_PREVIOUS : SHOP_ACTION_NONE;
  case SHOP_PAGE_ITEM:
    for (guint i = 0; i < G_N_ELEMENTS(item_buttons); i++)
      if (strcmp(label->str, item_buttons[i].label) == 0) {
        *argument = item_buttons[i].argument;
        return item_buttons[i].kind;
      }
    if (session->shows_attributes && strcmp(label->str, "attributes") == 0) {
      *argument = SHOP_SUB_ATTRIBUTES;
      return SHOP_ACTION_SUB;
    }
    return resolve_option(session, label, argument);
  }
  return SHOP_ACTION_NONE;
}

/* "click[item - TITLE]" of a shown item, which stands for a click on its ASIN. */
static ShopActionKind resolve_item_action(ShopSession *session, const char *action, guint32 *argument)
{
  const ShopCatalogue *catalogue = session->world->catalogue;
  guint first, end;
  shop_session_shown(session, &first, &end);
  g_string_truncate(session->scratch, 0);
  shop_text_append_lower(session->scratch, action, strlen(action));
  for (guint i = first; i < end; i++) {
    guint32 product = g_array_index(session->results, guint32, i);
    if (!equals(catalogue, catalogue->products[product].item_action, session->scratch))
      continue;
    /* The original finds the item by its title: the last with that title, which can be clicked only when this
     * page shows it. */
    const guint32 *owner = session->world->title_owner;
    *argument = owner ? owner[product] : product;
    for (guint j = first; j < end; j++)
      if (g_array_index(session->results, guint32, j) == *argument)
        return SHOP_ACTION_ITEM;
    return SHOP_ACTION_NONE;
  }
  return SHOP_ACTION_NONE;
}

static ShopActionKind read_address(const ShopActionText *parts, guint32 *argument)
{
  g_autofree char *text = g_strndup(parts->argument, parts->argument_length);
  gint64 number;
  if (!g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, &number, NULL))
    return SHOP_ACTION_NONE;
  *argument = (guint32)(gint32)number;
  return SHOP_ACTION_ADDRESS;
}

ShopActionKind shop_session_read_action(ShopSession *session, const char *action, guint32 *argument,
                                        ShopActionText *parts)
{
  *argument = 0;
  if (g_str_has_prefix(action, SHOP_CLICKED_MARK))
    action += strlen(SHOP_CLICKED_MARK);
  if (session->page == SHOP_PAGE_RESULTS && g_str_has_prefix(action, "click[item - ")) {
    ShopActionKind kind = resolve_item_action(session, action, argument);
    if (kind != SHOP_ACTION_NONE)
      return kind;
  }
  if (session->writer && g_str_has_prefix(action, "search[") && g_str_has_suffix(action, "]")) {
    gsize before = strlen("search[");
    *parts = (ShopActionText){action, action + before, before - 1, strlen(action) - before - 1};
    return SHOP_ACTION_SEARCH;
  }
  if (!shop_action_parse(action, shop_session_is_fixed(session), parts))
    return SHOP_ACTION_NONE;
  if (parts->name_length == strlen("search") && strncmp(parts->name, "search", parts->name_length) == 0)
    return SHOP_ACTION_SEARCH;
  if (session->writer && session->page == SHOP_PAGE_RESULTS && g_str_has_prefix(action, "address["))
    return read_address(parts, argument);
  if (parts->name_length != strlen("click") || strncmp(parts->name, "click", parts->name_length) != 0)
    return SHOP_ACTION_NONE;
  g_string_truncate(session->scratch, 0);
  shop_text_append_lower(session->scratch, parts->argument, parts->argument_length);
  return resolve_click(session, session->scratch, argument);
}

ShopActionKind shop_session_resolve(ShopSession *session, const char *action, guint32 *argument)
{
  ShopActionText parts;
  return shop_session_read_action(session, action, argument, &parts);
}
