"""A second parser of one line, written apart from the compiled patterns, to hold them against.

It reads a line from left to right by hand, one slot at a time, with no regular expression. It is slow and is
not used for reading: the tests demand that the readers agree with it on any bytes whatever.
"""

from __future__ import annotations

from mrframe.formats.grammar import MONTHS, Grammar, Slot
from mrframe.formats.strftime import expanded

_DIGITS = frozenset(b"0123456789")
_METHOD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")
_PROTOCOL = frozenset(b"0123456789.")


def parse_line(grammar: Grammar, line: bytes) -> dict[str, bytes | None] | None:
    """{field: its bytes, or None when it is not there}, or None when the line is malformed.

    `line` has no line end. Day, hour and minute hold the time's beginning, or all of it for forms that do not
    begin so.
    """
    fields: dict[str, bytes | None] = {}
    at = 0
    for element in grammar.elements:
        if isinstance(element, bytes):
            if line[at : at + len(element)] != element:
                return None
            at += len(element)
            continue
        end = _end(element, line, at)
        if end is None:
            return None
        fields.update(_fields(element, line[at:end]))
        at = end
    return fields if at == len(line) else None


def _end(slot: Slot, line: bytes, at: int) -> int | None:
    """Where the slot that begins at `at` ends; None when it is not there."""
    kind = slot.kind
    end: int | None
    if kind in ("status", "int", "float", "epoch"):
        end = _number_end(kind, line, at)
    elif kind in ("clf", "iso", "strftime"):
        end = _time_end(slot, line, at)
    elif kind == "query":
        end = at if line[at : at + 1] != b"?" else _run(slot, line, at + 1)
    else:
        end = _run(slot, line, at)
        if end == at and not slot.escapes:
            end = None
    if end is None and slot.maybe_dash and line[at : at + 1] == b"-":
        return at + 1
    return end


def _run(slot: Slot, line: bytes, at: int) -> int:
    """The end of a value that runs up to its stop."""
    blanks_too = bool(slot.stop) or slot.kind in ("rest", "request")
    while at < len(line):
        byte = line[at]
        if byte == 10 or byte in slot.stop or (byte == 32 and not blanks_too):
            break
        if slot.escapes and byte == 92:
            if at + 1 >= len(line) or line[at + 1] == 10:
                break
            at += 1
        at += 1
    return at


def _digits(line: bytes, at: int) -> int:
    while at < len(line) and line[at] in _DIGITS:
        at += 1
    return at


def _number_end(kind: str, line: bytes, at: int) -> int | None:
    if kind != "epoch" and line[at : at + 1] == b"-":
        return at + 1
    end = _digits(line, at)
    if kind == "status":
        return at + 3 if end - at >= 3 else None
    if end == at:
        return None
    if kind != "int" and line[end : end + 1] == b"." and _digits(line, end + 1) > end + 1:
        return _digits(line, end + 1)
    return end


def _time_end(slot: Slot, line: bytes, at: int) -> int | None:
    if slot.kind == "clf":
        return _shape(line, at, "99/Mon/9999:99:99:99 +9999")
    if slot.kind == "strftime":
        shapes = {"Y": "9999", "b": "Mon", "z": "+9999", "j": "999"}
        shape, form = "", expanded(slot.detail)
        for position, sign in enumerate(form):
            if position and form[position - 1] == "%":
                shape += shapes.get(sign, "99")
            elif sign != "%":
                shape += sign
        return _shape(line, at, shape)
    end = _shape(line, at, "9999-99-99T99:99:99")
    if end is None:
        return None
    if line[end : end + 1] == b"." and _digits(line, end + 1) > end + 1:
        end = _digits(line, end + 1)
    return end + 1 if line[end : end + 1] == b"Z" else _shape(line, end, "+99:99")


def _shape(line: bytes, at: int, shape: str) -> int | None:
    """The end of text of this shape: 9 is a digit, + a sign, Mon a month's name, all else itself."""
    text = line[at : at + len(shape)].decode("latin-1")
    if len(text) != len(shape):
        return None
    month = shape.find("Mon")
    if month >= 0:
        if text[month : month + 3] not in MONTHS:
            return None
        text = text[:month] + "Mon" + text[month + 3 :]
    for sign, wanted in zip(text, shape, strict=True):
        if wanted == "9" and sign not in "0123456789":
            return None
        if wanted == "+" and sign not in "+-":
            return None
        if wanted not in "9+" and sign != wanted:
            return None
    return at + len(shape)


def _fields(slot: Slot, value: bytes) -> dict[str, bytes | None]:
    """The parts of a slot's value."""
    if slot.kind == "request":
        parts: tuple[bytes | None, ...] = (value, *(_request(value) or (None,) * 4))
    elif slot.kind == "target":
        parts = (value, *_target(value))
    elif slot.kind == "query":
        parts = (value[1:] if value else None,)
    elif slot.kind == "vhost_port":
        colon = value.rfind(b":")
        split = colon > 0 and colon + 1 < len(value) and all(byte in _DIGITS for byte in value[colon + 1 :])
        parts = (value[:colon], value[colon + 1 :]) if split else (value, None)
    elif slot.kind == "clf":
        parts = (value, value[:11], value[:14], value[:17])
    elif slot.kind == "iso":
        parts = (value, value[:10], value[:13], value[:16])
    else:
        parts = (value,) * len(slot.names)
    return dict(zip(slot.names, parts, strict=True))


def _target(target: bytes) -> tuple[bytes, bytes | None]:
    mark = target.find(b"?")
    return (target, None) if mark < 0 else (target[:mark], target[mark + 1 :])


def _request(value: bytes) -> tuple[bytes | None, ...] | None:
    """Method, path, query and protocol; None when the request has another form."""
    words = value.split(b" ")
    if len(words) != 3:
        return None
    method, target, protocol = words
    if not method or any(byte not in _METHOD for byte in method):
        return None
    if not protocol.startswith(b"HTTP/") or len(protocol) == 5 or any(byte not in _PROTOCOL for byte in protocol[5:]):
        return None
    path, query = _target(target)
    return (method, path, query, protocol) if path else None
