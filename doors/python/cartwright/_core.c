/* The Python extension over <cartwright/embed.h>: the module, and Environment, the opened shared part;
 * _vector.c has its sessions, _candidates.c what they may do. The Python around it (_environment.py, gym.py)
 * owns conventions such as spaces and autoreset; here are only conversions. The interpreter's lock is
 * released while an environment opens, answers, resets or steps. */
#include "_core.h"

#include <string.h>

PyTypeObject *environment_type, *candidates_type;

PyObject *failed_with(GError *error)
{
  PyObject *type = PyExc_RuntimeError;
  if (error->code == CW_ERROR_CONFIGURATION)
    type = PyExc_ValueError;
  else if (error->code == CW_ERROR_INPUT_OUTPUT)
    type = PyExc_OSError;
  PyErr_SetString(type, error->message);
  g_error_free(error);
  return NULL;
}

PyObject *none(void)
{
  Py_INCREF(Py_None);
  return Py_None;
}

PyObject *text_of(const char *text)
{
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

int put(PyObject *list, Py_ssize_t i, PyObject *item)
{
  return item ? PyList_SetItem(list, i, item) : -1;
}

static PyObject *texts_of(const char *const *texts, gsize n)
{
  PyObject *list = PyList_New((Py_ssize_t)n);
  for (gsize i = 0; list && i < n; i++)
    if (put(list, (Py_ssize_t)i, text_of(texts[i])) < 0)
      Py_CLEAR(list);
  return list;
}

/* Environment. */

/* The strings of a sequence, NULL-terminated and owned by the caller (g_strfreev); NULL with an exception. */
static char **strings_of(PyObject *sequence)
{
  Py_ssize_t n = PySequence_Size(sequence);
  if (n < 0)
    return NULL;
  char **strings = g_new0(char *, (gsize)n + 1);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *item = PySequence_GetItem(sequence, i);
    const char *text = item ? PyUnicode_AsUTF8AndSize(item, NULL) : NULL;
    strings[i] = text ? g_strdup(text) : NULL;
    Py_XDECREF(item);
    if (!text) {
      g_strfreev(strings);
      return NULL;
    }
  }
  return strings;
}

/* What opening and importing take alike. FALSE with an exception; otherwise free with settings_clear. */
typedef struct {
  CwEmbedSettings settings;
  char **options, **folders;
} Settings;

static void settings_clear(Settings *settings)
{
  g_strfreev(settings->options);
  g_strfreev(settings->folders);
}

static gboolean settings_fill(Settings *settings, const char *plugin, PyObject *options, PyObject *path,
                              guint32 seed)
{
  settings->options = strings_of(options);
  settings->folders = settings->options ? strings_of(path) : NULL;
  settings->settings = (CwEmbedSettings){.struct_size = sizeof settings->settings,
                                         .plugin = plugin,
                                         .options = (const char *const *)settings->options,
                                         .plugin_path = (const char *const *)settings->folders,
                                         .seed = seed};
  if (!settings->folders)
    settings_clear(settings);
  return settings->folders != NULL;
}

static PyObject *environment_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
  static char *names[] = {"plugin", "options", "plugin_path", "seed", NULL};
  const char *plugin;
  PyObject *options, *path;
  unsigned int seed;
  Settings settings;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sOOI", names, &plugin, &options, &path, &seed) ||
      !settings_fill(&settings, plugin, options, path, seed))
    return NULL;
  GError *error = NULL;
  CwEmbedEnvironment *opened;
  Py_BEGIN_ALLOW_THREADS opened = cw_embed_open(&settings.settings, &error);
  Py_END_ALLOW_THREADS settings_clear(&settings);
  if (!opened)
    return failed_with(error);
  allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
  Environment *self = (Environment *)allocate(type, 0);
  if (self)
    self->environment = opened;
  else
    cw_embed_unref(opened);
  return (PyObject *)self;
}

static PyObject *import_files(PyObject *Py_UNUSED(module), PyObject *arguments)
{
  const char *plugin, *into;
  PyObject *options, *path;
  int overwrite;
  Settings settings;
  if (!PyArg_ParseTuple(arguments, "sOOsp", &plugin, &options, &path, &into, &overwrite) ||
      !settings_fill(&settings, plugin, options, path, 0))
    return NULL;
  GError *error = NULL;
  gboolean good;
  Py_BEGIN_ALLOW_THREADS good = cw_embed_import(&settings.settings, into, overwrite, &error);
  Py_END_ALLOW_THREADS settings_clear(&settings);
  return good ? none() : failed_with(error);
}

static PyMethodDef module_methods[] = {
    {"import_files", import_files, METH_VARARGS,
     "import_files(plugin, options, plugin_path, into, overwrite)"},
    {NULL, NULL, 0, NULL},
};

static void environment_dealloc(PyObject *self)
{
  PyTypeObject *type = Py_TYPE(self);
  cw_embed_unref(((Environment *)self)->environment);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyObject *environment_facts(PyObject *self, PyObject *Py_UNUSED(ignored))
{
  const char *const *pairs = cw_embed_facts(((Environment *)self)->environment);
  PyObject *facts = PyDict_New();
  for (; facts && pairs[0] && pairs[1]; pairs += 2) {
    PyObject *value = text_of(pairs[1]);
    if (!value || PyDict_SetItemString(facts, pairs[0], value) < 0)
      Py_CLEAR(facts);
    Py_XDECREF(value);
  }
  return facts;
}

static PyObject *environment_n_goals(PyObject *self, PyObject *split)
{
  const char *name = PyUnicode_AsUTF8AndSize(split, NULL);
  if (!name)
    return NULL;
  GError *error = NULL;
  gint64 n = cw_embed_n_goals(((Environment *)self)->environment, name, &error);
  return n < 0 ? failed_with(error) : PyLong_FromLongLong(n);
}

static PyObject *environment_scripts(PyObject *self, PyObject *Py_UNUSED(ignored))
{
  const char *const *scripts = cw_embed_scripts(((Environment *)self)->environment);
  gsize n = 0;
  while (scripts[n])
    n++;
  return texts_of(scripts, n);
}

static PyObject *environment_answer(PyObject *self, PyObject *arguments)
{
  const char *verb, *request;
  if (!PyArg_ParseTuple(arguments, "ss", &verb, &request))
    return NULL;
  GError *error = NULL;
  char *answer;
  Py_BEGIN_ALLOW_THREADS answer = cw_embed_answer(((Environment *)self)->environment, verb, request, &error);
  Py_END_ALLOW_THREADS if (!answer) return failed_with(error);
  PyObject *text = text_of(answer);
  g_free(answer);
  return text;
}

static PyMethodDef environment_methods[] = {
    {"facts", environment_facts, METH_NOARGS, "What a result made with this environment must state."},
    {"n_goals", environment_n_goals, METH_O, "The number of goals of a split."},
    {"scripts", environment_scripts, METH_NOARGS, "The names of the scripted agents."},
    {"answer", environment_answer, METH_VARARGS, "answer(verb, request): JSON in, JSON out."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot environment_slots[] = {
    {Py_tp_new, environment_new},
    {Py_tp_dealloc, environment_dealloc},
    {Py_tp_methods, environment_methods},
    {Py_tp_doc, "The shared part of an environment: Environment(plugin, options, plugin_path, seed)."},
    {0, NULL},
};

static PyType_Spec environment_spec = {"cartwright._core.Environment", sizeof(Environment), 0,
                                       Py_TPFLAGS_DEFAULT, environment_slots};
static struct PyModuleDef module_definition = {PyModuleDef_HEAD_INIT,
                                               "cartwright._core",
                                               "Cartwright's environments; see the package cartwright.",
                                               -1,
                                               module_methods,
                                               NULL,
                                               NULL,
                                               NULL,
                                               NULL};

/* A type of the module; NULL with an exception. */
static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
  PyObject *type = PyType_FromSpec(spec);
  Py_XINCREF(type);
  if (type && PyModule_AddObject(module, name, type) < 0) {
    Py_DECREF(type);
    Py_CLEAR(type);
  }
  return (PyTypeObject *)type;
}

PyMODINIT_FUNC PyInit__core(void)
{
  PyObject *module = PyModule_Create(&module_definition);
  if (module && (environment_type = add_type(module, &environment_spec, "Environment")) &&
      (candidates_type = add_type(module, &candidates_spec, "Candidates")) &&
      add_type(module, &vector_spec, "Vector"))
    return module;
  Py_XDECREF(module);
  return NULL;
}
