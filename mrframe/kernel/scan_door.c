/* The door to the scanner: the types Program and Block. It checks what Python gives, and copies values out. */
#include "scan_door.h"

#include <stdlib.h>

#include "find.h"
#include "scan.h"

static PyTypeObject *block_type;

/* ---- Program ---------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    program format;
} program_object;

typedef struct {
    const char *bytes;
    Py_ssize_t length;
} given;

static int refuse_step(const char *reason) {
    PyErr_Format(PyExc_ValueError, "a step of a program %s", reason);
    return -1;
}

static int add_literal(step *s, PyObject *literal) {
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(literal, &bytes, &length)) return -1;
    if (length < 1 || length > LITERAL_MAX) return refuse_step("has a literal of no or too many bytes");
    s->kind = LITERAL;
    s->length = (u8)length;
    memcpy(s->low, bytes, (size_t)length);
    return 0;
}

static int add_captures(step *s, given captures, size_t columns) {
    if (captures.length % 3 || captures.length / 3 > STEP_CAPTURES_MAX) return refuse_step("has too many captures");
    s->captures = (u8)(captures.length / 3);
    for (u8 i = 0; i < s->captures; i++) {
        const u8 *c = (const u8 *)captures.bytes + 3 * i;
        if (c[0] >= PARTS || c[2] >= columns) return refuse_step("captures no part, or into no column");
        s->capture[i] = (capture){c[0], c[1], c[2]};
    }
    return 0;
}

/* The width of each kind of word, so that none reaches out of its shape. */
static const u8 WORD_BYTES[WORD_KINDS] = {[MONTH] = 3, [DAY] = 3, [AM_PM] = 2, [SIGN] = 1, [BLANK_OR_DIGIT] = 1};

static int add_shape(step *s, given low, given high, given words) {
    if (low.length != high.length || low.length > SHAPE_MAX) return refuse_step("has a shape that is too long");
    if (words.length % 2 || words.length / 2 > STEP_WORDS_MAX) return refuse_step("has too many words in its shape");
    memset(s->high, 0xff, sizeof s->high);
    memcpy(s->low, low.bytes, (size_t)low.length);
    memcpy(s->high, high.bytes, (size_t)high.length);
    s->length = (u8)low.length;
    s->words = (u8)(words.length / 2);
    for (u8 i = 0; i < s->words; i++) {
        const u8 *w = (const u8 *)words.bytes + 2 * i;
        if (w[1] >= WORD_KINDS || w[0] + WORD_BYTES[w[1]] > s->length) return refuse_step("has a word outside of it");
        s->word[i] = (word){w[0], w[1]};
    }
    return 0;
}

static int add_value(step *s, PyObject *described, size_t columns) {
    given stops, low, high, words, captures;
    int kind, flags;
    if (!PyArg_ParseTuple(described, "iiy#y#y#y#y#", &kind, &flags, &stops.bytes, &stops.length, &low.bytes,
                          &low.length, &high.bytes, &high.length, &words.bytes, &words.length, &captures.bytes,
                          &captures.length))
        return -1;
    if (kind <= LITERAL || kind >= STEP_KINDS || flags < 0 || flags > 255) return refuse_step("is of no known kind");
    s->kind = (u8)kind;
    s->flags = (u8)flags;
    for (Py_ssize_t i = 0; i < stops.length; i++) s->is_stop[(u8)stops.bytes[i]] = 1;
    s->stops = (u8)(stops.length > 2 ? 2 : stops.length);
    s->first_stop = stops.length ? (u8)stops.bytes[0] : 0;
    return add_shape(s, low, high, words) || add_captures(s, captures, columns) ? -1 : 0;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *steps;
    int columns;
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!i", &PyTuple_Type, &steps, &columns)) return NULL;
    Py_ssize_t count = PyTuple_Size(steps);
    if (columns < 0 || columns > COLUMNS_MAX || count > STEPS_MAX)
        return PyErr_Format(PyExc_ValueError, "a program of %zd steps and %d columns", count, columns);
    program_object *self = (program_object *)PyType_GenericAlloc(type, 0);
    if (!self) return NULL;
    self->format.columns = (size_t)columns;
    self->format.step = calloc((size_t)count + 1, sizeof *self->format.step);
    if (!self->format.step) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *one = PyTuple_GetItem(steps, i);
        step *s = &self->format.step[self->format.steps++];
        if (PyBytes_Check(one) ? add_literal(s, one) : add_value(s, one, (size_t)columns)) {
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

static void program_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    free(((program_object *)object)->format.step);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* ---- Block ------------------------------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    PyObject *data; /* the bytes that the places are of */
    scanned found;
} block_object;

static PyObject *program_scan(PyObject *object, PyObject *data) {
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &bytes, &size)) return NULL;
    if (size && bytes[size - 1] != '\n') return PyErr_Format(PyExc_ValueError, "a block without a newline at its end");
    if ((u64)size > UINT32_MAX - PADDING) return PyErr_Format(PyExc_ValueError, "a block of %zd bytes", size);
    block_object *block = (block_object *)PyType_GenericAlloc(block_type, 0);
    if (!block) return NULL;
    Py_INCREF(data);
    block->data = data;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = scan(&((program_object *)object)->format, (const u8 *)bytes, (size_t)size, &block->found);
    Py_END_ALLOW_THREADS
    if (failed) {
        Py_DECREF(block);
        return PyErr_NoMemory();
    }
    return (PyObject *)block;
}

static void block_dealloc(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    block_object *block = (block_object *)object;
    scanned_free(&block->found);
    Py_XDECREF(block->data);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

int block_spans(PyObject *object, int column, const span **spans, size_t *records, const u8 **base, size_t *size) {
    block_object *block = (block_object *)object;
    char *bytes;
    Py_ssize_t length;
    if (!PyObject_TypeCheck(object, block_type)) {
        PyErr_SetString(PyExc_TypeError, "not a scanned block");
        return -1;
    }
    if (column < 0 || (size_t)column >= block->found.columns) {
        PyErr_Format(PyExc_IndexError, "column %d of %zu", column, block->found.columns);
        return -1;
    }
    if (PyBytes_AsStringAndSize(block->data, &bytes, &length)) return -1;
    *spans = block->found.column[column];
    *records = block->found.records;
    *base = (const u8 *)bytes;
    *size = (size_t)length;
    return 0;
}

/* joined(column, separator) -> the values with a separator between them, or None if one is absent */
static PyObject *block_joined(PyObject *object, PyObject *args) {
    const span *spans;
    const u8 *base;
    size_t records, size, total = 0;
    int column;
    char separator;
    if (!PyArg_ParseTuple(args, "ic", &column, &separator)) return NULL;
    if (block_spans(object, column, &spans, &records, &base, &size)) return NULL;
    for (size_t i = 0; i < records; i++) {
        if (spans[i].length == ABSENT) Py_RETURN_NONE;
        total += spans[i].length + 1;
    }
    PyObject *joined = PyBytes_FromStringAndSize(NULL, total ? (Py_ssize_t)total - 1 : 0);
    if (!joined) return NULL;
    char *to = PyBytes_AsString(joined);
    for (size_t i = 0; i < records; i++) {
        if (i) *to++ = separator;
        memcpy(to, base + spans[i].at, spans[i].length);
        to += spans[i].length;
    }
    return joined;
}

/* values(column) -> [bytes or None, …] */
static PyObject *block_values(PyObject *object, PyObject *args) {
    const span *spans;
    const u8 *base;
    size_t records, size;
    int column;
    if (!PyArg_ParseTuple(args, "i", &column)) return NULL;
    if (block_spans(object, column, &spans, &records, &base, &size)) return NULL;
    PyObject *values = PyList_New((Py_ssize_t)records);
    for (size_t i = 0; values && i < records; i++) {
        PyObject *one = Py_None;
        Py_INCREF(one);
        if (spans[i].length != ABSENT) {
            Py_DECREF(one);
            one = PyBytes_FromStringAndSize((const char *)base + spans[i].at, (Py_ssize_t)spans[i].length);
        }
        if (!one || PyList_SetItem(values, (Py_ssize_t)i, one)) Py_CLEAR(values);
    }
    return values;
}

static PyObject *block_records(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((block_object *)object)->found.records);
}

static PyObject *block_lines(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(((block_object *)object)->found.lines);
}

/* refused -> [(number of the line, its place, its length), …] */
static PyObject *block_refused(PyObject *object, void *unused) {
    const scanned *found = &((block_object *)object)->found;
    (void)unused;
    PyObject *list = PyList_New((Py_ssize_t)found->refusals);
    for (size_t i = 0; list && i < found->refusals; i++) {
        const refused_line *r = &found->refused[i];
        PyObject *one = Py_BuildValue("(III)", r->line, r->at, r->length);
        if (!one || PyList_SetItem(list, (Py_ssize_t)i, one)) Py_CLEAR(list);
    }
    return list;
}

/* ---- the types -------------------------------------------------------------------------------------------------- */

static PyMethodDef program_methods[] = {
    {"scan", program_scan, METH_O, "scan(block) -> Block"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot program_slots[] = {
    {Py_tp_doc, "Program(steps, columns): a format as steps of a line, see formats/grammar/kernel_program.py"},
    {Py_tp_new, program_new},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_methods, program_methods},
    {0, NULL},
};
static PyType_Spec program_spec = {"mrframe.kernel._kernel.Program", sizeof(program_object), 0, Py_TPFLAGS_DEFAULT,
                                   program_slots};

static PyMethodDef block_methods[] = {
    {"joined", block_joined, METH_VARARGS, "joined(column, separator) -> bytes, or None if a value is absent"},
    {"values", block_values, METH_VARARGS, "values(column) -> [bytes or None]"},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef block_getters[] = {
    {"records", block_records, NULL, "number of lines that were cut into values", NULL},
    {"lines", block_lines, NULL, "number of lines", NULL},
    {"refused", block_refused, NULL, "[(line, offset, length)] of the lines that are not of the program", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot block_slots[] = {
    {Py_tp_doc, "A block of lines and the places of their values."},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_methods, block_methods},
    {Py_tp_getset, block_getters},
    {0, NULL},
};
static PyType_Spec block_spec = {"mrframe.kernel._kernel.Block", sizeof(block_object), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, block_slots};

int add_scan_types(PyObject *module) {
    PyObject *program_made = PyType_FromSpec(&program_spec), *block_made = PyType_FromSpec(&block_spec);
    block_type = (PyTypeObject *)block_made; /* lives as long as the process */
    int failed = !program_made || !block_made || PyModule_AddObjectRef(module, "Program", program_made) ||
                 PyModule_AddObjectRef(module, "Block", block_made);
    Py_XDECREF(program_made);
    return failed ? -1 : 0;
}
