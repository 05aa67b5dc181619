/* Event files: what is written is read back by a reader that knows nothing of the writer: framing, checksums,
 * and the messages field by field. */
#include "core/base/events.h"
#include "core/base/metrics.h"
#include "core/sdk/crc32c.h"
#include "tests/scratch.h"
#include <math.h>
#include <string.h>

/* What is in a file, as text: an event on each line. */
typedef struct {
  const guchar *at, *end;
} Bytes;

static guint64 take_varint(Bytes *bytes)
{
  guint64 value = 0;
  guint shift = 0;
  do {
    assert_true(bytes->at < bytes->end);
    value |= (guint64)(*bytes->at & 0x7f) << shift;
    shift += 7;
  } while (*bytes->at++ & 0x80);
  return value;
}

static Bytes take_bytes(Bytes *bytes)
{
  guint64 length = take_varint(bytes);
  Bytes taken = {bytes->at, bytes->at + length};
  assert_true(taken.end <= bytes->end);
  bytes->at = taken.end;
  return taken;
}

static guint64 take_fixed(Bytes *bytes, guint size)
{
  guint64 value = 0;
  assert_true(bytes->at + size <= bytes->end);
  for (guint i = 0; i < size; i++)
    value |= (guint64)*bytes->at++ << 8 * i;
  return value;
}

static void read_value(Bytes value, GString *text)
{
  while (value.at < value.end) {
    guint64 key = take_varint(&value);
    if (key == (1 << 3 | 2)) {
      Bytes tag = take_bytes(&value);
      g_string_append_printf(text, " %.*s", (int)(tag.end - tag.at), (const char *)tag.at);
    } else {
      guint32 bits;
      float number;
      assert_int_equal(key, 2 << 3 | 5);
      bits = (guint32)take_fixed(&value, 4);
      memcpy(&number, &bits, sizeof number);
      g_string_append_printf(text, " %g", number);
    }
  }
}

static void read_event(Bytes event, GString *text)
{
  while (event.at < event.end) {
    guint64 key = take_varint(&event), bits;
    double time;
    Bytes inner;
    switch (key) {
    case 1 << 3 | 1:
      bits = take_fixed(&event, 8);
      memcpy(&time, &bits, sizeof time);
      assert_true(fabs(time - (double)g_get_real_time() / G_USEC_PER_SEC) < 600);
      break;
    case 2 << 3 | 0:
      g_string_append_printf(text, "step %" G_GUINT64_FORMAT, take_varint(&event));
      break;
    case 3 << 3 | 2:
      inner = take_bytes(&event);
      g_string_append_printf(text, " version %.*s", (int)(inner.end - inner.at), (const char *)inner.at);
      break;
    case 5 << 3 | 2:
      inner = take_bytes(&event);
      while (inner.at < inner.end) {
        assert_int_equal(take_varint(&inner), 1 << 3 | 2);
        read_value(take_bytes(&inner), text);
      }
      break;
    case 7 << 3 | 2:
      inner = take_bytes(&event);
      assert_int_equal(take_varint(&inner), 1 << 3 | 0);
      g_string_append_printf(text, " session %" G_GUINT64_FORMAT, take_varint(&inner));
      break;
    default:
      fail_msg("field and wire type %" G_GUINT64_FORMAT, key);
    }
  }
  g_string_append_c(text, '\n');
}

static guint32 unmasked(guint64 masked)
{
  guint32 rotated = (guint32)masked - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

/* All files of a directory in the order of their names. Free with g_free. */
static char *read_files(const char *directory)
{
  GString *text = g_string_new(NULL);
  GDir *dir = g_dir_open(directory, 0, NULL);
  const char *name;
  while ((name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(directory, name, NULL), *contents = NULL;
    gsize length;
    Bytes bytes;
    if (!g_str_has_prefix(name, CW_EVENTS_PREFIX))
      continue;
    assert_true(g_file_get_contents(path, &contents, &length, NULL));
    bytes = (Bytes){(const guchar *)contents, (const guchar *)contents + length};
    while (bytes.at < bytes.end) {
      const guchar *start = bytes.at;
      guint64 size = take_fixed(&bytes, 8);
      Bytes event;
      assert_int_equal(unmasked(take_fixed(&bytes, 4)), cw_crc32c_portable(0, start, 8));
      event = (Bytes){bytes.at, bytes.at + size};
      bytes.at = event.end;
      assert_int_equal(unmasked(take_fixed(&bytes, 4)), cw_crc32c_portable(0, event.at, size));
      read_event(event, text);
    }
  }
  g_dir_close(dir);
  return g_string_free(text, FALSE);
}

static void test_scalars_are_read_back(void **state)
{
  const char *directory = *state;
  CwEvents *events = cw_events_open(directory, 0, NULL);
  g_autofree char *found = NULL;
  assert_non_null(events);
  cw_events_scalar(events, "bc/loss", 0.25);
  cw_events_scalar(events, "bc/accuracy", 1);
  assert_true(cw_events_end(events, 1, NULL));
  assert_true(cw_events_end(events, 2, NULL)); /* nothing to say */
  cw_events_scalar(events, "bc/loss", -1e-3);
  assert_true(cw_events_end(events, 300, NULL));
  cw_events_close(events);
  found = read_files(directory);
  assert_string_equal(found, "step 0 version brain.Event:2\n"
                             "step 0 session 1\n"
                             "step 1 bc/loss 0.25 bc/accuracy 1\n"
                             "step 300 bc/loss -0.001\n");
}

static void test_metrics_go_into_the_events_too(void **state)
{
  const char *directory = *state;
  g_autofree char *path = g_build_filename(directory, "metrics.jsonl", NULL), *found = NULL;
  CwMetrics *metrics = cw_metrics_open(path, 0, NULL);
  CwEvents *events = cw_events_open(directory, 7, NULL);
  cw_metrics_set_events(metrics, events);
  cw_metrics_begin(metrics);
  cw_metrics_integer(metrics, "step", 8);
  cw_metrics_integer(metrics, "stage", 1);
  cw_metrics_string(metrics, "evaluation/split", "dev");
  cw_metrics_number(metrics, "evaluation/score", 37.5);
  cw_metrics_integer(metrics, "evaluation/episodes", 40);
  assert_true(cw_metrics_end(metrics, NULL));
  cw_metrics_close(metrics);
  cw_events_close(events);
  found = read_files(directory);
  assert_string_equal(found, "step 0 version brain.Event:2\n"
                             "step 7 session 1\n"
                             "step 8 evaluation/score 37.5 evaluation/episodes 40\n");
}

static void test_a_directory_that_is_not_there_is_told(void **state)
{
  g_autofree char *directory = g_build_filename(*state, "nothing", NULL);
  GError *error = NULL;
  assert_null(cw_events_open(directory, 0, &error));
  assert_non_null(error);
  *strstr(error->message, CW_EVENTS_PREFIX) = '\0'; /* time, machine and process follow */
  assert_message(error, *state, "DIR/nothing/");
}

static void test_a_torn_end_is_cut_off(void **state)
{
  CwEvents *events = cw_events_open(*state, 0, NULL);
  cw_events_scalar(events, "a/b", 1);
  assert_true(cw_events_end(events, 3, NULL));
  cw_events_close(events);
  g_autoptr(GPtrArray) names = cw_list_directory(*state, NULL);
  g_autofree char *path = g_build_filename(*state, names->pdata[0], NULL), *contents = NULL;
  gsize length;
  assert_true(g_file_get_contents(path, &contents, &length, NULL));
  g_autoptr(GString) torn = g_string_new_len(contents, (gssize)length);
  g_string_append_len(torn, contents, 20); /* the head of a record */
  g_string_append_len(torn, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
  assert_true(g_file_set_contents(path, torn->str, (gssize)torn->len, NULL));
  cw_events_close(cw_events_open(*state, 4, NULL));
  g_clear_pointer(&contents, g_free);
  assert_true(g_file_get_contents(path, &contents, &length, NULL));
  assert_int_equal(length, torn->len - 36);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_scalars_are_read_back, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_metrics_go_into_the_events_too, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_torn_end_is_cut_off, make_scratch, remove_scratch),
      cmocka_unit_test_setup_teardown(test_a_directory_that_is_not_there_is_told, make_scratch,
                                      remove_scratch),
  };

  return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
