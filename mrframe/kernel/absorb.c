/* See table.h. Filling from the encoded columns of a run file, whose bytes are not trusted: all of a block is checked
 * before any of it is taken. */
#include <stdlib.h>

#include "drain.h"

/* What the columns of an aggregate hold. */
typedef struct {
    bytes numbers, counts; /* columns of int. `counts`: of MEAN, or the lengths of lists */
    bytes items;           /* of lists: the body of a column of text */
    size_t items_count;
} states;

static u32 length_at(const u8 *p) { return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24; }

i64 int_at(bytes column, size_t i) {
    size_t width = column.bytes[1];
    u64 number = 0;
    const u8 *p = column.bytes + 2 + i * width;
    for (size_t k = 0; k < width; k++) number |= (u64)p[k] << 8 * k;
    int shift = (int)(64 - 8 * width);
    return (i64)(number << shift) >> shift; /* with its sign */
}

int is_ints(bytes column, size_t records) {
    if (column.size < 2 || column.bytes[0] != 'i') return 0;
    size_t width = column.bytes[1];
    return (width == 1 || width == 2 || width == 4 || width == 8) && column.size - 2 == width * records;
}

/* Whether the ints are none below zero, and their greatest. */
static int are_counts(bytes column, size_t records, u64 *greatest) {
    *greatest = 0;
    for (size_t i = 0; i < records; i++) {
        i64 count = int_at(column, i);
        if (count < 0) return 0;
        if ((u64)count > *greatest) *greatest = (u64)count;
    }
    return 1;
}

/* Opens a column of tuples into columns of their items. */
static int open_tuples(bytes column, size_t width, bytes *items) {
    if (column.size < 2 || column.bytes[0] != 't' || column.bytes[1] != width) return 0;
    size_t at = 2;
    for (size_t i = 0; i < width; i++) {
        if (column.size - at < 4) return 0;
        size_t length = length_at(column.bytes + at);
        at += 4;
        if (column.size - at < length) return 0;
        items[i] = (bytes){column.bytes + at, length};
        at += length;
    }
    return at == column.size;
}

/* The number of texts in the body of a column of text, 0 if it is no such column. */
static size_t count_texts(bytes body) {
    size_t count = 1;
    if (!is_utf8(body.bytes, body.size, 1)) return 0;
    for (const u8 *p = body.bytes, *end = p + body.size; p < end && (p = memchr(p, 0, (size_t)(end - p))); p++) count++;
    return count;
}

/* Opens a column of lists of text. */
static int open_lists(bytes column, size_t records, states *s) {
    u64 greatest, sum = 0;
    if (column.size < 5 || column.bytes[0] != 'l') return 0;
    size_t length = length_at(column.bytes + 1);
    if (column.size - 5 <= length) return 0;
    s->counts = (bytes){column.bytes + 5, length};
    s->items = (bytes){column.bytes + 6 + length, column.size - 6 - length};
    if (column.bytes[5 + length] != 's' || !is_ints(s->counts, records)) return 0;
    s->items_count = count_texts(s->items);
    if (!s->items_count || !are_counts(s->counts, records, &greatest) || greatest > s->items_count) return 0;
    for (size_t i = 0; i < records; i++) sum += (u64)int_at(s->counts, i); /* of less than 2^32 items each */
    return sum == s->items_count;
}

static int open_states(u8 kind, bytes column, size_t records, states *s, u64 *greatest) {
    bytes both[2];
    *greatest = 0;
    switch (kind) {
    case COUNT:
        s->numbers = column;
        return is_ints(column, records) && are_counts(column, records, greatest);
    case MEAN:
        if (!open_tuples(column, 2, both) || !is_ints(both[0], records) || !is_ints(both[1], records)) return 0;
        s->numbers = both[0];
        s->counts = both[1];
        return are_counts(both[1], records, greatest);
    case DISTINCT: return open_lists(column, records, s);
    default: s->numbers = column; return is_ints(column, records);
    }
}

/* Opens the columns of all aggregates. Refuses those whose counts might not fit 64 bits with the ones before. */
static int open_all(table *t, int wrapped, bytes values, size_t records, states *all) {
    bytes columns[AGGREGATES_MAX] = {values};
    u64 greatest, bound = t->counts_bound;
    const states *count = NULL;
    if (wrapped && !open_tuples(values, t->aggregates, columns)) return 0;
    for (size_t a = 0; a < t->aggregates; a++) {
        if (!open_states(t->kinds[a], columns[a], records, &all[a], &greatest)) return 0;
        if (greatest > (u64)INT64_MAX / records || bound > (u64)INT64_MAX - greatest * records) return 0;
        bound += greatest * records;
        if (t->kinds[a] != COUNT) continue;
        if (count && (count->numbers.size != columns[a].size ||
                      memcmp(count->numbers.bytes, columns[a].bytes, columns[a].size)))
            return 0; /* two counts of one key are the same */
        count = &all[a];
    }
    t->counts_bound = bound;
    return 1;
}

/* Cuts the body of a column of text into its texts. */
static void cut_texts(bytes body, size_t count, span *texts) {
    const u8 *p = body.bytes, *end = body.bytes + body.size;
    for (size_t i = 0; i < count; i++) {
        const u8 *stop = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
        if (!stop) stop = end;
        texts[i] = (span){(u32)(p - body.bytes), (u32)(stop - p)};
        p = stop + 1;
    }
}

static int reserve(table *t, bytes keys, size_t records, const states *all) {
    size_t spans = records;
    for (size_t a = 0; a < t->aggregates; a++) {
        different *d = t->different[a];
        size_t count = all[a].items_count;
        if (d && (texts_reserve(&d->texts, count, all[a].items.size) || pairs_reserve(&d->pairs, count))) return -1;
        spans = count > spans ? count : spans;
    }
    if (grow(&t->spans, &t->spans_capacity, spans, sizeof *t->spans)) return -1;
    if (grow(&t->ids, &t->ids_capacity, records, sizeof *t->ids)) return -1;
    return table_reserve(t, records, keys.size);
}

static void absorb_keys(table *t, bytes keys, size_t records, const states *all) {
    const states *count = NULL;
    for (size_t a = 0; a < t->aggregates; a++)
        if (t->kinds[a] == COUNT) count = &all[a];
    cut_texts(keys, records, t->spans);
    for (size_t at = 0; at < records; at += BATCH) {
        size_t some = records - at < BATCH ? records - at : BATCH;
        u32 *ids = t->ids + at;
        texts_find(&t->keys, keys.bytes, keys.size, t->spans + at, some, ids);
        for (size_t i = 0; i < some; i++)
            t->keys.entries[ids[i]].records += count ? (u64)int_at(count->numbers, at + i) : 1;
    }
}

static void absorb_lists(table *t, size_t aggregate, size_t records, const states *s) {
    span some[BATCH];
    u32 owners[BATCH];
    size_t batch = 0, item = 0;
    cut_texts(s->items, s->items_count, t->spans);
    for (size_t i = 0; i < records; i++) {
        for (i64 left = int_at(s->counts, i); left; left--) {
            some[batch] = t->spans[item++];
            owners[batch++] = t->ids[i];
            if (batch < BATCH) continue;
            add_different(t, aggregate, s->items.bytes, s->items.size, some, owners, batch);
            batch = 0;
        }
    }
    add_different(t, aggregate, s->items.bytes, s->items.size, some, owners, batch);
}

/* Takes columns of keys and of their states. 1 if taken, 0 if they are of another form. */
int table_absorb(table *t, int wrapped, const u8 *keys, size_t key_bytes, const u8 *values, size_t value_bytes) {
    states all[AGGREGATES_MAX] = {0};
    if (!key_bytes || *keys != 's' || key_bytes > UINT32_MAX / 2 || value_bytes > UINT32_MAX / 2) return 0;
    bytes texts = {keys + 1, key_bytes - 1};
    size_t records = count_texts(texts);
    u64 bound = t->counts_bound;
    if (!records || !open_all(t, wrapped, (bytes){values, value_bytes}, records, all)) return 0;
    if (reserve(t, texts, records, all)) {
        t->counts_bound = bound;
        return -1;
    }
    t->filling = FROM_RUNS;
    absorb_keys(t, texts, records, all);
    for (size_t a = 0; a < t->aggregates; a++) {
        u8 kind = t->kinds[a];
        if (kind == DISTINCT)
            absorb_lists(t, a, records, &all[a]);
        else if (kind != COUNT)
            for (size_t i = 0; i < records; i++)
                fold_state(kind, state_of(t, t->ids[i], a), int_at(all[a].numbers, i),
                           kind == MEAN ? (u64)int_at(all[a].counts, i) : 1);
    }
    return 1;
}
