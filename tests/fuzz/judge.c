/* Judges what a table holds and drains by other code than the kernel's: slow and naive. */
#include <stdlib.h>

#include "play.h"

enum { MODEL_RECORDS_MAX = 24 };

/* ---- columns of a run file, decoded by other code than the kernel's ----------------------------------------------- */

static u32 crc_of(const u8 *text, size_t size) {
    u32 crc = ~0u;
    for (size_t i = 0; i <= size; i++) {
        crc ^= i ? text[i - 1] : 's';
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

i64 int_in(const u8 *column, size_t at) {
    const u8 width = column[1], *p = column + 2 + at * width;
    u64 number = p[width - 1] & 0x80 ? ~(u64)0 : 0;
    for (u8 k = width; k; k--) number = number << 8 | p[k - 1];
    return (i64)number;
}

i128 sum_of_ints(const u8 *p, size_t size, u32 records) {
    i128 sum = 0;
    require(size >= 2 && p[0] == 'i' && size == 2 + (size_t)records * p[1], "a column of int has its length");
    for (u32 i = 0; i < records; i++) sum += int_in(p, i);
    return sum;
}

static int compare(const u8 *a, size_t a_size, const u8 *b, size_t b_size) {
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* The keys of each block ascend, lie in the slot of their hash, and are as many as it says. */
static void judge_drained(const choices *c, const drained *d, int pieces) {
    const u8 *last = NULL;
    size_t last_size = 0;
    for (size_t i = 0; i < d->blocks_count; i++) {
        const encoded_block *b = &d->blocks[i];
        const u8 *keys = d->bytes.data + b->keys_at, *end = d->bytes.data + b->values_at;
        require(b->end > b->values_at && keys < end && *keys++ == 's', "a block has two columns");
        require(!i || b[-1].slot <= b->slot, "slots ascend");
        if (i && b[-1].slot != b->slot) last = NULL;
        require(is_utf8(keys, (size_t)(end - keys), 1), "keys are text");
        u32 count = 0;
        for (const u8 *stop; keys <= end; keys = stop + 1, count++) {
            stop = memchr(keys, 0, (size_t)(end - keys));
            if (!stop) stop = end;
            size_t size = (size_t)(stop - keys);
            require((c->form.bits ? crc_of(keys, size) >> (32 - c->form.bits) : 0) == b->slot, "a key lies in its slot");
            int order = last ? compare(last, last_size, keys, size) : -1;
            require(order < 0 || (order == 0 && pieces), "keys ascend");
            last = keys;
            last_size = size;
        }
        require(count == b->records, "a block has as many keys as it says");
    }
}

drained drain_all(const table *t, const choices *c) {
    drained d;
    if (drain(t, &c->form, &d)) {
        require_failed();
        drained_free(&d);
        require(!drain(t, &c->form, &d), "memory ends once");
    }
    judge_drained(c, &d, t->different[0] && t->aggregates == 1 && !c->form.wrapped && !c->form.results);
    return d;
}

void require_same(const drained *a, const drained *b, const char *rule) {
    require(a->blocks_count == b->blocks_count && a->others_count == b->others_count, rule);
    require(a->bytes.size == b->bytes.size, rule);
    require(!a->bytes.size || !memcmp(a->bytes.data, b->bytes.data, a->bytes.size), rule);
    for (size_t i = 0; i < a->blocks_count; i++)
        require(a->blocks[i].slot == b->blocks[i].slot && a->blocks[i].end == b->blocks[i].end, rule);
    for (size_t i = 0; i < a->others_count; i++) require(a->others[i] == b->others[i], rule);
}

u64 hash_drained(u64 hash, const drained *d) {
    for (size_t i = 0; i < d->others_count; i++) hash = (hash ^ d->others[i]) * 31;
    for (size_t i = 0; i < d->blocks_count; i++) hash = (hash ^ d->blocks[i].end) * 31 + d->blocks[i].slot;
    return hashed(hash, d->bytes.data, d->bytes.size);
}

/* Whether columns of these aggregates are always of a form that `absorb` takes: no None, and no list without texts. */
static int is_always_absorbed(const choices *c) {
    for (u8 a = 0; a < c->aggregates; a++)
        if (c->kinds[a] == SMALLEST || c->kinds[a] == LARGEST || c->kinds[a] == DISTINCT) return 0;
    return !c->form.results;
}

table table_of(const choices *c, u64 seed) {
    table t;
    const u64 both[2] = {seed, seed * 0x9e3779b97f4a7c15u};
    if (table_init(&t, c->kinds, c->aggregates, both)) {
        require_failed();
        table_free(&t);
        require(!table_init(&t, c->kinds, c->aggregates, both), "memory ends once");
    }
    return t;
}

int absorb(table *t, const choices *c, const u8 *keys, size_t key_bytes, const u8 *values, size_t value_bytes) {
    u8 *own_keys = exact_copy(keys, key_bytes, 0), *own_values = exact_copy(values, value_bytes, 0);
    size_t used = t->keys.used;
    int taken = table_absorb(t, c->form.wrapped, own_keys, key_bytes, own_values, value_bytes);
    if (taken < 0) {
        require_failed();
        require(t->keys.used == used, "a table is as before when memory ends");
        taken = table_absorb(t, c->form.wrapped, own_keys, key_bytes, own_values, value_bytes);
        require(taken >= 0, "memory ends once");
    }
    require(taken || t->keys.used == used, "a refused column adds nothing");
    free(own_keys);
    free(own_values);
    return taken;
}

/* absorb(drain(x)) == drain(x), unless a column has a form that is for Python. */
void judge_absorbed(const choices *c, const drained *d, int are_small) {
    if (c->form.results || !c->form.as_text || !d->blocks_count) return;
    table t = table_of(c, 7);
    int all = 1;
    for (size_t i = 0; i < d->blocks_count && all; i++) {
        const encoded_block *b = &d->blocks[i];
        const u8 *bytes = d->bytes.data;
        all = absorb(&t, c, bytes + b->keys_at, b->values_at - b->keys_at, bytes + b->values_at, b->end - b->values_at);
    }
    require(all || !are_small || !is_always_absorbed(c), "what is drained is absorbed");
    if (all) {
        drained again = drain_all(&t, c), without_others = *d;
        without_others.others_count = 0;
        require_same(&without_others, &again, "absorb(drain(x)) == drain(x)");
        drained_free(&again);
    }
    table_free(&t);
}

int has_sum(const choices *c) {
    return c->aggregates == 1 && !c->form.wrapped && (c->kinds[0] == COUNT || c->kinds[0] == TOTAL);
}

/* The sum of all that is drained and left to Python is that of all that came in. */
void judge_sums(const choices *c, const table *t, const drained *d, i128 expected) {
    i128 sum = 0;
    if (!has_sum(c)) return;
    for (size_t i = 0; i < d->blocks_count; i++) {
        const encoded_block *b = &d->blocks[i];
        sum += sum_of_ints(d->bytes.data + b->values_at, b->end - b->values_at, b->records);
    }
    for (size_t i = 0; i < d->others_count; i++) {
        u32 id = d->others[i];
        sum += c->kinds[0] == COUNT ? (i128)t->keys.entries[id].records : state_of(t, id, 0)->number;
    }
    require(sum == expected, "nothing is lost from a sum");
}

u32 texts_in(const u8 *column, size_t size) {
    u32 count = 1;
    for (size_t i = 1; i < size; i++) count += !column[i];
    return count;
}

/* The bytes of a text as Python encodes it with `surrogatepass` after it decoded it with `surrogateescape`. */
static size_t escaped(const u8 *text, size_t size, u8 *to) {
    static const u32 LEAST[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        u8 byte = text[i];
        size_t length = byte < 0x80 ? 1 : byte >> 5 == 6 ? 2 : byte >> 4 == 14 ? 3 : byte >> 3 == 30 ? 4 : 0;
        u32 point = length == 1 ? byte : byte & (0x7fu >> length);
        int is_valid = length && length <= size - i;
        for (size_t k = 1; is_valid && k < length; k++) {
            is_valid = text[i + k] >> 6 == 2;
            point = point << 6 | (text[i + k] & 63);
        }
        is_valid = is_valid && point >= LEAST[length] && point < 0x110000 && point >> 11 != 27;
        if (!is_valid) {
            point = 0xdc00u + byte;
            to[used++] = (u8)(0xe0 | point >> 12);
            to[used++] = (u8)(0x80 | (point >> 6 & 63));
            to[used++] = (u8)(0x80 | (point & 63));
            length = 1;
        } else {
            memcpy(to + used, text + i, length);
            used += length;
        }
        i += length;
    }
    return used;
}

/* Each key that is drained is the text of an entry. With `require_same` of a table with other keys: and of one each. */
void judge_texts(const table *t, const drained *d) {
    if (t->keys.used > MODEL_RECORDS_MAX) return;
    for (size_t i = 0; i < d->blocks_count; i++) {
        const u8 *key = d->bytes.data + d->blocks[i].keys_at + 1, *end = d->bytes.data + d->blocks[i].values_at;
        for (const u8 *stop; key <= end; key = stop + 1) {
            int is_known = 0;
            stop = key < end ? memchr(key, 0, (size_t)(end - key)) : NULL;
            if (!stop) stop = end;
            for (size_t id = 0; id < t->keys.used && !is_known; id++) {
                const entry *e = &t->keys.entries[id];
                if (e->length == ABSENT) continue;
                u8 *text = malloc(3 * (size_t)e->length + 1);
                require(text != NULL, "the fuzzer has memory");
                size_t size = escaped(entry_text(&t->keys, e), e->length, text);
                is_known = size == (size_t)(stop - key) && !memcmp(text, key, size);
                free(text);
            }
            require(is_known, "a key is the text of an entry");
        }
    }
}

/* ---- a table of logs, beside a naive one -------------------------------------------------------------------------- */

static int same(const u8 *base, span a, span b) {
    if (a.length == ABSENT || b.length == ABSENT) return a.length == b.length;
    return a.length == b.length && !memcmp(base + a.at, base + b.at, a.length);
}

/* A number, or 0 for None. */
static int number_of(const u8 *base, span s, i64 *number) {
    *number = 0;
    if (s.length == ABSENT || !s.length || (s.length == 1 && base[s.at] == '-')) return 0;
    u32 sign = base[s.at] == '-';
    for (u32 i = sign; i < s.length; i++) *number = *number * 10 + (base[s.at + i] - '0');
    if (sign) *number = -*number;
    return 1;
}

static int stands_for_none(const choices *c, const u8 *base, span s) {
    if (s.length == ABSENT || (!s.length && c->nones & EMPTY_IS_NONE)) return 1;
    return s.length == 1 && base[s.at] == '-' && c->nones & DASH_IS_NONE;
}

static int is_left_out(const table *t, u32 record) {
    for (size_t i = 0; i < t->left_out_count; i++)
        if (t->left_out[i] == record) return 1;
    return 0;
}

/* The state of one key and aggregate, record by record. */
static void judge_state(const choices *c, const table *t, const log_columns *in, u32 id, u8 aggregate, u32 first) {
    u8 kind = c->kinds[aggregate];
    const span *values = in->values[aggregate];
    i128 number = 0;
    u64 count = 0;
    for (u32 i = first; i < in->records; i++) {
        i64 one;
        if (is_left_out(t, i) || !same(in->base, in->keys[0][i], in->keys[0][first])) continue;
        if (kind == DISTINCT) {
            int known = stands_for_none(c, in->base, values[i]);
            for (u32 k = first; k < i && !known; k++)
                known = !is_left_out(t, k) && same(in->base, in->keys[0][k], in->keys[0][first]) &&
                        same(in->base, values[k], values[i]);
            count += !known;
        } else if (number_of(in->base, values[i], &one)) {
            int adds = kind == TOTAL || kind == MEAN, better = kind == SMALLEST ? one < number : one > number;
            number = adds ? number + one : !count || better ? one : number;
            count++;
        }
    }
    const state *s = state_of(t, id, aggregate);
    require(s->values == count && (kind == DISTINCT || s->number == number), "a state is that of the naive fold");
}

void judge_model(const choices *c, const table *t, const log_columns *in) {
    if (in->records > MODEL_RECORDS_MAX || in->key_columns > 1) return;
    for (u32 i = 0; i < in->records; i++) {
        u64 records = 0;
        int is_first = !is_left_out(t, i);
        for (u32 k = 0; k < in->records; k++) {
            if (is_left_out(t, k) || !same(in->base, in->keys[0][k], in->keys[0][i])) continue;
            records++;
            if (k < i) is_first = 0;
        }
        if (!is_first) continue;
        size_t found = 0;
        for (span key = in->keys[0][i]; found < t->keys.used; found++) {
            const entry *e = &t->keys.entries[found];
            if (e->length != key.length) continue;
            if (key.length == ABSENT || !memcmp(entry_text(&t->keys, e), in->base + key.at, key.length)) break;
        }
        require(found < t->keys.used && t->keys.entries[found].records == records, "a key has its records");
        for (u8 a = 0; a < c->aggregates; a++)
            if (c->kinds[a] != COUNT) judge_state(c, t, in, (u32)found, a, i);
    }
}

/* A composite key is flags and as many values, each with a newline behind it, as the door takes it apart. */
void judge_composed(const table *t, size_t columns) {
    for (size_t id = 0; columns > 1 && id < t->keys.used; id++) {
        const entry *e = &t->keys.entries[id];
        const u8 *text = entry_text(&t->keys, e), *p = text + (columns + 7) / 8, *end = text + e->length;
        for (size_t k = 0; k < columns; k++) {
            if (!(text[k / 8] >> k % 8 & 1)) continue;
            p = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
            require(p != NULL, "a composite key has its parts");
            p++;
        }
        require(p == end, "a composite key has no more than its parts");
    }
}
