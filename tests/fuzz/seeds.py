"""Programs of formats, as C, and the first inputs of the fuzzer: lines, words and columns of run files.

An input begins with HEAD bytes, which choose what is done (`choose` in play.c). The rest is the block. Nothing of
it is kept in the repository: `core_fuzz.py` writes all of it anew for the formats of the day.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from mrframe.formats.grammar.grammar import Grammar
from mrframe.formats.grammar.kernel_program import Step, steps_of
from mrframe.formats.grammar.patterns import Capture, capture_of
from mrframe.formats.named_formats import STRINGS
from mrframe.formats.readers.access import grammar_of
from mrframe.kernel import compiled
from mrframe.testing.oracle import STRINGS_FOR_THE_KERNEL

HEAD = 12
COLUMNS_MAX = 16
FORMATS = (*STRINGS, *STRINGS_FOR_THE_KERNEL)
LINES = (
    b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 512 "-" "curl/8.0"',
    b'2001:db8::1 - al [17/May/2015:10:05:03 +0000] "POST /a HTTP/1.1" 404 -',
    b'www.example.org:443 192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/2.0" 304 0 "-" "a \\" b"',
    b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x" 12 "web@docker" "http://a" 3ms',
    b"www.example.org:80 ::1 2015-05-17T10:05:03+0000 GET /a?b HTTP/1.1 0",
    b'192.0.2.7 [2015-05-17T10:05:03.5+01:00] "GET http:www.example.org/a?b" 200 1431857103.123 0.003 "b"',
    b"10.0.0.1:80, 10.0.0.2:80 : 10.0.0.3:80 502, 200 [17/May/2015:10:05:03 +0000] 0.001, 0.002 curl",
    b"17/May/2015 10:05:03 AM|Mon  7|/srv/a",
    b'\xff\xfe - \xed\xa0\x80 [17/May/2015:10:05:03 +0000] "GET /\x00 HTTP/1.1" 200 999999999999999999999',
)
TOKENS = """
17/May/2015:10:05:03 +0000|2015-05-17T10:05:03Z|GET / HTTP/1.1|HTTP/|"-"| - |, | : |\\"|?|::1|:443|200|AM|Mon|-|
999999999999999999|1000000000000000000|\\xff|\\xed\\xb3\\xbf|\\xf4\\x90\\x80\\x80|\\xc3\\xa9|\\x00|\\x0a|\\x0a\\x0a|s|i\\x01|i\\x08
l\\x02\\x00\\x00\\x00i\\x01|t\\x02|\\x80|\\x7f|\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x7f
"""


def captures_of(grammar: Grammar) -> list[Capture]:
    """Return the captures of all fields, at most as many as a program of the fuzzer has columns."""
    return list(dict.fromkeys(capture_of(*one) for one in grammar.field_map().values()))[:COLUMNS_MAX]


def formats() -> dict[str, tuple[Step, ...]]:
    """Return the formats that have a program, which the fuzzer knows by their number."""
    found = {name: steps_of(grammar_of(name), captures_of(grammar_of(name))) for name in FORMATS}
    return {name: steps for name, steps in found.items() if steps is not None}


def encoded(steps: tuple[Step, ...], columns: int) -> bytes:
    """Return a program in the form that `take_program` in play.c reads."""
    text = bytes((columns - 1, len(steps)))
    for step in steps:
        if isinstance(step, bytes):
            text += bytes((0, len(step))) + step
            continue
        kind, flags, stops, low, high, words, captures = step
        text += bytes((kind, flags, len(stops))) + stops + bytes((len(low),)) + low + high
        text += bytes((len(words) // 2,)) + words + bytes((len(captures) // 3,)) + captures
    return text


def write_programs(path: Path) -> None:
    """Write the programs of all formats as a C header."""
    text = ""
    for number, (name, steps) in enumerate(formats().items()):
        body = ", ".join(str(byte) for byte in encoded(steps, len(captures_of(grammar_of(name)))))
        text += f"static const u8 PROGRAM_{number}[] = {{{body}}};\n"
    rows = ", ".join(f"{{PROGRAM_{number}, sizeof PROGRAM_{number}}}" for number in range(len(formats())))
    text += f"enum {{ PROGRAMS = {len(formats())} }};\n"
    text += f"static const struct {{ const u8 *bytes; size_t size; }} PROGRAM[] = {{{rows}}};\n"
    path.write_text(f'#include "span.h"\n{text}', "utf-8")


def _many(pick: random.Random) -> bytes:
    """Return lines of two kinds with a few hosts, which begin alike, and small and large numbers."""
    hosts = (b"-", b"10.0.0.1", b"10.0.0.12", b"10.0.0.1." + b"h" * 40, b"10.0.0.1.\xff", b"\xf4\x90\x80\x80")
    sizes = (b"-", b"0", b"1", b"2", b"3", b"999999999999999999", b"1000000000000000000")
    lines, two = [], (LINES[pick.choice((0, 0, 1, 2))], pick.choice(LINES))
    for _ in range(pick.randrange(4, 24)):
        line = pick.choice(two)
        lines.append(line.replace(b"192.0.2.7", pick.choice(hosts)).replace(b" 512 ", b" %b " % pick.choice(sizes)))
    return b"\n".join(lines)


def numeric(number: int) -> int:
    """Return a column of a format that has numbers, or 0."""
    grammar = grammar_of(list(formats())[number]) if number < len(formats()) else None
    captures = captures_of(grammar) if grammar else []
    kinds = ("int", "status", "float")
    return next((at for at, capture in enumerate(captures) if capture[0].kind in kinds), 0)


def head(pick: random.Random, mode: int, program: int) -> bytes:
    """Return the first bytes of an input, drawn at random but for what it is about."""
    how = mode | pick.choice((0, 4, 8)) | pick.randrange(8) << 5
    columns = (pick.randrange(256), pick.choice((pick.randrange(256), numeric(program))), pick.randrange(256))
    fails_at = pick.choice((0, 0, pick.randrange(60)))
    return bytes(
        (how, *(pick.randrange(256) for _ in range(3)), program, *columns, fails_at, pick.randrange(2), 0, 0)
    )


def columns_of_runs(pick: random.Random) -> Iterator[bytes]:
    """Yield inputs with columns that a table has drained, which `absorb` takes."""
    names = ("count", "total", "mean", "smallest", "largest", "distinct")
    kernel = compiled()
    steps = formats()["common"]
    grammar = grammar_of("common")
    line = b'10.0.0.%d - u%d [17/May/2015:10:05:0%d +0000] "GET /%d HTTP/1.1" 200 %d\n'
    program = kernel.Program(steps, len(captures_of(grammar)))
    size = list(captures_of(grammar)).index(capture_of(*grammar.field_map()["size"]))
    for count in (1, 1, 1, 1, 1, 1, 2, 3, 4):
        kinds = [pick.randrange(6) for _ in range(count)]
        table = kernel.Table(tuple(names[kind] for kind in kinds), count > 1)
        numbers = [tuple(pick.randrange(40) for _ in range(5)) for _ in range(30)]
        block = program.scan(b"".join(line % (one[0], one[1], one[2] % 10, one[3], one[4]) for one in numbers))
        values = tuple(0 if kind == 5 else size for kind in kinds)
        table.add(block, (pick.randrange(2),), values, (3,) * count)
        sections, _ = table.drain(2, True, ())
        text = b""
        for _, _, blocks in sections:
            for _, keys, states in blocks:
                text += len(keys).to_bytes(2, "little") + len(states).to_bytes(2, "little") + keys + states
        packed = sum(kind * 6**at for at, kind in enumerate(kinds))
        shape = (count - 1) << 2 | (16 if count > 1 else 0)
        yield bytes((1 | 2 << 5, shape, packed & 255, packed >> 8, 0, 0, 0, 9, 0, 0, 0, 0)) + text


def large_numbers() -> Iterator[bytes]:
    """Yield inputs with columns of the same keys and numbers of 63 bits, whose sums do not fit 64."""
    numbers = b"i\x08" + b"".join(number.to_bytes(8, "little") for number in (2**63 - 1, 2**62, 5))
    for kind in range(5):
        run = (6).to_bytes(2, "little") + len(numbers).to_bytes(2, "little") + b"sa\0b\0c" + numbers
        yield bytes((1 | 1 << 5, 0, kind, 0, 0, 0, 0, 9, 0, 0, 0, 0)) + run * 3


def sorted_columns(pick: random.Random) -> Iterator[bytes]:
    """Yield inputs with two or three sorted columns of keys, and ints or None for each, which `merge` takes."""
    for runs in (1, 2, 3, 2, 3, 2, 3):
        text = b""
        width = pick.choice((1, 2, 8, 0))
        for _ in range(runs):
            keys = sorted(
                b"%s%d" % (pick.choice((b"", b"eight888", b"\xc3\xa9")), pick.randrange(40)) for _ in range(9)
            )
            column = b"s" + b"\0".join(keys)
            numbers = [pick.randrange(-100, 100).to_bytes(width, "little", signed=True) for _ in keys if width]
            values = bytes((ord("i"), width)) + b"".join(numbers) if width else b"n" + bytes(len(keys))
            text += len(column).to_bytes(2, "little") + len(values).to_bytes(2, "little") + column + values
        yield bytes((3, runs | pick.choice((0, 16)), 0, 0, 0, 0, 0, pick.choice((0, 5)), 0, 0, 0, 0)) + text


def seeds() -> Iterator[bytes]:
    """Yield the first inputs."""
    pick = random.Random(0)
    for number in range(len(formats())):
        for line in LINES:
            yield head(pick, 0, number) + line + b"\n"
        yield from (head(pick, 0, number) + _many(pick) for _ in range(16))
    own = encoded((b"a", (1, 0, b" ", b"", b"", b"", bytes((0, 0, 0))), b" "), 1)
    yield head(pick, 0, 255) + own + b"ab \nac \n" * 4
    for text in (b"a b  a\tc\n" * 9, "é ü \x00 \ud800".encode("utf-8", "surrogatepass") + b" \xff\xfe" * 3, b""):
        yield head(pick, 2, 0) + text
    yield from large_numbers()
    yield from sorted_columns(pick)
    for column in (b"s\xff", b"s", b"s\xc3\xa9", b""):
        yield (
            bytes((1, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0))
            + len(column).to_bytes(2, "little")
            + b"\x02\0"
            + column
            + b"i\1"
        )
    if compiled() is not None:
        yield from columns_of_runs(pick)


def write_seeds(folder: Path) -> None:
    """Write each first input as a file, and the dictionary beside the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"seed-{number:03}").write_bytes(seed)


def write_dictionary(path: Path) -> None:
    """Write the words of logs and of run files that a mutator cannot guess."""
    words = [
        word.replace('"', '\\"') if '\\"' not in word else word
        for word in TOKENS.strip().replace("\n", "|").split("|")
    ]
    path.write_text("".join(f'"{word}"\n' for word in words if word), "utf-8")
