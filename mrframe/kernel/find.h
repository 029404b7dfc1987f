/* Looks for bytes, 16 at a time with SSE2, one by one without.
 *
 * The functions may read up to PADDING bytes behind `end`, which the caller must own, and never return more than `end`.
 */
#ifndef MRFRAME_FIND_H
#define MRFRAME_FIND_H

#include "span.h"

enum { PADDING = 64, WINDOW = 16 };

#if defined(__SSE2__) && !defined(MRFRAME_PLAIN_C)
#include <emmintrin.h>
#define MRFRAME_VECTORS "SSE2"

typedef __m128i vector;

static inline vector vector_of(u8 byte) { return _mm_set1_epi8((char)byte); }
static inline vector vector_at(const u8 *p) { return _mm_loadu_si128((const vector *)p); }
static inline u32 equal(vector a, vector b) { return (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)); }

/* A bit for each byte that lies outside of low..high. */
static inline u32 outside(vector bytes, vector low, vector high) {
    vector above = _mm_cmpeq_epi8(_mm_max_epu8(bytes, low), bytes);
    vector below = _mm_cmpeq_epi8(_mm_min_epu8(bytes, high), bytes);
    return 0xffffu & ~(u32)_mm_movemask_epi8(_mm_and_si128(above, below));
}

static inline const u8 *find(const u8 *p, const u8 *end, u8 byte) {
    const vector wanted = vector_of(byte);
    for (; p < end; p += WINDOW) {
        u32 found = equal(vector_at(p), wanted);
        if (found) {
            p += __builtin_ctz(found);
            return p < end ? p : end;
        }
    }
    return end;
}

/* The same where the byte is usually far away: 64 bytes for each branch. */
static inline const u8 *find_far(const u8 *p, const u8 *end, u8 byte) {
    const vector wanted = vector_of(byte);
    for (; p < end; p += 64) {
        u64 found = equal(vector_at(p), wanted) | (u64)equal(vector_at(p + 16), wanted) << 16 |
                    (u64)equal(vector_at(p + 32), wanted) << 32 | (u64)equal(vector_at(p + 48), wanted) << 48;
        if (found) {
            p += __builtin_ctzll(found);
            return p < end ? p : end;
        }
    }
    return end;
}

static inline const u8 *find_either(const u8 *p, const u8 *end, u8 one, u8 other) {
    const vector first = vector_of(one), second = vector_of(other);
    for (; p < end; p += WINDOW) {
        vector bytes = vector_at(p);
        u32 found = equal(bytes, first) | equal(bytes, second);
        if (found) {
            p += __builtin_ctz(found);
            return p < end ? p : end;
        }
    }
    return end;
}

/* Whether each of `length` bytes lies within its own range. The ranges are padded with 0..255 to whole vectors. */
static inline int in_ranges(const u8 *p, const u8 *low, const u8 *high, size_t length) {
    for (size_t i = 0; i < length; i += WINDOW)
        if (outside(vector_at(p + i), vector_at(low + i), vector_at(high + i))) return 0;
    return 1;
}

/* A bit for each of 16 bytes that is ASCII whitespace. */
static inline u32 blanks(const u8 *p) {
    vector bytes = vector_at(p);
    return equal(bytes, vector_of(' ')) | (0xffffu & ~outside(bytes, vector_of('\t'), vector_of('\r')));
}

#else
#define MRFRAME_VECTORS "none"

static inline const u8 *find(const u8 *p, const u8 *end, u8 byte) {
    const u8 *found = p < end ? memchr(p, byte, (size_t)(end - p)) : NULL;
    return found ? found : end;
}

static inline const u8 *find_far(const u8 *p, const u8 *end, u8 byte) { return find(p, end, byte); }

static inline const u8 *find_either(const u8 *p, const u8 *end, u8 one, u8 other) {
    while (p < end && *p != one && *p != other) p++;
    return p;
}

static inline int in_ranges(const u8 *p, const u8 *low, const u8 *high, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (p[i] < low[i] || p[i] > high[i]) return 0;
    return 1;
}

static inline u32 blanks(const u8 *p) {
    u32 found = 0;
    for (u32 i = 0; i < WINDOW; i++) found |= (u32)(p[i] == ' ' || (u8)(p[i] - '\t') < 5) << i;
    return found;
}
#endif

static inline int is_digit(u8 byte) { return (u8)(byte - '0') < 10; }

static inline const u8 *after_digits(const u8 *p, const u8 *end) {
    while (p < end && is_digit(*p)) p++;
    return p;
}

#endif
