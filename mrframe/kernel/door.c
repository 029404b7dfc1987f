/* The module `_kernel`: it brings the types of the doors together. */
#include "find.h"
#include "merge_door.h"
#include "sort_door.h"
#include "table_door.h"

static PyObject *count_lines(PyObject *module, PyObject *data) {
    char *bytes;
    Py_ssize_t size, lines = 0;
    (void)module;
    if (PyBytes_AsStringAndSize(data, &bytes, &size)) return NULL;
    for (const char *p = bytes, *end = bytes + size; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) lines++;
    return PyLong_FromSsize_t(lines);
}

static PyMethodDef methods[] = {
    {"count_lines", count_lines, METH_O, "count_lines(block) -> number of newlines"},
    {"merge", merge_columns, METH_VARARGS,
     "merge(heads, most, spelling) -> (data, values, positions)\n\nMerges sorted columns of text. See _kernel.pyi."},
    {"words", block_of_words, METH_O, "words(block) -> Block of one column: the words between ASCII whitespace"},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module) {
    if (add_scan_types(module) || add_table_type(module) || add_sort_types(module)) return -1;
    return PyModule_AddStringConstant(module, "VECTORS", MRFRAME_VECTORS);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, fill}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "The compiled kernel. See mrframe/kernel/__init__.py.", 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&definition); }
