"""Writes a grammar as a program of the compiled kernel's scanner.

The scanner may refuse a line that the strict pattern (`patterns.py`) takes, and must cut every line that it takes as
the strict pattern does. So a form that is rare in logs is left out here: `steps_of` gives None for a whole grammar
that has one, and flags make the scanner refuse single lines. Not here: the scanner (`kernel/scan.c`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.formats.grammar import strftime
from mrframe.formats.grammar.grammar import END, Element, Grammar, ValueSlot
from mrframe.formats.grammar.patterns import Capture

LITERAL, RUN, ESCAPED, QUOTED, STATUS, INTEGER, DECIMAL, SHAPE, ISO, QUERY, EPOCH = range(11)
MAY_BE_EMPTY, MAY_BE_DASH, NO_COMMA_LAST, NO_SEPARATOR, NO_CLIENT = (1 << bit for bit in range(5))
ONLY_REQUEST, BLANK_FIRST, PADDED, COMMA, NO_ZONE = (1 << bit for bit in range(5, 10))
(
    WHOLE,
    PREFIX,
    METHOD,
    PATH,
    QUERY_OF_REQUEST,
    PROTOCOL,
    TARGET_PATH,
    TARGET_QUERY,
    AFTER_MARK,
    HOST,
    PORT,
) = range(11)
MONTH, DAY, AM_PM, SIGN, BLANK_OR_DIGIT, T_OR_BLANK = range(6)
"""The numbers of `scan.h`."""

LITERAL_BYTES_MAX = SHAPE_BYTES_MAX = 64
COLUMNS_MAX = 255
STEPS_MAX = 255
CAPTURES_OF_STEP_MAX = WORDS_OF_SHAPE_MAX = 8

Step = bytes | tuple[int, int, bytes, bytes, bytes, bytes, bytes]
"""A literal, or (kind, flags, stops, lowest and highest bytes of a shape, its words, captures) of a value."""

_PARTS = {
    ("request", "method"): METHOD,
    ("request", "path"): PATH,
    ("request", "query"): QUERY_OF_REQUEST,
    ("request", "protocol"): PROTOCOL,
    ("target", "path"): TARGET_PATH,
    ("target", "query"): TARGET_QUERY,
    ("query", "query"): AFTER_MARK,
    ("vhost_port", "vhost"): HOST,
    ("vhost_port", "port"): PORT,
}
_PREFIX_BYTES = {
    "clf": {"day": 11, "hour": 14, "minute": 17},
    "iso": {"day": 10, "hour": 13, "minute": 16},
}
_ISO_SECONDS = "%Y-%m-%dT%H:%M:%S"
_DIGITS = {"Y": 4, "m": 2, "d": 2, "y": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3, "3N": 3, "6N": 6}
_PADDED = ("e", "k", "l")
_NO_BLANKS = bytes(byte for byte in range(256) if byte != 32)
_NO_LETTERS = bytes(byte for byte in range(256) if not chr(byte | 32).islower() or byte > 127)


class _Unsupported(Exception):
    """The grammar has a form that the scanner does not know."""


def steps_of(grammar: Grammar, captures: Sequence[Capture]) -> tuple[Step, ...] | None:
    """Return the program of a grammar, with a column for each capture. None if it cannot be written."""
    wanted = list(captures)
    try:
        steps: list[Step] = []
        for element in grammar.elements:
            if isinstance(element, bytes):
                steps += [element[at : at + LITERAL_BYTES_MAX] for at in range(0, len(element), LITERAL_BYTES_MAX)]
            else:
                steps.append(_value(element, _captures(element, wanted)))
    except _Unsupported:
        return None
    return tuple(steps) if len(steps) <= STEPS_MAX and len(wanted) <= COLUMNS_MAX else None


def _captures(slot: ValueSlot, wanted: Sequence[Capture]) -> bytes:
    """Return (part, length of a prefix, column) of each capture of a slot."""
    found = b""
    for column, (one, role) in enumerate(wanted):
        if one == slot:
            length = _PREFIX_BYTES.get(slot.kind, {}).get(role, 0)
            found += bytes((PREFIX if length else _PARTS.get((slot.kind, role), WHOLE), length, column))
    if len(found) > 3 * CAPTURES_OF_STEP_MAX:
        raise _Unsupported
    return found


def _value(slot: ValueSlot, captures: bytes) -> Step:
    flags = MAY_BE_EMPTY * slot.maybe_empty | MAY_BE_DASH * slot.maybe_dash
    low = high = words = b""
    stops = _stops(slot)
    if slot.kind in ("clf", "iso", "strftime"):
        kind = ISO if slot.kind == "iso" else SHAPE
        low, high, words = _shape(slot)
        stops = b""
        flags |= {"plain": COMMA | NO_ZONE, "zoned": COMMA}.get(slot.detail, 0) if slot.kind == "iso" else 0
    elif slot.kind in ("status", "int", "float"):
        kind = {"status": STATUS, "int": INTEGER, "float": DECIMAL}[slot.kind]
        flags |= PADDED * (slot.detail == "padded")
    elif slot.kind == "further":
        kind, stops = RUN, b""
        flags |= BLANK_FIRST
    elif slot.kind == "quoted":
        kind = QUOTED
    elif slot.kind == "query" and slot.escapes:
        kind = QUERY
    elif slot.kind == "query":
        raise _Unsupported
    elif slot.kind == "epoch":
        kind = EPOCH
    elif slot.kind == "list":
        kind = DECIMAL if slot.detail == "numbers" else RUN
        stops = b" ," + slot.stop
        flags |= NO_SEPARATOR
    elif slot.kind == "commas":
        kind, stops = RUN, b" "
        flags |= NO_COMMA_LAST
    elif slot.until and slot.kind != "vhost_port":
        kind, stops = RUN, _stops_of_until(slot)
        flags = (flags & ~MAY_BE_EMPTY) | (ONLY_REQUEST if slot.kind == "request" else 0)
    else:
        kind = ESCAPED if slot.escapes else RUN
        flags |= NO_CLIENT if slot.kind == "vhost_port" and not slot.detail else 0
    return kind, flags, bytes(sorted(set(stops))), low, high, words, captures


def _stops(slot: ValueSlot) -> bytes:
    """Return the bytes that end a value, as `patterns.strict_slot` has them."""
    if slot.kind in ("level", "blanks"):
        return _NO_LETTERS if slot.kind == "level" else _NO_BLANKS
    if not slot.stop:
        return b"" if slot.kind in ("rest", "request", "tail") else b" "
    return slot.stop + (b" " if slot.detail == "word" else b"")


def _stops_of_until(slot: ValueSlot) -> bytes:
    """Return stops that end the value at the first place where `until` might begin.

    Where the rest of the line then matches, `until` does too, and no place before could: they do not hold its first
    byte. Where it does not match, the value may go on, and the line is refused.
    """
    first: Element = slot.until[0]
    if not isinstance(first, bytes) or first == END:
        raise _Unsupported
    return first[:1] + slot.stop


# ---- times of a fixed width -----------------------------------------------------------------------


def _shape(slot: ValueSlot) -> tuple[bytes, bytes, bytes]:
    """Return the lowest and the highest bytes of a time, and its words: (place, kind) of each."""
    form = {"clf": strftime.CLF, "iso": _ISO_SECONDS}.get(slot.kind, slot.detail)
    low = high = words = b""
    for code, literal in strftime.pieces(form):
        more = literal.encode("latin-1") if literal else b""
        at = len(low)
        if literal or code == "%":
            low, high = low + (more or b"%"), high + (more or b"%")
        elif code in _DIGITS:
            low, high = low + b"0" * _DIGITS[code], high + b"9" * _DIGITS[code]
        elif code in _PADDED:
            low, high, words = low + b" 0", high + b"99", words + bytes((at, BLANK_OR_DIGIT))
        elif code in ("b", "h", "a"):
            low, high, words = low + b"AAA", high + b"zzz", words + bytes((at, DAY if code == "a" else MONTH))
        elif code == "p":
            low, high, words = low + b"AM", high + b"PM", words + bytes((at, AM_PM))
        elif code == "z":
            low, high, words = low + b"+0000", high + b"-9999", words + bytes((at, SIGN))
        else:  # seconds since 1970, which have no fixed width
            raise _Unsupported
    if len(low) > SHAPE_BYTES_MAX or len(words) > 2 * WORDS_OF_SHAPE_MAX:
        raise _Unsupported
    if slot.kind == "iso" and slot.detail:
        at = low.index(b"T")
        low, words = low[:at] + b" " + low[at + 1 :], bytes((at, T_OR_BLANK))
    return low, high, words


def program_of(kernel: Any, grammar: Grammar, captures: Sequence[Capture]) -> Any:
    """Return the compiled program of a grammar, or None without a kernel or for a form that it does not know."""
    steps = None if kernel is None else steps_of(grammar, captures)
    return None if steps is None else kernel.Program(steps, len(captures))


def whole_line(kernel: Any) -> Any:
    """Return the compiled program of one column, that of the whole line, whatever it is."""
    return kernel.Program(((RUN, MAY_BE_EMPTY, b"", b"", b"", b"", bytes((WHOLE, 0, 0))),), 1)
