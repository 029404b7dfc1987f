/* Merges sorted columns of text keys, with an int or None for each, into columns or into the rows of an answer. No
 * Python here. */
#ifndef MRFRAME_MERGE_H
#define MRFRAME_MERGE_H

#include "span.h"

/* A column of keys and one of values, as a run file has them, and how far they are taken. */
typedef struct {
    const u8 *keys, *values;
    size_t key_bytes, value_bytes;
    size_t at, record, records; /* where the next key begins in its column, its number, and that of all keys */
    size_t width;               /* of an int, 0 for None */
    const u8 *key;              /* the next one */
    size_t length;
    u64 prefix;                 /* its first eight bytes, to be compared as a number */
} run;

/* How a row is written: what stands before, between and after key and value. A None is left out, and what stands between
 * with it. A key with a special byte is not written. */
typedef struct {
    const u8 *before, *between, *after;
    size_t before_bytes, between_bytes, after_bytes;
    u8 is_special[256]; /* by byte */
} spelling;

typedef struct {
    u8 *bytes; /* rows, or without a spelling a column of keys */
    size_t size, count;
    i64 *numbers; /* without a spelling: the values, if they are ints */
} merged;

/* Merges one or more runs stably, until one is used up, `most` keys are taken, or the next key is not to be written. 1, 0
 * for bytes of another form, after which the runs are not to be used, or -1 when memory ends. */
int merge(run *runs, size_t count, size_t most, const spelling *spelt, merged *out);
void merged_free(merged *m);

#endif
