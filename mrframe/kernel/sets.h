/* Two hash sets with open addressing and linear probing: of texts, each of which gets a number, and of pairs of numbers.
 *
 * Both are filled in batches: the memory of a whole batch is requested before any of it is read. Both grow only when
 * `reserve` is called, so that what follows cannot fail.
 */
#ifndef MRFRAME_SETS_H
#define MRFRAME_SETS_H

#include "span.h"

enum { BATCH = 64, SHORT_MAX = 16 };

typedef struct {
    u64 head, tail; /* a short text itself, padded with zeros. Of a long one its hash and its place in the arena */
    u64 records;
    u32 length, hash;
} entry;

typedef struct {
    entry *entries; /* by id: 0 … used - 1, in the order of arrival, so that frequent texts lie together */
    size_t entries_capacity, used;
    u64 *slots; /* the hash of an entry above its id + 1, or 0 */
    size_t capacity; /* a power of two */
    u8 *arena;
    size_t arena_capacity, arena_used;
    u64 seed[2]; /* secret, so that no log can aim its texts at one entry */
} texts;

typedef struct {
    u64 *slots; /* a pair + 1, or 0 */
    size_t capacity, used;
    u64 *order; /* the pairs as they arrived */
    size_t order_capacity;
    u64 seed[2];
} pairs;

static inline int is_short(u32 length) { return length <= SHORT_MAX || length == ABSENT; }

static inline const u8 *entry_text(const texts *t, const entry *e) {
    return is_short(e->length) ? (const u8 *)&e->head : t->arena + e->tail;
}

/* All of these return 0, or -1 (NULL) when memory ends, with nothing changed. */
int texts_init(texts *t, const u64 seed[2]);
int texts_reserve(texts *t, size_t more, size_t more_bytes);
int pairs_init(pairs *p, const u64 seed[2]);
int pairs_reserve(pairs *p, size_t more);
void *allocate(size_t items, size_t item_bytes); /* to be freed with `free` */
int grow(void *array, size_t *capacity, size_t wanted, size_t item_bytes);

/* Finds or adds up to BATCH texts of a block of `size` bytes: their ids. New entries have no records yet. An ABSENT
 * text is one of its own: None. */
void texts_find(texts *t, const u8 *base, size_t size, const span *wanted, size_t count, u32 *found);

/* Adds up to BATCH pairs. `is_new` receives which of them were not there before. */
void pairs_add(pairs *p, const u64 *added, size_t count, u8 *is_new);

/* Empties a set. Its memory is kept for the next, unless it is large. */
void texts_clear(texts *t);
void pairs_clear(pairs *p);
void texts_free(texts *t);
void pairs_free(pairs *p);
size_t texts_bytes(const texts *t);
size_t pairs_bytes(const pairs *p);

#endif
