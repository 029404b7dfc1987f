/* A table from keys to aggregates: filled from the columns of a block, from words, or from columns of a run file, and
 * drained as sorted columns of a run file. No Python here.
 *
 * A table is filled from logs (`table_add`), where a text may be no UTF-8, or from run files
 * (`table_absorb`), where such bytes were replaced by surrogates. The two differ, so it is never filled from both.
 */
#ifndef MRFRAME_TABLE_H
#define MRFRAME_TABLE_H

#include "sets.h"

typedef __int128 i128; /* wide enough for any sum of numbers of 64 bits */

enum aggregate { COUNT, TOTAL, MEAN, SMALLEST, LARGEST, DISTINCT, AGGREGATES };
enum { AGGREGATES_MAX = 32, KEY_COLUMNS_MAX = 32 };
enum filling { EMPTY, FROM_LOGS, FROM_RUNS };

/* Of one key and aggregate. `values` counts the values that are not None, or the different ones of DISTINCT.
 * `number` is the sum, or the smallest or largest value. */
typedef struct {
    i128 number;
    u64 values;
} state;

typedef struct {
    texts texts;
    pairs pairs; /* id of the key, id of the text */
} different;

typedef struct {
    texts keys;
    u8 aggregates, kinds[AGGREGATES_MAX];
    u8 widest;         /* states of a key. COUNT needs none: it is the number of records of the key's entry */
    u8 state_at[AGGREGATES_MAX];
    state *states;     /* `widest` for each id. Zero where no key is yet */
    size_t states_capacity;
    different *different[AGGREGATES_MAX]; /* of DISTINCT */
    enum filling filling;
    u64 counts_bound;  /* no count of absorbed states can exceed it */
    u8 *scratch;       /* keys of a batch */
    size_t scratch_capacity;
    span *spans;       /* words, or texts of a column */
    size_t spans_capacity;
    u32 *left_out, *ids;
    size_t left_out_count, left_out_capacity, ids_capacity;
} table;

/* The columns of a block of logs. `values` has one column for each aggregate, NULL for COUNT. */
typedef struct {
    const u8 *base;
    size_t size, records, key_columns;
    const span *keys[KEY_COLUMNS_MAX], *values[AGGREGATES_MAX];
    u8 nones[AGGREGATES_MAX]; /* flags: the texts that stand for None in a column of DISTINCT */
} log_columns;

/* Up to BATCH keys and their values as Python has them: a number and a text each, of which one or none is used. */
typedef struct {
    size_t count;
    const u8 *keys[BATCH], *texts[BATCH];
    u32 key_bytes[BATCH], text_bytes[BATCH]; /* ABSENT: None */
    i64 numbers[BATCH];                      /* NO_NUMBER: None */
} value_batch;

#define NO_NUMBER INT64_MIN

/* All of these return -1 when memory ends, with the table unchanged. */
int table_init(table *t, const u8 *kinds, size_t aggregates, const u64 seed[2]);
int table_add(table *t, const log_columns *in); /* 0. `left_out` then lists records that Python must fold */
int table_add_values(table *t, const value_batch *in); /* keys and texts have no NUL, but a key that is for Python */
int table_absorb(table *t, int wrapped, const u8 *keys, size_t key_bytes, const u8 *values, size_t value_bytes);
void table_clear(table *t);       /* keeps its memory for the next use, unless it is large */
void table_free(table *t);
size_t table_bytes(const table *t); /* that are held, and that the next growth or draining needs besides */

static inline state *state_of(const table *t, u32 id, size_t aggregate) {
    return &t->states[(size_t)id * t->widest + t->state_at[aggregate]];
}

/* The part of adding that logs and run files share. */
int table_reserve(table *t, size_t records, size_t key_bytes);
void fold_state(u8 kind, state *into, i128 number, u64 values);
void add_different(table *t, size_t aggregate, const u8 *base, size_t size, const span *found, const u32 *owners,
                   size_t count);

#endif
