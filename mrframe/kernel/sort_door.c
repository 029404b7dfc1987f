/* See sort_door.h. It checks what Python gives, and makes bytes of what is sorted. */
#include "sort_door.h"

#include <stdlib.h>

#include "hash.h"
#include "text_column.h"

static PyTypeObject *texts_type;

typedef struct {
    PyObject_HEAD
    text_column column;
    Py_buffer given; /* the bytes that the texts are of */
} texts_object;

typedef int (*reading)(text_column *, const u8 *, size_t);

/* Texts of bytes, or None for bytes of another form. */
static PyObject *texts_of(PyObject *data, reading read) {
    texts_object *self = (texts_object *)PyType_GenericAlloc(texts_type, 0);
    if (!self) return NULL;
    if (PyObject_GetBuffer(data, &self->given, PyBUF_SIMPLE)) {
        Py_DECREF(self);
        return NULL;
    }
    if (!self->given.readonly) {
        Py_DECREF(self);
        return PyErr_Format(PyExc_ValueError, "bytes that others may change meanwhile");
    }
    int taken;
    Py_BEGIN_ALLOW_THREADS
    taken = read(&self->column, self->given.buf, (size_t)self->given.len);
    Py_END_ALLOW_THREADS
    if (taken > 0) return (PyObject *)self;
    Py_DECREF(self);
    if (taken < 0) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *texts_of_lines(PyObject *module, PyObject *data) {
    (void)module;
    return texts_of(data, column_of_lines);
}

static PyObject *texts_of_column(PyObject *module, PyObject *data) {
    (void)module;
    return texts_of(data, column_of_encoded);
}

static void texts_dealloc(PyObject *object) {
    texts_object *self = (texts_object *)object;
    column_free(&self->column);
    PyBuffer_Release(&self->given);
    end_object(object);
}

static Py_ssize_t texts_count(PyObject *object) { return (Py_ssize_t)((texts_object *)object)->column.count; }

static PyObject *texts_size_bytes(PyObject *object, void *unused) {
    texts_object *self = (texts_object *)object;
    (void)unused;
    return PyLong_FromSize_t(column_bytes(&self->column, (size_t)self->given.len));
}

/* last -> the last text, as bytes */
static PyObject *texts_last(PyObject *object, void *unused) {
    const text_column *c = &((texts_object *)object)->column;
    (void)unused;
    if (!c->count) return PyErr_Format(PyExc_IndexError, "no texts");
    size_t length;
    const u8 *text = text_at(c, c->count - 1, &length);
    return PyBytes_FromStringAndSize((const char *)text, (Py_ssize_t)length);
}

static PyObject *texts_end(PyObject *object, PyObject *args) {
    const text_column *c = &((texts_object *)object)->column;
    const char *bound;
    Py_ssize_t start, length;
    int after;
    if (!PyArg_ParseTuple(args, "ny#p", &start, &bound, &length, &after)) return NULL;
    if (start < 0 || (size_t)start > c->count) return PyErr_Format(PyExc_IndexError, "text %zd of %zu", start, c->count);
    return PyLong_FromSize_t(column_end(c, (size_t)start, (const u8 *)bound, (size_t)length, after));
}

/* ---- sorting ---------------------------------------------------------------------------------------------------- */

typedef struct {
    text_range *ranges;
    size_t count;
    slot_rule rule;
    cut_text *cuts;
    sorted_texts sorted;
} sorting;

static void sorting_free(sorting *s) {
    free(s->ranges);
    free(s->cuts);
    sorted_texts_free(&s->sorted);
}

static int read_ranges(sorting *s, PyObject *given) {
    Py_ssize_t count = PyList_Size(given);
    s->ranges = malloc(((size_t)count + 1) * sizeof *s->ranges);
    if (!s->ranges) return PyErr_NoMemory(), -1;
    size_t texts = 0;
    for (; s->count < (size_t)count; s->count++) {
        PyObject *column, *one = PyList_GetItem(given, (Py_ssize_t)s->count);
        Py_ssize_t start, end;
        if (!PyTuple_Check(one) || !PyArg_ParseTuple(one, "O!nn", texts_type, &column, &start, &end)) return -1;
        const text_column *c = &((texts_object *)column)->column;
        if (start < 0 || start > end || (size_t)end > c->count) {
            PyErr_SetString(PyExc_IndexError, "a range of texts that are not there");
            return -1;
        }
        s->ranges[s->count] = (text_range){c, (size_t)start, (size_t)end};
        texts += (size_t)(end - start);
    }
    if (texts <= UINT32_MAX) return 0;
    PyErr_SetString(PyExc_ValueError, "too many texts to be sorted at once");
    return -1;
}

static int read_rule(sorting *s, PyObject *slots) {
    if (!PyTuple_Check(slots)) {
        long bits = PyLong_AsLong(slots);
        if (bits == -1 && PyErr_Occurred()) return -1;
        s->rule.bits = (int)bits;
        if (bits >= 0 && bits <= CUT_BITS_MAX) return 0;
        PyErr_SetString(PyExc_ValueError, "a slot has 0 to 16 bits of the hash");
        return -1;
    }
    Py_ssize_t count = PyTuple_Size(slots);
    s->rule.cuts = s->cuts = malloc(((size_t)count + 1) * sizeof *s->cuts);
    if (!s->cuts) return PyErr_NoMemory(), -1;
    for (; s->rule.cuts_count < (size_t)count; s->rule.cuts_count++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(slots, (Py_ssize_t)s->rule.cuts_count), &bytes, &length)) return -1;
        s->cuts[s->rule.cuts_count] = (cut_text){(const u8 *)bytes, (size_t)length};
    }
    return 0;
}

/* Fills the two columns of each block, whose bytes nobody else has yet. */
static void encode_blocks(const sorted_texts *s, u8 **columns) {
    for (size_t i = 0; i < s->blocks_count; i++) {
        encode_texts(s, &s->blocks[i], columns[2 * i]);
        columns[2 * i + 1][0] = 'n';
        memset(columns[2 * i + 1] + 1, 0, s->blocks[i].records);
    }
}

/* The blocks as sections, for RunWriter.add_encoded: [(slot, "s", [(records, keys, values), …]), …]. */
static PyObject *sections_of(const sorted_texts *s) {
    PyObject *sections = PyList_New(0), *blocks = NULL; /* those of the last section */
    u8 **columns = malloc((2 * s->blocks_count + 1) * sizeof *columns);
    if (!columns) Py_CLEAR(sections);
    for (size_t i = 0; sections && i < s->blocks_count; i++) {
        const text_block *b = &s->blocks[i];
        if (!i || b->slot != b[-1].slot) {
            blocks = PyList_New(0);
            PyObject *section = Py_BuildValue("(IsN)", b->slot, "s", blocks);
            if (!section || PyList_Append(sections, section)) Py_CLEAR(sections);
            Py_XDECREF(section);
        }
        PyObject *keys = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)b->key_bytes);
        PyObject *values = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)b->records + 1);
        if (keys && values) {
            columns[2 * i] = (u8 *)PyBytes_AsString(keys);
            columns[2 * i + 1] = (u8 *)PyBytes_AsString(values);
        }
        PyObject *one = keys && values ? Py_BuildValue("(INN)", b->records, keys, values) : NULL;
        if (sections && (!one || PyList_Append(blocks, one))) Py_CLEAR(sections);
        Py_XDECREF(one);
    }
    if (sections) {
        Py_BEGIN_ALLOW_THREADS
        encode_blocks(s, columns);
        Py_END_ALLOW_THREADS
    }
    free(columns);
    return sections;
}

static PyObject *sort_columns(PyObject *module, PyObject *args) {
    sorting s = {0};
    PyObject *ranges, *slots, *result = NULL;
    Py_ssize_t guess;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!On", &PyList_Type, &ranges, &slots, &guess)) return NULL;
    if (guess < 1) return PyErr_Format(PyExc_ValueError, "a block of %zd texts", guess);
    if (!read_ranges(&s, ranges) && !read_rule(&s, slots)) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = sort_texts(s.ranges, s.count, &s.rule, (size_t)guess, &s.sorted);
        Py_END_ALLOW_THREADS
        if (failed)
            PyErr_NoMemory();
        else
            result = Py_BuildValue("(Nn)", sections_of(&s.sorted), (Py_ssize_t)s.sorted.cutter.guess);
    }
    sorting_free(&s);
    return result;
}

static PyObject *lines_of(PyObject *module, PyObject *data) {
    Py_buffer column;
    (void)module;
    if (PyObject_GetBuffer(data, &column, PyBUF_SIMPLE)) return NULL;
    PyObject *lines = PyBytes_FromStringAndSize(NULL, column.len);
    if (lines && !write_lines(column.buf, (size_t)column.len, (u8 *)PyBytes_AsString(lines))) {
        Py_DECREF(lines);
        lines = Py_None;
        Py_INCREF(lines);
    }
    PyBuffer_Release(&column);
    return lines;
}

/* ---- the type and the functions --------------------------------------------------------------------------------- */

static PyMethodDef texts_methods[] = {
    {"end", texts_end, METH_VARARGS,
     "end(start, bound, after) -> index\n\nOf the first text from `start` on behind a bound, in a sorted column."},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef texts_getters[] = {
    {"size_bytes", texts_size_bytes, NULL, "bytes of memory, including what sorting needs besides", NULL},
    {"last", texts_last, NULL, "the last text, as bytes", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot texts_slots[] = {
    {Py_tp_doc, "A column of texts."},
    {Py_tp_dealloc, texts_dealloc},
    {Py_tp_methods, texts_methods},
    {Py_tp_getset, texts_getters},
    {Py_sq_length, texts_count},
    {0, NULL},
};
static PyType_Spec texts_spec = {"mrframe.kernel._kernel.Texts", sizeof(texts_object), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, texts_slots};

static PyMethodDef functions[] = {
    {"texts_of_lines", texts_of_lines, METH_O, "texts_of_lines(block) -> Texts"},
    {"texts_of_column", texts_of_column, METH_O, "texts_of_column(keys) -> Texts, or None for a column of another form"},
    {"sort_texts", sort_columns, METH_VARARGS, "sort_texts([(texts, start, end)], bits or cuts, guess) -> (sections, guess)"},
    {"lines_of", lines_of, METH_O, "lines_of(keys) -> their lines, or None for a column of another form"},
    {NULL, NULL, 0, NULL},
};

int add_sort_types(PyObject *module) {
    hash_init();
    texts_type = add_type(module, &texts_spec);
    return texts_type && !PyModule_AddFunctions(module, functions) ? 0 : -1;
}
