/* Cuts the lines of a block into values, by a program that was made from a format. No Python here.
 *
 * A program accepts fewer lines than its format, never more, and never cuts one in another way: each line that it
 * refuses is judged by the strict pattern of the format (`formats/grammar/patterns.py`). So what is rare in logs may be
 * refused here, and only what is common needs to be written in C.
 */
#ifndef MRFRAME_SCAN_H
#define MRFRAME_SCAN_H

#include "span.h"

enum step_kind {
    LITERAL, /* these bytes */
    RUN,     /* bytes up to a stop, or to the end of the line */
    ESCAPED, /* the same, where a backslash takes the byte after it along */
    QUOTED,  /* an escaped value in quotes, which are not part of it, or a dash */
    STATUS,  /* three digits, or a dash */
    INTEGER, /* digits, or a dash */
    DECIMAL, /* digits, perhaps a point and digits, or a dash */
    SHAPE,   /* as many bytes as there are ranges, each within its own */
    ISO,     /* a shape, perhaps a fraction, and a zone */
    QUERY,   /* `?` and an escaped value, or nothing */
    EPOCH,   /* digits, perhaps a point and digits */
    STEP_KINDS
};

enum step_flag {
    MAY_BE_EMPTY = 1,
    MAY_BE_DASH = 2,    /* a dash in place of a value of another form */
    NO_COMMA_LAST = 4,  /* a run that ends with a comma goes on behind a blank: refused */
    NO_SEPARATOR = 8,   /* a value before `, ` or ` : ` goes on behind it: refused */
    NO_CLIENT = 16,     /* an address before ` - ` is not the name of a host: refused */
    ONLY_REQUEST = 32,  /* METHOD target PROTOCOL or nothing */
    BLANK_FIRST = 64,   /* a value that does not begin with a blank: refused */
    PADDED = 128,       /* blanks before the value */
    COMMA = 256,        /* of an ISO: a comma may stand before the fraction, a blank before the zone */
    NO_ZONE = 512       /* of an ISO */
};

/* The part of a value that a column takes. */
enum part { WHOLE, PREFIX, METHOD, PATH, QUERY_OF_REQUEST, PROTOCOL, TARGET_PATH, TARGET_QUERY, AFTER_MARK, HOST, PORT, PARTS };

/* The words that a shape may hold, beside the ranges of its bytes. */
enum word_kind { MONTH, DAY, AM_PM, SIGN, BLANK_OR_DIGIT, T_OR_BLANK, WORD_KINDS };

enum { SHAPE_MAX = 64, STEP_CAPTURES_MAX = 8, STEP_WORDS_MAX = 8, STEPS_MAX = 255, COLUMNS_MAX = 255, LITERAL_MAX = 64 };

typedef struct {
    u8 part, length, column; /* length: of a PREFIX */
} capture;

typedef struct {
    u8 at, kind;
} word;

typedef struct {
    uint16_t flags;
    u8 kind, length; /* length: of the literal or the shape */
    u8 stops, first_stop;   /* how many bytes are stops */
    u8 captures, words;
    capture capture[STEP_CAPTURES_MAX];
    word word[STEP_WORDS_MAX];
    u8 low[SHAPE_MAX], high[SHAPE_MAX]; /* ranges of the shape. `low` is the literal, too */
    u8 is_stop[256];
} step;

typedef struct {
    size_t steps, columns;
    step *step;
} program;

typedef struct {
    u32 line, at, length; /* number of the line in the block, and its place */
} refused_line;

typedef struct {
    const u8 *base; /* these bytes stand at `offset` of the block: where places are counted from */
    u32 offset;
    span **column;
    size_t columns, records, capacity, lines;
    refused_line *refused;
    size_t refusals, refused_capacity;
} scanned;

/* Scans a block of lines, each of which ends with a newline. Returns 0, or -1 when memory ends. */
int scan(const program *format, const u8 *block, size_t size, scanned *result);

/* Cuts a text into words between ASCII whitespace, the records of one column. Returns the same. */
int scan_words(const u8 *data, size_t size, scanned *result);

void scanned_free(scanned *result);

#endif
