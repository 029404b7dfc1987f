/* The door to the merge. It checks what Python gives, and makes bytes of what is merged. */
#include "merge_door.h"

#include <stdlib.h>

#include "merge.h"

typedef struct {
    Py_buffer keys, values;
} columns;

/* Opens heads: (keys, values, records, place of the next key, its number). Returns how many are open. */
static Py_ssize_t open_heads(PyObject *heads, Py_ssize_t count, columns *opened, run *runs) {
    for (Py_ssize_t i = 0; i < count; i++) {
        columns *c = &opened[i];
        Py_ssize_t records, at, record;
        if (!PyArg_ParseTuple(PyTuple_GetItem(heads, i), "y*y*nnn", &c->keys, &c->values, &records, &at, &record))
            return i;
        runs[i] = (run){.keys = c->keys.buf, .values = c->values.buf, .key_bytes = (size_t)c->keys.len,
                        .value_bytes = (size_t)c->values.len, .at = (size_t)at, .record = (size_t)record,
                        .records = (size_t)records};
        if (c->keys.readonly && c->values.readonly && at >= 0 && record >= 0 && records >= 0) continue;
        PyErr_SetString(PyExc_ValueError, "a head that others may change meanwhile, or with a number below zero");
        return i + 1;
    }
    return count;
}

static int open_spelling(PyObject *given, spelling *s) {
    const char *before, *between, *after, *special;
    Py_ssize_t before_bytes, between_bytes, after_bytes, special_bytes;
    memset(s, 0, sizeof *s);
    if (!PyArg_ParseTuple(given, "y#y#y#y#", &before, &before_bytes, &between, &between_bytes, &after, &after_bytes,
                          &special, &special_bytes))
        return -1;
    s->before = (const u8 *)before, s->before_bytes = (size_t)before_bytes;
    s->between = (const u8 *)between, s->between_bytes = (size_t)between_bytes;
    s->after = (const u8 *)after, s->after_bytes = (size_t)after_bytes;
    for (Py_ssize_t i = 0; i < special_bytes; i++) s->is_special[(u8)special[i]] = 1;
    return 0;
}

/* A column of ints, or of None. */
static PyObject *values_of(const merged *m, const run *first) {
    if (!m->numbers) Py_RETURN_NONE;
    if (!first->width) return PyBytes_FromStringAndSize("n", 1);
    PyObject *column = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(2 + m->count * 8));
    if (!column) return NULL;
    u8 *to = (u8 *)PyBytes_AsString(column);
    *to++ = 'i';
    *to++ = 8;
    for (size_t i = 0; i < m->count; i++)
        for (int k = 0; k < 8; k++) *to++ = (u8)((u64)m->numbers[i] >> 8 * k);
    return column;
}

static PyObject *positions_of(const run *runs, Py_ssize_t count) {
    PyObject *positions = PyList_New(count);
    for (Py_ssize_t i = 0; positions && i < count; i++) {
        PyObject *one = Py_BuildValue("(nn)", (Py_ssize_t)runs[i].at, (Py_ssize_t)runs[i].record);
        if (!one || PyList_SetItem(positions, i, one)) Py_CLEAR(positions);
    }
    return positions;
}

static PyObject *merge_opened(run *runs, Py_ssize_t count, size_t most, const spelling *spelt) {
    merged m;
    int taken;
    Py_BEGIN_ALLOW_THREADS
    taken = merge(runs, (size_t)count, most, spelt, &m);
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (taken > 0)
        result = Py_BuildValue("(y#NN)", m.bytes, (Py_ssize_t)m.size, values_of(&m, runs), positions_of(runs, count));
    else if (!taken)
        result = Py_BuildValue("");
    else
        PyErr_NoMemory();
    merged_free(&m);
    return result;
}

PyObject *merge_columns(PyObject *module, PyObject *args) {
    PyObject *heads, *given;
    Py_ssize_t most;
    spelling spelt;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!nO", &PyTuple_Type, &heads, &most, &given)) return NULL;
    if (given != Py_None && open_spelling(given, &spelt)) return NULL;
    Py_ssize_t count = PyTuple_Size(heads), open = 0;
    if (count < 1 || most < 1) return PyErr_Format(PyExc_ValueError, "a merge of %zd heads, %zd keys", count, most);
    columns *opened = calloc((size_t)count, sizeof *opened);
    run *runs = calloc((size_t)count, sizeof *runs);
    PyObject *result = NULL;
    if (opened && runs) {
        open = open_heads(heads, count, opened, runs);
        if (!PyErr_Occurred()) result = merge_opened(runs, count, (size_t)most, given == Py_None ? NULL : &spelt);
    } else {
        PyErr_NoMemory();
    }
    while (open--) {
        PyBuffer_Release(&opened[open].keys);
        PyBuffer_Release(&opened[open].values);
    }
    free(opened);
    free(runs);
    return result;
}
