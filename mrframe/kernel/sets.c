/* See sets.h. */
#include "sets.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CAPACITY_MIN = 1024 };
static const size_t KEPT_BYTES_MAX = (size_t)64 << 20; /* of an array that is kept empty for the next use */

/* Large arrays are read at random, so they lie in large pages where the system has them: a third less time. */
void *allocate(size_t items, size_t item_bytes) {
    const size_t page = (size_t)2 << 20;
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
    size_t items = *capacity ? *capacity : 64;
    if (wanted <= *capacity) return 0;
    while (items < wanted) items *= 2;
    memcpy(&old, array, sizeof old);
    u8 *grown = realloc(old, items * item_bytes);
    if (!grown) return -1;
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

/* The first bytes of a word in memory, the others zero. */
static inline u64 first_bytes(u64 bytes, u32 count) {
    if (count >= 8) return bytes;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return count ? bytes >> (64 - 8 * count) << (64 - 8 * count) : 0;
#else
    return bytes & (((u64)1 << (8 * count)) - 1);
#endif
}

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
    u32 length = s.length == ABSENT ? 0 : s.length;
    if (length && size - s.at >= SHORT_MAX) {
        found.head = first_bytes(load(base + s.at), length);
        found.tail = length > 8 ? first_bytes(load(base + s.at + 8), length - 8) : 0;
    } else if (length) { /* 16 bytes would reach out of the block */
        u8 padded[SHORT_MAX] = {0};
        memcpy(padded, base + s.at, length);
        found.head = load(padded);
        found.tail = load(padded + 8);
    }
    found.hash = hash_short(t, found.head, found.tail, s.length);
    return found;
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

static entry *free_entries(size_t capacity) {
    entry *entries = allocate(capacity, sizeof *entries);
    for (size_t i = 0; entries && i < capacity; i++) entries[i].length = FREE;
    return entries;
}

int texts_init(texts *t, const u64 seed[2]) {
    memset(t, 0, sizeof *t);
    t->seed[0] = seed[0];
    t->seed[1] = seed[1];
    t->capacity = CAPACITY_MIN;
    t->entries = free_entries(t->capacity);
    return t->entries ? 0 : -1;
}

static int texts_rehash(texts *t, size_t capacity) {
    entry *entries = free_entries(capacity);
    if (!entries) return -1;
    for (size_t i = 0; i < t->capacity; i++) {
        const entry *e = &t->entries[i];
        if (e->length == FREE) continue;
        u64 hash = is_short(e->length) ? hash_short(t, e->head, e->tail, e->length) : e->head;
        size_t at = hash & (capacity - 1);
        while (entries[at].length != FREE) at = (at + 1) & (capacity - 1);
        entries[at] = *e;
    }
    free(t->entries);
    t->entries = entries;
    t->capacity = capacity;
    return 0;
}

int texts_reserve(texts *t, size_t more, size_t more_bytes) {
    size_t capacity = t->capacity;
    if (more > UINT32_MAX / 2 - t->used) return -1; /* ids and places of entries have 32 bits */
    while ((t->used + more) * 8 > capacity * 5) capacity *= 2;
    if (grow(&t->arena, &t->arena_capacity, t->arena_used + more_bytes, 1)) return -1;
    return capacity > t->capacity ? texts_rehash(t, capacity) : 0;
}

static inline int is_entry_of(const texts *t, const entry *e, const probe *p, const u8 *text, u32 length) {
    if (e->length != length || e->head != p->head) return 0;
    return is_short(length) ? e->tail == p->tail : !memcmp(t->arena + e->tail, text, length);
}

static void fill(texts *t, entry *e, const probe *p, const u8 *text, u32 length) {
    *e = (entry){p->head, p->tail, length, (u32)t->used++, 0};
    if (is_short(length)) return;
    e->tail = t->arena_used;
    memcpy(t->arena + t->arena_used, text, length);
    t->arena_used += length;
}

void texts_find(texts *t, const u8 *base, size_t size, const span *wanted, size_t count, entry **found) {
    probe probes[BATCH];
    size_t mask = t->capacity - 1;
    for (size_t i = 0; i < count; i++) {
        probes[i] = probe_of(t, base, size, wanted[i]);
        __builtin_prefetch(&t->entries[probes[i].hash & mask]);
    }
    for (size_t i = 0; i < count; i++) {
        const u8 *text = base + wanted[i].at;
        u32 length = wanted[i].length;
        entry *e = &t->entries[probes[i].hash & mask];
        while (!is_entry_of(t, e, &probes[i], text, length)) {
            if (e->length == FREE) {
                fill(t, e, &probes[i], text, length);
                break;
            }
            if (++e == t->entries + t->capacity) e = t->entries;
        }
        found[i] = e;
    }
}

void texts_clear(texts *t) {
    texts fresh;
    int is_large = t->capacity * sizeof(entry) > KEPT_BYTES_MAX || t->arena_capacity > KEPT_BYTES_MAX;
    if (is_large && !texts_init(&fresh, t->seed)) {
        texts_free(t);
        *t = fresh;
    }
    for (size_t i = 0; i < t->capacity; i++) t->entries[i].length = FREE;
    t->used = t->arena_used = 0;
}

void texts_free(texts *t) {
    free(t->entries);
    free(t->arena);
    memset(t, 0, sizeof *t);
}

size_t texts_bytes(const texts *t) { return t->capacity * sizeof(entry) + t->arena_capacity; }

u32 *texts_by_id(const texts *t) {
    u32 *place = malloc((t->used + 1) * sizeof *place);
    for (size_t i = 0; place && i < t->capacity; i++)
        if (t->entries[i].length != FREE) place[t->entries[i].id] = (u32)i;
    return place;
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
