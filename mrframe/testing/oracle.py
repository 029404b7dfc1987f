"""A second parser of one line, written apart from the compiled patterns, to hold them against.

It reads a line from left to right by hand, one slot at a time, with no regular expression. It is slow and is
not used for reading: the tests demand that the readers agree with it on any bytes whatever.
"""

from __future__ import annotations

from mrframe.formats.grammar.grammar import END, MONTHS, Element, Grammar, ValueSlot
from mrframe.formats.grammar.strftime import expanded

_DIGITS = frozenset(b"0123456789")
_METHOD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_")
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_PROTOCOL = frozenset(b"0123456789.")
STRINGS_FOR_THE_KERNEL = (
    r'%h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i" %D',
    r"%v:%p %h %{%Y-%m-%dT%H:%M:%S%z}t %m %U%q %H %T",
    r"%t %u [%D %h %{True-Client-IP}i %{UNIQUE_ID}e %r] %{Cookie}i %s \"%{User-Agent}i\" %l %b %{Referer}i",
    '$remote_addr [$time_iso8601] "$request_method $scheme:$host$request_uri" $status $msec $request_time "$args"',
    "$upstream_addr $upstream_status [$time_local] $upstream_response_time $http_user_agent",
    "%{%d/%b/%Y %I:%M:%S %p}t|%{%a %e}t|%f",
)
"""Formats that have, with those of a name, every step of a program of the compiled kernel."""


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


def _end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    """Return the end of the slot that begins at `at`, or None if it is not there."""
    kind = slot.kind
    end: int | None
    if kind in ("status", "int", "float", "epoch"):
        while slot.detail == "padded" and line[at : at + 1] == b" ":
            at += 1
        signed = slot.detail == "signed" and line[at : at + 1] == b"-" and line[at + 1 : at + 2].isdigit()
        end = _number_end(kind, line, at + signed)
    elif kind in ("clf", "iso", "strftime"):
        end = _time_end(slot, line, at)
    elif kind == "further":
        return _run(slot, line, at) if line[at : at + 1] == b" " else at
    elif kind in ("level", "blanks"):
        wanted = _LETTERS if kind == "level" else b" "
        end = next((end for end in range(at, len(line)) if line[end] not in wanted), len(line))
        end = None if end == at else end
    elif kind == "query":
        end = at if line[at : at + 1] != b"?" else _run(slot, line, at + 1)
    elif kind == "quoted":
        end = _quoted_end(slot, line, at)
    elif kind == "list":
        end = _list_end(slot, line, at)
    elif slot.until:
        return _until_end(slot, line, at)
    else:
        end = _commas_end(line, at) if kind == "commas" else _run(slot, line, at)
        if (end == at and not slot.escapes) or (kind == "vhost_port" and not slot.detail and _is_client(line, at)):
            end = None
    if end is None and slot.maybe_dash and line[at : at + 1] == b"-":
        return at + 1
    return at if end is None and slot.maybe_empty else end


def _run(slot: ValueSlot, line: bytes, at: int) -> int:
    """The end of a value that runs up to its stop."""
    blanks_too = (bool(slot.stop) or slot.kind in ("rest", "request", "further", "tail")) and slot.detail != "word"
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


def _quoted_end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    """The end of a value in quotes."""
    end = _run(slot, line, at + 1)
    return end + 1 if line[at : at + 1] == b'"' == line[end : end + 1] else None


def _is_client(line: bytes, at: int) -> bool:
    """Return whether an address followed by `-` stands in place of the name of a virtual host."""
    word, _, rest = line[at:].partition(b" ")
    letters = b"0123456789." if b":" not in word else b"0123456789abcdefABCDEF.:"
    return rest.startswith(b"- ") and word.count(b":") != 1 and word != b"" and all(byte in letters for byte in word)


def _list_end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    """Return the end of a list of items that `, ` and ` : ` separate."""
    end = _item_end(slot, line, at)
    while end is not None:
        mark = line[end : end + 2] if line[end : end + 2] == b", " else line[end : end + 3]
        if mark not in (b", ", b" : ") or (slot.until and _can_read(slot.until, line, end)):
            return end
        after = _item_end(slot, line, end + len(mark))
        if after is None and mark == b", ":
            return end
        end = end + len(mark) if after is None else after
    return None


def _item_end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    if slot.detail == "numbers":
        return _number_end("float", line, at)
    end = at
    while end < len(line) and line[end] not in b" ,\n" + slot.stop:
        end += 1
    return end if end > at else None


def _commas_end(line: bytes, at: int) -> int:
    """The end of words that have blanks between them only after a comma."""
    end = at
    while end < len(line) and line[end] != 10:
        if line[end] == 32 and (end == at or line[end - 1] != 44 or line[end + 1 : end + 2] in (b"", b" ", b"\n")):
            break
        end += 1
    return end


def _until_end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    """Return the first place where the rest of the line matches, or None if the slot cannot hold this value."""
    end = _request_line_end(line, at) if slot.kind == "request" else None
    if end is not None and _can_read(slot.until, line, end):
        return end
    end = at
    while end < len(line) and not _can_read(slot.until, line, end):
        if line[end] == 10 or (end > at and line[end] in slot.stop and line[end] not in slot.passable):
            return None
        end += 1
    if not _can_read(slot.until, line, end):
        return None
    words = line[at:end].split(slot.passable)
    if slot.passable != b'"' and line[at:end] != b"-" and not _is_padded_dash(slot, line[at:end]):
        if end > at and ((not words[0] and slot.passable == b" ") or any(byte in slot.stop for byte in words[0])):
            return None
        if len(words) > 1 and b"-" in (words[0], words[-1]):
            return None
    return end if end > at or slot.maybe_empty else None


def _is_padded_dash(slot: ValueSlot, value: bytes) -> bool:
    return slot.detail == "user" and value == b" - "


def _request_line_end(line: bytes, at: int) -> int | None:
    """The end of `METHOD target HTTP/x` at `at`."""
    end = at
    while end < len(line) and line[end] in _METHOD:
        end += 1
    target = line.find(b" ", end + 1)
    if end == at or line[end : end + 1] != b" " or target < end + 2 or b"\n" in line[end:target]:
        return None
    protocol = end = target + len(b" HTTP/")
    while end < len(line) and line[end] in _PROTOCOL:
        end += 1
    return end if end > protocol and line[target:protocol] == b" HTTP/" else None


def _can_read(elements: tuple[Element, ...], line: bytes, at: int | None) -> bool:
    """Return whether these elements stand at `at`. They may end with the end of the line."""
    for element in elements:
        if at is None:
            return False
        if isinstance(element, ValueSlot):
            at = _end(element, line, at)
        elif element == END:
            at = at if at == len(line) else None
        else:
            at = at + len(element) if line.startswith(element, at) else None
    return at is not None


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


def _time_end(slot: ValueSlot, line: bytes, at: int) -> int | None:
    if slot.kind == "clf":
        return _shape(line, at, "99/Mon/9999:99:99:99 +9999")
    if slot.kind == "strftime":
        return _form_end(slot.detail, line, at)
    end = _shape(line, at, "9999-99-99T99:99:99")
    if end is None and slot.detail:
        end = _shape(line, at, "9999-99-99 99:99:99")
    if end is None:
        return None
    if (line[end : end + 1] == b"." or (slot.detail and line[end : end + 1] == b",")) and _digits(
        line, end + 1
    ) > end + 1:
        end = _digits(line, end + 1)
    if slot.detail == "plain":
        return end
    if slot.detail and line[end : end + 1] == b" ":
        end += 1
    if line[end : end + 1] == b"Z":
        return end + 1
    zone = _shape(line, end, "+99:99")
    return _shape(line, end, "+9999") if zone is None and slot.detail else zone


_SHAPES = {"Y": "9999", "b": "Mon", "h": "Mon", "z": "+9999", "j": "999", "3N": "999", "6N": "999999", "%": "%"}
_WORDS = {"p": ("AM", "PM"), "a": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}


def _form_end(form: str, line: bytes, at: int | None) -> int | None:
    """The end of a time of this strftime form."""
    signs = iter(expanded(form))
    for sign in signs:
        if at is None:
            return None
        if sign != "%":
            at = (
                _shape(line, at, sign) if sign not in "9+" else at + 1 if line[at : at + 1] == sign.encode() else None
            )
            continue
        code = next(signs)
        code += next(signs) if code in "36" else ""
        if code in _WORDS:
            at = next((at + len(word) for word in _WORDS[code] if line.startswith(word.encode(), at)), None)
        elif code in ("s", "3s", "6s"):
            at = _digits(line, at) if _digits(line, at) > at else None
        elif code in ("e", "k", "l") and line[at : at + 1] == b" ":
            at = _shape(line, at + 1, "9")
        else:
            at = _shape(line, at, _SHAPES.get(code, "99"))
    return at


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


def _fields(slot: ValueSlot, value: bytes) -> dict[str, bytes | None]:
    """The parts of a slot's value."""
    if slot.kind == "request":
        parts: tuple[bytes | None, ...] = (value, *(_request(value) or (None,) * 4))
    elif slot.kind == "target":
        parts = (value, *_target(value))
    elif slot.kind == "query":
        parts = (value[1:] if value else None,)
    elif slot.kind == "quoted":
        parts = (value[1:-1] if value[:1] == b'"' else value,)
    elif slot.detail == "padded":
        parts = (value.lstrip(b" "),)
    elif _is_padded_dash(slot, value):
        parts = (b"-",) * len(slot.names)
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
    """Return method, path, query and protocol, or None if the request has another form."""
    words = value.split(b" ")
    method, target, protocol = words[0], b" ".join(words[1:-1]), words[-1]
    if len(words) == 2 and method == b"GET" and protocol.startswith(b"/"):  # HTTP/0.9
        path, query = _target(protocol)
        return method, path, query, None
    if len(words) < 3 or not words[1] or not method or any(byte not in _METHOD for byte in method):
        return None
    if not protocol.startswith(b"HTTP/") or len(protocol) == 5 or any(byte not in _PROTOCOL for byte in protocol[5:]):
        return None
    path, query = _target(target)
    return (method, path, query, protocol) if path else None
