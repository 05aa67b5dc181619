/* Vector: sessions that are reset and stepped together. Its texts, numbers and infos are those of the
 * sessions' views (CwEmbedView). A vector belongs to one thread at a time, which is checked. */
#include "_core.h"

typedef struct {
  PyObject_HEAD CwEmbedVector *vector;
  guint n;
  int is_busy; /* in a call that has released the lock */
} Vector;

static PyObject *vector_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
  static char *names[] = {"environments", "n_sessions", "n_threads", NULL};
  PyObject *sequence;
  unsigned int n_sessions, n_threads;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OII", names, &sequence, &n_sessions, &n_threads))
    return NULL;
  Py_ssize_t n = PySequence_Size(sequence);
  if (n < 0)
    return NULL;
  CwEmbedEnvironment **environments = g_new0(CwEmbedEnvironment *, (gsize)n + 1);
  gboolean good = TRUE;
  for (Py_ssize_t i = 0; good && i < n; i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    good = item && PyObject_TypeCheck(item, environment_type);
    if (good)
      environments[i] = ((Environment *)item)->environment; /* the sequence holds it */
    Py_XDECREF(item);
  }
  GError *error = NULL;
  CwEmbedVector *vector =
      good ? cw_embed_vector_new(environments, (guint)n, n_sessions, n_threads, &error) : NULL;
  g_free(environments);
  if (!good) {
    if (!PyErr_Occurred())
      PyErr_SetString(PyExc_TypeError, "environments: expected a sequence of Environment");
    return NULL;
  }
  if (!vector)
    return failed_with(error);
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Vector *self = (Vector *)allocate(type, 0);
  if (!self) {
    cw_embed_vector_free(vector);
    return NULL;
  }
  self->vector = vector;
  self->n = n_sessions;
  return (PyObject *)self;
}

static void vector_dealloc(PyObject *self)
{
  PyTypeObject *type = Py_TYPE(self);
  cw_embed_vector_free(((Vector *)self)->vector);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/* While another thread steps the vector nothing may be read from it either. */
static int enter(Vector *self)
{
  if (self->is_busy)
    PyErr_SetString(PyExc_RuntimeError,
                    "the vector is being stepped by another thread; give each thread its own");
  return self->is_busy ? -1 : 0;
}

/* The sessions that a call names: NULL for None, which is all of them. */
static int sessions_of(const Vector *self, PyObject *object, guint **sessions, guint *n)
{
  *sessions = NULL;
  *n = self->n;
  if (object == Py_None)
    return 0;
  Py_ssize_t size = PySequence_Size(object);
  if (size < 0)
    return -1;
  *n = (guint)size;
  *sessions = g_new(guint, (gsize)size + 1);
  for (Py_ssize_t i = 0; i < size; i++) {
    PyObject *item = PySequence_GetItem(object, i);
    long value = item ? PyLong_AsLong(item) : -1;
    Py_XDECREF(item);
    if (!PyErr_Occurred() && (value < 0 || value >= (long)self->n))
      PyErr_Format(PyExc_IndexError, "there is no session %ld: the vector has %u (counted from 0)", value,
                   self->n);
    if (PyErr_Occurred()) {
      g_free(*sessions);
      return -1;
    }
    (*sessions)[i] = (guint)value;
  }
  return 0;
}

static gboolean numbers_of(PyObject *sequence, guint n, gint64 *numbers)
{
  Py_ssize_t size = PySequence_Size(sequence);
  if (size >= 0 && size != (Py_ssize_t)n)
    PyErr_Format(PyExc_ValueError, "expected %u numbers, one for each session, found %zd", n, size);
  for (Py_ssize_t i = 0; i < size && !PyErr_Occurred(); i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    numbers[i] = item ? PyLong_AsLongLong(item) : 0;
    Py_XDECREF(item);
  }
  return !PyErr_Occurred();
}

static PyObject *vector_reset(PyObject *object, PyObject *arguments)
{
  Vector *self = (Vector *)object;
  PyObject *named, *goals, *episodes;
  const char *split;
  guint *sessions, n;
  if (!PyArg_ParseTuple(arguments, "OsOO", &named, &split, &goals, &episodes) || enter(self) < 0 ||
      sessions_of(self, named, &sessions, &n) < 0)
    return NULL;
  gint64 *numbers = g_new0(gint64, 2 * (gsize)n + 1);
  CwEmbedReset *resets = g_new0(CwEmbedReset, (gsize)n + 1);
  GError *error = NULL;
  gboolean good = numbers_of(goals, n, numbers) && numbers_of(episodes, n, numbers + n);
  for (guint i = 0; good && i < n; i++)
    resets[i] = (CwEmbedReset){.split = split, .goal = numbers[i], .episode = (guint64)numbers[n + i]};
  if (good) {
    self->is_busy = 1;
    Py_BEGIN_ALLOW_THREADS good = cw_embed_vector_reset(self->vector, sessions, resets, n, &error);
    Py_END_ALLOW_THREADS self->is_busy = 0;
  }
  g_free(sessions);
  g_free(numbers);
  g_free(resets);
  if (error)
    return failed_with(error);
  return good ? none() : NULL;
}

/* An int is a candidate's number, a str an action in words. The text belongs to `item`. */
static gboolean action_of(PyObject *item, CwEmbedAction *action)
{
  *action = (CwEmbedAction){0};
  if (PyUnicode_Check(item)) {
    action->text = PyUnicode_AsUTF8AndSize(item, NULL);
    return action->text != NULL;
  }
  PyObject *index = PyNumber_Index(item);
  long long number = index ? PyLong_AsLongLong(index) : -1;
  Py_XDECREF(index);
  if (!PyErr_Occurred() && (number < 0 || number > G_MAXINT32))
    PyErr_Format(PyExc_ValueError, "expected a candidate's number or an action's text, found %lld", number);
  action->candidate = (guint)number;
  return !PyErr_Occurred();
}

static PyObject *vector_step(PyObject *object, PyObject *arguments)
{
  Vector *self = (Vector *)object;
  PyObject *named, *given;
  guint *sessions, n;
  if (!PyArg_ParseTuple(arguments, "OO", &named, &given) || enter(self) < 0 ||
      sessions_of(self, named, &sessions, &n) < 0)
    return NULL;
  Py_ssize_t size = PySequence_Size(given);
  gboolean good = size == (Py_ssize_t)n;
  if (size >= 0 && !good)
    PyErr_Format(PyExc_ValueError, "expected %u actions, one for each session, found %zd", n, size);
  PyObject *held = PyTuple_New(good ? size : 0); /* keeps the texts alive without the lock */
  CwEmbedAction *actions = g_new0(CwEmbedAction, (gsize)n + 1);
  good = good && held;
  for (Py_ssize_t i = 0; good && i < size; i++) {
    PyObject *item = PySequence_GetItem(given, i);
    good = item && action_of(item, &actions[i]);
    if (item && PyTuple_SetItem(held, i, item) < 0)
      good = FALSE;
  }
  GError *error = NULL;
  if (good) {
    self->is_busy = 1;
    Py_BEGIN_ALLOW_THREADS good = cw_embed_vector_step(self->vector, sessions, actions, n, &error);
    Py_END_ALLOW_THREADS self->is_busy = 0;
  }
  g_free(sessions);
  g_free(actions);
  Py_XDECREF(held);
  if (error)
    return failed_with(error);
  return good ? none() : NULL;
}

static PyObject *text_of_view(const CwEmbedView *view)
{
  return view->text ? text_of(view->text) : PyUnicode_FromString("");
}

/* A list with what `make` makes of each named session's view. */
static PyObject *each_view(PyObject *object, PyObject *named, PyObject *(*make)(const CwEmbedView *view))
{
  Vector *self = (Vector *)object;
  guint *sessions, n;
  if (enter(self) < 0 || sessions_of(self, named, &sessions, &n) < 0)
    return NULL;
  PyObject *list = PyList_New(n);
  for (guint i = 0; list && i < n; i++)
    if (put(list, i, make(cw_embed_vector_view(self->vector, sessions ? sessions[i] : i))) < 0)
      Py_CLEAR(list);
  g_free(sessions);
  return list;
}

static PyObject *vector_texts(PyObject *self, PyObject *named)
{
  return each_view(self, named, text_of_view);
}

static PyObject *vector_candidates(PyObject *self, PyObject *named)
{
  return each_view(self, named, candidates_of);
}

/* Rewards as doubles, and two flags as bytes, for all sessions, in three bytes objects. */
static PyObject *vector_outcomes(PyObject *object, PyObject *Py_UNUSED(ignored))
{
  Vector *self = (Vector *)object;
  if (enter(self) < 0)
    return NULL;
  g_autofree double *rewards = g_new(double, self->n);
  g_autofree char *flags = g_new(char, 2 * (gsize)self->n);
  for (guint i = 0; i < self->n; i++) {
    const CwEmbedView *view = cw_embed_vector_view(self->vector, i);
    rewards[i] = view->reward;
    flags[i] = view->terminated != FALSE;
    flags[self->n + i] = view->truncated != FALSE;
  }
  Py_ssize_t n = (Py_ssize_t)self->n;
  return Py_BuildValue("y#y#y#", (char *)rewards, n * (Py_ssize_t)sizeof(double), flags, n, flags + n, n);
}

static int set_item(PyObject *dict, const char *key, PyObject *value)
{
  int result = value ? PyDict_SetItemString(dict, key, value) : -1;
  Py_XDECREF(value);
  return result;
}

static PyObject *parts_of(const CwEmbedView *view)
{
  PyObject *parts = PyDict_New();
  for (guint i = 0; parts && i < view->n_parts; i++)
    if (set_item(parts, view->parts[i].name, PyFloat_FromDouble(view->parts[i].value)) < 0)
      Py_CLEAR(parts);
  return parts;
}

static PyObject *facts_of(const CwEmbedView *view)
{
  PyObject *facts = PyDict_New();
  for (guint i = 0; facts && i < view->n_facts; i++)
    if (set_item(facts, view->facts[i].name, text_of(view->facts[i].value)) < 0)
      Py_CLEAR(facts);
  return facts;
}

static const CwEmbedView *view_of(Vector *self, PyObject *number)
{
  if (enter(self) < 0)
    return NULL;
  long i = PyLong_AsLong(number);
  if (PyErr_Occurred())
    return NULL;
  const CwEmbedView *view = i >= 0 ? cw_embed_vector_view(self->vector, (guint)i) : NULL;
  if (!view)
    PyErr_Format(PyExc_IndexError, "there is no session %ld: the vector has %u (counted from 0)", i, self->n);
  return view;
}

/* What an episode's end adds; FALSE with an exception. */
static gboolean add_end(PyObject *info, const CwEmbedView *view)
{
  if (!view->terminated && !view->truncated)
    return TRUE;
  return set_item(info, "success", PyBool_FromLong(view->success)) == 0 &&
         set_item(info, "score", PyFloat_FromDouble(view->total_reward)) == 0 &&
         set_item(info, "parts", parts_of(view)) == 0 && set_item(info, "facts", facts_of(view)) == 0;
}

static PyObject *vector_info(PyObject *object, PyObject *number)
{
  const CwEmbedView *view = view_of((Vector *)object, number);
  PyObject *info = view ? PyDict_New() : NULL;
  if (info &&
      (set_item(info, "goal", text_of(view->goal_id)) < 0 ||
       set_item(info, "instruction", text_of(view->instruction ? view->instruction : "")) < 0 ||
       set_item(info, "candidates", candidates_of(view)) < 0 ||
       set_item(info, "steps", PyLong_FromUnsignedLongLong(view->n_steps)) < 0 || !add_end(info, view)))
    Py_CLEAR(info);
  return info;
}

static PyObject *vector_end(PyObject *object, PyObject *number)
{
  const CwEmbedView *view = view_of((Vector *)object, number);
  PyObject *info = view ? PyDict_New() : NULL;
  if (info && !add_end(info, view))
    Py_CLEAR(info);
  return info;
}

/* (goal, instruction) of one session. */
static PyObject *vector_task(PyObject *object, PyObject *number)
{
  const CwEmbedView *view = view_of((Vector *)object, number);
  return view ? Py_BuildValue("ss", view->goal_id, view->instruction ? view->instruction : "") : NULL;
}

/* (text, reward, terminated, truncated, candidates) of one session after a step: the fast way for one. */
static PyObject *vector_step_one(PyObject *object, PyObject *arguments)
{
  Vector *self = (Vector *)object;
  PyObject *item;
  guint session;
  CwEmbedAction action;
  if (!PyArg_ParseTuple(arguments, "IO", &session, &item) || enter(self) < 0 || !action_of(item, &action))
    return NULL;
  GError *error = NULL;
  gboolean good;
  self->is_busy = 1;
  Py_BEGIN_ALLOW_THREADS good = cw_embed_vector_step(self->vector, &session, &action, 1, &error);
  Py_END_ALLOW_THREADS self->is_busy = 0;
  if (!good)
    return failed_with(error);
  const CwEmbedView *view = cw_embed_vector_view(self->vector, session);
  PyObject *result = PyTuple_New(5);
  PyObject *items[] = {text_of_view(view), PyFloat_FromDouble(view->reward),
                       PyBool_FromLong(view->terminated), PyBool_FromLong(view->truncated),
                       candidates_of(view)};
  for (gsize i = 0; i < G_N_ELEMENTS(items); i++)
    if (!result || !items[i] || PyTuple_SetItem(result, (Py_ssize_t)i, items[i]) < 0)
      Py_CLEAR(result);
  return result;
}

static PyObject *vector_script(PyObject *object, PyObject *arguments)
{
  Vector *self = (Vector *)object;
  guint session;
  const char *script;
  if (!PyArg_ParseTuple(arguments, "Is", &session, &script) || enter(self) < 0)
    return NULL;
  GError *error = NULL;
  gint candidate = cw_embed_vector_script(self->vector, session, script, &error);
  return candidate < 0 ? failed_with(error) : PyLong_FromLong(candidate);
}

static PyMethodDef vector_methods[] = {
    {"reset", vector_reset, METH_VARARGS, "reset(sessions or None, split, goals, episodes)"},
    {"step", vector_step, METH_VARARGS,
     "step(sessions or None, actions): ints are candidates, strs are words"},
    {"step_one", vector_step_one, METH_VARARGS,
     "step_one(session, action) -> (text, reward, terminated, truncated, candidates)"},
    {"texts", vector_texts, METH_O, "texts(sessions or None): the observations"},
    {"candidates", vector_candidates, METH_O, "candidates(sessions or None): a tuple of actions each"},
    {"outcomes", vector_outcomes, METH_NOARGS, "(rewards, terminated, truncated) of all sessions, as bytes"},
    {"info", vector_info, METH_O,
     "info(session): goal, instruction, candidates; at the end success and parts"},
    {"end", vector_end, METH_O, "end(session): of info, what an episode's end adds"},
    {"task", vector_task, METH_O, "task(session): (goal, instruction)"},
    {"script", vector_script, METH_VARARGS,
     "script(session, name): the candidate that a scripted agent takes"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot vector_slots[] = {
    {Py_tp_new, vector_new},
    {Py_tp_dealloc, vector_dealloc},
    {Py_tp_methods, vector_methods},
    {Py_tp_doc, "Sessions stepped together: Vector(environments, n_sessions, n_threads)."},
    {0, NULL},
};

PyType_Spec vector_spec = {"cartwright._core.Vector", sizeof(Vector), 0, Py_TPFLAGS_DEFAULT, vector_slots};
