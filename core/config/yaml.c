/* Reads YAML into a tree that remembers where everything was written. libyaml supplies the events; this file
 * decides what is allowed: one document, plain scalars, lists and mappings, unique scalar keys, bounded depth
 * and size. The text is checked for valid UTF-8 and control characters first, so that such faults too are
 * reported by line and column. The caller owns the tree. */
#include "core/config/yaml.h"
#include "core/config/yaml_private.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

enum { MAXIMUM_NODES = 100000, MAXIMUM_BYTES = 16 << 20 };

typedef struct {
  yaml_parser_t parser;
  const char *text; /* the whole document, for the cure of a tab */
  const char *file; /* interned */
  gboolean marks;   /* whether lines and columns mean anything to the user */
  guint n_nodes;
  CwDiagnostics *diagnostics;
} Reader;

static CwPlace place_at(const Reader *reader, guint line, guint column)
{
  CwPlace place = {reader->file, reader->marks ? line : 0, reader->marks ? column : 0};
  return place;
}

static CwPlace place_of(const Reader *reader, yaml_mark_t mark)
{
  return place_at(reader, (guint)mark.line + 1, (guint)mark.column + 1);
}

CwYamlNode *cw_yaml_node_new(CwYamlKind kind, CwPlace place)
{
  CwYamlNode *node = g_new0(CwYamlNode, 1);
  node->kind = kind;
  node->place = place;
  return node;
}

void cw_yaml_pair_free(gpointer data)
{
  CwYamlPair *pair = data;
  g_free(pair->key);
  cw_yaml_free(pair->value);
  g_free(pair);
}

static void node_free(gpointer data)
{
  cw_yaml_free(data);
}

void cw_yaml_free(CwYamlNode *node)
{
  if (!node)
    return;
  g_free(node->scalar);
  cw_yaml_free(node->former);
  if (node->items)
    g_ptr_array_free(node->items, TRUE);
  g_free(node);
}

/* Line breaks as libyaml counts them, except the rare Unicode ones. */
static gboolean characters_are_allowed(const Reader *reader, const char *text, gsize length)
{
  guint line = 1, column = 1;
  for (const char *p = text, *end = text + length; p < end;) {
    gunichar character = *p ? g_utf8_get_char_validated(p, end - p) : 0;
    if (character == (gunichar)-1 || character == (gunichar)-2) {
      cw_diagnostics_error(reader->diagnostics, place_at(reader, line, column),
                           "byte 0x%02x at offset %" G_GSIZE_FORMAT
                           " is not valid UTF-8; save the file as UTF-8",
                           (guint)(guchar)*p, (gsize)(p - text));
      return FALSE;
    }
    gboolean is_break = character == '\n' || character == '\r';
    if ((character < 0x20 && !is_break && character != '\t') ||
        (character >= 0x7f && character < 0xa0 && character != 0x85) || (character == 0xfeff && p != text) ||
        character == 0xfffe || character == 0xffff) {
      cw_diagnostics_error(reader->diagnostics, place_at(reader, line, column),
                           "the character U+%04X is not allowed in YAML; remove it", character);
      return FALSE;
    }
    const char *next = p + g_utf8_skip[(guchar)*p];
    if (character == '\r' && next < end && *next == '\n')
      next++;
    if (is_break) {
      line++;
      column = 1;
    } else if (character != 0xfeff) {
      column++;
    }
    p = next;
  }
  return TRUE;
}

static void report_syntax(Reader *reader)
{
  yaml_parser_t *parser = &reader->parser;
  GString *message = g_string_new("YAML syntax: ");
  g_string_append(message, parser->problem ? parser->problem : "unreadable");
  if (parser->context) {
    g_string_append_printf(message, " %s", parser->context);
    if (reader->marks && parser->context_mark.line != parser->problem_mark.line)
      g_string_append_printf(message, " that starts at line %zu, column %zu", parser->context_mark.line + 1,
                             parser->context_mark.column + 1);
  }
  if (parser->problem && strstr(parser->problem, "cannot start any token")) {
    const char *at = reader->text;
    for (size_t line = 0; at && line < parser->problem_mark.line; line++) {
      at = strchr(at, '\n');
      at = at ? at + 1 : NULL;
    }
    for (size_t column = 0; at && *at && column < parser->problem_mark.column; column++)
      at = g_utf8_next_char(at);
    if (at && *at == '\t')
      g_string_append(message, "; this is a tab: indent with spaces");
    else if (at && *at)
      g_string_append_printf(message, "; put quotes around a value that starts with '%c'", *at);
  }
  cw_diagnostics_error(reader->diagnostics, place_of(reader, parser->problem_mark), "%s", message->str);
  g_string_free(message, TRUE);
}

static gboolean next_event(Reader *reader, yaml_event_t *event)
{
  if (yaml_parser_parse(&reader->parser, event))
    return TRUE;
  report_syntax(reader);
  return FALSE;
}

static void refuse_decoration(Reader *reader, CwPlace place, const yaml_char_t *anchor,
                              const yaml_char_t *tag)
{
  if (anchor)
    cw_diagnostics_error(reader->diagnostics, place,
                         "anchor '&%s' is not supported; write the value out where it is needed",
                         (const char *)anchor);
  if (tag)
    cw_diagnostics_error(reader->diagnostics, place, "tag '%s' is not supported; remove it",
                         (const char *)tag);
}

static gboolean count_node(Reader *reader, CwPlace place)
{
  if (++reader->n_nodes <= MAXIMUM_NODES)
    return TRUE;
  cw_diagnostics_error(reader->diagnostics, place,
                       "more than %d keys and values; a configuration is never that large", MAXIMUM_NODES);
  return FALSE;
}

static CwYamlNode *read_node(Reader *reader, yaml_event_t *event, guint depth);

static CwYamlNode *read_scalar(Reader *reader, const yaml_event_t *event, CwPlace place)
{
  CwYamlNode *node = cw_yaml_node_new(CW_YAML_SCALAR, place);
  const char *value = (const char *)event->data.scalar.value;
  refuse_decoration(reader, place, event->data.scalar.anchor, event->data.scalar.tag);
  if (memchr(value, '\0', event->data.scalar.length)) {
    cw_diagnostics_error(reader->diagnostics, place, "the value contains a NUL character; remove it");
    node->faulty = TRUE;
  }
  node->scalar = g_strndup(value, event->data.scalar.length);
  node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  return node;
}

static CwYamlNode *read_sequence(Reader *reader, CwPlace place, guint depth)
{
  CwYamlNode *node = cw_yaml_node_new(CW_YAML_SEQUENCE, place);
  node->items = g_ptr_array_new_with_free_func(node_free);
  for (;;) {
    yaml_event_t event;
    if (!next_event(reader, &event))
      break;
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&event);
      return node;
    }
    CwYamlNode *item = read_node(reader, &event, depth + 1);
    if (!item)
      break;
    g_ptr_array_add(node->items, item);
  }
  cw_yaml_free(node);
  return NULL;
}

/* The next key into `pair`, whose key stays NULL for one that was refused. Sets *end at the end of the
 * mapping; FALSE when reading cannot go on. */
static gboolean read_key(Reader *reader, CwYamlPair *pair, guint depth, gboolean *end)
{
  yaml_event_t event;
  if (!next_event(reader, &event))
    return FALSE;
  pair->place = place_of(reader, event.start_mark);
  *end = event.type == YAML_MAPPING_END_EVENT;
  if (*end) {
    yaml_event_delete(&event);
    return TRUE;
  }
  CwYamlNode *key = read_node(reader, &event, depth + 1);
  if (!key)
    return FALSE;
  if (key->kind != CW_YAML_SCALAR)
    cw_diagnostics_error(reader->diagnostics, pair->place, "a key must be a word, found a %s",
                         key->kind == CW_YAML_SEQUENCE ? "list" : "mapping");
  else if (!key->faulty && *key->scalar == '\0')
    cw_diagnostics_error(reader->diagnostics, pair->place, "a key is missing before the ':'");
  else if (!key->faulty)
    pair->key = g_steal_pointer(&key->scalar);
  cw_yaml_free(key);
  return TRUE;
}

static CwYamlNode *read_mapping(Reader *reader, CwPlace place, guint depth)
{
  CwYamlNode *node = cw_yaml_node_new(CW_YAML_MAPPING, place);
  node->items = g_ptr_array_new_with_free_func(cw_yaml_pair_free);
  g_autoptr(GHashTable) first = g_hash_table_new(g_str_hash, g_str_equal);
  for (;;) {
    CwYamlPair *pair = g_new0(CwYamlPair, 1);
    gboolean end = FALSE;
    yaml_event_t event;
    if (!read_key(reader, pair, depth, &end) || (!end && !next_event(reader, &event))) {
      cw_yaml_pair_free(pair);
      break;
    }
    if (end) {
      cw_yaml_pair_free(pair);
      return node;
    }
    pair->value = read_node(reader, &event, depth + 1);
    if (!pair->value) {
      cw_yaml_pair_free(pair);
      break;
    }
    const CwYamlPair *earlier = pair->key ? g_hash_table_lookup(first, pair->key) : NULL;
    if (earlier) {
      g_autofree char *shown = cw_display_text(pair->key);
      g_autofree char *where = cw_place_text(earlier->place);
      cw_diagnostics_error(reader->diagnostics, pair->place, "duplicate key %s; it was first given at %s",
                           shown, where);
    }
    if (earlier || !pair->key) {
      cw_yaml_pair_free(pair);
      continue;
    }
    g_ptr_array_add(node->items, pair);
    g_hash_table_insert(first, pair->key, pair);
  }
  cw_yaml_free(node);
  return NULL;
}

/* Consumes the event. NULL when reading cannot go on. */
static CwYamlNode *read_node(Reader *reader, yaml_event_t *event, guint depth)
{
  CwPlace place = place_of(reader, event->start_mark);
  CwYamlNode *node = NULL;
  if (!count_node(reader, place)) {
    yaml_event_delete(event);
    return NULL;
  }
  if (depth > CW_YAML_DEEPEST) {
    cw_diagnostics_error(reader->diagnostics, place, "nested more than %d levels deep", CW_YAML_DEEPEST);
    yaml_event_delete(event);
    return NULL;
  }
  switch (event->type) {
  case YAML_SCALAR_EVENT:
    node = read_scalar(reader, event, place);
    break;
  case YAML_SEQUENCE_START_EVENT:
    refuse_decoration(reader, place, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    node = read_sequence(reader, place, depth);
    break;
  case YAML_MAPPING_START_EVENT:
    refuse_decoration(reader, place, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    node = read_mapping(reader, place, depth);
    break;
  case YAML_ALIAS_EVENT:
    cw_diagnostics_error(reader->diagnostics, place, "alias '*%s' is not supported; write the value out here",
                         (const char *)event->data.alias.anchor);
    node = cw_yaml_node_new(CW_YAML_SCALAR, place);
    node->scalar = g_strdup("");
    node->faulty = TRUE;
    break;
  default:
    cw_diagnostics_error(reader->diagnostics, place, "YAML syntax: unexpected end");
    break;
  }
  yaml_event_delete(event);
  return node;
}

static CwYamlNode *read_stream(Reader *reader)
{
  CwYamlNode *root = NULL;
  for (;;) {
    yaml_event_t event;
    if (!next_event(reader, &event))
      break;
    if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT) {
      yaml_event_delete(&event);
    } else if (event.type == YAML_STREAM_END_EVENT) {
      CwPlace place = {reader->file, 0, 0};
      yaml_event_delete(&event);
      if (!root)
        cw_diagnostics_error(reader->diagnostics, place,
                             "there is no YAML in it; expected a mapping of keys to values");
      return root;
    } else if (event.type == YAML_DOCUMENT_START_EVENT) {
      CwPlace place = place_of(reader, event.start_mark);
      yaml_event_delete(&event);
      if (root) {
        cw_diagnostics_error(reader->diagnostics, place,
                             "a second YAML document; write one document per file");
        return root;
      }
      if (!next_event(reader, &event))
        break;
      root = read_node(reader, &event, 1);
      if (!root)
        break;
    }
  }
  cw_yaml_free(root);
  return NULL;
}

static CwYamlNode *parse(const char *text, gsize length, const char *name, gboolean marks,
                         CwDiagnostics *diagnostics)
{
  Reader reader = {.text = text, .file = g_intern_string(name), .marks = marks, .diagnostics = diagnostics};
  if (!characters_are_allowed(&reader, text, length))
    return NULL;
  if (!yaml_parser_initialize(&reader.parser)) {
    CwPlace place = {reader.file, 0, 0};
    cw_diagnostics_error(diagnostics, place, "no memory for the YAML parser");
    return NULL;
  }
  yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
  CwYamlNode *root = read_stream(&reader);
  yaml_parser_delete(&reader.parser);
  return root;
}

/* The whole content, or NULL with errno; EFBIG above the limit. */
static GString *read_all(const char *path)
{
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return NULL;
  GString *content = g_string_new(NULL);
  char buffer[16384];
  ssize_t n_read;
  while ((n_read = read(descriptor, buffer, sizeof buffer)) != 0) {
    if (n_read < 0 && errno == EINTR)
      continue;
    if (n_read > 0)
      g_string_append_len(content, buffer, n_read);
    if (n_read < 0 || content->len > MAXIMUM_BYTES) {
      int reason = n_read < 0 ? errno : EFBIG;
      g_string_free(content, TRUE);
      close(descriptor);
      errno = reason;
      return NULL;
    }
  }
  close(descriptor);
  return content;
}

CwYamlNode *cw_yaml_parse_file(const char *path, CwDiagnostics *diagnostics)
{
  GString *content = read_all(path);
  if (!content) {
    CwPlace place = {g_intern_string(path), 0, 0};
    if (errno == EFBIG)
      cw_diagnostics_error(diagnostics, place, "larger than %d MiB; a configuration is never that large",
                           MAXIMUM_BYTES >> 20);
    else
      cw_diagnostics_error(diagnostics, place, "cannot be read: %s", g_strerror(errno));
    return NULL;
  }
  CwYamlNode *root = parse(content->str, content->len, path, TRUE, diagnostics);
  g_string_free(content, TRUE);
  return root;
}

CwYamlNode *cw_yaml_parse_text(const char *text, const char *name, CwDiagnostics *diagnostics)
{
  return parse(text, strlen(text), name, TRUE, diagnostics);
}

CwYamlNode *cw_yaml_parse_unmarked(const char *text, const char *name, CwDiagnostics *diagnostics)
{
  return parse(text, strlen(text), name, FALSE, diagnostics);
}
