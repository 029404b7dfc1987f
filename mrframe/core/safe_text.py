"""Text that others wrote, made safe to show: text from logs, names and exceptions, and objects of a job's code.

A terminal obeys control characters, and characters that change the direction of text make a line look like another.
The `escaped…` functions spell them out, and `cli/show/streams.py` applies them to all that a command prints.
`safe_repr` and `safe_str` are for objects with a `__repr__` and `__str__` that may raise, and may return megabytes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

# C0, DEL, C1, marks that change the direction of text, line separators, and bytes that are not UTF-8
_UNSAFE = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

VALUE_CHARS_MAX = 200  # of a value within a message
MESSAGE_CHARS_MAX = 8 << 10  # of an exception's own text


def safe_repr(value: object, chars_max: int = VALUE_CHARS_MAX) -> str:
    """Return `repr(value)`, cut to `chars_max` characters, or a note of its type and the error if that raises."""
    return _cut(_text(repr, value), chars_max)


def safe_str(value: object, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """Return `str(value)`, cut to `chars_max` characters, or a note of its type and the error if that raises."""
    return _cut(_text(str, value), chars_max)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[:chars_max] + "…"


def _text(call: Callable[[object], str], value: object) -> str:
    try:
        return str.__str__(call(value))  # of a subclass of str, the plain text
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the object's own method runs here
        return f"<{type(value).__name__}: its __{call.__name__}__ raised {type(error).__name__}>"


def escaped(text: str) -> str:
    """Return the text with nothing in it that a terminal obeys but newlines and tabs: `\\x1b`, `\\u202e` instead.

    Bytes that are not UTF-8 (lone surrogates) become `\\xNN`, as they are in the log. For people: a backslash in the
    text stays one. Text that is escaped already stays the same.
    """
    return _lines().sub(_spelled, text) if _lines().search(text) else text


def escaped_line(text: str) -> str:
    """Return the same on one line: newlines and tabs are `\\n` and `\\t`."""
    return _line().sub(_spelled, text) if _line().search(text) else text


def escaped_json(text: str) -> str:
    """Return JSON text of the same value, with `\\u` escapes for such characters in its strings."""
    return _lines().sub(_spelled_json, text) if _lines().search(text) else text


@functools.cache
def _line() -> re.Pattern[str]:
    """Return the pattern for one line. Compiling it takes 1 ms, and many commands need only one of the two."""
    return re.compile(f"[{_UNSAFE}]")


@functools.cache
def _lines() -> re.Pattern[str]:
    return re.compile(f"(?![\n\t])[{_UNSAFE}]")


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return _NAMED.get(match.group()) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _spelled_json(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"
