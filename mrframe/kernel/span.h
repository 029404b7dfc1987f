/* What all of the kernel shares: names of integers, and the place of a value in a block. */
#ifndef MRFRAME_SPAN_H
#define MRFRAME_SPAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

typedef struct {
    u32 at, length; /* bytes of the block; the length is ABSENT where a record has no such value */
} span;

#define ABSENT UINT32_MAX

#endif
