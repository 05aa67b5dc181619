/* What the files of the extension share: <cartwright/embed.h> in the limited API, so that one build serves
 * every Python from 3.10 on. */
#ifndef CARTWRIGHT_PYTHON_CORE_H
#define CARTWRIGHT_PYTHON_CORE_H

#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cartwright/embed.h>

typedef struct {
  PyObject_HEAD CwEmbedEnvironment *environment;
} Environment;

/* Types live as long as the process. */
extern PyTypeObject *environment_type, *candidates_type;
extern PyType_Spec vector_spec, candidates_spec;

/* A GError as an exception; takes it over. What the user asked for wrongly is a ValueError. */
PyObject *failed_with(GError *error);
PyObject *none(void);
PyObject *text_of(const char *text);
/* A list takes over `item`; less than 0 on failure. */
int put(PyObject *list, Py_ssize_t i, PyObject *item);
/* The candidates of a view, as texts that are made when they are looked at. */
PyObject *candidates_of(const CwEmbedView *view);

#endif
