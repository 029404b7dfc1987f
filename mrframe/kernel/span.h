/* What all of the kernel shares: names of integers, and the place of a value in a block. */
#ifndef MRFRAME_SPAN_H
#define MRFRAME_SPAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

typedef struct {
    u32 at, length; /* bytes of the block; the length is ABSENT where a record has no such value */
} span;

#define ABSENT UINT32_MAX

enum none_flag { DASH_IS_NONE = 1, EMPTY_IS_NONE = 2 };

/* Whether a value is absent, or one of the texts that stand for None. */
static inline int is_none(const u8 *base, span s, u8 nones) {
    if (s.length == ABSENT || (!s.length && nones & EMPTY_IS_NONE)) return 1;
    return s.length == 1 && nones & DASH_IS_NONE && base[s.at] == '-';
}

/* MRFRAME_SMALL makes sizes so small that short inputs reach what lies behind them (`tests/fuzz`). */
#ifdef MRFRAME_SMALL
#define SIZED(usual, small) (small)
#else
#define SIZED(usual, small) (usual)
#endif

#endif
