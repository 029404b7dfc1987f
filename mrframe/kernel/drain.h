/* Drains a table: its keys sorted by slot and text, as encoded blocks of a run file (`shuffle/columns.py` has the form
 * of a column, `cut.h` the rule by which blocks are cut). */
#ifndef MRFRAME_DRAIN_H
#define MRFRAME_DRAIN_H

#include "sort.h"
#include "table.h"

enum { NONES_MAX = 4, SLOT_BITS_MAX = 16 };

typedef struct {
    const u8 *text;
    size_t length;
} text;

typedef struct {
    int bits;          /* of the hash in a slot */
    int as_text;       /* keys are text as it stands. Otherwise all of them are for Python */
    int wrapped;       /* the states of a key are a tuple, even if there is one */
    int results;       /* results in place of states, for a dict of results with the names */
    text names[AGGREGATES_MAX]; /* as msgpack */
    text nones[NONES_MAX]; /* keys that stand for None */
    size_t nones_count;
    const text *written; /* a text for each key, as it is written, NULL for one that is for Python. Or NULL: as held */
} drain_form;

typedef struct {
    u8 *data;
    size_t size, capacity;
    int failed; /* memory ended: what was appended since is lost */
} buffer;

typedef struct {
    u32 slot, records;
    size_t keys_at, values_at, end; /* columns in the buffer */
} encoded_block;

typedef struct {
    u32 *item;     /* ids of texts, key by key, each in the order of arrival */
    size_t *first; /* where those of each key begin, and where the last end */
} lists;

typedef struct {
    buffer bytes;
    encoded_block *blocks;
    size_t blocks_count, blocks_capacity;
    u32 *others; /* ids of keys that are for Python, in the order of arrival */
    size_t others_count;
    lists lists[AGGREGATES_MAX]; /* of DISTINCT */
} drained;

typedef struct {
    const u8 *bytes;
    size_t size;
} bytes;

/* Returns 0, or -1 when memory ends. The table is as before. */
int drain(const table *t, const drain_form *form, drained *out);
void drained_free(drained *d);

/* Whether bytes are UTF-8. With `surrogates`, as Python's `surrogatepass` takes it. */
int is_utf8(const u8 *p, size_t length, int surrogates);

/* The characters of a text, as Python decodes it: each byte that is no UTF-8 is one. */
size_t characters(const u8 *p, size_t length, int surrogates);

/* Copies a text of a log, each byte that is no UTF-8 as a surrogate, as Python decodes and encodes it. Returns the bytes
 * written, at most three times as many. */
size_t copy_escaped(u8 *to, const u8 *p, size_t length);

/* A column of ints, as a run file has it: whether it is one of so many, and each of them. */
int is_ints(bytes column, size_t records);
i64 int_at(bytes column, size_t i);

#endif
