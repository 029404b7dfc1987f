/* See scan.h. The steps of a line are taken one after another, as the one-line parser in `testing/oracle.py` does. */
#include "scan.h"

#include <stdlib.h>

#include "find.h"

static int is_word(const char *words, const u8 *p) {
    for (; *words; words += 3)
        if (!memcmp(words, p, 3)) return 1;
    return 0;
}

static int has_word(const word *w, const u8 *p) {
    switch (w->kind) {
    case MONTH: return is_word("JanFebMarAprMayJunJulAugSepOctNovDec", p);
    case DAY: return is_word("MonTueWedThuFriSatSun", p);
    case AM_PM: return (p[0] == 'A' || p[0] == 'P') && p[1] == 'M';
    case SIGN: return *p == '+' || *p == '-';
    case BLANK_OR_DIGIT: return *p == ' ' || is_digit(*p);
    case T_OR_BLANK: return *p == 'T' || *p == ' ';
    default: return 0;
    }
}

static const u8 *shape_end(const step *s, const u8 *p, const u8 *end) {
    if ((size_t)(end - p) < s->length || !in_ranges(p, s->low, s->high, s->length)) return NULL;
    for (u8 i = 0; i < s->words; i++)
        if (!has_word(&s->word[i], p + s->word[i].at)) return NULL;
    return p + s->length;
}

static const u8 *fraction_end(const u8 *p, const u8 *end) {
    return end - p > 1 && *p == '.' && is_digit(p[1]) ? after_digits(p + 1, end) : p;
}

static const u8 *iso_end(const step *s, const u8 *p, const u8 *end) {
    p = shape_end(s, p, end);
    if (!p) return NULL;
    if (s->flags & COMMA && end - p > 1 && *p == ',' && is_digit(p[1])) p = after_digits(p + 1, end);
    else p = fraction_end(p, end);
    if (s->flags & NO_ZONE) return p;
    if (s->flags & COMMA && p < end && *p == ' ') p++;
    if (p < end && *p == 'Z') return p + 1;
    if (end - p < 6 || (*p != '+' && *p != '-') || p[3] != ':') return NULL;
    return is_digit(p[1]) && is_digit(p[2]) && is_digit(p[4]) && is_digit(p[5]) ? p + 6 : NULL;
}

static const u8 *run_end(const step *s, const u8 *p, const u8 *end) {
    if (s->stops == 0) return end;
    if (s->stops == 1) return find(p, end, s->first_stop);
    while (p < end && !s->is_stop[*p]) p++;
    return p;
}

static const u8 *escaped_end(const step *s, const u8 *p, const u8 *end) {
    for (;; p += 2) {
        if (s->stops == 1)
            p = find_either(p, end, s->first_stop, '\\');
        else
            while (p < end && *p != '\\' && !s->is_stop[*p]) p++;
        if (end - p < 2 || *p != '\\') return p; /* a backslash with nothing behind it ends the value */
    }
}

static const u8 *number_end(const step *s, const u8 *p, const u8 *end) {
    if (p < end && *p == '-' && s->kind != EPOCH) return p + 1;
    const u8 *after = after_digits(p, end);
    if (s->kind == STATUS) return after - p >= 3 ? p + 3 : NULL;
    if (after == p) return NULL;
    return s->kind == INTEGER ? after : fraction_end(after, end);
}

/* Whether a value that ends at `p` may be only the first of a list. */
static int goes_on(const u8 *p, const u8 *end) {
    return (end - p >= 2 && p[0] == ',' && p[1] == ' ') || (end - p >= 3 && !memcmp(p, " : ", 3));
}

static int is_client(const u8 *p, const u8 *value_end, const u8 *end) {
    if (end - value_end < 3 || memcmp(value_end, " - ", 3)) return 0;
    for (; p < value_end; p++)
        if (!is_digit(*p) && !((*p | 32) >= 'a' && (*p | 32) <= 'f') && *p != '.' && *p != ':') return 0;
    return 1;
}

/* METHOD target PROTOCOL, the target without blanks. */
typedef struct {
    const u8 *method_end, *target, *target_end, *protocol;
} request;

static int read_request(const u8 *p, const u8 *end, request *r) {
    const u8 *start = p;
    while (p < end && ((u8)((*p | 32) - 'a') < 26 || *p == '-' || *p == '_')) p++;
    if (p == start || p >= end || *p != ' ') return 0;
    r->method_end = p;
    r->target = p + 1;
    r->target_end = p = find(p + 1, end, ' ');
    if (p == r->target || *r->target == '?' || end - p < 7 || memcmp(p + 1, "HTTP/", 5)) return 0;
    r->protocol = p + 1;
    for (p += 6; p < end; p++)
        if (!is_digit(*p) && *p != '.') return 0;
    return 1;
}

/* The end of the value that begins at `p`, or NULL. */
static const u8 *value_end(const step *s, const u8 *p, const u8 *end) {
    const u8 *q = NULL;
    switch (s->kind) {
    case RUN: q = run_end(s, p, end); break;
    case ESCAPED: return escaped_end(s, p, end);
    case QUERY: return p < end && *p == '?' ? escaped_end(s, p + 1, end) : p;
    case QUOTED:
        if (p < end && *p == '"') {
            q = escaped_end(s, p + 1, end);
            return q < end && *q == '"' ? q + 1 : NULL;
        }
        break;
    case STATUS:
    case INTEGER:
    case EPOCH:
    case DECIMAL: q = number_end(s, p, end); break;
    case SHAPE: q = shape_end(s, p, end); break;
    case ISO: q = iso_end(s, p, end); break;
    }
    if (q == p) q = NULL;
    if (!q && s->flags & MAY_BE_DASH && p < end && *p == '-') q = p + 1;
    if (!q && s->flags & MAY_BE_EMPTY) q = p;
    return q;
}

static int is_refused(const step *s, const u8 *p, const u8 *q, const u8 *end) {
    request r;
    if (s->flags & NO_COMMA_LAST && q > p && q[-1] == ',') return 1;
    if (s->flags & BLANK_FIRST && q > p && *p != ' ') return 1;
    if (s->flags & NO_SEPARATOR && goes_on(q, end)) return 1;
    if (s->flags & NO_CLIENT && is_client(p, q, end)) return 1;
    return s->flags & ONLY_REQUEST && !read_request(p, q, &r);
}

/* Cuts the part of a value p..q: 1, or 0 when its form is another one. `from` is NULL where it is absent. */
static int cut(const capture *c, const u8 *p, const u8 *q, const u8 **from, const u8 **to) {
    const u8 *mark;
    request r;
    *from = p;
    *to = q;
    switch (c->part) {
    case PREFIX:
        if (q - p > c->length) *to = p + c->length;
        return 1;
    case METHOD:
    case PATH:
    case QUERY_OF_REQUEST:
    case PROTOCOL:
        if (!read_request(p, q, &r)) return 0;
        mark = find(r.target, r.target_end, '?');
        if (c->part == METHOD) *to = r.method_end;
        if (c->part == PROTOCOL) *from = r.protocol;
        if (c->part == PATH) *from = r.target, *to = mark;
        if (c->part == QUERY_OF_REQUEST) *from = mark < r.target_end ? mark + 1 : NULL, *to = r.target_end;
        return 1;
    case TARGET_PATH: *to = find(p, q, '?'); return 1;
    case TARGET_QUERY:
        mark = find(p, q, '?');
        *from = mark < q ? mark + 1 : NULL;
        return 1;
    case AFTER_MARK: *from = p < q ? p + 1 : NULL; return 1;
    case HOST:
    case PORT:
        for (mark = q; mark > p && is_digit(mark[-1]);) mark--;
        if (mark == q || mark < p + 2 || mark[-1] != ':') mark = NULL; /* digits behind a colon behind a name */
        if (c->part == HOST) *to = mark ? mark - 1 : q;
        if (c->part == PORT) *from = mark;
        return 1;
    default: return 1;
    }
}

static u32 place_of(const scanned *result, const u8 *p) { return result->offset + (u32)(p - result->base); }

static int capture_all(const step *s, const u8 *p, const u8 *q, scanned *result) {
    if (s->kind == QUOTED && *p == '"') p++, q--;
    for (u8 i = 0; i < s->captures; i++) {
        const u8 *from, *to;
        if (!cut(&s->capture[i], p, q, &from, &to)) return 0;
        span *place = &result->column[s->capture[i].column][result->records];
        *place = from ? (span){place_of(result, from), (u32)(to - from)} : (span){0, ABSENT};
    }
    return 1;
}

/* Whether the line p..end is of the format. Its values are put down as the next record. */
static int read_line(const program *format, const u8 *p, const u8 *end, scanned *result) {
    const step *s = format->step, *last = s + format->steps;
    for (; s < last; s++) {
        if (s->kind == LITERAL) {
            if ((size_t)(end - p) < s->length || memcmp(p, s->low, s->length)) return 0;
            p += s->length;
            continue;
        }
        if (s->flags & PADDED)
            while (p < end && *p == ' ') p++;
        const u8 *q = value_end(s, p, end);
        if (!q || (s->flags && is_refused(s, p, q, end))) return 0;
        if (s->captures && !capture_all(s, p, q, result)) return 0;
        p = q;
    }
    return p == end;
}

static int add_columns(scanned *result, size_t columns) {
    memset(result, 0, sizeof *result);
    result->columns = columns;
    result->column = calloc(columns + 1, sizeof *result->column);
    return result->column ? 0 : -1;
}

/* Makes room for at least so many records. `more` is less than the first capacity. */
static int reserve(scanned *result, size_t more) {
    if (result->records + more <= result->capacity) return 0;
    size_t capacity = result->capacity ? result->capacity * 2 : SIZED(1024, 16);
    for (size_t i = 0; i < result->columns; i++) {
        span *larger = realloc(result->column[i], capacity * sizeof *larger);
        if (!larger) return -1;
        result->column[i] = larger;
    }
    result->capacity = capacity;
    return 0;
}

static int refuse(scanned *result, const u8 *p, const u8 *end) {
    if (result->refusals == result->refused_capacity) {
        size_t capacity = result->refused_capacity ? result->refused_capacity * 2 : SIZED(16, 1);
        refused_line *larger = realloc(result->refused, capacity * sizeof *larger);
        if (!larger) return -1;
        result->refused = larger;
        result->refused_capacity = capacity;
    }
    result->refused[result->refusals++] = (refused_line){(u32)result->lines, place_of(result, p), (u32)(end - p)};
    return 0;
}

/* Reads the lines p..end, which stand at `offset` of the block. PADDING bytes behind them may be read. */
static int read_lines(const program *format, u32 offset, const u8 *p, const u8 *end, scanned *result) {
    result->base = p;
    result->offset = offset;
    while (p < end) {
        const u8 *newline = find_far(p, end, '\n');
        if (reserve(result, 1)) return -1;
        if (read_line(format, p, newline, result))
            result->records++;
        else if (refuse(result, p, newline))
            return -1;
        result->lines++;
        p = newline + 1;
    }
    return 0;
}

int scan(const program *format, const u8 *block, size_t size, scanned *result) {
    if (add_columns(result, format->columns)) return -1;
    /* The last lines are read from a copy with room behind it, all others where they lie. */
    const u8 *cut_at = size > PADDING ? block + size - PADDING : block;
    while (cut_at > block && cut_at[-1] != '\n') cut_at--;
    size_t rest = size - (size_t)(cut_at - block);
    u8 *copy = calloc(1, rest + PADDING);
    if (!copy) return -1;
    memcpy(copy, cut_at, rest);
    int failed = read_lines(format, 0, block, cut_at, result);
    if (!failed) failed = read_lines(format, (u32)(cut_at - block), copy, copy + rest, result);
    free(copy);
    return failed;
}

int scan_words(const u8 *data, size_t size, scanned *result) {
    u32 start = 0, in_word = 0;
    u8 last[WINDOW];
    if (add_columns(result, 1)) return -1;
    for (size_t i = 0; i <= size; i += WINDOW) {
        const u8 *p = data + i;
        if (size - i < WINDOW) { /* the last bytes, and blanks behind them */
            memset(last, ' ', sizeof last);
            p = memcpy(last, p, size - i);
        }
        if (reserve(result, WINDOW)) return -1;
        u32 blank = blanks(p), edges = (blank ^ (blank << 1 | !in_word)) & 0xffffu; /* words begin and end, in turn */
        for (; edges; edges &= edges - 1) {
            u32 at = (u32)i + (u32)__builtin_ctz(edges);
            if (in_word)
                result->column[0][result->records++] = (span){start, at - start};
            else
                start = at;
            in_word = !in_word;
        }
    }
    return 0;
}

void scanned_free(scanned *result) {
    for (size_t i = 0; result->column && i < result->columns; i++) free(result->column[i]);
    free(result->column);
    free(result->refused);
    memset(result, 0, sizeof *result);
}
