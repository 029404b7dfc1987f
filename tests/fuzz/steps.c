/* `steps PROGRAM < BLOCK`: scans a block by a program of `programs.h`, folds its first column and drains it. Prints how
 * many branches of the core were taken, which gcc counts with -fsanitize-coverage=trace-pc. No clock is read. */
#include <stdio.h>
#include <stdlib.h>

#include "play.h"

static unsigned long long steps;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { steps++; }

int main(int count, char **given) {
    size_t size = 0, capacity = (size_t)1 << 26;
    u8 *block = malloc(capacity);
    if (count != 2 || !block) return 2;
    size = fread(block, 1, capacity, stdin);
    input none = {NULL, NULL};
    program format = take_program(&none, (u8)atoi(given[1]));
    choices c = {.aggregates = 1, .form = {.as_text = 1, .bits = 4}};
    scanned found;
    table t = table_of(&c, 1);
    if (scan(&format, block, size, &found)) return 2;
    log_columns in = {.base = block, .size = size, .records = found.records, .key_columns = 1, .keys = {found.column[0]}};
    drained d;
    if (table_add(&t, &in) || drain(&t, &c.form, &d)) return 2;
    printf("%llu\n", steps);
    drained_free(&d);
    table_free(&t);
    scanned_free(&found);
    free(format.step);
    free(block);
    return 0;
}
