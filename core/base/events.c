/* Writes event files. A message is put together in memory, framed and leaves in one write. Of protocol
 * buffers four wire types are needed: variable-length integers (0), eight bytes (1), length-delimited (2) and
 * four bytes (5); numbers are little-endian. */
#include "core/base/events.h"
#include "core/base/durable.h"
#include <cartwright/checksum.h>
#include <string.h>
#include <unistd.h>

/* Fields of Event, Summary, Summary.Value and SessionLog. */
enum {
  EVENT_WALL_TIME = 1,
  EVENT_STEP = 2,
  EVENT_FILE_VERSION = 3,
  EVENT_SUMMARY = 5,
  EVENT_SESSION_LOG = 7
};
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE_VALUE = 2, SESSION_LOG_STATUS = 1, SESSION_START = 1 };

struct CwEvents {
  CwLog *log;
  GString *summary; /* the Summary under construction */
};

static void append_varint(GString *message, guint64 value)
{
  for (; value >= 0x80; value >>= 7)
    g_string_append_c(message, (char)(0x80 | (value & 0x7f)));
  g_string_append_c(message, (char)value);
}

static void append_key(GString *message, guint field, guint wire_type)
{
  append_varint(message, field << 3 | wire_type);
}

static void append_bytes(GString *message, guint field, const char *bytes, gsize length)
{
  append_key(message, field, 2);
  append_varint(message, length);
  g_string_append_len(message, bytes, (gssize)length);
}

static void append_double(GString *message, guint field, double value)
{
  guint64 bits;
  memcpy(&bits, &value, sizeof bits);
  bits = GUINT64_TO_LE(bits);
  append_key(message, field, 1);
  g_string_append_len(message, (const char *)&bits, sizeof bits);
}

static void append_float(GString *message, guint field, float value)
{
  guint32 bits;
  memcpy(&bits, &value, sizeof bits);
  bits = GUINT32_TO_LE(bits);
  append_key(message, field, 5);
  g_string_append_len(message, (const char *)&bits, sizeof bits);
}

/* CRC32C, rotated and offset, since checksums of data that holds checksums are weak. */
static guint32 masked_checksum(const void *data, gsize length)
{
  guint32 crc = cw_crc32c(0, data, length);
  return GUINT32_TO_LE((crc >> 15 | crc << 17) + 0xa282ead8u);
}

/* An Event with its time and step, as a TFRecord: length, its checksum, data, their checksum. `payload` is
 * the rest. */
static gboolean write_event(CwEvents *events, guint64 step, const GString *payload, GError **error)
{
  g_autoptr(GString) event = g_string_new(NULL), record = g_string_new(NULL);
  guint64 length;
  guint32 checksum;
  append_double(event, EVENT_WALL_TIME, (double)g_get_real_time() / G_USEC_PER_SEC);
  append_key(event, EVENT_STEP, 0);
  append_varint(event, step);
  g_string_append_len(event, payload->str, (gssize)payload->len);
  length = GUINT64_TO_LE((guint64)event->len);
  g_string_append_len(record, (const char *)&length, sizeof length);
  checksum = masked_checksum(&length, sizeof length);
  g_string_append_len(record, (const char *)&checksum, sizeof checksum);
  g_string_append_len(record, event->str, (gssize)event->len);
  checksum = masked_checksum(event->str, event->len);
  g_string_append_len(record, (const char *)&checksum, sizeof checksum);
  return cw_log_add(events->log, record->str, record->len, error);
}

/* The two events that a file begins with. */
static gboolean begin_file(CwEvents *events, guint64 first_step, GError **error)
{
  static const char version[] = "brain.Event:2";
  g_autoptr(GString) payload = g_string_new(NULL), log = g_string_new(NULL);

  append_bytes(payload, EVENT_FILE_VERSION, version, strlen(version));
  if (!write_event(events, 0, payload, error))
    return FALSE;
  append_key(log, SESSION_LOG_STATUS, 0);
  append_varint(log, SESSION_START);
  g_string_truncate(payload, 0);
  append_bytes(payload, EVENT_SESSION_LOG, log->str, log->len);
  return write_event(events, first_step, payload, error);
}

/* Bytes of the whole records at the beginning of a file. */
static gsize whole_records(const char *data, gsize length)
{
  const gsize head = sizeof(guint64) + sizeof(guint32), tail = sizeof(guint32);
  gsize whole = 0;
  while (length - whole >= head + tail) {
    const char *record = data + whole;
    guint64 size;
    guint32 checksums[2];
    memcpy(&size, record, sizeof size);
    size = GUINT64_FROM_LE(size);
    memcpy(&checksums[0], record + sizeof size, tail);
    if (checksums[0] != masked_checksum(record, sizeof size) || size > length - whole - head - tail)
      break;
    memcpy(&checksums[1], record + head + size, tail);
    if (checksums[1] != masked_checksum(record + head, size))
      break;
    whole += head + size + tail;
  }
  return whole;
}

/* Cuts off the torn end that a killed process or a loss of power left: readers stop there. */
static gboolean mend(const char *path, GError **error)
{
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
  gsize length = file ? g_mapped_file_get_length(file) : 0;
  gsize whole = length ? whole_records(g_mapped_file_get_contents(file), length) : 0;
  if (whole == length)
    return TRUE;
  g_message("%s: dropped %" G_GSIZE_FORMAT " bytes of a record that was not finished", path, length - whole);
  if (truncate(path, (off_t)whole) == 0)
    return TRUE;
  cw_set_errno_error(error, "cut the file", path);
  return FALSE;
}

static gboolean mend_all(const char *directory, GError **error)
{
  g_autoptr(GPtrArray) names = cw_list_directory(directory, NULL);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *path = g_build_filename(directory, names->pdata[i], NULL);
    if (g_str_has_prefix(names->pdata[i], CW_EVENTS_PREFIX) && !mend(path, error))
      return FALSE;
  }
  return TRUE;
}

/* A name that no earlier file has, of this process neither. */
static char *choose_path(const char *directory)
{
  for (guint number = 0;; number++) {
    g_autofree char *name =
        g_strdup_printf(CW_EVENTS_PREFIX "%010" G_GINT64_FORMAT ".%s.%d", g_get_real_time() / G_USEC_PER_SEC,
                        g_get_host_name(), (int)getpid());
    g_autofree char *path = number ? g_strdup_printf("%s/%s.%u", directory, name, number)
                                   : g_build_filename(directory, name, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
      return g_steal_pointer(&path);
  }
}

CwEvents *cw_events_open(const char *directory, guint64 first_step, GError **error)
{
  g_autofree char *path = choose_path(directory);
  CwEvents *events = g_new0(CwEvents, 1);
  events->summary = g_string_new(NULL);
  events->log = mend_all(directory, error) ? cw_log_open(path, 0, error) : NULL;
  if (!events->log || !begin_file(events, first_step, error))
    g_clear_pointer(&events, cw_events_close);
  return events;
}

void cw_events_close(CwEvents *events)
{
  if (!events)
    return;
  cw_log_close(events->log);
  g_string_free(events->summary, TRUE);
  g_free(events);
}

void cw_events_scalar(CwEvents *events, const char *tag, double value)
{
  g_autoptr(GString) message = g_string_new(NULL);

  append_bytes(message, VALUE_TAG, tag, strlen(tag));
  append_float(message, VALUE_SIMPLE_VALUE, (float)value);
  append_bytes(events->summary, SUMMARY_VALUE, message->str, message->len);
}

gboolean cw_events_end(CwEvents *events, guint64 step, GError **error)
{
  g_autoptr(GString) payload = g_string_new(NULL);

  if (events->summary->len == 0)
    return TRUE;
  append_bytes(payload, EVENT_SUMMARY, events->summary->str, events->summary->len);
  g_string_truncate(events->summary, 0);
  return write_event(events, step, payload, error);
}
