/* Merges columns of any bytes, and judges the result by a naive merge. */
#include "merge.h"

#include <stdio.h>
#include <stdlib.h>

#include "play.h"

enum { RUNS = 3 };

static int comes_first(const run *a, const run *b) {
    const u8 *a_end = memchr(a->keys + a->at, 0, a->key_bytes - a->at);
    const u8 *b_end = memchr(b->keys + b->at, 0, b->key_bytes - b->at);
    size_t a_size = a_end ? (size_t)(a_end - a->keys) - a->at : a->key_bytes - a->at;
    size_t b_size = b_end ? (size_t)(b_end - b->keys) - b->at : b->key_bytes - b->at;
    int order = memcmp(a->keys + a->at, b->keys + b->at, a_size < b_size ? a_size : b_size);
    return order ? order < 0 : a_size < b_size;
}

/* Takes the smallest key again and again, the first run's of those that are alike. */
static void judge(run *runs, size_t count, const spelling *s, const merged *out) {
    u8 *expected = malloc(out->size + 64 + 1024), *to = expected;
    require(expected != NULL, "the fuzzer has memory");
    for (size_t taken = 0; taken < out->count; taken++) {
        run *first = &runs[0];
        for (size_t i = 1; i < count; i++)
            if (comes_first(&runs[i], first)) first = &runs[i];
        const u8 *key = first->keys + first->at, *stop = memchr(key, 0, first->key_bytes - first->at);
        size_t size = stop ? (size_t)(stop - key) : first->key_bytes - first->at;
        require((size_t)(to - expected) + size < out->size + 1024, "a merge has no more than it says");
        i64 number = first->values[0] == 'i' ? int_in(first->values, first->record) : 0;
        if (s) {
            *to++ = '<';
            memcpy(to, key, size);
            to += size;
            if (first->values[0] == 'i') *to++ = '=', to += sprintf((char *)to, "%lld", (long long)number);
            *to++ = '>';
        } else {
            *to++ = taken ? 0 : 's';
            memcpy(to, key, size);
            to += size;
            require(out->numbers[taken] == number, "a number is merged with its key");
        }
        first->at += size + 1;
        first->record++;
    }
    require(out->size == (size_t)(to - expected), "a merge has the bytes of a naive one");
    require(!out->size || !memcmp(expected, out->bytes, out->size), "a merge has the bytes of a naive one");
    free(expected);
}

u64 play_merge(const choices *c, input *in) {
    run runs[RUNS] = {0}, before[RUNS];
    u8 *owned[2 * RUNS] = {0};
    size_t count = c->key_columns, most = c->split ? c->split : 1000;
    for (size_t i = 0; i < count; i++) {
        size_t sizes[2] = {take_length(in), take_length(in)};
        for (int k = 0; k < 2; k++) {
            size_t left = (size_t)(in->end - in->p);
            if (sizes[k] > left) sizes[k] = left;
            owned[2 * i + k] = exact_copy(in->p, sizes[k], 0);
            in->p += sizes[k];
        }
        runs[i] = (run){.keys = owned[2 * i], .values = owned[2 * i + 1], .key_bytes = sizes[0], .value_bytes = sizes[1]};
        runs[i].at = 1;
        runs[i].records = texts_in(runs[i].keys, sizes[0]);
    }
    spelling s = {.before = (const u8 *)"<", .between = (const u8 *)"=", .after = (const u8 *)">", 1, 1, 1, {0}};
    s.is_special['"'] = 1;
    const spelling *spelt = c->form.wrapped ? &s : NULL;
    merged out;
    memcpy(before, runs, sizeof before);
    int taken = merge(runs, count, most, spelt, &out);
    if (taken < 0) {
        require_failed();
        merged_free(&out);
        memcpy(runs, before, sizeof before);
        taken = merge(runs, count, most, spelt, &out);
        require(taken >= 0, "memory ends once");
    }
    u64 hash = (u64)taken;
    if (taken) {
        require(out.count <= most, "a merge takes no more than it is told");
        hash = hashed(hash, out.bytes, out.size);
        judge(before, count, spelt, &out);
    }
    merged_free(&out);
    for (size_t i = 0; i < 2 * RUNS; i++) free(owned[i]);
    return hash;
}
