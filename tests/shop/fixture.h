/* A small shop of the tests' own invention, built without files. */
#ifndef TEST_SHOP_FIXTURE_H
#define TEST_SHOP_FIXTURE_H

#include "envs/shop/session/session.h"

/* The settings that option rows default to, with `text` observations. */
ShopSettings fixture_settings(void);

/* Adds a product of raw JSON; single quotes stand for double ones in all JSON of this header. The test fails
 * when it is refused. */
void fixture_add(ShopCatalogueBuilder *builder, const char *product);
void fixture_add_attributes(ShopCatalogueBuilder *builder, const char *asin, const char *record);
void fixture_add_humans(ShopCatalogueBuilder *builder, const char *asin, const char *records);

/* 29 products, 24 of which hold the words red, oil, again and item_page. B000000001 comes first for them:
 * "Argan oil", $10.99, groups Color (Black/White, 12" Red, Café), Size (8, color), Width (8) and a null one.
 * B000000002 costs "$5
 * - $1,234.50". One crowd instruction, "i want oil.", for B000000001. */
ShopWorld *fixture_oil_shop(const ShopSettings *settings);

/* The shop of tests/shop/data, with the settings given or, with NULL, those of fixture_settings. */
ShopWorld *fixture_load(const ShopSettings *settings);

/* The first goal about a product whose instruction holds `clause`; the test fails without one. */
gint64 fixture_goal_of(const ShopWorld *world, const char *asin, const char *clause);

/* Fails unless the error has that message; frees it. */
void fixture_expect_error(GError *error, const char *message);

/* A session of the shop on goal 0 with a bound of 50 dollars. */
ShopSession *fixture_session(const ShopWorld *world, CwRandom *random);

/* Takes an action; the outcome may be looked at afterwards. */
CwOutcome fixture_step(ShopSession *session, const char *action);

/* The page's address, its text; for comparisons. Free the first with g_free. */
char *fixture_url(const ShopSession *session);
const char *fixture_text(ShopSession *session);

/* The candidates' texts, joined by newlines; free with g_free. */
char *fixture_candidates(ShopSession *session);

#endif
