/* Plays one input against the core of the kernel (scan, table, drain, absorb), and judges all that comes back.
 *
 * The first HEAD bytes of an input choose what is done, a program, the aggregates, the split and the allocation that
 * fails. The rest is the block: lines, words or columns of a run file. All must hold whatever the bytes are, so each
 * rule that is broken ends the process, as a report of a sanitizer does. `seeds.py` writes inputs and the programs.
 */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>

#include "programs.h"
#include "scan.h"

enum { RUNS_MAX = 4 };

/* ---- rules and memory ------------------------------------------------------------------------------------------- */

void require(int holds, const char *rule) {
    if (holds) return;
    fprintf(stderr, "broken: %s\n", rule);
    abort();
}

static size_t allocations, fails_at; /* the allocation of this number fails, 0 for none */
static int has_failed;

static int may_allocate(void) {
    if (!fails_at || ++allocations != fails_at) return 1;
    fails_at = 0;
    return !(has_failed = 1);
}

/* The kernel is compiled with these names in place of those of C. */
void *fuzz_malloc(size_t bytes) { return may_allocate() ? malloc(bytes) : NULL; }
void *fuzz_calloc(size_t items, size_t bytes) { return may_allocate() ? calloc(items, bytes) : NULL; }
void *fuzz_realloc(void *old, size_t bytes) { return may_allocate() ? realloc(old, bytes) : NULL; }
void *fuzz_aligned_alloc(size_t page, size_t bytes) { return may_allocate() ? aligned_alloc(page, bytes) : NULL; }

/* A call that says that memory ended is right only once, and is made again. */
void require_failed(void) {
    require(has_failed, "memory ends only where an allocation fails");
    has_failed = 0;
}

/* A copy that ends where its memory ends, so that reading one byte more is seen, with newlines behind it. */
u8 *exact_copy(const u8 *bytes, size_t size, size_t newlines) {
    u8 *copy = malloc(size + newlines ? size + newlines : 1);
    require(copy != NULL, "the fuzzer has memory");
    if (size) memcpy(copy, bytes, size);
    memset(copy + size, '\n', newlines);
    return copy;
}

u64 hashed(u64 hash, const void *bytes, size_t size) {
    const u8 *p = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

/* ---- the input -------------------------------------------------------------------------------------------------- */

static u8 take_bytes(input *in, u8 most, u8 *into) {
    u8 count = take(in);
    if (count > most) count %= (u8)(most + 1);
    for (u8 i = 0; i < count; i++) into[i] = take(in);
    return count;
}

static choices choose(input *in) {
    choices c = {0};
    u8 how = take(in), shape = take(in);
    c.mode = how % 4;
    c.again = how >> 2 & 1;
    c.form.results = how >> 3 & 1;
    c.form.as_text = (how >> 4 & 1) == 0;
    c.form.bits = how >> 5;
    c.key_columns = shape & 3 ? shape & 3 : 1;
    c.aggregates = 1 + (shape >> 2 & 3);
    c.form.wrapped = c.aggregates > 1 || shape >> 4 & 1;
    c.nones = shape >> 5 & 3;
    u32 kinds = take(in);
    kinds |= (u32)take(in) << 8;
    for (u8 a = 0; a < c.aggregates; a++, kinds /= AGGREGATES) c.kinds[a] = kinds % AGGREGATES;
    c.program = take(in);
    c.first_key = take(in);
    c.first_value = take(in);
    c.split = take(in);
    fails_at = take(in);
    static const u8 dash = '-';
    if (take(in) & 1) c.form.nones[c.form.nones_count++] = (text){&dash, 1};
    take(in), take(in);
    if (c.mode == WORDS) c.aggregates = 1, c.kinds[0] = COUNT;
    for (u8 a = 0; a < c.aggregates; a++) {
        if (c.kinds[a] == MEAN) c.form.results = 0; /* the door refuses it */
        c.form.names[a] = (text){(const u8 *)"\xa1n", 2};
    }
    if (c.mode == COLUMNS_OF_RUN || c.mode == WORDS) c.key_columns = 1;
    if (c.form.results) c.form.bits = 0, c.form.nones_count = 0, c.form.as_text = 1;
    if (c.key_columns > 1) c.form.as_text = 0;
    return c;
}

static const u8 WORD_BYTES[WORD_KINDS] = {[MONTH] = 3, [DAY] = 3, [AM_PM] = 2, [SIGN] = 1, [BLANK_OR_DIGIT] = 1};

/* One step, in the form that `seeds.py` writes. What the door would refuse is left out. */
static void take_step(input *in, step *s, size_t columns) {
    u8 stops[8];
    s->kind = take(in) % STEP_KINDS;
    if (s->kind == LITERAL) {
        s->length = take_bytes(in, LITERAL_MAX, s->low);
        if (!s->length) s->length = 1;
        return;
    }
    s->flags = take(in);
    s->stops = take_bytes(in, sizeof stops, stops);
    for (u8 i = 0; i < s->stops; i++) s->is_stop[stops[i]] = 1;
    s->first_stop = s->stops ? stops[0] : 0;
    if (s->stops > 2) s->stops = 2;
    memset(s->high, 0xff, sizeof s->high);
    s->length = take_bytes(in, SHAPE_MAX, s->low);
    for (u8 i = 0; i < s->length; i++) s->high[i] = take(in);
    for (u8 words = take(in) % (STEP_WORDS_MAX + 1); words; words--) {
        word w = {take(in), take(in) % WORD_KINDS};
        if (w.at + WORD_BYTES[w.kind] <= s->length) s->word[s->words++] = w;
    }
    for (u8 captures = take(in) % (STEP_CAPTURES_MAX + 1); captures; captures--) {
        u8 part = take(in) % PARTS, length = take(in);
        s->capture[s->captures++] = (capture){part, length, (u8)(take(in) % columns)};
    }
}

program take_program(input *in, u8 number) {
    input own = number < PROGRAMS ? (input){PROGRAM[number].bytes, PROGRAM[number].bytes + PROGRAM[number].size} : *in;
    program format = {.columns = 1 + take(&own) % 16, .steps = take(&own) % 64};
    u8 is_taken[16] = {0};
    format.step = calloc(format.steps + sizeof is_taken, sizeof *format.step);
    require(format.step != NULL, "the fuzzer has memory");
    for (size_t i = 0; i < format.steps; i++) {
        step *s = &format.step[i];
        take_step(&own, s, format.columns);
        for (u8 k = 0; k < s->captures; k++) is_taken[s->capture[k].column] = 1;
    }
    for (size_t column = 0; column < format.columns; column++) { /* each is taken, as each of a format is */
        if (is_taken[column]) continue;
        step *s = &format.step[format.steps++];
        s->kind = RUN;
        s->flags = MAY_BE_EMPTY;
        s->capture[s->captures++] = (capture){WHOLE, 0, (u8)column};
    }
    if (number >= PROGRAMS) *in = own;
    return format;
}

/* ---- the scanner ------------------------------------------------------------------------------------------------ */

/* Every line is taken or refused, and each value lies within its line. */
static void judge_scanned(const u8 *block, size_t size, const scanned *found) {
    size_t record = 0, refusal = 0, line = 0;
    for (const u8 *p = block, *end = block + size; p < end; line++) {
        const u8 *newline = memchr(p, '\n', (size_t)(end - p));
        u32 at = (u32)(p - block), stop = (u32)(newline - block);
        if (refusal < found->refusals && found->refused[refusal].line == line) {
            const refused_line *r = &found->refused[refusal++];
            require(r->at == at && r->length == stop - at, "a refused line is named by its place");
        } else {
            require(record < found->records, "each line is taken or refused");
            for (size_t c = 0; c < found->columns; c++) {
                span s = found->column[c][record];
                if (s.length != ABSENT) require(s.at >= at && s.at + (u64)s.length <= stop, "a value is in its line");
            }
            record++;
        }
        p = newline + 1;
    }
    require(line == found->lines && record == found->records && refusal == found->refusals, "lines are counted");
}

static scanned scan_all(const program *format, const u8 *block, size_t size) {
    scanned found;
    if (scan(format, block, size, &found)) {
        require_failed();
        scanned_free(&found);
        require(!scan(format, block, size, &found), "memory ends once");
    }
    judge_scanned(block, size, &found);
    return found;
}

static u64 hash_scanned(u64 hash, const scanned *found) {
    hash = hashed(hash, found->refused, found->refusals * sizeof *found->refused);
    for (size_t c = 0; c < found->columns; c++) hash = hashed(hash, found->column[c], found->records * sizeof(span));
    return hash;
}

/* ---- the three ways of filling -------------------------------------------------------------------------------------- */

static log_columns columns_of(const choices *c, const scanned *found, const u8 *block, size_t size) {
    log_columns in = {.base = block, .size = size, .records = found->records, .key_columns = c->key_columns};
    for (u8 k = 0; k < c->key_columns; k++) in.keys[k] = found->column[(c->first_key + k) % found->columns];
    for (u8 a = 0; a < c->aggregates; a++) {
        in.nones[a] = c->nones;
        if (c->kinds[a] != COUNT) in.values[a] = found->column[(c->first_value + a) % found->columns];
    }
    return in;
}

/* Returns how many records the table took. */
static u64 add(table *t, const choices *c, const scanned *found, const u8 *block, size_t size) {
    log_columns in = columns_of(c, found, block, size);
    size_t used = t->keys.used;
    if (table_add(t, &in)) {
        require_failed();
        require(t->keys.used == used, "a table is as before when memory ends");
        require(!table_add(t, &in), "memory ends once");
    }
    if (!used) judge_model(c, t, &in);
    judge_composed(t, c->key_columns);
    return in.records - t->left_out_count;
}

/* Cut at a newline, both halves have the lines and the aggregates of the whole, whatever the seed of the hash is. */
static void play_halves(const choices *c, const program *format, const u8 *block, size_t size, const drained *whole,
                       size_t records) {
    size_t cut = size * c->split / 255, taken = 0;
    while (cut && block[cut - 1] != '\n') cut--;
    table t = table_of(c, 99991);
    for (int second = 0; second < 2; second++) {
        size_t length = second ? size - cut : cut;
        u8 *half = exact_copy(block + (second ? cut : 0), length, 0);
        scanned found = scan_all(format, half, length);
        taken += found.records;
        add(&t, c, &found, half, length);
        scanned_free(&found);
        free(half);
    }
    require(taken == records, "halves have the records of the whole");
    drained d = drain_all(&t, c);
    require_same(whole, &d, "halves and another seed give the same run");
    drained_free(&d);
    table_free(&t);
}

static u64 play_lines(const choices *c, input *in) {
    program format = take_program(in, c->program);
    size_t size = (size_t)(in->end - in->p), lacks = size && in->end[-1] != '\n'; /* a newline at the end */
    u8 *block = exact_copy(in->p, size, lacks);
    size += lacks;
    scanned found = scan_all(&format, block, size);
    table t = table_of(c, 1);
    u64 taken = add(&t, c, &found, block, size);
    drained d = drain_all(&t, c);
    if (c->kinds[0] == COUNT) judge_sums(c, &t, &d, taken);
    judge_texts(&t, &d);
    judge_absorbed(c, &d, 1);
    play_halves(c, &format, block, size, &d, found.records);
    if (c->again) {
        table_clear(&t);
        has_failed = 0; /* then it keeps the memory that it has */
        add(&t, c, &found, block, size);
        drained again = drain_all(&t, c);
        require_same(&d, &again, "a table that was emptied is as a new one");
        drained_free(&again);
    }
    require(table_bytes(&t) >= t.keys.used * sizeof(entry), "memory is counted");
    u64 hash = hash_drained(hash_scanned(1, &found), &d);
    drained_free(&d);
    table_free(&t);
    scanned_free(&found);
    free(block);
    free(format.step);
    return hash;
}

static u64 play_run(const choices *c, input *in) {
    table t = table_of(c, 1);
    int taken = 0;
    i128 sum = 0;
    for (int i = 0; i < RUNS_MAX && in->p < in->end; i++) {
        size_t keys = take_length(in), values = take_length(in), left = (size_t)(in->end - in->p);
        if (keys > left) keys = left;
        if (values > left - keys) values = left - keys;
        if (absorb(&t, c, in->p, keys, in->p + keys, values)) {
            taken++;
            if (has_sum(c)) sum += sum_of_ints(in->p + keys, values, texts_in(in->p, keys));
        }
        in->p += keys + values;
    }
    drained d = drain_all(&t, c);
    u64 hash = hash_drained((u64)taken, &d);
    judge_sums(c, &t, &d, sum);
    judge_absorbed(c, &d, 0); /* of counts of 63 bits, the sum may not fit */
    drained_free(&d);
    table_free(&t);
    return hash;
}

static int is_blank(u8 byte) { return byte == ' ' || (byte >= 9 && byte <= 13); }

static u64 play_words(const choices *c, input *in) {
    size_t size = (size_t)(in->end - in->p);
    u8 *data = exact_copy(in->p, size, 0);
    u64 words = 0;
    for (size_t i = 0; i < size; i++) words += !is_blank(data[i]) && (!i || is_blank(data[i - 1]));
    table t = table_of(c, 1);
    scanned found;
    if (scan_words(data, size, &found)) {
        require_failed();
        scanned_free(&found);
        require(!scan_words(data, size, &found), "memory ends once");
    }
    require(found.records == words, "every word is found");
    for (size_t i = 0; i < found.records; i++) {
        span s = found.column[0][i];
        require(s.length && s.at + (u64)s.length <= size, "a word lies in the block");
        require(!s.at || is_blank(data[s.at - 1]), "a word begins behind a blank");
        for (u32 k = 0; k < s.length; k++) require(!is_blank(data[s.at + k]), "a word has no blank");
    }
    add(&t, c, &found, data, size);
    drained d = drain_all(&t, c);
    judge_sums(c, &t, &d, words);
    judge_texts(&t, &d);
    judge_absorbed(c, &d, 1);
    u64 hash = hash_drained(hash_scanned(1, &found), &d);
    scanned_free(&found);
    drained_free(&d);
    table_free(&t);
    free(data);
    return hash;
}

#ifdef MRFRAME_PLAIN_C
#define play play_plain
#endif

__attribute__((visibility("default"))) u64 play(const u8 *data, size_t size) {
    input in = {data, data + size};
    allocations = 0;
    has_failed = 0;
    choices c = choose(&in);
    u64 hash = c.mode == LINES            ? play_lines(&c, &in)
               : c.mode == COLUMNS_OF_RUN ? play_run(&c, &in)
               : c.mode == WORDS          ? play_words(&c, &in)
                                          : play_merge(&c, &in);
    require(!has_failed, "a call that met a failed allocation says so");
    fails_at = 0;
    return hash;
}
