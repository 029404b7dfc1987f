/* See merge.h. A heap of runs. What they hold is not trusted: a run that breaks off is of another form. */
#include "merge.h"

#include <stdlib.h>

#include "drain.h"

enum { DIGITS = 20 }; /* of an int of 64 bits, with its sign */

/* Finds the end of the next key. The last one ends with its column, and no other does. */
static int open_key(run *r) {
    if (r->at > r->key_bytes) return 0;
    const u8 *key = r->keys + r->at, *end = r->keys + r->key_bytes;
    const u8 *stop = key < end ? memchr(key, 0, (size_t)(end - key)) : NULL;
    if ((stop == NULL) != (r->record + 1 == r->records)) return 0;
    r->key = key;
    r->length = (size_t)((stop ? stop : end) - key);
    r->prefix = prefix_at(key, r->length, 0);
    return 1;
}

static int open_run(run *r) {
    if (r->record >= r->records || r->records > r->key_bytes || !r->at || r->at > r->key_bytes || *r->keys != 's') return 0;
    r->width = r->value_bytes > 1 && *r->values == 'i' ? r->values[1] : 0;
    int is_none = r->value_bytes == r->records + 1 && *r->values == 'n';
    if (!is_none && !is_ints((bytes){r->values, r->value_bytes}, r->records)) return 0;
    return open_key(r);
}

static int comes_before(const run *a, const run *b) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    int order = memcmp(a->key, b->key, a->length < b->length ? a->length : b->length);
    if (order) return order < 0;
    return a->length == b->length ? a < b : a->length < b->length;
}

static void sift_down(run **heap, size_t count, size_t at) {
    run *moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && comes_before(heap[child + 1], heap[child])) child++;
        if (!comes_before(heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static u8 *put_bytes(u8 *to, const u8 *from, size_t length) {
    if (length) memcpy(to, from, length);
    return to + length;
}

static u8 *put_digits(u8 *to, i64 number) {
    u8 digits[DIGITS], *p = digits + DIGITS;
    u64 left = number < 0 ? 0 - (u64)number : (u64)number;
    do *--p = (u8)('0' + left % 10);
    while (left /= 10);
    if (number < 0) *--p = '-';
    return put_bytes(to, p, (size_t)(digits + DIGITS - p));
}

static u8 *put_row(u8 *to, const run *r, const spelling *s) {
    to = put_bytes(to, s->before, s->before_bytes);
    to = put_bytes(to, r->key, r->length);
    if (r->width) {
        to = put_bytes(to, s->between, s->between_bytes);
        to = put_digits(to, int_at((bytes){r->values, r->value_bytes}, r->record));
    }
    return put_bytes(to, s->after, s->after_bytes);
}

static int is_plain(const run *r, const spelling *s) {
    u8 special = 0;
    for (size_t i = 0; i < r->length; i++) special |= s->is_special[r->key[i]];
    return !special;
}

/* Takes keys in order. 0 if a run breaks off. */
static int take(run **heap, size_t count, size_t most, const spelling *s, merged *out) {
    u8 *to = out->bytes;
    for (size_t i = count / 2; i--;) sift_down(heap, count, i);
    while (out->count < most && (!s || is_plain(heap[0], s))) {
        run *r = heap[0];
        if (s) {
            to = put_row(to, r, s);
        } else {
            *to++ = out->count ? 0 : 's';
            to = put_bytes(to, r->key, r->length);
            out->numbers[out->count] = r->width ? int_at((bytes){r->values, r->value_bytes}, r->record) : 0;
        }
        out->count++;
        r->at += r->length + 1;
        if (++r->record == r->records) break;
        if (!open_key(r)) return 0;
        sift_down(heap, count, 0);
    }
    out->size = (size_t)(to - out->bytes);
    return 1;
}

int merge(run *runs, size_t count, size_t most, const spelling *spelt, merged *out) {
    size_t room = 0, records = 0, each = spelt ? spelt->before_bytes + spelt->between_bytes + spelt->after_bytes + DIGITS : 1;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        if (!open_run(&runs[i]) || !runs[i].width != !runs->width) return 0;
        room += runs[i].key_bytes - runs[i].at;
        records += runs[i].records - runs[i].record;
    }
    most = most < records ? most : records;
    run **heap = malloc(count * sizeof *heap);
    out->bytes = malloc(room + records * each);
    out->numbers = spelt ? NULL : malloc(most * sizeof *out->numbers);
    int failed = !heap || !out->bytes || (!spelt && !out->numbers);
    for (size_t i = 0; i < count && !failed; i++) heap[i] = &runs[i];
    int taken = failed ? -1 : take(heap, count, most, spelt, out);
    free(heap);
    return taken;
}

void merged_free(merged *m) {
    free(m->bytes);
    free(m->numbers);
}
