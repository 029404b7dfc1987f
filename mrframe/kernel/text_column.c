/* See text_column.h. */
#include "text_column.h"

#include <stdlib.h>

#include "drain.h"
#include "hash.h"

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static int add_start(text_column *c, size_t at) {
    if (c->count + 1 >= c->start_capacity && grow(&c->start, &c->start_capacity, 2 * c->count + 64, sizeof *c->start))
        return -1;
    c->start[c->count] = (u32)at;
    return 0;
}

/* Cuts bytes at a byte, behind which every text but the last one has one. */
static int cut_at(text_column *c, u8 byte, size_t size) {
    const u8 *end = c->base + size;
    c->gap = 1;
    if (add_start(c, 0)) return -1;
    for (const u8 *p = c->base; p < end && (p = memchr(p, byte, (size_t)(end - p))); p++) {
        c->count++;
        if (add_start(c, (size_t)(p - c->base) + 1)) return -1;
    }
    return 1;
}

int column_of_lines(text_column *c, const u8 *data, size_t size) {
    c->base = data;
    if (size > UINT32_MAX / 4 || (size && data[size - 1] != '\n')) return 0;
    if (!is_utf8(data, size, 0)) {
        c->base = c->own = malloc(3 * size);
        if (!c->own) return -1;
        size = copy_escaped(c->own, data, size);
        u8 *smaller = realloc(c->own, size);
        c->base = c->own = smaller ? smaller : c->own;
    }
    c->has_nul = size && memchr(c->base, 0, size) != NULL;
    return cut_at(c, '\n', size);
}

static u64 load(const u8 *p, size_t width) {
    u64 number = 0;
    for (size_t i = 0; i < width; i++) number |= (u64)p[i] << 8 * i;
    return number;
}

/* A column of texts after one another, with their lengths before them as a column of int. */
static int cut_by_lengths(text_column *c, const u8 *body, size_t size) {
    size_t width = size >= 6 ? body[5] : 0, lengths = width ? load(body, 4) : 0, at = 0;
    if ((width != 1 && width != 2 && width != 4 && width != 8) || body[4] != 'i') return 0;
    if (lengths < 2 || lengths > size - 4 || (lengths - 2) % width) return 0;
    size_t left = size - 4 - lengths;
    c->base = body + 4 + lengths;
    c->has_nul = 1;
    for (const u8 *p = body + 6, *end = body + 4 + lengths; p < end; p += width) {
        u64 length = load(p, width);
        if (length > left - at || length >> (8 * width - 1) || !is_utf8(c->base + at, length, 1)) return 0;
        if (add_start(c, at)) return -1;
        c->count++;
        at += length;
    }
    return at < left ? 0 : add_start(c, at) ? -1 : 1;
}

int column_of_encoded(text_column *c, const u8 *data, size_t size) {
    if (!size || size > UINT32_MAX / 4) return 0;
    c->base = data + 1;
    if (*data == 'S') return size > 1 && data[1] == 'B' ? cut_by_lengths(c, data + 2, size - 2) : 0;
    if (*data != 's' || !is_utf8(c->base, size - 1, 1)) return 0;
    if (cut_at(c, 0, size - 1) < 0) return -1;
    c->count++;
    return add_start(c, size) ? -1 : 1; /* the last text ends where a byte behind it would be */
}

void column_free(text_column *c) {
    free(c->start);
    free(c->own);
    memset(c, 0, sizeof *c);
}

size_t column_bytes(const text_column *c, size_t given) {
    size_t text = c->count ? c->start[c->count] : 0;
    return given + (c->own ? text : 0) + text + c->start_capacity * sizeof *c->start + 2 * c->count * sizeof(row);
}

size_t column_end(const text_column *c, size_t start, const u8 *bound, size_t length, int after) {
    size_t end = c->count;
    while (start < end) {
        size_t middle = start + (end - start) / 2, own;
        const u8 *text = text_at(c, middle, &own);
        int order = memcmp(text, bound, own < length ? own : length);
        if (!order) order = own < length ? -1 : own > length;
        if (order < 0 || (after && !order))
            start = middle + 1;
        else
            end = middle;
    }
    return start;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static size_t width_of(size_t length) {
    return length < 1 << 7 ? 1 : length < 1 << 15 ? 2 : length < (size_t)1 << 31 ? 4 : 8;
}

/* Measures a block, which is encoded when all are known. */
static size_t measure(void *of, size_t at, size_t count) {
    sorted_texts *s = of;
    const row *rows = s->rows + at;
    size_t bytes = 0, longest = 0;
    if (grow(&s->blocks, &s->blocks_capacity, s->blocks_count + 1, sizeof *s->blocks)) return 0;
    text_block *block = &s->blocks[s->blocks_count];
    *block = (text_block){.slot = rows->slot, .records = (u32)count, .first = at};
    for (size_t i = 0; i < count; i++) {
        bytes += rows[i].length;
        longest = rows[i].length > longest ? rows[i].length : longest;
        if (s->may_have_nul && memchr(rows[i].text, 0, rows[i].length)) block->measured = 1;
    }
    block->key_bytes = bytes + (block->measured ? 8 + width_of(longest) * count : count);
    return block->key_bytes + 1 + count;
}

static size_t find_large(void *of, size_t at, size_t end) {
    const row *rows = ((const sorted_texts *)of)->rows; /* 8 bytes for the None, as `_size_of` in run_writer.py has it */
    while (at < end && (rows[at].length + 8 <= BLOCK_BYTES || characters(rows[at].text, rows[at].length, 1) + 8 <= BLOCK_BYTES))
        at++;
    return at;
}

void encode_texts(const sorted_texts *sorted, const text_block *block, u8 *to) {
    const row *rows = sorted->rows + block->first;
    size_t longest = 0;
    if (block->measured) {
        for (size_t i = 0; i < block->records; i++) longest = rows[i].length > longest ? rows[i].length : longest;
        size_t width = width_of(longest), lengths = 2 + width * block->records;
        memcpy(to, "SB", 2);
        for (size_t i = 0; i < 4; i++) to[2 + i] = (u8)(lengths >> 8 * i);
        to[6] = 'i';
        to[7] = (u8)width;
        to += 8;
        for (size_t i = 0; i < block->records; i++)
            for (size_t k = 0; k < width; k++) *to++ = (u8)((u64)rows[i].length >> 8 * k);
    } else {
        *to++ = 's';
    }
    for (size_t i = 0; i < block->records; i++) {
        if (i + 8 < block->records) {
            __builtin_prefetch(rows[i + 8].text);
            __builtin_prefetch(rows[i + 8].text + 64);
        }
        if (i && !block->measured) *to++ = 0;
        memcpy(to, rows[i].text, rows[i].length);
        to += rows[i].length;
    }
}

/* ---- sorting ---------------------------------------------------------------------------------------------------- */

/* Sorts all rows, then cuts: each range is a slice. */
static int in_ranges(sorted_texts *s, row *spare, const slot_rule *rule) {
    sort_rows(s->rows, spare, s->count);
    size_t at = 0;
    for (size_t range = 0; range <= rule->cuts_count && at < s->count; range++) {
        size_t end = s->count, from = at;
        for (size_t low = at; range < rule->cuts_count && low < end;) {
            const cut_text *bound = &rule->cuts[range];
            row *middle = &s->rows[low + (end - low) / 2];
            int order = memcmp(middle->text, bound->text, least(middle->length, bound->length));
            if (order < 0 || (!order && middle->length < bound->length))
                low = (size_t)(middle - s->rows) + 1;
            else
                end = (size_t)(middle - s->rows);
        }
        for (; at < end; at++) s->rows[at].slot = (u32)range;
        if (cut_rows(&s->cutter, from, end)) return -1;
    }
    return 0;
}

static int by_hash(sorted_texts *s, row *spare, int bits) {
    size_t slots = (size_t)1 << bits, from = 0;
    size_t *end = calloc(slots + 1, sizeof *end);
    if (!end) return -1;
    for (size_t i = 0; i < s->count; i++) end[s->rows[i].slot + 1]++;
    for (size_t slot = 0; slot < slots; slot++) end[slot + 1] += end[slot];
    for (size_t i = 0; i < s->count; i++) spare[end[s->rows[i].slot]++] = s->rows[i];
    memcpy(s->rows, spare, s->count * sizeof *spare);
    int failed = 0;
    for (size_t slot = 0; slot < slots && !failed; from = end[slot++]) {
        sort_rows(s->rows + from, spare, end[slot] - from);
        failed = cut_rows(&s->cutter, from, end[slot]);
    }
    free(end);
    return failed;
}

int sort_texts(const text_range *ranges, size_t ranges_count, const slot_rule *rule, size_t guess, sorted_texts *out) {
    int hashed = !rule->cuts && rule->bits;
    memset(out, 0, sizeof *out);
    out->cutter = (cutter){guess, 0, &out->blocks_count, out, measure, find_large};
    for (size_t k = 0; k < ranges_count; k++) {
        out->count += ranges[k].end - ranges[k].start;
        out->may_have_nul |= ranges[k].column->has_nul;
    }
    row *spare = allocate(out->count + 1, sizeof *spare), *to = out->rows = allocate(out->count + 1, sizeof *to);
    int failed = !spare || !to;
    for (size_t k = 0; k < ranges_count && !failed; k++)
        for (size_t i = ranges[k].start; i < ranges[k].end; i++, to++) {
            size_t length;
            const u8 *text = text_at(ranges[k].column, i, &length);
            *to = (row){prefix_at(text, length, 0), text, (u32)length, 0, 0, 0};
            if (hashed) to->slot = hash_of(text, length) >> (32 - rule->bits);
        }
    failed = failed || (rule->cuts ? in_ranges(out, spare, rule) : by_hash(out, spare, rule->bits));
    free(spare);
    if (failed) sorted_texts_free(out);
    return failed ? -1 : 0;
}

void sorted_texts_free(sorted_texts *s) {
    free(s->rows);
    free(s->blocks);
    memset(s, 0, sizeof *s);
}

int write_lines(const u8 *column, size_t size, u8 *to) {
    const u8 *end = column + size;
    if (!size || *column++ != 's') return 0;
    for (const u8 *p = column; p < end && (p = memchr(p, 0xed, (size_t)(end - p))); p++)
        if (p + 1 < end && p[1] >= 0xa0) return 0;
    for (; column < end; column++) *to++ = *column ? *column : '\n';
    *to = '\n';
    return 1;
}
