/* The door to the scanner: the types Program and Block. It checks what Python gives, and copies values out. */
#include "scan_door.h"

#include <stdlib.h>
#include <structmember.h>

#include "find.h"
#include "scan.h"

static PyTypeObject *block_type;

PyTypeObject *add_type(PyObject *module, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (type && PyModule_AddType(module, (PyTypeObject *)type)) Py_CLEAR(type);
    return (PyTypeObject *)type;
}

void end_object(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

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

static int add_captures(step *s, given captures, size_t columns, u8 *is_filled) {
    if (captures.length % 3 || captures.length / 3 > STEP_CAPTURES_MAX) return refuse_step("has too many captures");
    s->captures = (u8)(captures.length / 3);
    for (u8 i = 0; i < s->captures; i++) {
        const u8 *c = (const u8 *)captures.bytes + 3 * i;
        if (c[0] >= PARTS || c[2] >= columns) return refuse_step("captures no part, or into no column");
        s->capture[i] = (capture){c[0], c[1], c[2]};
        is_filled[c[2]] = 1;
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

static int add_value(step *s, PyObject *described, size_t columns, u8 *is_filled) {
    given stops, low, high, words, captures;
    int kind, flags;
    if (!PyArg_ParseTuple(described, "iiy#y#y#y#y#", &kind, &flags, &stops.bytes, &stops.length, &low.bytes,
                          &low.length, &high.bytes, &high.length, &words.bytes, &words.length, &captures.bytes,
                          &captures.length))
        return -1;
    if (kind <= LITERAL || kind >= STEP_KINDS || flags < 0 || flags > 1023) return refuse_step("is of no known kind");
    s->kind = (u8)kind;
    s->flags = (uint16_t)flags;
    for (Py_ssize_t i = 0; i < stops.length; i++) s->is_stop[(u8)stops.bytes[i]] = 1;
    s->stops = (u8)(stops.length > 2 ? 2 : stops.length);
    s->first_stop = stops.length ? (u8)stops.bytes[0] : 0;
    return add_shape(s, low, high, words) || add_captures(s, captures, columns, is_filled) ? -1 : 0;
}

static PyObject *program_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *steps;
    int columns;
    u8 is_filled[COLUMNS_MAX] = {0}; /* each record has to: nothing else writes to its columns */
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
        if (PyBytes_Check(one) ? add_literal(s, one) : add_value(s, one, (size_t)columns, is_filled)) {
            Py_DECREF(self);
            return NULL;
        }
    }
    if (memchr(is_filled, 0, (size_t)columns)) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_ValueError, "a program of %d columns, one of which no step captures", columns);
    }
    return (PyObject *)self;
}

static void program_dealloc(PyObject *object) {
    free(((program_object *)object)->format.step);
    end_object(object);
}

/* ---- Block ------------------------------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    PyObject *data; /* the bytes that the places are of */
    scanned found;
} block_object;

/* A block of these bytes. Nothing is found in it yet. */
static block_object *block_of(PyObject *data, char **bytes, Py_ssize_t *size) {
    if (PyBytes_AsStringAndSize(data, bytes, size)) return NULL;
    if ((u64)*size > UINT32_MAX - PADDING) return (void *)PyErr_Format(PyExc_ValueError, "a block of %zd bytes", *size);
    block_object *block = (block_object *)PyType_GenericAlloc(block_type, 0);
    if (!block) return NULL;
    Py_INCREF(data);
    block->data = data;
    return block;
}

static PyObject *filled(block_object *block, int failed) {
    if (!failed) return (PyObject *)block;
    Py_DECREF(block);
    return PyErr_NoMemory();
}

static PyObject *program_scan(PyObject *object, PyObject *data) {
    char *bytes;
    Py_ssize_t size;
    int failed;
    block_object *block = block_of(data, &bytes, &size);
    if (!block) return NULL;
    if (size && bytes[size - 1] != '\n') {
        Py_DECREF(block);
        return PyErr_Format(PyExc_ValueError, "a block without a newline at its end");
    }
    Py_BEGIN_ALLOW_THREADS
    failed = scan(&((program_object *)object)->format, (const u8 *)bytes, (size_t)size, &block->found);
    Py_END_ALLOW_THREADS
    return filled(block, failed);
}

PyObject *block_of_words(PyObject *module, PyObject *data) {
    char *bytes;
    Py_ssize_t size;
    int failed;
    (void)module;
    block_object *block = block_of(data, &bytes, &size);
    if (!block) return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = scan_words((const u8 *)bytes, (size_t)size, &block->found);
    Py_END_ALLOW_THREADS
    return filled(block, failed);
}

/* A column of `records` values out of the buffers of an Arrow array of text, which begin at item `at`. Byte 0 of its
 * data would stand at `shift` of the block. */
static int add_arrow(block_object *block, PyObject *given, size_t column, size_t records, size_t size) {
    Py_buffer validity, offsets;
    Py_ssize_t at, shift;
    if (!PyArg_ParseTuple(given, "z*y*nn", &validity, &offsets, &at, &shift)) return -1;
    span *spans = block->found.column[column] = malloc((records + 1) * sizeof *spans);
    int wrong = !spans || at < 0 || (size_t)offsets.len / 4 <= (size_t)at + records ||
                (validity.buf && (size_t)validity.len < ((size_t)at + records + 7) / 8);
    for (size_t i = 0; i < records && !wrong; i++) {
        i32 ends[2];
        size_t item = (size_t)at + i;
        memcpy(ends, (const u8 *)offsets.buf + 4 * item, sizeof ends);
        wrong = shift + ends[0] < 0 || ends[1] < ends[0] || shift + ends[1] > (Py_ssize_t)size;
        int there = !validity.buf || ((const u8 *)validity.buf)[item / 8] >> item % 8 & 1;
        spans[i] = there ? (span){(u32)(shift + ends[0]), (u32)(ends[1] - ends[0])} : (span){0, ABSENT};
    }
    PyBuffer_Release(&validity);
    PyBuffer_Release(&offsets);
    if (!spans)
        PyErr_NoMemory();
    else if (wrong)
        PyErr_SetString(PyExc_ValueError, "buffers that are no Arrow array of text");
    return wrong ? -1 : 0;
}

/* Block(data, records, columns): columns of Arrow text. The data of all of them is `data`. */
static PyObject *block_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *data, *columns;
    char *bytes;
    Py_ssize_t size, records;
    (void)type, (void)keywords;
    if (!PyArg_ParseTuple(args, "SnO!", &data, &records, &PyTuple_Type, &columns)) return NULL;
    if (records < 0 || records > INT32_MAX) return PyErr_Format(PyExc_ValueError, "%zd records", records);
    block_object *block = block_of(data, &bytes, &size);
    if (!block) return NULL;
    size_t count = (size_t)PyTuple_Size(columns);
    block->found.records = (size_t)records;
    block->found.column = calloc(count + 1, sizeof *block->found.column);
    if (!block->found.column) return filled(block, 1);
    block->found.columns = count;
    for (size_t c = 0; c < count; c++) {
        if (!add_arrow(block, PyTuple_GetItem(columns, (Py_ssize_t)c), c, (size_t)records, (size_t)size)) continue;
        Py_DECREF(block);
        return NULL;
    }
    return (PyObject *)block;
}

static void block_dealloc(PyObject *object) {
    scanned_free(&((block_object *)object)->found);
    Py_XDECREF(((block_object *)object)->data);
    end_object(object);
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

/* arrow(column, nones) -> (validity, offsets, data), the buffers of an Arrow array of binary, or None for too much data.
 * `nones` are the flags of the texts that are null. */
static PyObject *block_arrow(PyObject *object, PyObject *args) {
    const span *spans;
    const u8 *base;
    size_t records, size, total = 0;
    int column, nones;
    if (!PyArg_ParseTuple(args, "ii", &column, &nones)) return NULL;
    if (block_spans(object, column, &spans, &records, &base, &size)) return NULL;
    for (size_t i = 0; i < records; i++) total += is_none(base, spans[i], (u8)nones) ? 0 : spans[i].length;
    if (total > INT32_MAX) Py_RETURN_NONE;
    PyObject *validity = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(records + 7) / 8);
    PyObject *offsets = PyBytes_FromStringAndSize(NULL, 4 * (Py_ssize_t)(records + 1));
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total);
    if (validity && offsets && data) {
        u8 *valid = (u8 *)PyBytes_AsString(validity), *to = (u8 *)PyBytes_AsString(data);
        i32 *offset = (i32 *)PyBytes_AsString(offsets);
        Py_BEGIN_ALLOW_THREADS
        memset(valid, 0, (records + 7) / 8);
        offset[0] = 0;
        for (size_t i = 0; i < records; i++) {
            offset[i + 1] = offset[i];
            if (is_none(base, spans[i], (u8)nones)) continue;
            memcpy(to + offset[i], base + spans[i].at, spans[i].length);
            valid[i / 8] |= (u8)(1 << i % 8);
            offset[i + 1] += (i32)spans[i].length;
        }
        Py_END_ALLOW_THREADS
        return Py_BuildValue("(NNN)", validity, offsets, data);
    }
    Py_XDECREF(validity);
    Py_XDECREF(offsets);
    Py_XDECREF(data);
    return NULL;
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
    {"arrow", block_arrow, METH_VARARGS, "arrow(column, nones) -> (validity, offsets, data), or None for too much data"},
    {"joined", block_joined, METH_VARARGS, "joined(column, separator) -> bytes, or None if a value is absent"},
    {"values", block_values, METH_VARARGS, "values(column) -> [bytes or None]"},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef block_members[] = {
    {"records", T_PYSSIZET, offsetof(block_object, found.records), READONLY, "number of values in each column"},
    {"lines", T_PYSSIZET, offsetof(block_object, found.lines), READONLY, "number of lines"},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef block_getters[] = {
    {"refused", block_refused, NULL, "[(line, offset, length)] of the lines that are not of the program", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot block_slots[] = {
    {Py_tp_doc, "A block of bytes and the places of values in it."},
    {Py_tp_new, block_new},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_methods, block_methods},
    {Py_tp_members, block_members},
    {Py_tp_getset, block_getters},
    {0, NULL},
};
static PyType_Spec block_spec = {"mrframe.kernel._kernel.Block", sizeof(block_object), 0, Py_TPFLAGS_DEFAULT,
                                 block_slots};

int add_scan_types(PyObject *module) {
    block_type = add_type(module, &block_spec);
    return block_type && add_type(module, &program_spec) ? 0 : -1;
}
