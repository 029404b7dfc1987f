/* See sets.h. */
#include "sets.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CAPACITY_MIN = SIZED(1024, 4) };
static const size_t KEPT_BYTES_MAX = SIZED((size_t)64 << 20, 2048); /* of an array that is kept empty for the next use */

/* Large arrays are read at random, so they lie in large pages where the system has them: a third less time. */
void *allocate(size_t items, size_t item_bytes) {
    const size_t page = SIZED((size_t)2 << 20, 4096);
    if (items > SIZE_MAX / 2 / item_bytes) return NULL;
    size_t bytes = items * item_bytes;
    if (bytes < page) return malloc(bytes);
    bytes = (bytes + page - 1) / page * page;
    void *array = aligned_alloc(page, bytes);
#ifdef MADV_HUGEPAGE
    if (array) madvise(array, bytes, MADV_HUGEPAGE); /* if it is refused, the pages are small */
#endif
    return array;
}

int grow(void *array, size_t *capacity, size_t wanted, size_t item_bytes) {
    u8 *old;
    size_t items = *capacity ? *capacity : SIZED(64, 1);
    if (wanted <= *capacity) return 0;
    while (items < wanted) items *= 2;
    u8 *grown = allocate(items, item_bytes);
    if (!grown) return -1;
    memcpy(&old, array, sizeof old);
    if (old) memcpy(grown, old, *capacity * item_bytes);
    free(old);
    memcpy(array, &grown, sizeof grown);
    *capacity = items;
    return 0;
}

/* ---- hashing ---------------------------------------------------------------------------------------------------- */

static inline u64 load(const u8 *p) {
    u64 bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* The upper and the lower half of a product: one multiplication mixes 128 bits (as in W. Yi's wyhash). */
static inline u64 mix(u64 a, u64 b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (u64)product ^ (u64)(product >> 64);
}

/* 16 bytes from 16 - n on are a mask of the first n. */
static const u8 FIRST[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

typedef struct {
    u64 head, tail, hash;
} probe;

static inline u64 hash_short(const texts *t, u64 head, u64 tail, u32 length) {
    return mix(head ^ t->seed[0], mix(tail ^ t->seed[1], t->seed[0] + length));
}

static u64 hash_long(const texts *t, const u8 *p, u32 length) {
    u64 hash = t->seed[0] + length;
    const u8 *last = p + length - 16;
    for (; p < last; p += 16) hash = mix(load(p) ^ t->seed[1], load(p + 8) ^ hash);
    return mix(load(last) ^ t->seed[1], load(last + 8) ^ hash);
}

static inline probe probe_of(const texts *t, const u8 *base, size_t size, span s) {
    probe found = {0, 0, 0};
    if (!is_short(s.length)) {
        found.head = found.hash = hash_long(t, base + s.at, s.length);
        return found;
    }
    u8 padded[SHORT_MAX] = {0};
    u32 length = s.length == ABSENT ? 0 : s.length;
    const u8 *text = base + s.at, *mask = FIRST + SHORT_MAX - length;
    if (!length || size - s.at < SHORT_MAX) { /* 16 bytes would reach out of the block */
        if (length) memcpy(padded, text, length);
        text = padded;
    }
    found.head = load(text) & load(mask);
    found.tail = load(text + 8) & load(mask + 8);
    found.hash = hash_short(t, found.head, found.tail, s.length);
    return found;
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

int texts_init(texts *t, const u64 seed[2]) {
    memset(t, 0, sizeof *t);
    t->seed[0] = seed[0];
    t->seed[1] = seed[1];
    t->capacity = CAPACITY_MIN;
    t->slots = calloc(t->capacity, sizeof *t->slots);
    return t->slots ? 0 : -1;
}

static int texts_rehash(texts *t, size_t capacity) {
    u64 *slots = allocate(capacity, sizeof *slots);
    if (!slots) return -1;
    memset(slots, 0, capacity * sizeof *slots);
    for (size_t id = 0; id < t->used; id++) {
        size_t at = t->entries[id].hash & (capacity - 1);
        while (slots[at]) at = (at + 1) & (capacity - 1);
        slots[at] = (u64)t->entries[id].hash << 32 | (id + 1);
    }
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

int texts_reserve(texts *t, size_t more, size_t more_bytes) {
    size_t capacity = t->capacity;
    if (more > UINT32_MAX / 2 - t->used) return -1; /* ids have 32 bits */
    while ((t->used + more) * 8 > capacity * 5) capacity *= 2;
    if (grow(&t->arena, &t->arena_capacity, t->arena_used + more_bytes, 1)) return -1;
    if (grow(&t->entries, &t->entries_capacity, t->used + more, sizeof *t->entries)) return -1;
    return capacity > t->capacity ? texts_rehash(t, capacity) : 0;
}

static inline int is_entry_of(const texts *t, const entry *e, const probe *p, const u8 *text, u32 length) {
    if (e->length != length || e->head != p->head) return 0;
    return is_short(length) ? e->tail == p->tail : !memcmp(t->arena + e->tail, text, length);
}

static u32 add_entry(texts *t, const probe *p, const u8 *text, u32 length) {
    entry *e = &t->entries[t->used];
    *e = (entry){p->head, p->tail, 0, length, (u32)p->hash};
    if (!is_short(length)) {
        e->tail = t->arena_used;
        memcpy(t->arena + t->arena_used, text, length);
        t->arena_used += length;
    }
    return (u32)t->used++;
}

static inline u32 find_or_add(texts *t, const probe *p, const u8 *text, u32 length) {
    size_t mask = t->capacity - 1, at = p->hash & mask;
    for (; t->slots[at]; at = (at + 1) & mask) {
        u32 id = (u32)t->slots[at] - 1;
        if (t->slots[at] >> 32 == (u32)p->hash && is_entry_of(t, &t->entries[id], p, text, length)) return id;
    }
    t->slots[at] = (u64)(u32)p->hash << 32 | (t->used + 1);
    return add_entry(t, p, text, length);
}

void texts_find(texts *t, const u8 *base, size_t size, const span *wanted, size_t count, u32 *found) {
    probe probes[BATCH];
    size_t mask = t->capacity - 1;
    for (size_t i = 0; i < count; i++) {
        probes[i] = probe_of(t, base, size, wanted[i]);
        __builtin_prefetch(&t->slots[probes[i].hash & mask]);
    }
    for (size_t i = 0; i < count; i++) { /* the first guess is nearly always right */
        u64 slot = t->slots[probes[i].hash & mask];
        if (slot) __builtin_prefetch(&t->entries[(u32)slot - 1], 1);
    }
    for (size_t i = 0; i < count; i++)
        found[i] = find_or_add(t, &probes[i], base + wanted[i].at, wanted[i].length);
}

void texts_clear(texts *t) {
    texts fresh;
    int is_large = texts_bytes(t) > KEPT_BYTES_MAX;
    if (is_large && !texts_init(&fresh, t->seed)) {
        texts_free(t);
        *t = fresh;
    }
    memset(t->slots, 0, t->capacity * sizeof *t->slots);
    t->used = t->arena_used = 0;
}

void texts_free(texts *t) {
    free(t->entries);
    free(t->slots);
    free(t->arena);
    memset(t, 0, sizeof *t);
}

size_t texts_bytes(const texts *t) {
    return t->entries_capacity * sizeof *t->entries + t->capacity * sizeof *t->slots + t->arena_capacity;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------ */

static inline u64 hash_pair(const pairs *p, u64 pair) { return mix(pair ^ p->seed[0], p->seed[1]); }

int pairs_init(pairs *p, const u64 seed[2]) {
    memset(p, 0, sizeof *p);
    p->seed[0] = seed[0];
    p->seed[1] = seed[1] | 1; /* not zero, which would give all pairs one hash */
    p->capacity = CAPACITY_MIN;
    p->slots = calloc(p->capacity, sizeof *p->slots);
    return p->slots ? 0 : -1;
}

static int pairs_rehash(pairs *p, size_t capacity) {
    u64 *slots = calloc(capacity, sizeof *slots);
    if (!slots) return -1;
    for (size_t i = 0; i < p->used; i++) {
        size_t at = hash_pair(p, p->order[i]) & (capacity - 1);
        while (slots[at]) at = (at + 1) & (capacity - 1);
        slots[at] = p->order[i] + 1;
    }
    free(p->slots);
    p->slots = slots;
    p->capacity = capacity;
    return 0;
}

int pairs_reserve(pairs *p, size_t more) {
    size_t capacity = p->capacity;
    while ((p->used + more) * 2 > capacity) capacity *= 2;
    if (grow(&p->order, &p->order_capacity, p->used + more, sizeof *p->order)) return -1;
    return capacity > p->capacity ? pairs_rehash(p, capacity) : 0;
}

void pairs_add(pairs *p, const u64 *added, size_t count, u8 *is_new) {
    size_t at[BATCH], mask = p->capacity - 1;
    for (size_t i = 0; i < count; i++) {
        at[i] = hash_pair(p, added[i]) & mask;
        __builtin_prefetch(&p->slots[at[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        size_t slot = at[i];
        while (p->slots[slot] && p->slots[slot] != added[i] + 1) slot = (slot + 1) & mask;
        is_new[i] = !p->slots[slot];
        if (!is_new[i]) continue;
        p->slots[slot] = added[i] + 1;
        p->order[p->used++] = added[i];
    }
}

void pairs_clear(pairs *p) {
    pairs fresh;
    if (p->capacity * sizeof *p->slots > KEPT_BYTES_MAX && !pairs_init(&fresh, p->seed)) {
        pairs_free(p);
        *p = fresh;
    }
    memset(p->slots, 0, p->capacity * sizeof *p->slots);
    p->used = 0;
}

void pairs_free(pairs *p) {
    free(p->slots);
    free(p->order);
    memset(p, 0, sizeof *p);
}

size_t pairs_bytes(const pairs *p) { return (p->capacity + p->order_capacity) * sizeof *p->slots; }
