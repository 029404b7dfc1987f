/* See drain.h. Sorting, encoding, and cutting into blocks. */
#include "drain.h"

#include <stdlib.h>

#include "cut.h"
#include "hash.h"

enum { FIRST_GUESS = SIZED(512, 4) }; /* records of the first block */
enum { PIECE_ITEMS_MAX = SIZED(16384, 8) };
enum { AHEAD = 8 }; /* keys or texts that are fetched from memory before they are written */

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* The length of the character that begins at `p`, 0 if none does. */
static size_t character(const u8 *p, const u8 *end, int surrogates) {
    size_t length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
    if ((size_t)(end - p) < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    int too_long = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90);
    int too_high = *p == 0xf4 && p[1] > 0x8f;
    int surrogate = *p == 0xed && p[1] > 0x9f && !surrogates;
    return too_long || too_high || surrogate ? 0 : length;
}

int is_utf8(const u8 *p, size_t length, int surrogates) {
    const u8 *end = p + length;
    while (p < end) {
        u64 eight = 0x80;
        if (end - p >= 8) memcpy(&eight, p, 8);
        size_t valid = eight & 0x8080808080808080u ? character(p, end, surrogates) : 8;
        if (!valid) return 0;
        p += valid;
    }
    return 1;
}

size_t characters(const u8 *p, size_t length, int surrogates) {
    size_t count = 0, valid;
    for (const u8 *end = p + length; p < end; count++, p += valid ? valid : 1) valid = character(p, end, surrogates);
    return count;
}

size_t copy_escaped(u8 *to, const u8 *p, size_t length) {
    const u8 *end = p + length;
    u8 *start = to;
    while (p < end) {
        size_t valid = character(p, end, 0);
        if (valid) {
            memcpy(to, p, valid);
            to += valid;
            p += valid;
        } else { /* U+DC00 + byte */
            *to++ = 0xed;
            *to++ = (u8)(0xb0 | *p >> 6);
            *to++ = (u8)(0x80 | (*p++ & 0x3f));
        }
    }
    return (size_t)(to - start);
}

/* ---- the buffer ------------------------------------------------------------------------------------------------- */

/* Room for more bytes at the end, NULL when memory ends. */
static u8 *more(buffer *b, size_t bytes) {
    if (b->failed || grow(&b->data, &b->capacity, b->size + bytes, 1)) {
        b->failed = 1;
        return NULL;
    }
    b->size += bytes;
    return b->data + b->size - bytes;
}

static void put(buffer *b, const void *bytes, size_t length) {
    u8 *to = more(b, length);
    if (to && length) memcpy(to, bytes, length);
}

static void put_byte(buffer *b, u8 byte) { put(b, &byte, 1); }

static void store(u8 *to, u64 number, size_t width) {
    for (size_t i = 0; i < width; i++) to[i] = (u8)(number >> 8 * i);
}

/* Leaves room for a length of four bytes, and fills it in when what follows is there. */
static size_t begin_measured(buffer *b) {
    more(b, 4);
    return b->size;
}

static void end_measured(buffer *b, size_t start) {
    if (!b->failed) store(b->data + start - 4, b->size - start, 4);
}

static void put_text(buffer *b, const table *t, const texts *from, const entry *e) {
    const u8 *text = entry_text(from, e);
    if (t->filling == FROM_RUNS || is_utf8(text, e->length, 0)) {
        put(b, text, e->length);
        return;
    }
    u8 *to = more(b, 3 * (size_t)e->length);
    if (to) b->size -= 3 * (size_t)e->length - copy_escaped(to, text, e->length);
}

/* ---- columns: each as `encode` in shuffle/columns.py makes it ---------------------------------------------------- */

static void put_ints(buffer *b, const i64 *numbers, size_t count) {
    i64 largest = 0;
    for (size_t i = 0; i < count; i++) {
        i64 positive = numbers[i] < 0 ? ~numbers[i] : numbers[i];
        largest = positive > largest ? positive : largest;
    }
    u8 width = largest < 1 << 7 ? 1 : largest < 1 << 15 ? 2 : largest < (i64)1 << 31 ? 4 : 8;
    put_byte(b, 'i');
    put_byte(b, width);
    u8 *to = more(b, count * width);
    for (size_t i = 0; to && i < count; i++) store(to + i * width, (u64)numbers[i], width);
}

static void put_big_endian(buffer *b, u8 tag, u64 number, int width) {
    put_byte(b, tag);
    while (width--) put_byte(b, (u8)(number >> 8 * width));
}

/* An integer as msgpack has it: in as few bytes as it needs. */
static void put_packed_int(buffer *b, i64 number) {
    u64 bits = (u64)number;
    if (number >= -32 && number < 128)
        put_byte(b, (u8)bits);
    else if (number >= 0)
        bits < 1 << 8    ? put_big_endian(b, 0xcc, bits, 1)
        : bits < 1 << 16 ? put_big_endian(b, 0xcd, bits, 2)
        : bits >> 32     ? put_big_endian(b, 0xcf, bits, 8)
                         : put_big_endian(b, 0xce, bits, 4);
    else
        number >= INT8_MIN    ? put_big_endian(b, 0xd0, bits, 1)
        : number >= INT16_MIN ? put_big_endian(b, 0xd1, bits, 2)
        : number >= INT32_MIN ? put_big_endian(b, 0xd2, bits, 4)
                              : put_big_endian(b, 0xd3, bits, 8);
}

/* The head of a msgpack array or map of up to 65,535 items. */
static void put_packed_head(buffer *b, u8 small, u8 large, size_t items) {
    if (items < 16)
        put_byte(b, (u8)(small | items));
    else
        put_big_endian(b, large, items, 2);
}

typedef struct {
    const table *table;
    const drain_form *form;
    drained *out;
    row *rows, *spare;
    size_t count;
    u8 *escaped; /* the texts of keys that are written otherwise than they are held */
    cutter cutter;
} work;

static const entry *entry_of(const work *w, const row *r) { return &w->table->keys.entries[r->id]; }

static const state *state_of_row(const work *w, const row *r, size_t aggregate) {
    return state_of(w->table, r->id, aggregate);
}

/* The part of a key's list that a row has: all, unless the lists alone are the states. */
static void piece_of(const work *w, const row *r, size_t aggregate, size_t *first, size_t *end) {
    const size_t *place = w->out->lists[aggregate].first + r->id;
    *first = place[0] + (size_t)r->piece * PIECE_ITEMS_MAX;
    *end = place[1];
    if (w->table->aggregates == 1 && !w->form->wrapped && *end - *first > PIECE_ITEMS_MAX)
        *end = *first + PIECE_ITEMS_MAX;
}

static void put_lists(work *w, size_t aggregate, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    const lists *l = &w->out->lists[aggregate];
    const texts *found = &w->table->different[aggregate]->texts;
    i64 lengths[BLOCK_RECORDS_MAX];
    size_t first, end, start, items = 0;
    for (size_t i = 0; i < count; i++) {
        piece_of(w, &rows[i], aggregate, &first, &end);
        lengths[i] = (i64)(end - first);
        items += end - first;
    }
    if (!items) {
        put_byte(b, 'v');
        put_packed_head(b, 0x90, 0xdc, count);
        for (size_t i = 0; i < count; i++) put_byte(b, 0x90);
        return;
    }
    put_byte(b, 'l');
    start = begin_measured(b);
    put_ints(b, lengths, count);
    end_measured(b, start);
    put_byte(b, 's');
    for (size_t i = 0; i < count; i++) {
        piece_of(w, &rows[i], aggregate, &first, &end);
        for (; first < end; first++) {
            if (first + AHEAD < end) __builtin_prefetch(&found->entries[l->item[first + AHEAD]]);
            put_text(b, w->table, found, &found->entries[l->item[first]]);
            if (--items) put_byte(b, 0);
        }
    }
}

static void put_extremes(work *w, size_t aggregate, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    i64 numbers[BLOCK_RECORDS_MAX];
    size_t present = 0;
    for (size_t i = 0; i < count; i++) {
        const state *s = state_of_row(w, &rows[i], aggregate);
        numbers[i] = (i64)s->number;
        present += s->values > 0;
    }
    if (present == count) {
        put_ints(b, numbers, count);
        return;
    }
    put_byte(b, present ? 'v' : 'n');
    if (present) put_packed_head(b, 0x90, 0xdc, count);
    for (size_t i = 0; i < count; i++) {
        if (!present)
            put_byte(b, 0);
        else if (state_of_row(w, &rows[i], aggregate)->values)
            put_packed_int(b, numbers[i]);
        else
            put_byte(b, 0xc0);
    }
}

/* The number of an aggregate that has one: a count, a sum, or how many texts differ. */
static i64 number_of(const work *w, const row *r, size_t aggregate) {
    u8 kind = w->table->kinds[aggregate];
    if (kind == COUNT) return (i64)entry_of(w, r)->records;
    const state *s = state_of_row(w, r, aggregate);
    return kind == DISTINCT ? (i64)s->values : (i64)s->number;
}

static void put_mean(work *w, size_t aggregate, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    i64 numbers[BLOCK_RECORDS_MAX];
    put(b, "t\2", 2);
    for (int second = 0; second < 2; second++) {
        for (size_t i = 0; i < count; i++) {
            const state *s = state_of_row(w, &rows[i], aggregate);
            numbers[i] = second ? (i64)s->values : (i64)s->number;
        }
        size_t start = begin_measured(b);
        put_ints(b, numbers, count);
        end_measured(b, start);
    }
}

static void put_states(work *w, size_t aggregate, const row *rows, size_t count) {
    i64 numbers[BLOCK_RECORDS_MAX];
    u8 kind = w->table->kinds[aggregate];
    if (kind == DISTINCT && !w->form->results) {
        put_lists(w, aggregate, rows, count);
    } else if (kind == SMALLEST || kind == LARGEST) {
        put_extremes(w, aggregate, rows, count);
    } else if (kind == MEAN) {
        put_mean(w, aggregate, rows, count);
    } else {
        for (size_t i = 0; i < count; i++) numbers[i] = number_of(w, &rows[i], aggregate);
        put_ints(&w->out->bytes, numbers, count);
    }
}

/* Results of several aggregates: a dict for each key. */
static void put_dicts(work *w, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    put_byte(b, 'v');
    put_packed_head(b, 0x90, 0xdc, count);
    for (size_t i = 0; i < count; i++) {
        put_packed_head(b, 0x80, 0xde, w->table->aggregates);
        for (size_t a = 0; a < w->table->aggregates; a++) {
            u8 kind = w->table->kinds[a];
            put(b, w->form->names[a].text, w->form->names[a].length);
            if ((kind == SMALLEST || kind == LARGEST) && !state_of_row(w, &rows[i], a)->values)
                put_byte(b, 0xc0);
            else
                put_packed_int(b, number_of(w, &rows[i], a));
        }
    }
}

static void put_values(work *w, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    size_t aggregates = w->table->aggregates;
    if (w->form->wrapped && w->form->results) {
        put_dicts(w, rows, count);
    } else if (!w->form->wrapped) {
        put_states(w, 0, rows, count);
    } else {
        put_byte(b, 't');
        put_byte(b, (u8)aggregates);
        for (size_t a = 0; a < aggregates; a++) {
            size_t start = begin_measured(b);
            put_states(w, a, rows, count);
            end_measured(b, start);
        }
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* Appends a block of these rows. Returns the bytes of its columns. */
static size_t encode_block(work *w, encoded_block *block, const row *rows, size_t count) {
    buffer *b = &w->out->bytes;
    *block = (encoded_block){rows->slot, (u32)count, b->size, 0, 0};
    put_byte(b, 's');
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) __builtin_prefetch(rows[i + AHEAD].text);
        if (i) put_byte(b, 0);
        put(b, rows[i].text, rows[i].length);
    }
    block->values_at = b->size;
    put_values(w, rows, count);
    block->end = b->size;
    return block->end - block->keys_at;
}

/* About the bytes of a pair, as `_size_of` in run_writer.py counts them. */
static size_t pair_bytes(const work *w, const row *r) {
    size_t bytes = characters(r->text, r->length, 1);
    for (size_t a = 0; a < w->table->aggregates; a++) {
        const texts *found = w->table->kinds[a] == DISTINCT ? &w->table->different[a]->texts : NULL;
        const lists *l = &w->out->lists[a];
        size_t first = 0, end = 0;
        if (!found || w->form->results)
            bytes += w->table->kinds[a] == MEAN ? 16 : 8;
        else
            piece_of(w, r, a, &first, &end);
        for (; first < end; first++) {
            const entry *e = &found->entries[l->item[first]];
            bytes += characters(entry_text(found, e), e->length, w->table->filling == FROM_RUNS);
        }
    }
    return bytes;
}

static size_t find_large(void *of, size_t at, size_t end) {
    const work *w = of;
    while (at < end && pair_bytes(w, &w->spare[at]) <= BLOCK_BYTES) at++;
    return at;
}

static size_t make_block(void *of, size_t at, size_t count) {
    work *w = of;
    drained *out = w->out;
    if (grow(&out->blocks, &out->blocks_capacity, out->blocks_count + 1, sizeof *out->blocks)) return 0;
    encoded_block *block = &out->blocks[out->blocks_count];
    out->bytes.size = out->blocks_count ? block[-1].end : 0;
    size_t size = encode_block(w, block, w->spare + at, count);
    return out->bytes.failed ? 0 : size;
}

/* ---- slots and order -------------------------------------------------------------------------------------------- */

/* Sorts by slot and text, and encodes slot by slot. */
static int encode_slots(work *w) {
    size_t slots = (size_t)1 << w->form->bits;
    size_t *end = calloc(slots + 1, sizeof *end);
    if (!end) return -1;
    for (size_t i = 0; i < w->count; i++) end[w->rows[i].slot + 1]++;
    for (size_t slot = 0; slot < slots; slot++) end[slot + 1] += end[slot];
    for (size_t i = 0; i < w->count; i++) w->spare[end[w->rows[i].slot]++] = w->rows[i];
    int failed = 0;
    for (size_t slot = 0, from = 0; slot < slots && !failed; from = end[slot++]) {
        sort_rows(w->spare + from, w->rows, end[slot] - from);
        failed = cut_rows(&w->cutter, from, end[slot]);
    }
    free(end);
    return failed;
}

/* ---- which keys, and their lists --------------------------------------------------------------------------------- */

static int fits(i128 number) { return number >= INT64_MIN && number <= INT64_MAX; }

/* Whether a key is left to Python: it is no plain text, or a state of it has no column form. */
static int is_other(const work *w, u32 id) {
    const entry *e = &w->table->keys.entries[id];
    const u8 *text = entry_text(&w->table->keys, e);
    if (w->form->written) {
        if (!w->form->written[id].text) return 1;
    } else if (!w->form->as_text || e->length == ABSENT || memchr(text, 0, e->length)) {
        return 1;
    }
    for (size_t i = 0; i < w->form->nones_count; i++)
        if (w->form->nones[i].length == e->length && !memcmp(w->form->nones[i].text, text, e->length)) return 1;
    for (size_t a = 0; a < w->table->aggregates; a++)
        if (w->table->kinds[a] != COUNT && !fits(state_of(w->table, id, a)->number)) return 1;
    return 0;
}

static size_t pieces_of(const work *w, u32 id) {
    const table *t = w->table;
    if (t->kinds[0] != DISTINCT || t->aggregates > 1 || w->form->wrapped || w->form->results) return 1;
    u64 values = state_of(t, id, 0)->values;
    return values ? (size_t)((values + PIECE_ITEMS_MAX - 1) / PIECE_ITEMS_MAX) : 1;
}

static void add_rows(work *w, u32 id, const u8 *text, u32 length) {
    int bits = w->form->bits;
    u32 slot = bits ? hash_of(text, length) >> (32 - bits) : 0;
    row one = {prefix_at(text, length, 0), text, length, id, slot, 0};
    for (size_t pieces = pieces_of(w, id); one.piece < pieces; one.piece++) w->rows[w->count++] = one;
}

/* Room for all keys that are written otherwise than they are held. */
static u8 *escaped_room(const work *w) {
    const texts *keys = &w->table->keys;
    size_t bytes = 0;
    for (size_t i = 0; i < keys->used; i++) {
        const entry *e = &keys->entries[i];
        if (e->length != ABSENT && !is_utf8(entry_text(keys, e), e->length, 0)) bytes += 3 * (size_t)e->length;
    }
    return malloc(bytes);
}

/* Makes a row for each key, or each piece of its list, and lists the keys that are for Python. */
static int collect(work *w) {
    const texts *keys = &w->table->keys;
    const different *d = w->table->different[0];
    size_t rows = keys->used + (d ? d->pairs.used / PIECE_ITEMS_MAX : 0) + 1;
    u8 *to = NULL;
    w->rows = allocate(rows, sizeof *w->rows);
    w->spare = allocate(rows, sizeof *w->spare);
    w->out->others = malloc((keys->used + 1) * sizeof *w->out->others);
    if (!w->rows || !w->spare || !w->out->others) return -1;
    for (u32 id = 0; id < keys->used; id++) {
        const entry *e = &keys->entries[id];
        const u8 *text = entry_text(keys, e);
        if (is_other(w, id)) {
            w->out->others[w->out->others_count++] = id;
        } else if (w->form->written) {
            add_rows(w, id, w->form->written[id].text, (u32)w->form->written[id].length);
        } else if (w->table->filling == FROM_RUNS || is_utf8(text, e->length, 0)) {
            add_rows(w, id, text, e->length);
        } else {
            if (!w->escaped) to = w->escaped = escaped_room(w);
            if (!w->escaped) return -1;
            u32 length = (u32)copy_escaped(to, text, e->length);
            add_rows(w, id, to, length);
            to += length;
        }
    }
    return 0;
}

/* Lists the texts of each key of an aggregate, by counting: the pairs lie in the order of arrival. */
static int list_texts(const table *t, size_t aggregate, lists *l) {
    const pairs *p = &t->different[aggregate]->pairs;
    size_t keys = t->keys.used;
    l->item = malloc((p->used + 1) * sizeof *l->item);
    l->first = calloc(keys + 2, sizeof *l->first);
    int failed = !l->item || !l->first;
    for (size_t id = 0; !failed && id + 1 < keys; id++)
        l->first[id + 2] = l->first[id + 1] + state_of(t, (u32)id, aggregate)->values;
    for (size_t i = 0; !failed && i < p->used; i++)
        l->item[l->first[(p->order[i] >> 32) + 1]++] = (u32)p->order[i];
    return failed ? -1 : 0;
}

int drain(const table *t, const drain_form *form, drained *out) {
    memset(out, 0, sizeof *out);
    work w = {.table = t, .form = form, .out = out};
    w.cutter = (cutter){FIRST_GUESS, 0, &out->blocks_count, &w, make_block, find_large};
    int failed = 0;
    for (size_t a = 0; a < t->aggregates && !failed; a++)
        if (t->kinds[a] == DISTINCT) failed = list_texts(t, a, &out->lists[a]);
    failed = failed || collect(&w) || encode_slots(&w) || out->bytes.failed ? -1 : 0;
    free(w.rows);
    free(w.spare);
    free(w.escaped);
    return failed;
}

void drained_free(drained *d) {
    for (size_t a = 0; a < AGGREGATES_MAX; a++) {
        free(d->lists[a].item);
        free(d->lists[a].first);
    }
    free(d->bytes.data);
    free(d->blocks);
    free(d->others);
    memset(d, 0, sizeof *d);
}
