/* See sort.h. A radix sort from the first byte on, which looks at the texts themselves once for eight bytes: P. McIlroy,
 * K. Bostic, M. McIlroy, "Engineering Radix Sort", 1993, with the bytes kept beside the pointers as in W. Ng,
 * K. Kakehi, "Cache Efficient Radix Sort for String Sorting", 2007. Few rows are compared, and so are those of texts
 * that were made to differ late: the stack is bounded, and the time is that of a merge sort. */
#include "sort.h"

enum { COMPARED_MAX = SIZED(24, 3), INSERTED_MAX = SIZED(12, 2), LEVELS_MAX = SIZED(64, 4) };

/* Whether `a` sorts before `b`, which are equal before `depth`. */
static inline int sorts_before(const row *a, const row *b, size_t depth) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    size_t common = a->length < b->length ? a->length : b->length;
    int order = common > depth ? memcmp(a->text + depth, b->text + depth, common - depth) : 0;
    return order ? order < 0 : a->length < b->length;
}

static void merge_sort(row *rows, row *spare, size_t count, size_t depth) {
    if (count <= INSERTED_MAX) {
        for (size_t i = 1, j; i < count; i++) {
            row one = rows[i];
            for (j = i; j && sorts_before(&one, &rows[j - 1], depth); j--) rows[j] = rows[j - 1];
            rows[j] = one;
        }
        return;
    }
    size_t half = count / 2, left = 0, right = half, to = 0;
    merge_sort(rows, spare, half, depth);
    merge_sort(rows + half, spare, count - half, depth);
    if (!sorts_before(&rows[half], &rows[half - 1], depth)) return;
    memcpy(spare, rows, half * sizeof *rows);
    while (left < half && right < count)
        rows[to++] = sorts_before(&rows[right], &spare[left], depth) ? rows[right++] : spare[left++];
    memcpy(rows + to, spare + left, (half - left) * sizeof *rows);
}

/* The bucket of a row: a byte of its prefix, or with a shift of -1 how many of the eight bytes it has, 9 for more. */
static inline size_t bucket_of(const row *r, size_t depth, int shift) {
    if (shift >= 0) return r->prefix >> shift & 255;
    return r->length > depth + 8 ? 9 : r->length - depth;
}

/* Deals rows into buckets, stably. `first` gets where each bucket begins, and the last ends. */
static inline void deal(row *rows, row *spare, size_t count, size_t depth, int shift, size_t *first) {
    memset(first, 0, 257 * sizeof *first);
    for (size_t i = 0; i < count; i++) first[bucket_of(&rows[i], depth, shift) + 1]++;
    for (size_t n = 0; n < 256; n++) first[n + 1] += first[n];
    for (size_t i = 0; i < count; i++) spare[first[bucket_of(&rows[i], depth, shift)]++] = rows[i];
    memcpy(rows, spare, count * sizeof *rows);
    memmove(first + 1, first, 256 * sizeof *first);
    first[0] = 0;
}

static void radix_sort(row *rows, row *spare, size_t count, size_t depth, int level) {
    size_t first[257];
    while (count > COMPARED_MAX && level < LEVELS_MAX) {
        u64 differing = 0;
        for (size_t i = 1; i < count; i++) differing |= rows[i].prefix ^ rows->prefix;
        if (!differing) {
            deal(rows, spare, count, depth, -1, first); /* those that end here are equal up to zeros at their end */
            rows += first[9];
            count -= first[9];
            depth += 8;
            for (size_t i = 0; i < count; i++) rows[i].prefix = prefix_at(rows[i].text, rows[i].length, depth);
            continue;
        }
        int shift = 56 - (__builtin_clzll(differing) & ~7);
        deal(rows, spare, count, depth, shift, first);
        for (size_t n = 0; n < 256; n++)
            if (first[n + 1] - first[n] > 1)
                radix_sort(rows + first[n], spare, first[n + 1] - first[n], depth, level + 1);
        return;
    }
    merge_sort(rows, spare, count, depth);
}

void sort_rows(row *rows, row *spare, size_t count) { radix_sort(rows, spare, count, 0, 0); }
