/* How other doors of the module reach the columns of a scanned block. */
#ifndef MRFRAME_SCAN_DOOR_H
#define MRFRAME_SCAN_DOOR_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "span.h"

/* The values of a column: 0, or -1 with an exception. `base` belongs to the block, of `size` bytes. */
int block_spans(PyObject *block, int column, const span **spans, size_t *records, const u8 **base, size_t *size);

PyObject *block_of_words(PyObject *module, PyObject *data);

PyTypeObject *add_type(PyObject *module, PyType_Spec *spec); /* a type that lives as long as the process, or NULL */
void end_object(PyObject *object);                           /* the end of a `dealloc` */

int add_scan_types(PyObject *module);

#endif
