/* WebShop's own session logs (docs/spec 8): one JSON object per page that the site served, {"page": ...,
 * "url": ..., "goal": ..., "content": ...}. The lines of one session make one record: its actions are those
 * that lead from page to page, its observations what a log would say of each page (site_event.c). */
#ifndef SHOP_SITE_LOG_H
#define SHOP_SITE_LOG_H

#include "envs/shop/session/session.h"
#include "envs/shop/text/json.h"

/* What a record's texts are made of; owned by the record. */
typedef struct ShopRecordTexts {
  GPtrArray *observations, *actions; /* char *; an observation may be NULL: not recorded */
  char *id, *overrides;
  double price_upper;      /* of the goal, as recorded */
  double price;            /* of what was bought, as recorded; NaN: not known */
  gboolean has_events;     /* the observations are events of a log */
  gboolean has_attributes; /* which has a page of attributes */
  gint observation;        /* ShopObservationMode of the others, or -1: not known */
} ShopRecordTexts;

/* Whether a JSON object is an event of such a log. */
gboolean shop_site_log_is_event(const json_t *object);

/* Whether both lines are events of one session; `record` may be several lines. */
gboolean shop_site_log_continues(const char *record, const char *line);

/* Reads the events of one session, a line each; `where` is the place of the first. Fills texts and *goal.
 * Errors name the place of the line. */
gboolean shop_site_log_read(const ShopWorld *world, const char *record, const char *where,
                            ShopRecordTexts *texts, gint64 *goal, GError **error);

/* One event in the form in which recorded and present ones are compared: a line of JSON. Members that a page
 * does not have are not written. */
typedef struct ShopSiteEvent {
  const char *page;     /* "index", "search_results", "item_page", "item_sub_page", "done" */
  const char *keywords; /* on results, item and sub pages */
  gint64 number;        /* with keywords: the number of the result page */
  GPtrArray *asins;     /* const char *: on results pages, what is shown */
  const char *asin;     /* on item, sub and done pages */
  const char *sub_page; /* on sub pages: "Description", ... */
  GPtrArray *options;   /* const char *: on item, sub and done pages; name, value, name, value */
  double price;         /* on done pages, with the reward */
  ShopReward reward;
} ShopSiteEvent;

/* By ShopPage and ShopSubPage. */
#define SHOP_SITE_N_PAGES     5
#define SHOP_SITE_N_SUB_PAGES 4
extern const char *const shop_site_page_names[SHOP_SITE_N_PAGES];
extern const char *const shop_site_sub_page_names[SHOP_SITE_N_SUB_PAGES];

void shop_site_event_append(const ShopSiteEvent *event, GString *out);
/* The present page of a session as an event; a ShopPageWriter. */
void shop_site_event_append_page(const ShopSession *session, GString *out);

#endif
