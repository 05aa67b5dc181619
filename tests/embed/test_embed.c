/* Environments in somebody else's program, over the synthetic shop. */
#include <cartwright/embed.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N 40

static const char *const plugin_path[] = {TEST_BUILD_DIRECTORY "/.libs", NULL};
static const char *const options[] = {"products=60", "observation=text", "step_limit=12", NULL};

static CwEmbedEnvironment *open_shop(void)
{
  GError *error = NULL;
  CwEmbedSettings settings = {.struct_size = sizeof settings,
                              .plugin = "synthetic",
                              .options = options,
                              .plugin_path = plugin_path,
                              .seed = 5};
  CwEmbedEnvironment *shop = cw_embed_open(&settings, &error);
  assert_non_null(shop);
  return shop;
}

static CwEmbedVector *open_vector(CwEmbedEnvironment *shop, guint n_threads)
{
  CwEmbedReset resets[N];
  for (guint i = 0; i < N; i++)
    resets[i] = (CwEmbedReset){.split = "train", .goal = i};
  CwEmbedVector *vector = cw_embed_vector_new(&shop, 1, N, n_threads, NULL);
  assert_non_null(vector);
  assert_true(cw_embed_vector_reset(vector, NULL, resets, N, NULL));
  return vector;
}

/* What all sessions show while the rule agent shops, as one text. */
static char *play(guint n_threads)
{
  CwEmbedEnvironment *shop = open_shop();
  CwEmbedVector *vector = open_vector(shop, n_threads);
  g_autoptr(GString) seen = g_string_new(NULL);
  cw_embed_unref(shop); /* the vector holds its own */
  for (guint n = N; n > 0;) {
    guint sessions[N];
    CwEmbedAction actions[N];
    n = 0;
    for (guint i = 0; i < N; i++) {
      const CwEmbedView *view = cw_embed_vector_view(vector, i);
      if (view->terminated || view->truncated)
        continue;
      actions[n] = (CwEmbedAction){.candidate = (guint)cw_embed_vector_script(vector, i, "rule", NULL)};
      sessions[n++] = i;
    }
    assert_true(cw_embed_vector_step(vector, sessions, actions, n, NULL));
    for (guint i = 0; i < N; i++) {
      const CwEmbedView *view = cw_embed_vector_view(vector, i);
      g_string_append_printf(seen, "%s %g %s %u\n", view->goal_id, view->total_reward, view->text,
                             view->n_facts);
    }
  }
  cw_embed_vector_free(vector);
  return g_strdup(seen->str);
}

static void test_threads_change_nothing(void **state)
{
  (void)state;
  g_autofree char *one = play(1), *three = play(3);
  assert_string_equal(one, three);
  assert_non_null(strstr(one, "synthetic_"));
}

static void test_a_view_shows_the_end_of_an_episode(void **state)
{
  (void)state;
  CwEmbedEnvironment *shop = open_shop();
  CwEmbedVector *vector = open_vector(shop, 1);
  const CwEmbedView *view = cw_embed_vector_view(vector, 3);
  guint session = 3;
  assert_non_null(strstr(view->text, view->instruction));
  for (guint i = 0; i < 12; i++) {
    assert_false(view->truncated);
    assert_true(view->n_candidates > 0);
    CwEmbedAction action = {.text = "click[nothing of that name]"};
    assert_true(cw_embed_vector_step(vector, &session, &action, 1, NULL));
  }
  assert_true(view->truncated);
  assert_int_equal(view->n_steps, 12);
  assert_int_equal(view->n_candidates, 0);
  assert_int_equal(view->n_parts, 4);
  assert_string_equal(view->facts[0].name, "category");
  assert_null(cw_embed_vector_view(vector, N));
  cw_embed_vector_free(vector);
  cw_embed_unref(shop);
}

/* Another session goes on from the saved state as the one that was saved. */
static void test_a_saved_session_goes_on_in_another(void **state)
{
  (void)state;
  CwEmbedEnvironment *shop = open_shop();
  CwEmbedVector *vector = open_vector(shop, 1);
  const guint from = 0, to = 2;
  g_autoptr(GBytes) saved = NULL, nonsense = g_bytes_new_static("nonsense", 8);
  g_autoptr(GError) error = NULL;
  for (guint step = 0; step < 6; step++) {
    gint candidate = cw_embed_vector_script(vector, from, "reader", NULL);
    CwEmbedAction action = {.candidate = (guint)candidate};
    if (step == 2)
      assert_non_null(saved = cw_embed_vector_save(vector, from, NULL));
    if (step > 2 && cw_embed_vector_view(vector, from)->terminated)
      break;
    assert_true(cw_embed_vector_step(vector, &from, &action, 1, NULL));
  }
  assert_true(cw_embed_vector_restore(vector, to, saved, NULL));
  assert_int_equal(cw_embed_vector_view(vector, to)->n_steps, 2);
  for (guint step = 2; step < 6 && !cw_embed_vector_view(vector, to)->terminated; step++) {
    CwEmbedAction action = {.candidate = (guint)cw_embed_vector_script(vector, to, "reader", NULL)};
    assert_true(cw_embed_vector_step(vector, &to, &action, 1, NULL));
  }
  const CwEmbedView *one = cw_embed_vector_view(vector, from), *other = cw_embed_vector_view(vector, to);
  assert_string_equal(one->text, other->text);
  assert_string_equal(one->goal_id, other->goal_id);
  assert_true(one->total_reward == other->total_reward && one->n_steps == other->n_steps);
  assert_false(cw_embed_vector_restore(vector, to, nonsense, &error));
  assert_non_null(strstr(error->message, "session 2: expected what cw_embed_vector_save returned"));
  g_clear_error(&error);
  /* The stream and the sums are good, the environment's own bytes are not. */
  g_autoptr(GVariant) whole =
      g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE("(sdtay)"), saved, FALSE));
  const char *random;
  g_variant_get_child(whole, 0, "&s", &random);
  g_autoptr(GVariant) hollow = g_variant_ref_sink(g_variant_new(
      "(sdt@ay)", random, 0.0, (guint64)2, g_variant_new_from_bytes(G_VARIANT_TYPE("ay"), nonsense, TRUE)));
  g_autoptr(GBytes) spoilt = g_variant_get_data_as_bytes(hollow);
  assert_false(cw_embed_vector_restore(vector, to, spoilt, &error));
  assert_non_null(strstr(error->message, "expected the state of a session of this shop"));
  assert_false(
      cw_embed_vector_step(vector, &to, &(CwEmbedAction){.text = "click[x]"}, 1, NULL)); /* a reset is due */
  cw_embed_vector_free(vector);
  cw_embed_unref(shop);
}

#define expect_message(good, expected)                                                                       \
  do {                                                                                                       \
    GError *error = NULL;                                                                                    \
    assert_false(good);                                                                                      \
    assert_non_null(error);                                                                                  \
    assert_string_equal(error->message, expected);                                                           \
    g_error_free(error);                                                                                     \
  } while (0)

static void test_mistakes_are_named_and_lose_nothing(void **state)
{
  (void)state;
  CwEmbedEnvironment *shop = open_shop();
  CwEmbedVector *vector = open_vector(shop, 2);
  CwEmbedAction actions[N] = {{.candidate = 0}, {.candidate = 99}};
  CwEmbedReset resets[2] = {{.split = "train"}, {.split = "nowhere"}};
  guint twice[] = {1, 1}, beyond[] = {N}, pair[] = {4, 2};
  expect_message(cw_embed_vector_step(vector, NULL, actions, 2, &error),
                 "found 2 resets or actions for 40 sessions; name the sessions, or give one for each");
  expect_message(cw_embed_vector_step(vector, twice, actions, 2, &error),
                 "session 1 is named twice in one call with 2 sessions");
  expect_message(cw_embed_vector_step(vector, beyond, actions, 1, &error),
                 "there is no session 40: the vector has 40 (counted from 0)");
  guint n = cw_embed_vector_view(vector, 2)->n_candidates;
  g_autofree char *text =
      g_strdup_printf("session 2: there is no candidate 99: the view has %u (counted from 0)", n);
  expect_message(cw_embed_vector_step(vector, pair, actions, 2, &error), text);
  assert_int_equal(cw_embed_vector_view(vector, 4)->n_steps, 1);
  assert_int_equal(cw_embed_vector_view(vector, 2)->n_steps, 0);
  assert_true(cw_embed_vector_step(vector, pair, (CwEmbedAction[2]){{.candidate = 0}}, 2, NULL));
  expect_message(cw_embed_vector_reset(vector, pair, resets, 2, &error),
                 "session 2: environment 'synthetic': no split 'nowhere'; it has: train, dev, test, all");
  cw_embed_vector_free(vector);
  cw_embed_unref(shop);
}

static void test_bad_options_are_all_named(void **state)
{
  (void)state;
  GError *error = NULL;
  const char *const wrong[] = {"prodcts=60", "step_limit=many", "seed", NULL};
  CwEmbedSettings settings = {
      .struct_size = sizeof settings, .plugin = "synthetic", .options = wrong, .plugin_path = plugin_path};
  assert_null(cw_embed_open(&settings, &error));
  assert_non_null(
      strstr(error->message, "unknown key 'prodcts' in environment 'synthetic'; did you mean 'products'?"));
  assert_non_null(strstr(error->message, "<options> number 2: error: step_limit"));
  assert_non_null(strstr(error->message, "<options> number 3: error: expected KEY=VALUE, found 'seed'"));
  g_error_free(error);
}

static void test_an_import_writes_a_shop_or_says_why_not(void **state)
{
  (void)state;
  CwEmbedSettings settings = {
      .struct_size = sizeof settings, .plugin = "synthetic", .plugin_path = plugin_path, .options = NULL};
  expect_message(cw_embed_import(&settings, "nowhere", FALSE, &error),
                 "environment 'synthetic' has no import");
  const char *const words[] = {"products_file=" TEST_SOURCE_DIRECTORY "/examples/products.csv", NULL};
  g_autofree char *folder = g_dir_make_tmp("cartwright-embed-XXXXXX", NULL);
  g_autofree char *into = g_build_filename(folder, "shop", NULL);
  g_autofree char *items = g_build_filename(into, "items_shuffle_1000.json", NULL);
  settings.plugin = "shop";
  settings.options = words;
  assert_true(cw_embed_import(&settings, into, FALSE, NULL));
  assert_true(g_file_test(items, G_FILE_TEST_IS_REGULAR));
  static const char *const names[] = {"items_shuffle_1000.json", "items_ins_v2_1000.json",
                                      "items_human_ins.json"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *file = g_build_filename(into, names[i], NULL);
    assert_int_equal(g_remove(file), 0);
  }
  assert_int_equal(g_rmdir(into), 0);
  assert_int_equal(g_rmdir(folder), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_threads_change_nothing),
      cmocka_unit_test(test_a_view_shows_the_end_of_an_episode),
      cmocka_unit_test(test_a_saved_session_goes_on_in_another),
      cmocka_unit_test(test_mistakes_are_named_and_lose_nothing),
      cmocka_unit_test(test_bad_options_are_all_named),
      cmocka_unit_test(test_an_import_writes_a_shop_or_says_why_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
