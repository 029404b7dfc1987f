/* Columns of text: read from lines or from a run file, sorted together, and encoded as blocks of a run file with None for
 * each value (`shuffle/columns.py` has the form of a column, `cut.h` the rule by which blocks are cut). No Python here. */
#ifndef MRFRAME_TEXT_COLUMN_H
#define MRFRAME_TEXT_COLUMN_H

#include "cut.h"
#include "sort.h"

enum { CUT_BITS_MAX = 16 };

typedef struct {
    const u8 *base;
    u32 *start; /* of each text, and where one more would start */
    size_t count, start_capacity;
    u32 gap;    /* bytes between two texts */
    int has_nul;
    u8 *own;    /* the base, where it is not the given bytes */
} text_column;

/* The given bytes must outlive the column. 1, 0 for bytes of another form, or -1 when memory ends. */
int column_of_lines(text_column *c, const u8 *data, size_t size);   /* each line ends with a newline */
int column_of_encoded(text_column *c, const u8 *data, size_t size); /* as a run file has it */
void column_free(text_column *c);
size_t column_bytes(const text_column *c, size_t given); /* of memory, with what sorting and encoding need besides */

static inline const u8 *text_at(const text_column *c, size_t i, size_t *length) {
    *length = c->start[i + 1] - c->start[i] - c->gap;
    return c->base + c->start[i];
}

/* The number of texts of a sorted column that come before a bound, with `after` also those that equal it. */
size_t column_end(const text_column *c, size_t start, const u8 *bound, size_t length, int after);

typedef struct {
    const text_column *column;
    size_t start, end;
} text_range;

typedef struct {
    const u8 *text;
    size_t length;
} cut_text;

/* How a run is parted into slots: by the hash, or with cuts by ranges, which are numbered. */
typedef struct {
    int bits;
    const cut_text *cuts;
    size_t cuts_count;
} slot_rule;

typedef struct {
    u32 slot, records;
    size_t first, key_bytes; /* of its rows, and of their column */
    int measured;            /* a text has a NUL */
} text_block;

typedef struct {
    row *rows;
    size_t count;
    text_block *blocks;
    size_t blocks_count, blocks_capacity;
    cutter cutter;
    int may_have_nul;
} sorted_texts;

/* 0, or -1 when memory ends. */
int sort_texts(const text_range *ranges, size_t ranges_count, const slot_rule *rule, size_t guess, sorted_texts *out);
void encode_texts(const sorted_texts *sorted, const text_block *block, u8 *to); /* `key_bytes` */
void sorted_texts_free(sorted_texts *s);

/* An encoded column of text as lines, one byte longer than the texts with a byte between them. 0 for other columns, and
 * for those with text that was no UTF-8 in a log. `to` has room for `size` bytes. */
int write_lines(const u8 *column, size_t size, u8 *to);

#endif
