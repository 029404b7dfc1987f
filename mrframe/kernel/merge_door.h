/* The door to the merge, for the module. */
#ifndef MRFRAME_MERGE_DOOR_H
#define MRFRAME_MERGE_DOOR_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *merge_columns(PyObject *module, PyObject *args);

#endif
