/* What playing an input (play.c) and judging the result (judge.c) share. */
#ifndef MRFRAME_FUZZ_PLAY_H
#define MRFRAME_FUZZ_PLAY_H

#include "drain.h"
#include "scan.h"

enum { AGGREGATES_PLAYED_MAX = 4 };
enum mode { LINES, COLUMNS_OF_RUN, WORDS, MERGE };

/* The bytes of an input, from the front. Zeros behind its end. */
typedef struct {
    const u8 *p, *end;
} input;

static inline u8 take(input *in) { return in->p < in->end ? *in->p++ : 0; }

typedef struct {
    enum mode mode;
    u8 program, split, first_key, first_value, key_columns, aggregates, kinds[AGGREGATES_PLAYED_MAX], nones, again;
    drain_form form;
} choices;

static inline size_t take_length(input *in) {
    size_t low = take(in);
    return low | (size_t)take(in) << 8;
}

/* A format: one of those of `programs.h` by its number, or read from the input in the same form. */
program take_program(input *in, u8 number);

u64 play_merge(const choices *c, input *in);

/* Ends the process unless a rule holds. */
void require(int holds, const char *rule);

/* A call that says that memory ended is right only once, and is made again. */
void require_failed(void);

/* A copy that ends where its memory ends, so that reading one byte more is seen, with newlines behind it. */
u8 *exact_copy(const u8 *bytes, size_t size, size_t newlines);
u64 hashed(u64 hash, const void *bytes, size_t size);

table table_of(const choices *c, u64 seed);
int absorb(table *t, const choices *c, const u8 *keys, size_t key_bytes, const u8 *values, size_t value_bytes);
drained drain_all(const table *t, const choices *c);
u64 hash_drained(u64 hash, const drained *d);
void require_same(const drained *a, const drained *b, const char *rule);

/* The rules: of a table that was filled once from logs, of composite keys, of what was drained. */
void judge_model(const choices *c, const table *t, const log_columns *in);
void judge_composed(const table *t, size_t columns);
void judge_sums(const choices *c, const table *t, const drained *d, i128 expected);
void judge_texts(const table *t, const drained *d);
void judge_absorbed(const choices *c, const drained *d, int are_small);

/* The sum of a column of counts or totals, as far as `judge_sums` judges it. */
int has_sum(const choices *c);
i128 sum_of_ints(const u8 *column, size_t size, u32 records);
i64 int_in(const u8 *column, size_t at);
u32 texts_in(const u8 *column, size_t size);

#endif
