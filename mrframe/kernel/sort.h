/* Sorts texts by their bytes, which is the order of their characters. No Python here. */
#ifndef MRFRAME_SORT_H
#define MRFRAME_SORT_H

#include "span.h"

/* A text on its way into a block of a run file. */
typedef struct {
    u64 prefix;     /* eight bytes of the text, to be compared as a number */
    const u8 *text;
    u32 length, id, slot, piece; /* the last three are for the caller */
} row;

/* The eight bytes of a text from `depth` on, with zeros behind its end. */
static inline u64 prefix_at(const u8 *text, size_t length, size_t depth) {
    u64 prefix = 0;
    size_t left = length > depth ? length - depth : 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(MRFRAME_PLAIN_C)
    if (left) memcpy(&prefix, text + depth, left < 8 ? left : 8);
    prefix = __builtin_bswap64(prefix);
#else /* plain C makes no use of the order of bytes in memory */
    for (size_t i = 0; i < 8; i++) prefix = prefix << 8 | (i < left ? text[depth + i] : 0);
#endif
    return prefix;
}

/* Sorts rows stably, by their texts alone. They have the prefix at 0. `spare` is as long as the rows. */
void sort_rows(row *rows, row *spare, size_t count);

#endif
