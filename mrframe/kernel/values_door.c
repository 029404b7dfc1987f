/* See values_door.h. */
#include "values_door.h"

enum { INT_KEY_BYTES = 9, TEXT_BYTES_MAX = 1 << 30 };

typedef struct {
    value_batch batch;
    u8 int_keys[BATCH][INT_KEY_BYTES]; /* a NUL, so that draining leaves it to Python, and the int */
    int numbers, texts;                /* whether values are to be numbers, or texts */
} reading;

/* The UTF-8 of a str, which it holds as long as it lives. 0 for other text, and for text with a NUL. */
static int read_text(PyObject *value, const u8 **text, u32 *length) {
    Py_ssize_t size;
    if (!PyUnicode_CheckExact(value)) return 0;
    const char *bytes = PyUnicode_AsUTF8AndSize(value, &size);
    if (!bytes) PyErr_Clear(); /* surrogates */
    if (!bytes || size > TEXT_BYTES_MAX || memchr(bytes, 0, (size_t)size)) return 0;
    *text = (const u8 *)bytes;
    *length = (u32)size;
    return 1;
}

static int read_int(PyObject *value, i64 *number) {
    int overflow;
    if (!PyLong_CheckExact(value)) return 0;
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return !overflow && *number != NO_NUMBER;
}

static int read_key(PyObject *key, reading *r, size_t at) {
    i64 number;
    if (read_text(key, &r->batch.keys[at], &r->batch.key_bytes[at])) return 1;
    if (!read_int(key, &number)) return 0;
    r->int_keys[at][0] = 0;
    for (int i = 0; i < 8; i++) r->int_keys[at][1 + i] = (u8)((u64)number >> 8 * i);
    r->batch.keys[at] = r->int_keys[at];
    r->batch.key_bytes[at] = INT_KEY_BYTES;
    return 1;
}

static int read_value(PyObject *value, reading *r, size_t at) {
    r->batch.numbers[at] = NO_NUMBER;
    r->batch.text_bytes[at] = ABSENT;
    if (value == Py_None || !(r->numbers | r->texts)) return 1;
    if (r->numbers && r->texts) return 0;
    return r->numbers ? read_int(value, &r->batch.numbers[at])
                      : read_text(value, &r->batch.texts[at], &r->batch.text_bytes[at]);
}

/* Whether the item is a pair that the table can take. It is then the next of the batch. */
static int read_item(PyObject *key, PyObject *value, reading *r) {
    if (!value) {
        if (!PyTuple_CheckExact(key) || PyTuple_Size(key) != 2) return 0;
        value = PyTuple_GetItem(key, 1);
        key = PyTuple_GetItem(key, 0);
    }
    if (!read_value(value, r, r->batch.count) || !read_key(key, r, r->batch.count)) return 0;
    r->batch.count++;
    return 1;
}

static int leave_out(PyObject *left_out, Py_ssize_t index) {
    PyObject *one = PyLong_FromSsize_t(index);
    int failed = !one || PyList_Append(left_out, one);
    Py_XDECREF(one);
    return failed;
}

PyObject *add_values(table *t, PyObject *keys, PyObject *values) {
    reading r = {.batch.count = 0};
    PyObject *left_out = PyList_New(0);
    Py_ssize_t count = PyList_Size(keys);
    for (size_t a = 0; a < t->aggregates; a++) {
        r.texts |= t->kinds[a] == DISTINCT;
        r.numbers |= t->kinds[a] != DISTINCT && t->kinds[a] != COUNT;
    }
    for (Py_ssize_t i = 0; left_out && i < count;) {
        for (r.batch.count = 0; left_out && i < count && r.batch.count < BATCH; i++) {
            PyObject *value = values ? PyList_GetItem(values, i) : NULL;
            if (!read_item(PyList_GetItem(keys, i), value, &r) && leave_out(left_out, i)) Py_CLEAR(left_out);
        }
        if (left_out && table_add_values(t, &r.batch)) {
            Py_CLEAR(left_out);
            PyErr_NoMemory();
        }
    }
    return left_out;
}
