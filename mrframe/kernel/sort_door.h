/* The door to columns of text: the type Texts and the functions that make, sort and write them. */
#ifndef MRFRAME_SORT_DOOR_H
#define MRFRAME_SORT_DOOR_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

int add_sort_types(PyObject *module);

#endif
