/* Cuts sorted rows into blocks of about BLOCK_BYTES, where `RunWriter._write_pairs` cuts pairs: both give the same bytes.
 * A row that is larger has a block of its own. */
#ifndef MRFRAME_CUT_H
#define MRFRAME_CUT_H

#include "span.h"

enum { BLOCK_RECORDS_MAX = SIZED(4096, 16), BLOCK_BYTES = SIZED(256 * 1024, 64) };

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

typedef struct {
    size_t guess;   /* rows of the next block */
    size_t large;   /* the number of the next larger row + 1, as far as is known, or one that is passed */
    size_t *blocks; /* how many are made */
    void *of;       /* whose rows these are, as both functions are given it */
    /* Makes the block after those `*blocks`, of `count` rows. Returns the bytes of its columns, 0 when memory ends. */
    size_t (*make)(void *of, size_t at, size_t count);
    size_t (*find_large)(void *of, size_t at, size_t end); /* the first row of over BLOCK_BYTES, or `end` */
} cutter;

int cut_rows(cutter *c, size_t at, size_t end); /* 0, or -1 when memory ends */

#endif
