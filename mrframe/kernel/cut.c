/* See cut.h. */
#include "cut.h"

/* Makes the block that begins at row `at`. Returns its rows, 0 when memory ends. */
static size_t cut_block(cutter *c, size_t at, size_t end) {
    size_t count = least(c->guess, end - at);
    if (c->large > at && c->large <= at + count) count = c->large > at + 1 ? c->large - 1 - at : 1;
    size_t size = c->make(c->of, at, count);
    if (size > 2 * BLOCK_BYTES && count > 1 && c->large <= at) {
        size_t found = c->find_large(c->of, at, at + count);
        if (found < at + count) {
            c->large = found + 1;
            return cut_block(c, at, end); /* which knows it now */
        }
    }
    while (size > 2 * BLOCK_BYTES && count > 1) {
        size_t fewer = least(count / 2, BLOCK_BYTES * count / size);
        count = fewer ? fewer : 1;
        size = c->make(c->of, at, count);
    }
    if (!size) return 0;
    size_t next = least(least(BLOCK_RECORDS_MAX, BLOCK_BYTES * count / size), 8 * c->guess);
    c->guess = next ? next : 1;
    return count;
}

int cut_rows(cutter *c, size_t at, size_t end) {
    for (size_t count; at < end; at += count, ++*c->blocks)
        if (!(count = cut_block(c, at, end))) return -1;
    return 0;
}
