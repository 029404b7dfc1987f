"""From the layout of a logging framework, pasted verbatim, to a `Grammar`.

Understood are the pattern layouts of log4j and logback (`%d{ISO8601} %-5p [%t] %c: %m%n`) and the formats of Python's
logging (`%(asctime)s - %(name)s - %(levelname)s - %(message)s`). The message is the last value. It takes the further
lines of a record too, which is why a layout begins with a time, or with a level: by these a record is told from the
lines of a stack trace (`start_of`). Raises FormatError for anything else.

A value without blanks ends at the first byte of the literal behind it, or at a blank. A thread or a context may hold
blanks, and ends where the whole literal behind it begins. A width, as in `%-5p`, allows any number of blanks there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from mrframe.errors import FormatError
from mrframe.formats.grammar import strftime
from mrframe.formats.grammar.grammar import LEVELS, TIME_KINDS, Element, Grammar, Kind, ValueSlot
from mrframe.formats.grammar.patterns import strict_slot
from mrframe.formats.grammar.tails import TAILS


class _Value(NamedTuple):
    kind: Kind
    name: str
    free: bool = False


_VALUES: dict[str, _Value | None] = {
    **dict.fromkeys(("d", "date", "asctime"), _Value("iso", "time")),
    **dict.fromkeys(("p", "le", "level", "levelname"), _Value("level", "level")),
    **dict.fromkeys(("c", "lo", "logger", "name"), _Value("text", "logger")),
    **dict.fromkeys(("m", "msg", "message"), _Value("rest", "message")),
    **dict.fromkeys(("t", "tn", "threadName"), _Value("text", "thread", free=True)),
    "thread": _Value("text", "thread", free=True),  # of Python: its number, which is text too
    **dict.fromkeys(("X", "mdc", "MDC"), _Value("text", "context", free=True)),
    **dict.fromkeys(("x", "NDC"), _Value("text", "context", free=True)),
    **dict.fromkeys(("C", "class"), _Value("text", "class_name")),
    **dict.fromkeys(("F", "file", "filename"), _Value("text", "source_file")),
    **dict.fromkeys(("L", "lineno"), _Value("int", "source_line")),
    **dict.fromkeys(("M", "method", "funcName"), _Value("text", "method_name")),
    **dict.fromkeys(("pid", "processId", "process"), _Value("int", "pid")),
    **dict.fromkeys(("r", "relative", "relativeCreated"), _Value("int", "uptime_ms")),
    "module": _Value("text", "module"),
    "pathname": _Value("text", "source_file"),
    "n": None,
    **dict.fromkeys(("ex", "xEx", "wEx", "exception", "throwable"), None),  # on lines of their own
}
_NAMES = "|".join(sorted(_VALUES, key=len, reverse=True))
_DIRECTIVE = re.compile(
    rf"%(?P<percent>%)|%(?P<width>[-.0-9]*)(?P<name>{_NAMES})(?P<arguments>(?:\{{[^}}]*\}})*)"
    r"|%\((?P<python>\w+)\)(?P<python_width>[-.0-9]*)[sdf]"
)
_DATES = {
    "ISO8601": "yyyy-MM-dd HH:mm:ss,SSS",
    "DEFAULT": "yyyy-MM-dd HH:mm:ss,SSS",
    "DATE": "dd MMM yyyy HH:mm:ss,SSS",
}
_JAVA = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "MM": "%m",
    "MMM": "%b",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "SSS": "%3N",
    "SSSSSS": "%6N",
    "a": "%p",
    "EEE": "%a",
    "Z": "%z",
    "X" * 3: "%z",
    "X": "%z",
    "DDD": "%j",
}
_ISO = re.compile(r"%Y-%m-%d[T ]%H:%M:%S(?:[.,]%[36]N)?( ?%z)?")
_BLANKS_MAX = 32
_LEVEL_LETTERS_MAX = 16


def parse_layout(text: str, name: str = "") -> Grammar:
    """Return the grammar of a layout. `name` is for messages. Raises FormatError if it cannot be one."""
    elements = _with_ends(_with_blanks(list(_pieces(text))), text)
    grammar = Grammar(name or text, elements)
    start_of(grammar)
    return grammar


def start_of(grammar: Grammar) -> str:
    """Return a pattern for the beginning of a record: all up to the time, else a known level. It has few bytes."""
    start = ""
    for element in grammar.elements:
        if isinstance(element, bytes):
            start += re.escape(element).decode("latin-1")
        elif element.kind == "iso":
            return start + "[0-9]{4}-[0-9][0-9]-[0-9][0-9]" + ("T" if not element.detail else "[T ]") + _CLOCK
        elif element.kind in TIME_KINDS:
            return start + strict_slot(element)
        elif element.kind == "blanks":
            start += f" {{{0 if element.maybe_empty else 1},{_BLANKS_MAX}}}+"
        elif element.kind == "level" and not _has_time(grammar):
            return start + f"(?:{'|'.join(LEVELS)})(?![A-Za-z])"
        elif element.kind == "level":
            start += f"[A-Za-z]{{1,{_LEVEL_LETTERS_MAX}}}+"
        else:
            break
    raise FormatError(
        f"{grammar.name!r} begins neither with a time nor with a level, so nothing tells the first line of a record "
        "from the lines of a stack trace; read it as text with --record-start"
    )


_CLOCK = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]"


def _has_time(grammar: Grammar) -> bool:
    return any(slot.kind in TIME_KINDS for slot in grammar.slots())


# ---- from text to elements --------------------------------------------------------------------------


def _pieces(text: str) -> Iterator[Element]:
    """The literals and values of a layout, with blanks where a width may make some."""
    at, taken = 0, set[str]()
    for match in _DIRECTIVE.finditer(text):
        if match.start() > at:
            yield _literal(text[at : match.start()], text)
        at = match.end()
        if match["percent"]:
            yield b"%"
            continue
        directive = match["name"] or match["python"]
        if directive not in _VALUES:
            raise FormatError(f"{match[0]} in {text!r} is not understood")
        value = _VALUES[directive]
        if value is None:
            continue
        width = match["width"] or match["python_width"] or ""
        if width and not width.startswith(("-", ".")):
            yield _BLANKS
        yield _slot(value, match, taken, text)
        if width.startswith("-"):
            yield _BLANKS
    if at < len(text):
        yield _literal(text[at:], text)


_BLANKS = ValueSlot("blanks", (), maybe_empty=True)


def _literal(literal: str, text: str) -> bytes:
    if "%" in literal or "\n" in literal:
        raise FormatError(f"{literal!r} in {text!r} is not understood: a layout has values such as %d, %p, %c and %m")
    return literal.encode("utf-8", "surrogateescape")


def _slot(value: _Value, match: re.Match[str], taken: set[str], text: str) -> ValueSlot:
    """Make a slot that does not yet know where it ends."""
    arguments = re.findall(r"\{([^}]*)\}", match["arguments"] or "")
    if value.name == "time":
        kind, detail = _time(arguments[0] if arguments and arguments[0] else "ISO8601", text)
        return ValueSlot(kind, ("time", "day", "hour", "minute"), detail=detail, directive=match[0])
    name = value.name
    if name == "context" and arguments:
        name = re.sub(r"\W", "_", arguments[0].partition(":")[0])
    unique, number = name, 1
    while unique in taken or unique in ("time", "day", "hour", "minute", "file", "offset", "line"):
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    empty = value.kind == "rest" or value.name == "context"
    detail = "free" if value.free else "word" if value.kind == "text" else ""
    return ValueSlot(value.kind, (unique,), detail=detail, directive=match[0], maybe_empty=empty)


def _time(form: str, text: str) -> tuple[Kind, str]:
    """Return the kind of a time and its detail, from the pattern of Java's SimpleDateFormat."""
    words = re.findall(r"'([^']*)'|([A-Za-z])(\2*)|([^A-Za-z']+)", _DATES.get(form, form))
    found = ""
    for quoted, letter, more, sign in words:
        if letter and letter + more not in _JAVA:
            raise FormatError(f"{letter + more} in the time {form!r} of {text!r} is not understood")
        found += _JAVA[letter + more] if letter else (quoted or sign).replace("%", "%%")
    iso = _ISO.fullmatch(found)
    if iso is not None:
        return "iso", "zoned" if iso[1] else "plain"
    strftime.check_strftime(found, text)
    if not strftime.has_date(found):
        raise FormatError(f"the time {form!r} of {text!r} has no date; mrframe needs one in each record")
    return "strftime", found


def _with_blanks(elements: list[Element]) -> list[Element]:
    """Take the blanks of literals into the blanks beside them, and join neighbouring literals."""
    found: list[Element] = []
    for element in elements:
        last = found[-1] if found else None
        if isinstance(element, bytes) and isinstance(last, bytes):
            found[-1] = last + element
        elif isinstance(element, bytes) and _is_blanks(last):
            rest = element.lstrip(b" ")
            found[-1] = _BLANKS if last == _BLANKS and rest == element else replace(_BLANKS, maybe_empty=False)
            found += [rest] if rest else []
        elif _is_blanks(element) and isinstance(last, bytes) and last.endswith(b" "):
            rest = last.rstrip(b" ")
            found[-1:] = [*([rest] if rest else []), replace(_BLANKS, maybe_empty=False)]
        elif not (_is_blanks(element) and _is_blanks(last)):
            found.append(element)
    return found


def _is_blanks(element: Element | None) -> bool:
    return isinstance(element, ValueSlot) and element.kind == "blanks"


def _with_ends(elements: list[Element], text: str) -> tuple[Element, ...]:
    """Give each value its end."""
    message = next((at for at, one in enumerate(elements) if _is_message(one)), len(elements))
    if elements[message + 1 : message + 2] == [b" ("] and len(elements) == message + 4:  # Kafka: %m (%c)
        elements[message:] = [_tail("logger_last")]
    elif message != len(elements) - 1:
        raise FormatError(f"the message (%m) must be the last value of {text!r}")
    after: list[Element] = []
    for element in reversed(elements):
        after.insert(0, _ended(element, after, text) if isinstance(element, ValueSlot) else element)
    return tuple(after)


def _tail(detail: str) -> ValueSlot:
    return ValueSlot("tail", TAILS[detail].fields, detail=detail, maybe_empty=True)


def _is_message(element: Element) -> bool:
    return isinstance(element, ValueSlot) and element.kind == "rest"


def _ended(slot: ValueSlot, after: list[Element], text: str) -> ValueSlot:
    if slot.kind != "text":
        return slot
    following = after[0] if after else b""
    if isinstance(following, bytes):
        if slot.detail == "free" and len(following) > 1 and following[:1] != b" ":
            sure = len(after) > 2 and isinstance(after[1], ValueSlot) and not after[1].until
            return replace(slot, detail="", stop=following[:1], until=tuple(after[: 3 if sure else 1]))
        detail = "word" if slot.detail == "word" or following[:1] == b" " else ""
        return replace(slot, detail=detail, stop=following[:1])
    if following.kind != "blanks":
        raise FormatError(f"nothing stands between {slot.directive} and {following.directive} in {text!r}")
    behind = after[1] if following.maybe_empty and len(after) > 1 else b" "
    return replace(slot, detail="word", stop=b" " + (behind[:1].strip(b" ") if isinstance(behind, bytes) else b""))
