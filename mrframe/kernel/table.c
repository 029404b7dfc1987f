/* See table.h. Filling from logs, and what all ways of filling share. */
#include "table.h"

#include <stdlib.h>

#include "find.h"

enum { DIGITS_MAX = 18 };     /* of a number, so that it fits 64 bits whatever its digits */
enum { DRAINED_BYTES = 80 };  /* that draining needs for a key, without its text. The growth of entries needs less */

int table_init(table *t, const u8 *kinds, size_t aggregates, const u64 seed[2]) {
    memset(t, 0, sizeof *t);
    t->aggregates = (u8)aggregates;
    memcpy(t->kinds, kinds, aggregates);
    if (texts_init(&t->keys, seed)) return -1;
    for (size_t a = 0; a < aggregates; a++) {
        if (kinds[a] == COUNT) continue;
        t->state_at[a] = t->widest++;
        if (kinds[a] != DISTINCT) continue;
        t->different[a] = calloc(1, sizeof *t->different[a]);
        if (!t->different[a] || texts_init(&t->different[a]->texts, seed) || pairs_init(&t->different[a]->pairs, seed))
            return -1;
    }
    return 0;
}

void table_clear(table *t) {
    if (t->states) memset(t->states, 0, t->keys.used * t->widest * sizeof *t->states);
    texts_clear(&t->keys);
    for (size_t a = 0; a < t->aggregates; a++) {
        if (!t->different[a]) continue;
        texts_clear(&t->different[a]->texts);
        pairs_clear(&t->different[a]->pairs);
    }
    t->filling = EMPTY;
    t->counts_bound = 0;
}

void table_free(table *t) {
    texts_free(&t->keys);
    for (size_t a = 0; a < t->aggregates; a++) {
        if (!t->different[a]) continue;
        texts_free(&t->different[a]->texts);
        pairs_free(&t->different[a]->pairs);
        free(t->different[a]);
    }
    free(t->states);
    free(t->scratch);
    free(t->spans);
    free(t->left_out);
    free(t->ids);
    memset(t, 0, sizeof *t);
}

size_t table_bytes(const table *t) {
    size_t held = texts_bytes(&t->keys) + t->states_capacity * sizeof *t->states + t->scratch_capacity +
                  t->spans_capacity * sizeof *t->spans + (t->left_out_capacity + t->ids_capacity) * sizeof *t->ids;
    size_t doubled = 2 * t->keys.capacity * sizeof *t->keys.slots, drained = t->keys.used * DRAINED_BYTES;
    for (size_t a = 0; a < t->aggregates; a++) {
        const different *d = t->different[a];
        if (!d) continue;
        held += texts_bytes(&d->texts) + pairs_bytes(&d->pairs);
        doubled += 2 * d->pairs.capacity * sizeof *d->pairs.slots;
    }
    return held + (doubled > drained ? doubled : drained);
}

int table_reserve(table *t, size_t records, size_t key_bytes) {
    size_t before = t->states_capacity;
    if (texts_reserve(&t->keys, records, key_bytes)) return -1;
    if (grow(&t->states, &t->states_capacity, (t->keys.used + records) * t->widest, sizeof *t->states)) return -1;
    if (t->states_capacity > before) memset(t->states + before, 0, (t->states_capacity - before) * sizeof *t->states);
    return 0;
}

void fold_state(u8 kind, state *into, i128 number, u64 values) {
    int adds = kind == TOTAL || kind == MEAN;
    if (adds)
        into->number += number;
    else if (!into->values || (kind == SMALLEST ? number < into->number : number > into->number))
        into->number = number;
    into->values += values;
}

void add_different(table *t, size_t aggregate, const u8 *base, size_t size, const span *found, const u32 *owners,
                   size_t count) {
    different *d = t->different[aggregate];
    u32 ids[BATCH];
    u64 added[BATCH];
    u8 is_new[BATCH];
    texts_find(&d->texts, base, size, found, count, ids);
    for (size_t i = 0; i < count; i++) added[i] = (u64)owners[i] << 32 | ids[i];
    pairs_add(&d->pairs, added, count, is_new);
    for (size_t i = 0; i < count; i++) state_of(t, owners[i], aggregate)->values += is_new[i];
}

/* ---- columns of logs -------------------------------------------------------------------------------------------- */

static size_t bytes_of(const span *column, size_t records) {
    size_t bytes = 0;
    for (size_t i = 0; i < records; i++) bytes += column[i].length == ABSENT ? 0 : column[i].length;
    return bytes;
}

/* A key of several columns is a bit for each column that is there, and the values, each with a newline behind it, which
 * no value contains. */
static size_t flag_bytes(size_t columns) { return (columns + 7) / 8; }

static int reserve(table *t, const log_columns *in) {
    size_t n = in->records, bytes = 0, each = in->key_columns > 1 ? flag_bytes(in->key_columns) + in->key_columns : 0;
    for (size_t k = 0; k < in->key_columns; k++) bytes += bytes_of(in->keys[k], n);
    if (bytes + n * each > UINT32_MAX / 2) return -1; /* places have 32 bits */
    if (grow(&t->left_out, &t->left_out_capacity, n, sizeof *t->left_out)) return -1;
    if (each && grow(&t->scratch, &t->scratch_capacity, bytes + n * each, 1)) return -1;
    for (size_t a = 0; a < t->aggregates; a++) {
        different *d = t->different[a];
        if (d && (texts_reserve(&d->texts, n, bytes_of(in->values[a], n)) || pairs_reserve(&d->pairs, n))) return -1;
    }
    return table_reserve(t, n, bytes + n * each);
}

typedef struct {
    size_t count;
    u32 records[BATCH]; /* of the block. Those that are left out are not among them */
    i64 numbers[AGGREGATES_MAX][BATCH];
    u32 found[BATCH]; /* ids of their keys */
} batch;

/* Reads digits, perhaps with a sign, or what stands for None. 0 for anything else. */
static inline int read_number(const u8 *p, u32 length, i64 *number) {
    *number = NO_NUMBER;
    if (length == ABSENT || !length || (length == 1 && *p == '-')) return 1;
    int negative = *p == '-';
    p += negative;
    length -= (u32)negative;
    if (length > DIGITS_MAX) return 0;
    i64 value = 0;
    for (u32 i = 0; i < length; i++) {
        if (!is_digit(p[i])) return 0;
        value = value * 10 + (p[i] - '0');
    }
    *number = negative ? -value : value;
    return 1;
}

/* Whether the table can take a record. Its numbers are read into the next free position of the batch. */
static inline int read_values(const table *t, const log_columns *in, size_t record, int has_nul, batch *b) {
    for (size_t a = 0; a < t->aggregates; a++) {
        if (t->kinds[a] == COUNT) continue;
        span s = in->values[a][record];
        if (t->kinds[a] != DISTINCT) {
            if (!read_number(in->base + s.at, s.length, &b->numbers[a][b->count])) return 0;
        } else if (has_nul && s.length != ABSENT && memchr(in->base + s.at, 0, s.length)) {
            return 0; /* a column of texts has a NUL between them */
        }
    }
    return 1;
}

/* Composes the keys of a batch one after another in the scratch memory. Returns their bytes. */
static size_t compose_keys(table *t, const log_columns *in, const batch *b, span *keys) {
    size_t used = 0, flags = flag_bytes(in->key_columns);
    for (size_t i = 0; i < b->count; i++) {
        size_t start = used;
        memset(t->scratch + used, 0, flags);
        used += flags;
        for (size_t k = 0; k < in->key_columns; k++) {
            span part = in->keys[k][b->records[i]];
            if (part.length == ABSENT) continue;
            t->scratch[start + k / 8] |= (u8)(1 << k % 8);
            memcpy(t->scratch + used, in->base + part.at, part.length);
            used += part.length;
            t->scratch[used++] = '\n';
        }
        keys[i] = (span){(u32)start, (u32)(used - start)};
    }
    return used;
}

static void find_keys(table *t, const log_columns *in, batch *b) {
    span keys[BATCH];
    if (in->key_columns > 1) {
        size_t bytes = compose_keys(t, in, b, keys);
        texts_find(&t->keys, t->scratch, bytes, keys, b->count, b->found);
    } else {
        for (size_t i = 0; i < b->count; i++) keys[i] = in->keys[0][b->records[i]];
        texts_find(&t->keys, in->base, in->size, keys, b->count, b->found);
    }
    for (size_t i = 0; i < b->count; i++) t->keys.entries[b->found[i]].records++;
}

static void add_texts(table *t, size_t aggregate, const log_columns *in, const batch *b) {
    span texts[BATCH];
    u32 owners[BATCH];
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        span s = in->values[aggregate][b->records[i]];
        if (is_none(in->base, s, in->nones[aggregate])) continue;
        texts[count] = s;
        owners[count++] = b->found[i];
    }
    add_different(t, aggregate, in->base, in->size, texts, owners, count);
}

static void add_numbers(table *t, size_t aggregate, const batch *b) {
    const i64 *numbers = b->numbers[aggregate];
    for (size_t i = 0; i < b->count; i++)
        if (numbers[i] != NO_NUMBER)
            fold_state(t->kinds[aggregate], state_of(t, b->found[i], aggregate), numbers[i], 1);
}

int table_add(table *t, const log_columns *in) {
    if (reserve(t, in)) return -1;
    int has_nul = in->size && memchr(in->base, 0, in->size);
    t->filling = FROM_LOGS;
    t->left_out_count = 0;
    for (size_t record = 0; record < in->records;) {
        batch b;
        for (b.count = 0; b.count < BATCH && record < in->records; record++) {
            b.records[b.count] = (u32)record;
            if (read_values(t, in, record, has_nul, &b))
                b.count++;
            else
                t->left_out[t->left_out_count++] = (u32)record;
        }
        find_keys(t, in, &b);
        for (size_t a = 0; a < t->aggregates; a++) {
            if (t->kinds[a] == DISTINCT)
                add_texts(t, a, in, &b);
            else if (t->kinds[a] != COUNT)
                add_numbers(t, a, &b);
        }
    }
    return 0;
}

/* ---- values of Python ------------------------------------------------------------------------------------------- */

static size_t copy_texts(u8 *scratch, size_t at, const u8 *const *texts, const u32 *lengths, size_t count, span *copied) {
    for (size_t i = 0; i < count; i++) {
        u32 length = lengths[i] == ABSENT ? 0 : lengths[i];
        if (length) memcpy(scratch + at, texts[i], length);
        copied[i] = (span){(u32)at, lengths[i]};
        at += length;
    }
    return at;
}

static int reserve_values(table *t, const value_batch *in) {
    size_t key_bytes = 0, text_bytes = 0;
    for (size_t i = 0; i < in->count; i++) {
        key_bytes += in->key_bytes[i];
        text_bytes += in->text_bytes[i] == ABSENT ? 0 : in->text_bytes[i];
    }
    if (key_bytes + text_bytes > UINT32_MAX / 2) return -1; /* places have 32 bits */
    if (grow(&t->scratch, &t->scratch_capacity, key_bytes + text_bytes + SHORT_MAX, 1)) return -1;
    for (size_t a = 0; a < t->aggregates; a++) {
        different *d = t->different[a];
        if (d && (texts_reserve(&d->texts, in->count, text_bytes) || pairs_reserve(&d->pairs, in->count))) return -1;
    }
    return table_reserve(t, in->count, key_bytes);
}

static void add_value_texts(table *t, size_t aggregate, size_t size, const span *texts, const u32 *ids, size_t count) {
    span some[BATCH];
    u32 owners[BATCH];
    size_t present = 0;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].length == ABSENT) continue;
        some[present] = texts[i];
        owners[present++] = ids[i];
    }
    add_different(t, aggregate, t->scratch, size, some, owners, present);
}

int table_add_values(table *t, const value_batch *in) {
    span keys[BATCH], texts[BATCH];
    u32 ids[BATCH];
    if (reserve_values(t, in)) return -1;
    t->filling = FROM_LOGS;
    size_t size = copy_texts(t->scratch, 0, in->keys, in->key_bytes, in->count, keys);
    size = copy_texts(t->scratch, size, in->texts, in->text_bytes, in->count, texts) + SHORT_MAX;
    texts_find(&t->keys, t->scratch, size, keys, in->count, ids);
    for (size_t i = 0; i < in->count; i++) t->keys.entries[ids[i]].records++;
    for (size_t a = 0; a < t->aggregates; a++) {
        if (t->kinds[a] == DISTINCT) {
            add_value_texts(t, a, size, texts, ids, in->count);
        } else if (t->kinds[a] != COUNT) {
            for (size_t i = 0; i < in->count; i++)
                if (in->numbers[i] != NO_NUMBER) fold_state(t->kinds[a], state_of(t, ids[i], a), in->numbers[i], 1);
        }
    }
    return 0;
}
