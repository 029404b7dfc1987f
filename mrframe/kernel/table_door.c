/* The door to the table: the type Table. It checks what Python gives, and makes Python values of what is drained. */
#include "table_door.h"

#include <stdlib.h>

#include "drain.h"
#include "values_door.h"

static const char *const NAMES[AGGREGATES] = {"count", "total", "mean", "smallest", "largest", "distinct"};
static u64 seed[2]; /* of this process. No output depends on it */

typedef struct {
    PyObject_HEAD
    table table;
    int wrapped, busy;
    size_t key_columns; /* of the keys that are held */
} table_object;

static int refuse(const char *reason) {
    PyErr_SetString(PyExc_ValueError, reason);
    return -1;
}

/* Work without the GIL, which one thread at a time may do with a table. */
static int begin(table_object *self) {
    if (self->busy) return refuse("a table is in use by another thread");
    self->busy = 1;
    return 0;
}

static int begin_filling(table_object *self, enum filling filling, size_t key_columns) {
    if (self->table.filling != EMPTY && (self->table.filling != filling || self->key_columns != key_columns))
        return refuse("a table is filled in one way until it is drained");
    if (begin(self)) return -1;
    self->key_columns = key_columns;
    return 0;
}

/* ---- making and ending ------------------------------------------------------------------------------------------ */

static int kind_of(PyObject *name) {
    for (int kind = 0; kind < AGGREGATES; kind++)
        if (PyUnicode_Check(name) && !PyUnicode_CompareWithASCIIString(name, NAMES[kind])) return kind;
    return refuse("an aggregate is count, total, mean, smallest, largest or distinct");
}

static PyObject *table_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *names;
    int wrapped = 0;
    u8 kinds[AGGREGATES_MAX];
    (void)keywords;
    if (!PyArg_ParseTuple(args, "O!|p", &PyTuple_Type, &names, &wrapped)) return NULL;
    Py_ssize_t count = PyTuple_Size(names);
    if (count < 1 || count > AGGREGATES_MAX || (count > 1 && !wrapped))
        return PyErr_Format(PyExc_ValueError, "a table of %zd aggregates, wrapped: %d", count, wrapped);
    for (Py_ssize_t i = 0; i < count; i++) {
        int kind = kind_of(PyTuple_GetItem(names, i));
        if (kind < 0) return NULL;
        kinds[i] = (u8)kind;
    }
    table_object *self = (table_object *)PyType_GenericAlloc(type, 0);
    if (!self) return NULL;
    self->wrapped = wrapped;
    if (!table_init(&self->table, kinds, (size_t)count, seed)) return (PyObject *)self;
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static void table_dealloc(PyObject *object) {
    table_free(&((table_object *)object)->table);
    end_object(object);
}

/* ---- filling ---------------------------------------------------------------------------------------------------- */

/* The place of each value of a column, whose number is an item of a tuple. */
static int column_at(PyObject *block, PyObject *numbers, Py_ssize_t i, log_columns *in, const span **spans) {
    long column = PyLong_AsLong(PyTuple_GetItem(numbers, i));
    if (column == -1 && PyErr_Occurred()) return -1;
    if (column < 0 || column > INT32_MAX) return refuse("a block has no such column");
    return block_spans(block, (int)column, spans, &in->records, &in->base, &in->size);
}

static int log_columns_of(const table *t, PyObject *block, PyObject *keys, PyObject *values, PyObject *nones,
                          log_columns *in) {
    Py_ssize_t key_columns = PyTuple_Size(keys), aggregates = (Py_ssize_t)t->aggregates;
    if (key_columns < 1 || key_columns > KEY_COLUMNS_MAX) return refuse("a key has 1 to 32 columns");
    if (PyTuple_Size(values) != aggregates || PyTuple_Size(nones) != aggregates)
        return refuse("each aggregate has a column of values and its flags");
    in->key_columns = (size_t)key_columns;
    for (Py_ssize_t i = 0; i < key_columns; i++)
        if (column_at(block, keys, i, in, &in->keys[i])) return -1;
    for (Py_ssize_t i = 0; i < aggregates; i++) {
        long flags = PyLong_AsLong(PyTuple_GetItem(nones, i));
        if (flags == -1 && PyErr_Occurred()) return -1;
        in->nones[i] = (u8)(flags & (DASH_IS_NONE | EMPTY_IS_NONE));
        if (t->kinds[i] != COUNT && column_at(block, values, i, in, &in->values[i])) return -1;
    }
    return 0;
}

static PyObject *table_add_block(PyObject *object, PyObject *args) {
    table_object *self = (table_object *)object;
    PyObject *block, *keys, *values, *nones;
    log_columns in = {0};
    int failed;
    if (!PyArg_ParseTuple(args, "OO!O!O!", &block, &PyTuple_Type, &keys, &PyTuple_Type, &values, &PyTuple_Type, &nones))
        return NULL;
    if (log_columns_of(&self->table, block, keys, values, nones, &in)) return NULL;
    if (begin_filling(self, FROM_LOGS, in.key_columns)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = table_add(&self->table, &in);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    if (failed) return PyErr_NoMemory();
    PyObject *left_out = PyList_New((Py_ssize_t)self->table.left_out_count);
    for (size_t i = 0; left_out && i < self->table.left_out_count; i++) {
        PyObject *record = PyLong_FromSize_t(self->table.left_out[i]);
        if (!record || PyList_SetItem(left_out, (Py_ssize_t)i, record)) Py_CLEAR(left_out);
    }
    return left_out;
}

static PyObject *table_add_lists(PyObject *object, PyObject *args) {
    table_object *self = (table_object *)object;
    PyObject *keys, *values = NULL;
    if (!PyArg_ParseTuple(args, "O!|O!", &PyList_Type, &keys, &PyList_Type, &values)) return NULL;
    if (values && PyList_Size(values) != PyList_Size(keys)) return refuse("each key has a value"), NULL;
    if (begin_filling(self, FROM_LOGS, 1)) return NULL;
    PyObject *left_out = add_values(&self->table, keys, values);
    self->busy = 0;
    return left_out;
}

static int absorb(table_object *self, const Py_buffer *keys, const Py_buffer *values) {
    int taken;
    if (!keys->readonly || !values->readonly) return refuse("columns that others may change meanwhile"), -2;
    if (begin_filling(self, FROM_RUNS, 1)) return -2;
    Py_BEGIN_ALLOW_THREADS
    taken = table_absorb(&self->table, self->wrapped, keys->buf, (size_t)keys->len, values->buf, (size_t)values->len);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    return taken;
}

static PyObject *table_absorb_columns(PyObject *object, PyObject *args) {
    Py_buffer keys, values;
    if (!PyArg_ParseTuple(args, "y*y*", &keys, &values)) return NULL;
    int taken = absorb((table_object *)object, &keys, &values);
    PyBuffer_Release(&keys);
    PyBuffer_Release(&values);
    if (taken == -1) return PyErr_NoMemory();
    return taken < 0 ? NULL : PyBool_FromLong(taken);
}

/* ---- draining --------------------------------------------------------------------------------------------------- */

static PyObject *int_of(i128 number) {
    if (number >= INT64_MIN && number <= INT64_MAX) return PyLong_FromLongLong((i64)number);
    PyObject *high = PyLong_FromLongLong((i64)(number >> 64)), *low = PyLong_FromUnsignedLongLong((u64)number);
    PyObject *bits = PyLong_FromLong(64), *shifted = high && bits ? PyNumber_Lshift(high, bits) : NULL;
    PyObject *both = shifted && low ? PyNumber_Or(shifted, low) : NULL;
    Py_XDECREF(high);
    Py_XDECREF(low);
    Py_XDECREF(bits);
    Py_XDECREF(shifted);
    return both;
}

static PyObject *bytes_of(const u8 *p, size_t length) {
    return PyBytes_FromStringAndSize((const char *)p, (Py_ssize_t)length);
}

/* The parts of a key: bytes, or None. */
static PyObject *parts_of(const table_object *self, const entry *e) {
    const u8 *text = entry_text(&self->table.keys, e);
    size_t columns = self->key_columns;
    PyObject *parts = PyTuple_New((Py_ssize_t)columns);
    const u8 *p = text + (columns + 7) / 8;
    for (size_t i = 0; parts && i < columns; i++) {
        PyObject *part = NULL;
        if (columns == 1 ? e->length == ABSENT : !(text[i / 8] >> i % 8 & 1)) {
            part = Py_None;
            Py_INCREF(part);
        } else if (columns == 1) {
            part = bytes_of(text, e->length);
        } else {
            const u8 *end = memchr(p, '\n', (size_t)(text + e->length - p));
            part = bytes_of(p, (size_t)(end - p));
            p = end + 1;
        }
        if (!part || PyTuple_SetItem(parts, (Py_ssize_t)i, part)) Py_CLEAR(parts);
    }
    return parts;
}

static PyObject *list_of(const table *t, const lists *l, u32 id, size_t aggregate) {
    const texts *found = &t->different[aggregate]->texts;
    PyObject *list = PyList_New((Py_ssize_t)(l->first[id + 1] - l->first[id]));
    for (size_t i = l->first[id]; list && i < l->first[id + 1]; i++) {
        const entry *e = &found->entries[l->item[i]];
        PyObject *one = PyUnicode_DecodeUTF8((const char *)entry_text(found, e), (Py_ssize_t)e->length,
                                             t->filling == FROM_RUNS ? "surrogatepass" : "surrogateescape");
        if (!one || PyList_SetItem(list, (Py_ssize_t)(i - l->first[id]), one)) Py_CLEAR(list);
    }
    return list;
}

static PyObject *state_as_python(const table *t, const drain_form *form, const drained *d, u32 id, size_t a) {
    if (t->kinds[a] == COUNT) return PyLong_FromUnsignedLongLong(t->keys.entries[id].records);
    const state *s = state_of(t, id, a);
    if (t->kinds[a] == DISTINCT)
        return form->results ? PyLong_FromUnsignedLongLong(s->values) : list_of(t, &d->lists[a], id, a);
    if (t->kinds[a] == TOTAL) return int_of(s->number);
    if (t->kinds[a] == MEAN) return Py_BuildValue("(NK)", int_of(s->number), (unsigned long long)s->values);
    if (s->values) return int_of(s->number);
    Py_RETURN_NONE;
}

static PyObject *states_as_python(const table *t, const drain_form *form, const drained *d, u32 id) {
    if (!form->wrapped) return state_as_python(t, form, d, id, 0);
    PyObject *states = PyTuple_New(t->aggregates);
    for (size_t a = 0; states && a < t->aggregates; a++) {
        PyObject *one = state_as_python(t, form, d, id, a);
        if (!one || PyTuple_SetItem(states, (Py_ssize_t)a, one)) Py_CLEAR(states);
    }
    return states;
}

static PyObject *others_of(const table_object *self, const drain_form *form, const drained *d) {
    PyObject *others = PyList_New((Py_ssize_t)d->others_count);
    for (size_t i = 0; others && i < d->others_count; i++) {
        const entry *e = &self->table.keys.entries[d->others[i]];
        PyObject *one = Py_BuildValue("(NKN)", parts_of(self, e), (unsigned long long)e->records,
                                      states_as_python(&self->table, form, d, d->others[i]));
        if (!one || PyList_SetItem(others, (Py_ssize_t)i, one)) Py_CLEAR(others);
    }
    return others;
}

/* The blocks as sections, for RunWriter.add_encoded: [(slot, "s", [(records, keys, values), …]), …]. */
static PyObject *sections_of(const drained *d) {
    PyObject *sections = PyList_New(0), *blocks = NULL; /* those of the last section */
    for (size_t i = 0; sections && i < d->blocks_count; i++) {
        const encoded_block *b = &d->blocks[i];
        if (!i || b->slot != b[-1].slot) {
            blocks = PyList_New(0);
            PyObject *section = Py_BuildValue("(IsN)", b->slot, "s", blocks);
            if (!section || PyList_Append(sections, section)) Py_CLEAR(sections);
            Py_XDECREF(section);
        }
        PyObject *one = Py_BuildValue("(INN)", b->records, bytes_of(d->bytes.data + b->keys_at, b->values_at - b->keys_at),
                                      bytes_of(d->bytes.data + b->values_at, b->end - b->values_at));
        if (sections && (!one || PyList_Append(blocks, one))) Py_CLEAR(sections);
        Py_XDECREF(one);
    }
    return sections;
}

static PyObject *drain_as(table_object *self, const drain_form *form) {
    drained d;
    int failed;
    if (begin(self)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = drain(&self->table, form, &d);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyObject *result = failed ? PyErr_NoMemory() : Py_BuildValue("(NN)", sections_of(&d), others_of(self, form, &d));
    drained_free(&d);
    if (result) table_clear(&self->table);
    return result;
}

static int texts_of(PyObject *tuple, Py_ssize_t most, text *found) {
    Py_ssize_t count = PyTuple_Size(tuple);
    if (count > most) return refuse("a tuple has too many texts");
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(tuple, i), &bytes, &length)) return -1;
        found[i] = (text){(const u8 *)bytes, (size_t)length};
    }
    return (int)count;
}

/* Those of a tuple in which None stands for no text. */
static int optional_texts_of(PyObject *tuple, text *found) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++) {
        char *bytes = NULL;
        Py_ssize_t length = 0;
        PyObject *one = PyTuple_GetItem(tuple, i);
        if (one != Py_None && PyBytes_AsStringAndSize(one, &bytes, &length)) return -1;
        if (length > UINT32_MAX / 4) return refuse("a text of a key is too long");
        found[i] = (text){(const u8 *)bytes, (size_t)length};
    }
    return 0;
}

static PyObject *table_drain(PyObject *object, PyObject *args) {
    table_object *self = (table_object *)object;
    drain_form form = {.wrapped = self->wrapped};
    PyObject *nones;
    if (!PyArg_ParseTuple(args, "ipO!", &form.bits, &form.as_text, &PyTuple_Type, &nones)) return NULL;
    int count = texts_of(nones, NONES_MAX, form.nones);
    if (count < 0) return NULL;
    if (form.bits < 0 || form.bits > SLOT_BITS_MAX) return refuse("a slot has 0 to 16 bits of the hash"), NULL;
    form.nones_count = (size_t)count;
    if (self->key_columns > 1) form.as_text = 0;
    return drain_as(self, &form);
}

static PyObject *table_drain_written(PyObject *object, PyObject *args) {
    table_object *self = (table_object *)object;
    drain_form form = {.wrapped = self->wrapped};
    PyObject *texts;
    if (!PyArg_ParseTuple(args, "iO!", &form.bits, &PyTuple_Type, &texts)) return NULL;
    if (form.bits < 0 || form.bits > SLOT_BITS_MAX) return refuse("a slot has 0 to 16 bits of the hash"), NULL;
    size_t keys = self->table.keys.used;
    if ((size_t)PyTuple_Size(texts) != keys) return refuse("each key has a text, or None"), NULL;
    text *written = malloc((keys + 1) * sizeof *written);
    PyObject *result = written ? NULL : PyErr_NoMemory();
    form.written = written;
    int failed = !written || optional_texts_of(texts, written);
    if (!failed) result = drain_as(self, &form);
    free(written);
    return result;
}

static PyObject *table_keys(PyObject *object, PyObject *unused) {
    const table_object *self = (const table_object *)object;
    PyObject *keys = PyList_New((Py_ssize_t)self->table.keys.used);
    (void)unused;
    for (size_t i = 0; keys && i < self->table.keys.used; i++) {
        PyObject *one = parts_of(self, &self->table.keys.entries[i]);
        if (!one || PyList_SetItem(keys, (Py_ssize_t)i, one)) Py_CLEAR(keys);
    }
    return keys;
}

static PyObject *table_drain_results(PyObject *object, PyObject *names) {
    table_object *self = (table_object *)object;
    drain_form form = {.wrapped = self->wrapped, .results = 1, .as_text = self->key_columns < 2};
    if (!PyTuple_Check(names)) return refuse("names are a tuple"), NULL;
    int count = texts_of(names, AGGREGATES_MAX, form.names);
    if (count < 0) return NULL;
    if (count != (self->wrapped ? self->table.aggregates : 0)) return refuse("each aggregate of a dict has a name"), NULL;
    for (size_t a = 0; a < self->table.aggregates; a++)
        if (self->table.kinds[a] == MEAN) return refuse("only Python finishes a mean"), NULL;
    return drain_as(self, &form);
}

/* ---- the type --------------------------------------------------------------------------------------------------- */

static PyObject *size_bytes(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromSize_t(table_bytes(&((table_object *)object)->table));
}

static Py_ssize_t keys_held(PyObject *object) { return (Py_ssize_t)((table_object *)object)->table.keys.used; }

static PyMethodDef methods[] = {
    {"add", table_add_block, METH_VARARGS,
     "add(block, keys, values, nones) -> records that were left out\n\n"
     "`keys` are the numbers of the columns of the key, `values` one for each aggregate (-1 for count). `nones` has\n"
     "for each aggregate the texts that are None for distinct: 1 for `-`, 2 for an empty one, 3 for both. A record\n"
     "with more than 18 digits, no digits, or a NUL in a text is left out: Python folds it."},
    {"add_values", table_add_lists, METH_VARARGS,
     "add_values(pairs), or add_values(keys, values) -> indexes of those that were left out\n\n"
     "Takes lists: keys of str or int, values of int, for distinct of str, None in place of either. See _kernel.pyi."},
    {"absorb", table_absorb_columns, METH_VARARGS,
     "absorb(keys, values) -> bool\n\nTakes encoded columns of a run file. False, with nothing taken, for other forms."},
    {"drain", table_drain, METH_VARARGS,
     "drain(bits, text, nones) -> (sections, others)\n\n"
     "Empties the table: sections for RunWriter.add_encoded of 2**bits slots, and [(parts of the key, records, states)]\n"
     "for all keys with `text` false or of several columns, those among `nones`, and what has no form in a column."},
    {"drain_written", table_drain_written, METH_VARARGS,
     "drain_written(bits, texts) -> (sections, others)\n\n"
     "The same for keys that are written otherwise: `texts` has UTF-8 for each, in the order of held_keys(), all different,\n"
     "or None for a key that is among the others."},
    {"held_keys", table_keys, METH_NOARGS, "held_keys() -> [parts of the key], in the order of arrival"},
    {"drain_results", table_drain_results, METH_O,
     "drain_results(names) -> (sections, others)\n\n"
     "Like drain, for one slot, with results in place of states. `names` are those of a dict of results, as msgpack."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"size_bytes", size_bytes, NULL, "bytes of memory, including what growing or draining needs besides", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Table(aggregates, wrapped=False): aggregates by key. `wrapped`: the states of a key are a tuple."},
    {Py_tp_new, table_new},
    {Py_tp_dealloc, table_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_sq_length, keys_held},
    {0, NULL},
};

static PyType_Spec spec = {"mrframe.kernel._kernel.Table", sizeof(table_object), 0, Py_TPFLAGS_DEFAULT, slots};

static int make_seed(void) {
    char *bytes;
    Py_ssize_t length;
    PyObject *os = PyImport_ImportModule("os");
    PyObject *random = os ? PyObject_CallMethod(os, "urandom", "n", (Py_ssize_t)sizeof seed) : NULL;
    int failed = !random || PyBytes_AsStringAndSize(random, &bytes, &length);
    if (!failed) memcpy(seed, bytes, sizeof seed);
    Py_XDECREF(os);
    Py_XDECREF(random);
    return failed ? -1 : 0;
}

int add_table_type(PyObject *module) {
    if (make_seed() || !add_type(module, &spec)) return -1;
    return PyModule_AddIntConstant(module, "AGGREGATES_MAX", AGGREGATES_MAX) ||
                   PyModule_AddIntConstant(module, "KEY_COLUMNS_MAX", KEY_COLUMNS_MAX)
               ? -1
               : 0;
}
