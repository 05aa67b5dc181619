/* A stack machine over a list of opcodes, those that pickle protocols 2 to 4 need for dictionaries of
 * tensors. The pickle owns all values; they refer to each other freely, so nothing here walks them
 * recursively. */
#include "models/torch_import/pickle.h"
#include <cartwright/error.h>
#include <string.h>

/* A dictionary of a thousand tensors has some 20,000 values. */
#define MOST_VALUES 500000
#define MOST_MEMO   500000

struct BertPickle {
  GPtrArray *values; /* all of them, owned */
  GPtrArray *storages;
  const BertPickleValue *top;
};

typedef struct {
  BertPickle *pickle;
  const char *where;
  const guint8 *bytes;
  gsize length, position, start; /* start: of the present opcode */
  GPtrArray *stack, *memo;       /* BertPickleValue * */
  GError **error;
} Machine;

static const gsize element_sizes[] = {4, 8, 2, 2, 8, 4, 2, 1, 1, 1};

static const struct {
  const char *name;
  BertElement element;
} storage_types[] = {
    {"torch.FloatStorage", BERT_ELEMENT_FLOAT}, {"torch.DoubleStorage", BERT_ELEMENT_DOUBLE},
    {"torch.HalfStorage", BERT_ELEMENT_HALF},   {"torch.BFloat16Storage", BERT_ELEMENT_BFLOAT16},
    {"torch.LongStorage", BERT_ELEMENT_LONG},   {"torch.IntStorage", BERT_ELEMENT_INT},
    {"torch.ShortStorage", BERT_ELEMENT_SHORT}, {"torch.CharStorage", BERT_ELEMENT_CHAR},
    {"torch.ByteStorage", BERT_ELEMENT_BYTE},   {"torch.BoolStorage", BERT_ELEMENT_BOOL}};

static const char *const functions[] = {"collections.OrderedDict", "torch._utils._rebuild_tensor",
                                        "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"};

gsize bert_element_size(BertElement element)
{
  return element_sizes[element];
}

static void value_free(gpointer data)
{
  BertPickleValue *value = data;
  g_free(value->text);
  if (value->items)
    g_ptr_array_free(value->items, TRUE);
  g_free(value);
}

void bert_pickle_free(BertPickle *pickle)
{
  if (!pickle)
    return;
  g_ptr_array_free(pickle->values, TRUE);
  g_ptr_array_free(pickle->storages, TRUE);
  g_free(pickle);
}

const BertPickleValue *bert_pickle_value(const BertPickle *pickle)
{
  return pickle->top;
}

const GPtrArray *bert_pickle_storages(const BertPickle *pickle)
{
  return pickle->storages;
}

G_GNUC_PRINTF(2, 3)
static gboolean fail(const Machine *machine, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(machine->error, CW_POLICY_ERROR, CW_ERROR_FORMAT, "%s: byte %" G_GSIZE_FORMAT ": %s",
              machine->where, machine->start, text);
  g_free(text);
  return FALSE;
}

/* ---- bytes ---- */

static gboolean take(Machine *machine, gsize n, const guint8 **bytes)
{
  if (n > machine->length - machine->position)
    return fail(machine, "the pickle ends in the middle; the file is cut off");
  *bytes = machine->bytes + machine->position;
  machine->position += n;
  return TRUE;
}

static gboolean take_number(Machine *machine, guint size, guint64 *number)
{
  const guint8 *bytes = NULL;
  if (!take(machine, size, &bytes))
    return FALSE;
  *number = 0;
  for (guint i = 0; i < size; i++)
    *number |= (guint64)bytes[i] << (8 * i);
  return TRUE;
}

static gboolean take_line(Machine *machine, const char **line, gsize *length)
{
  const guint8 *start = machine->bytes + machine->position;
  const guint8 *end = memchr(start, '\n', machine->length - machine->position);
  if (!end)
    return fail(machine, "the pickle ends in the middle; the file is cut off");
  *line = (const char *)start;
  *length = (gsize)(end - start);
  machine->position += *length + 1;
  return TRUE;
}

/* ---- the stack ---- */

static BertPickleValue *push(Machine *machine, BertPickleKind kind)
{
  if (machine->pickle->values->len >= MOST_VALUES) {
    fail(machine, "the pickle has more than %d values", MOST_VALUES);
    return NULL;
  }
  BertPickleValue *value = g_new0(BertPickleValue, 1);
  value->kind = kind;
  if (kind == BERT_PICKLE_TUPLE || kind == BERT_PICKLE_LIST || kind == BERT_PICKLE_DICTIONARY)
    value->items = g_ptr_array_new();
  g_ptr_array_add(machine->pickle->values, value);
  g_ptr_array_add(machine->stack, value);
  return value;
}

static gboolean push_integer(Machine *machine, BertPickleKind kind, gint64 integer)
{
  BertPickleValue *value = push(machine, kind);
  if (value)
    value->integer = integer;
  return value != NULL;
}

static gboolean push_text(Machine *machine, BertPickleKind kind, const char *text, gsize length)
{
  BertPickleValue *value = push(machine, kind);
  if (!value)
    return FALSE;
  value->text = g_malloc(length + 1);
  memcpy(value->text, text, length);
  value->text[length] = '\0';
  value->length = length;
  return TRUE;
}

/* The topmost value, which no mark hides; with `removes` it leaves the stack. */
static BertPickleValue *top(Machine *machine, gboolean removes)
{
  guint n = machine->stack->len;
  BertPickleValue *value = n ? g_ptr_array_index(machine->stack, n - 1) : NULL;
  if (!value || value->kind == BERT_PICKLE_MARK) {
    fail(machine, "the pickle takes a value that is not there");
    return NULL;
  }
  if (removes)
    g_ptr_array_set_size(machine->stack, (gint)n - 1);
  return value;
}

static BertPickleValue *pop(Machine *machine)
{
  return top(machine, TRUE);
}

/* Where the values after the last mark begin. */
static gboolean find_mark(Machine *machine, guint *first)
{
  for (guint i = machine->stack->len; i > 0; i--) {
    const BertPickleValue *value = g_ptr_array_index(machine->stack, i - 1);
    if (value->kind != BERT_PICKLE_MARK)
      continue;
    *first = i;
    return TRUE;
  }
  return fail(machine, "the pickle looks for a mark that is not there");
}

/* Moves everything after the mark into the value under it, or the n topmost values into a new tuple. */
static gboolean gather(Machine *machine, guint kind)
{
  guint first = 0;
  if (!find_mark(machine, &first))
    return FALSE;
  BertPickleValue *into = first >= 2 ? g_ptr_array_index(machine->stack, first - 2) : NULL;
  guint n = machine->stack->len - first;
  if (!into || into->kind != kind || (kind == BERT_PICKLE_DICTIONARY && n % 2 != 0))
    return fail(machine, "the pickle adds items to something that does not take them");
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(into->items, g_ptr_array_index(machine->stack, first + i));
  g_ptr_array_set_size(machine->stack, (gint)first - 1);
  return TRUE;
}

static gboolean make_tuple(Machine *machine, guint n)
{
  guint len = machine->stack->len;
  for (guint i = 0; i < n; i++)
    if (i >= len ||
        ((const BertPickleValue *)g_ptr_array_index(machine->stack, len - 1 - i))->kind == BERT_PICKLE_MARK)
      return fail(machine, "the pickle takes a value that is not there");
  BertPickleValue *tuple = push(machine, BERT_PICKLE_TUPLE);
  if (!tuple)
    return FALSE;
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(tuple->items, g_ptr_array_index(machine->stack, len - n + i));
  g_ptr_array_set_size(machine->stack, (gint)(len - n));
  g_ptr_array_add(machine->stack, tuple);
  return TRUE;
}

static gboolean make_tuple_after_mark(Machine *machine, G_GNUC_UNUSED guint argument)
{
  guint first = 0;
  if (!find_mark(machine, &first))
    return FALSE;
  guint n = machine->stack->len - first;
  if (!make_tuple(machine, n))
    return FALSE;
  g_ptr_array_remove_index(machine->stack, first - 1);
  return TRUE;
}

/* Adds the topmost value to the list, or the two topmost to the dictionary, under them. */
static gboolean append(Machine *machine, guint kind)
{
  guint n = kind == BERT_PICKLE_LIST ? 1 : 2;
  BertPickleValue *items[2] = {NULL, NULL}, *into;
  for (guint i = n; i > 0; i--)
    if (!(items[i - 1] = pop(machine)))
      return FALSE;
  if (!(into = top(machine, FALSE)))
    return FALSE;
  if (into->kind != kind)
    return fail(machine, "the pickle adds items to something that does not take them");
  for (guint i = 0; i < n; i++)
    g_ptr_array_add(into->items, items[i]);
  return TRUE;
}

/* ---- memo ---- */

static gboolean remember(Machine *machine, guint64 index)
{
  BertPickleValue *value = top(machine, FALSE);
  if (!value)
    return FALSE;
  if (index >= MOST_MEMO)
    return fail(machine, "the pickle remembers more than %d values", MOST_MEMO);
  if (index >= machine->memo->len)
    g_ptr_array_set_size(machine->memo, (gint)index + 1);
  g_ptr_array_index(machine->memo, index) = value;
  return TRUE;
}

static gboolean recall(Machine *machine, guint64 index)
{
  BertPickleValue *value = index < machine->memo->len ? g_ptr_array_index(machine->memo, index) : NULL;
  if (!value)
    return fail(machine, "the pickle recalls a value that it has not remembered");
  if (machine->stack->len >= MOST_VALUES)
    return fail(machine, "the pickle has more than %d values", MOST_VALUES);
  g_ptr_array_add(machine->stack, value);
  return TRUE;
}

/* ---- names, storages, tensors ---- */

static gboolean push_name(Machine *machine, const char *module, gsize module_length, const char *name,
                          gsize name_length)
{
  char *text =
      g_strdup_printf("%.*s.%.*s", (int)MIN(module_length, 200), module, (int)MIN(name_length, 200), name);
  gboolean known = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
    known |= g_str_equal(text, functions[i]);
  for (guint i = 0; i < G_N_ELEMENTS(storage_types); i++)
    known |= g_str_equal(text, storage_types[i].name);
  if (known)
    known = push_text(machine, BERT_PICKLE_NAME, text, strlen(text));
  else {
    char *valid = g_utf8_make_valid(text, -1);
    fail(machine,
         "the pickle asks for '%s'; only tensors are read, never code: save the state dictionary, "
         "torch.save(model.state_dict(), ...)",
         valid);
    g_free(valid);
  }
  g_free(text);
  return known;
}

static gboolean stack_global(Machine *machine, G_GNUC_UNUSED guint argument)
{
  BertPickleValue *name = pop(machine), *module = name ? pop(machine) : NULL;
  if (!module)
    return FALSE;
  if (name->kind != BERT_PICKLE_STRING || module->kind != BERT_PICKLE_STRING)
    return fail(machine, "the pickle asks for a name that is not text");
  return push_name(machine, module->text, module->length, name->text, name->length);
}

static gboolean is_a(const BertPickleValue *value, BertPickleKind kind)
{
  return value && value->kind == kind;
}

static const BertPickleValue *item(const BertPickleValue *value, guint index)
{
  return value->items && index < value->items->len ? g_ptr_array_index(value->items, index) : NULL;
}

/* ('storage', type, key, place, elements) and in the old format a sixth, a view, which was always None since
 * 0.4. */
static gboolean load_persistent(Machine *machine, G_GNUC_UNUSED guint argument)
{
  BertPickleValue *id = pop(machine);
  if (!id)
    return FALSE;
  const BertPickleValue *tag = item(id, 0), *type = item(id, 1), *key = item(id, 2), *count = item(id, 4);
  if (id->kind != BERT_PICKLE_TUPLE || !is_a(tag, BERT_PICKLE_STRING) || !g_str_equal(tag->text, "storage") ||
      !is_a(type, BERT_PICKLE_NAME) || !is_a(key, BERT_PICKLE_STRING) || strlen(key->text) != key->length ||
      !is_a(count, BERT_PICKLE_INTEGER) || count->integer < 0)
    return fail(machine,
                "expected a storage ('storage', type, key, place, number of elements), found something else");
  if (item(id, 5) && item(id, 5)->kind != BERT_PICKLE_NONE)
    return fail(machine, "storage '%s' is a view of another one; save the file with a newer PyTorch",
                key->text);
  for (guint i = 0; i < G_N_ELEMENTS(storage_types); i++) {
    if (!g_str_equal(type->text, storage_types[i].name))
      continue;
    if (!push_text(machine, BERT_PICKLE_STORAGE, key->text, key->length))
      return FALSE;
    BertPickleValue *storage = top(machine, FALSE);
    storage->element = storage_types[i].element;
    storage->n_elements = (guint64)count->integer;
    g_ptr_array_add(machine->pickle->storages, storage);
    return TRUE;
  }
  return fail(machine, "'%s' is no type of a storage", type->text);
}

static gboolean read_extents(Machine *machine, const BertPickleValue *tuple, const char *what,
                             guint64 *extents)
{
  for (guint i = 0; i < tuple->items->len; i++) {
    const BertPickleValue *value = item(tuple, i);
    if (value->kind != BERT_PICKLE_INTEGER || value->integer < 0)
      return fail(machine, "a tensor's %s are not numbers", what);
    extents[i] = (guint64)value->integer;
  }
  return TRUE;
}

/* (storage, offset, shape, strides, ...) */
static gboolean rebuild_tensor(Machine *machine, const BertPickleValue *arguments)
{
  const BertPickleValue *storage = item(arguments, 0), *offset = item(arguments, 1),
                        *shape = item(arguments, 2), *strides = item(arguments, 3);
  if (!is_a(storage, BERT_PICKLE_STORAGE) || !is_a(offset, BERT_PICKLE_INTEGER) || offset->integer < 0 ||
      !is_a(shape, BERT_PICKLE_TUPLE) || !is_a(strides, BERT_PICKLE_TUPLE) ||
      shape->items->len != strides->items->len)
    return fail(machine, "expected a tensor (storage, offset, shape, strides), found something else");
  if (shape->items->len > BERT_MAX_STRIDES)
    return fail(machine, "a tensor has %u dimensions; at most %d are supported", shape->items->len,
                BERT_MAX_STRIDES);
  BertPickleValue *tensor = push(machine, BERT_PICKLE_TENSOR);
  if (!tensor)
    return FALSE;
  tensor->storage = storage;
  tensor->offset = (guint64)offset->integer;
  tensor->n_dimensions = shape->items->len;
  return read_extents(machine, shape, "sizes", tensor->shape) &&
         read_extents(machine, strides, "strides", tensor->strides);
}

/* "Calls" one of the names, all of which only describe data. */
static gboolean reduce(Machine *machine, G_GNUC_UNUSED guint argument)
{
  BertPickleValue *arguments = pop(machine), *name = arguments ? pop(machine) : NULL;
  if (!name)
    return FALSE;
  if (name->kind != BERT_PICKLE_NAME || arguments->kind != BERT_PICKLE_TUPLE)
    return fail(machine, "the pickle calls something that is not a name");
  if (g_str_equal(name->text, "collections.OrderedDict")) {
    if (arguments->items->len > 0)
      return fail(machine, "expected an empty OrderedDict, found one with arguments");
    return push(machine, BERT_PICKLE_DICTIONARY) != NULL;
  }
  if (g_str_has_prefix(name->text, "torch._utils._rebuild_tensor"))
    return rebuild_tensor(machine, arguments);
  if (g_str_equal(name->text, "torch._utils._rebuild_parameter") &&
      is_a(item(arguments, 0), BERT_PICKLE_TENSOR)) {
    g_ptr_array_add(machine->stack, (gpointer)item(arguments, 0));
    return TRUE;
  }
  return fail(machine, "the pickle calls '%s', which is no function here", name->text);
}

/* The attributes of a state dictionary are bookkeeping of PyTorch. */
static gboolean build(Machine *machine, G_GNUC_UNUSED guint argument)
{
  BertPickleValue *state = pop(machine), *object = state ? top(machine, FALSE) : NULL;
  if (!object)
    return FALSE;
  if (object->kind != BERT_PICKLE_DICTIONARY || state->kind != BERT_PICKLE_DICTIONARY)
    return fail(machine, "the pickle sets attributes of something that has none");
  return TRUE;
}

/* ---- opcodes ---- */

static gboolean take_text(Machine *machine, guint size)
{
  guint64 length = 0;
  const guint8 *bytes = NULL;
  return take_number(machine, size, &length) && take(machine, (gsize)length, &bytes) &&
         push_text(machine, BERT_PICKLE_STRING, (const char *)bytes, (gsize)length);
}

/* Two's complement, low byte first, `size` bytes of length before it. */
static gboolean take_long(Machine *machine, guint size)
{
  guint64 length = 0;
  const guint8 *bytes = NULL;
  if (!take_number(machine, size, &length) || !take(machine, (gsize)length, &bytes))
    return FALSE;
  if (length > 8)
    return push_text(machine, BERT_PICKLE_LONG, (const char *)bytes, (gsize)length);
  guint64 number = length > 0 && bytes[length - 1] & 0x80 ? G_MAXUINT64 : 0;
  for (guint i = 0; i < length; i++)
    number = (number & ~((guint64)0xff << (8 * i))) | (guint64)bytes[i] << (8 * i);
  return push_integer(machine, BERT_PICKLE_INTEGER, (gint64)number);
}

static gboolean take_integer(Machine *machine, guint size)
{
  guint64 number = 0;
  return take_number(machine, size, &number) &&
         push_integer(machine, BERT_PICKLE_INTEGER, size == 4 ? (gint32)(guint32)number : (gint64)number);
}

static gboolean take_put(Machine *machine, guint size)
{
  guint64 index = 0;
  return take_number(machine, size, &index) && remember(machine, index);
}

static gboolean take_get(Machine *machine, guint size)
{
  guint64 index = 0;
  return take_number(machine, size, &index) && recall(machine, index);
}

static gboolean take_global(Machine *machine, G_GNUC_UNUSED guint argument)
{
  const char *module = NULL, *name = NULL;
  gsize module_length = 0, name_length = 0;
  return take_line(machine, &module, &module_length) && take_line(machine, &name, &name_length) &&
         push_name(machine, module, module_length, name, name_length);
}

static gboolean take_protocol(Machine *machine, guint size)
{
  guint64 protocol = 0;
  if (!take_number(machine, size, &protocol))
    return FALSE;
  return protocol >= 2 && protocol <= 5 ? TRUE
                                        : fail(machine, "pickle protocol %u is not known", (guint)protocol);
}

/* Of what nobody asks for, a frame's length and a number, only the size matters. */
static gboolean take_frame(Machine *machine, guint size)
{
  return take(machine, size, &(const guint8 *){NULL});
}

static gboolean take_float(Machine *machine, guint size)
{
  return take_frame(machine, size) && push(machine, BERT_PICKLE_NUMBER);
}

static gboolean push_kind(Machine *machine, guint kind)
{
  return push(machine, (BertPickleKind)kind) != NULL;
}

static gboolean push_boolean(Machine *machine, guint value)
{
  return push_integer(machine, BERT_PICKLE_BOOLEAN, value);
}

static gboolean memoize(Machine *machine, G_GNUC_UNUSED guint argument)
{
  return remember(machine, machine->memo->len);
}

/* What the opcodes do that a dictionary of tensors needs, but for the end. */
static const struct {
  gboolean (*run)(Machine *machine, guint argument);
  guint argument; /* a size in bytes, a kind of value, a number */
} opcodes[256] = {
    [0x80] = {take_protocol, 1},
    [0x95] = {take_frame, 8},
    ['('] = {push_kind, BERT_PICKLE_MARK},
    ['N'] = {push_kind, BERT_PICKLE_NONE},
    [0x88] = {push_boolean, TRUE},
    [0x89] = {push_boolean, FALSE},
    ['J'] = {take_integer, 4}, /* BININT, BININT1, BININT2 */
    ['K'] = {take_integer, 1},
    ['M'] = {take_integer, 2},
    [0x8a] = {take_long, 1}, /* LONG1, LONG4 */
    [0x8b] = {take_long, 4},
    ['G'] = {take_float, 8},
    ['X'] = {take_text, 4}, /* BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and Python 2's strings */
    ['T'] = {take_text, 4},
    [0x8c] = {take_text, 1},
    ['U'] = {take_text, 1},
    [0x8d] = {take_text, 8},
    [')'] = {push_kind, BERT_PICKLE_TUPLE},
    [']'] = {push_kind, BERT_PICKLE_LIST},
    ['}'] = {push_kind, BERT_PICKLE_DICTIONARY},
    ['t'] = {make_tuple_after_mark, 0},
    [0x85] = {make_tuple, 1}, /* TUPLE1, TUPLE2, TUPLE3 */
    [0x86] = {make_tuple, 2},
    [0x87] = {make_tuple, 3},
    ['a'] = {append, BERT_PICKLE_LIST},
    ['e'] = {gather, BERT_PICKLE_LIST},
    ['s'] = {append, BERT_PICKLE_DICTIONARY},
    ['u'] = {gather, BERT_PICKLE_DICTIONARY},
    ['q'] = {take_put, 1}, /* BINPUT, LONG_BINPUT, MEMOIZE */
    ['r'] = {take_put, 4},
    [0x94] = {memoize, 0},
    ['h'] = {take_get, 1}, /* BINGET, LONG_BINGET */
    ['j'] = {take_get, 4},
    ['c'] = {take_global, 0},
    [0x93] = {stack_global, 0},
    ['Q'] = {load_persistent, 0},
    ['R'] = {reduce, 0},
    ['b'] = {build, 0},
};

/* `opcode` is not the end. */
static gboolean run_opcode(Machine *machine, guint8 opcode)
{
  if (!opcodes[opcode].run)
    return fail(machine, "opcode 0x%02x is not among those that a dictionary of tensors needs", opcode);
  return opcodes[opcode].run(machine, opcodes[opcode].argument);
}

static gboolean run(Machine *machine)
{
  for (;;) {
    const guint8 *opcode = NULL;
    machine->start = machine->position;
    if (!take(machine, 1, &opcode))
      return FALSE;
    if (*opcode == '.') {
      machine->pickle->top = pop(machine);
      return machine->pickle->top != NULL;
    }
    if (!run_opcode(machine, *opcode))
      return FALSE;
  }
}

BertPickle *bert_pickle_read(const char *bytes, gsize length, const char *where, gsize *used, GError **error)
{
  BertPickle *pickle = g_new0(BertPickle, 1);
  pickle->values = g_ptr_array_new_with_free_func(value_free);
  pickle->storages = g_ptr_array_new();
  Machine machine = {.pickle = pickle,
                     .where = where,
                     .bytes = (const guint8 *)bytes,
                     .length = length,
                     .stack = g_ptr_array_new(),
                     .memo = g_ptr_array_new(),
                     .error = error};
  gboolean good = run(&machine);
  g_ptr_array_free(machine.stack, TRUE);
  g_ptr_array_free(machine.memo, TRUE);
  if (used)
    *used = machine.position;
  if (good)
    return pickle;
  bert_pickle_free(pickle);
  return NULL;
}
