/* Candidates: the actions that a page offers, as a sequence like a tuple of texts. A page has tens of them
 * and most programs look at one or none, so they are kept as bytes and become Python's texts when they are
 * asked for. */
#include "_core.h"

#include <string.h>

typedef struct {
  PyObject_HEAD char *texts; /* one after the other, each with its NUL */
  guint *starts;             /* of each in `texts`; in the same block of memory */
  guint n;
} Candidates;

PyObject *candidates_of(const CwEmbedView *view)
{
  allocfunc allocate = (allocfunc)PyType_GetSlot(candidates_type, Py_tp_alloc);
  Candidates *self = (Candidates *)allocate(candidates_type, 0);
  if (!self)
    return NULL;
  guint n = view->n_candidates, most = 64, *lengths = n <= most ? g_newa(guint, most) : g_new(guint, n);
  gsize size = 0;
  for (guint i = 0; i < n; i++) {
    lengths[i] = (guint)strlen(view->candidates[i]) + 1;
    size += lengths[i];
  }
  self->n = n;
  self->starts = g_malloc(n * sizeof(guint) + size + 1);
  self->texts = (char *)(self->starts + n);
  gsize place = 0;
  for (guint i = 0; i < n; i++) {
    self->starts[i] = (guint)place;
    memcpy(self->texts + place, view->candidates[i], lengths[i]);
    place += lengths[i];
  }
  if (n > most)
    g_free(lengths);
  return (PyObject *)self;
}

static void candidates_dealloc(PyObject *object)
{
  PyTypeObject *type = Py_TYPE(object);
  g_free(((Candidates *)object)->starts);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
  Py_DECREF(type);
}

static Py_ssize_t candidates_length(PyObject *object)
{
  return (Py_ssize_t)((Candidates *)object)->n;
}

static PyObject *candidates_item(PyObject *object, Py_ssize_t i)
{
  const Candidates *self = (Candidates *)object;
  if (i >= 0 && i < (Py_ssize_t)self->n)
    return text_of(self->texts + self->starts[i]);
  PyErr_Format(PyExc_IndexError, "there is no candidate %zd: the page has %u (counted from 0)", i, self->n);
  return NULL;
}

static PyObject *as_tuple(PyObject *object)
{
  const Candidates *self = (Candidates *)object;
  PyObject *tuple = PyTuple_New((Py_ssize_t)self->n);
  for (guint i = 0; tuple && i < self->n; i++) {
    PyObject *text = text_of(self->texts + self->starts[i]);
    if (!text || PyTuple_SetItem(tuple, (Py_ssize_t)i, text) < 0)
      Py_CLEAR(tuple);
  }
  return tuple;
}

/* A number, counted from the end when it is below 0, or a slice, which gives a tuple. */
static PyObject *candidates_subscript(PyObject *object, PyObject *key)
{
  if (PyIndex_Check(key)) {
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred())
      return NULL;
    return candidates_item(object, i < 0 ? i + candidates_length(object) : i);
  }
  PyObject *tuple = as_tuple(object), *part = tuple ? PyObject_GetItem(tuple, key) : NULL;
  Py_XDECREF(tuple);
  return part;
}

static PyObject *candidates_compare(PyObject *object, PyObject *other, int operation)
{
  PyObject *one = as_tuple(object);
  PyObject *two = Py_TYPE(other) == candidates_type ? as_tuple(other) : (Py_INCREF(other), other);
  PyObject *result = one && two ? PyObject_RichCompare(one, two, operation) : NULL;
  Py_XDECREF(one);
  Py_XDECREF(two);
  return result;
}

static Py_hash_t candidates_hash(PyObject *object)
{
  PyObject *tuple = as_tuple(object);
  Py_hash_t hash = tuple ? PyObject_Hash(tuple) : -1;
  Py_XDECREF(tuple);
  return hash;
}

static PyObject *candidates_repr(PyObject *object)
{
  PyObject *tuple = as_tuple(object), *text = tuple ? PyObject_Repr(tuple) : NULL;
  Py_XDECREF(tuple);
  return text;
}

/* The tuple's own method. */
static PyObject *call_tuple(PyObject *object, const char *method, PyObject *argument)
{
  PyObject *tuple = as_tuple(object);
  PyObject *result = tuple ? PyObject_CallMethod(tuple, method, "O", argument) : NULL;
  Py_XDECREF(tuple);
  return result;
}

static PyObject *candidates_index(PyObject *object, PyObject *text)
{
  return call_tuple(object, "index", text);
}

static PyObject *candidates_count(PyObject *object, PyObject *text)
{
  return call_tuple(object, "count", text);
}

/* Copies and pickles are tuples. */
static PyObject *candidates_reduce(PyObject *object, PyObject *Py_UNUSED(ignored))
{
  PyObject *tuple = as_tuple(object);
  return tuple ? Py_BuildValue("O(N)", (PyObject *)&PyTuple_Type, tuple) : NULL;
}

static PyMethodDef methods[] = {
    {"index", candidates_index, METH_O, "The number of the first candidate with this text."},
    {"count", candidates_count, METH_O, "How many candidates have this text."},
    {"__reduce__", candidates_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, candidates_dealloc},
    {Py_sq_length, candidates_length},
    {Py_sq_item, candidates_item},
    {Py_mp_length, candidates_length},
    {Py_mp_subscript, candidates_subscript},
    {Py_tp_richcompare, candidates_compare},
    {Py_tp_hash, candidates_hash},
    {Py_tp_repr, candidates_repr},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The actions that a page offers: like a tuple of texts."},
    {0, NULL},
};

PyType_Spec candidates_spec = {"cartwright._core.Candidates", sizeof(Candidates), 0, Py_TPFLAGS_DEFAULT,
                               slots};
