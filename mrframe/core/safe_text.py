"""Text of a job's own objects for messages: their `__repr__` and `__str__` may raise, and may give megabytes.

Not here: text from logs, which `cli/show/terminal.py` makes fit for a terminal.
"""

from __future__ import annotations

from collections.abc import Callable

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
