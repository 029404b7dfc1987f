r"""The two regular expressions of a grammar: the strict one that judges a line, the fast one for a block.

*Strict* matches one whole line (no line end) and alone decides whether a line is malformed. It captures whole
slots. Its parts are possessive, so that a line is read once, from left to right.

*Fast* is run over a whole block with `split`. It captures only the parts that are wanted, and its last group
takes, whole, each line that it does not match. Such lines are then given to the strict one. It may be narrower
than the strict one, never wider, for a line on its own. To be quick it lets values run over line ends where
the strict one stops (`[^"]` costs one comparison a byte, `[^"\\\n]` a look-up in a table). So its result holds
only with this proof, which the caller makes for each block: *there are as many matches as line ends*.
Every match ends with a line end, so then each contains exactly one, and each is one line.

A value may run over a line end only where the byte that stops it has already been seen on the line that
the match began with. So each stretch of bytes is passed over a bounded number of times, whatever the input.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

from mrframe.core.fast_dataclass import dataclass
from mrframe.formats.grammar import strftime
from mrframe.formats.grammar.grammar import END, MONTHS, Grammar, ValueSlot

PADDED_DASH = b" - "
"""An absent user as older versions of Jetty write it."""
AT_END = "expected the end of the line"
"""The reason for which a line does not match that goes on behind the last element."""
_D = "[0-9]"
_D2, _D4 = _D * 2, _D * 4
_MONTH = "(?:" + "|".join(MONTHS) + ")"
_METHOD = "[A-Za-z_-]++"
_PROTOCOL = "HTTP/[0-9.]++"
_NUMBERS = {
    "status": f"(?:{_D}{_D}{_D}|-)",
    "int": f"(?:{_D}++|-)",
    "float": f"(?:{_D}++(?:\\.{_D}++)?+|-)",
}
_WHOLE = {"epoch": f"{_D}++(?:\\.{_D}++)?+", "further": "(?: [^\\n]*+)?+", "level": "[A-Za-z]++"}
_BEFORE_DIGITS = {"signed": "(?:-(?=[0-9]))?+", "padded": " *+"}
_TIME_PARTS = {  # each part with what it adds to the one before
    "clf": (
        ("day", f"{_D2}/{_MONTH}/{_D4}"),
        ("hour", f":{_D2}"),
        ("minute", f":{_D2}"),
        ("time", f":{_D2} [+-]{_D4}"),
    ),
    "iso": (
        ("day", f"{_D4}-{_D2}-{_D2}"),
        ("hour", f"T{_D2}"),
        ("minute", f":{_D2}"),
        ("time", f":{_D2}(?:\\.{_D}++)?+(?:Z|[+-]{_D2}:{_D2})"),
    ),
    "iso plain": (
        ("day", f"{_D4}-{_D2}-{_D2}"),
        ("hour", f"[T ]{_D2}"),
        ("minute", f":{_D2}"),
        ("time", f":{_D2}(?:[.,]{_D}++)?+"),
    ),
    "iso zoned": (
        ("day", f"{_D4}-{_D2}-{_D2}"),
        ("hour", f"[T ]{_D2}"),
        ("minute", f":{_D2}"),
        ("time", f":{_D2}(?:[.,]{_D}++)?+ ?+(?:Z|[+-]{_D2}:?+{_D2})"),
    ),
}
_REQUEST_LINE = f"{_METHOD} [^ \\n]++ {_PROTOCOL}"
_NO_VHOST = (
    "(?!(?:[0-9.]++|[0-9A-Fa-f.]*+(?::[0-9A-Fa-f.]*+){2,}+) - )"  # but an address before the `-` of an identity
)
_REQUEST = re.compile(rb"([A-Za-z_-]+) ([^ ?][^?]*)(?:\?(.*))? (HTTP/[0-9.]+)", re.DOTALL)
_HTTP_09 = re.compile(rb"(GET) (/[^ ?]*)(?:\?([^ ]*))?()")
_REQUEST_GROUP = {"method": 1, "path": 2, "query": 3, "protocol": 4}

Capture = tuple[ValueSlot, str]
"""The target of one group of the fast pattern: a slot, and a role in it (`time` also stands for the whole slot)."""


@dataclass(frozen=True)
class Patterns:
    """A grammar's two patterns for some captures, each compiled on first use.

    Compiling one takes 1 to 3 ms, as long as reading some thousand lines. Detection needs only the strict one, and
    most runs only the fast one.

    `captures` are the fast pattern's groups in order (its last group is the refused line). `strict_groups`
    says which group of the strict pattern holds the slot of each.
    """

    strict_text: str
    fast_text: str
    captures: tuple[Capture, ...]
    strict_groups: tuple[int, ...]

    @cached_property
    def strict(self) -> re.Pattern[bytes]:
        """The pattern of one line, without its end."""
        return re.compile(self.strict_text.encode("latin-1"))

    @cached_property
    def fast(self) -> re.Pattern[bytes]:
        """The pattern to split a block with."""
        return re.compile(f"(?:{self.fast_text}\\n|([^\\n]*+)\\n)".encode("latin-1"))


def capture_of(slot: ValueSlot, role: str) -> Capture:
    """Return the capture that a field needs. Some times, tails and values that the format does not name need all."""
    if slot.kind == "further":
        return slot, "extra"
    if slot.kind == "tail":
        return slot, slot.names[0]
    return (slot, "time") if slot.kind in ("epoch", "strftime") else (slot, role)


def patterns_of(grammar: Grammar, wanted: Sequence[Capture]) -> Patterns:
    """Write both patterns, for these captures (each once)."""
    strict, fast = "", ""
    captures: list[Capture] = []
    strict_groups: list[int] = []
    seen: set[int] = set()
    groups = 0
    vhost_before = False
    for element in grammar.elements:
        if isinstance(element, bytes):
            literal = re.escape(element).decode("latin-1")
            strict, fast = strict + literal, fast + literal
            seen.update(element)
            continue
        roles = [role for slot, role in wanted if slot == element]
        if roles:
            groups += 1
        strict += f"({strict_slot(element)})" if roles else f"(?:{strict_slot(element)})"
        text, order = _fast_slot(element, roles, wide=set(element.stop) <= seen)
        if vhost_before:  # a `-` there is left to the strict pattern, which looks at the bytes before it
            quick = text.replace("[^\\x20]++", r"[.-\xff][^\x20]*+")
            text = quick if quick != text else f"(?!- ){text}"
        vhost_before = element.kind == "vhost_port" and not element.detail
        fast += text
        captures += [(element, role) for role in order]
        strict_groups += [groups] * len(order)
    return Patterns(strict, fast, tuple(captures), tuple(strict_groups))


def part(capture: Capture, raw: bytes) -> tuple[bytes | None, bool]:
    """Return the part that a capture takes from the whole text of its slot, and whether the text lacks it.

    None with False: it is rightly absent (no query, or no protocol in HTTP/0.9). None with True: the request is
    neither `METHOD target HTTP/x`, where the target may hold blanks, nor `GET /path`.
    """
    slot, role = capture
    if slot.kind == "request" and role != "request":
        match = _REQUEST.fullmatch(raw) or _HTTP_09.fullmatch(raw)
        if match is None:
            return None, True
        value = match[_REQUEST_GROUP[role]]
        return (None if role == "protocol" and not value else value), False
    if slot.kind == "target" and role != "target":
        path, mark, query = raw.partition(b"?")
        return (path if role == "path" else query if mark else None), False
    if slot.kind == "query":
        return (raw[1:] if raw else None), False
    if slot.kind == "quoted":
        return raw.removeprefix(b'"').removesuffix(b'"') if raw != b"-" else raw, False
    if slot.detail == "user" and raw == PADDED_DASH:
        return b"-", False
    if slot.detail == "padded":
        return raw.lstrip(b" "), False
    if slot.kind == "vhost_port":
        name, _, port = raw.rpartition(b":")
        if not name or not port.isdigit():
            name, port = raw, b""
        return (name if role == "vhost" else port or None), False
    if slot.kind in _TIME_PARTS and role in ("day", "hour", "minute"):
        return raw[: {"day": (11, 10), "hour": (14, 13), "minute": (17, 16)}[role][slot.kind == "iso"]], False
    return raw, False


# ---- strict ---------------------------------------------------------------------------------------


def strict_slot(slot: ValueSlot) -> str:
    """Return the pattern of a whole slot, without captures. It never matches a line end."""
    text = _strict_value(slot)
    return f"(?:{text}|-)" if slot.maybe_dash else text


def _strict_value(slot: ValueSlot) -> str:  # noqa: PLR0911 (a table)
    if slot.kind in _NUMBERS:
        number = _BEFORE_DIGITS.get(slot.detail, "") + _NUMBERS[slot.kind]
        return f"(?:{number})?+" if slot.maybe_empty else number
    if slot.kind in _TIME_PARTS:
        return "".join(added for _, added in _time_parts(slot))
    if slot.kind in _WHOLE:
        return _WHOLE[slot.kind]
    if slot.kind == "blanks":
        return f" {'*' if slot.maybe_empty else '+'}+"
    if slot.kind == "strftime":
        return strftime.pattern(slot.detail)
    if slot.kind == "query":
        return f"(?:\\?{_value(slot, least='*')})?+"
    if slot.kind in ("quoted", "vhost_port"):
        return f'"{_value(slot)}"' if slot.kind == "quoted" else _NO_VHOST * (not slot.detail) + _value(slot)
    if slot.kind == "list":
        return _list(slot)
    if slot.kind == "commas":
        return f"(?:[^ \\n]++(?:(?<=,) [^ \\n]++)*+){'?+' if slot.maybe_empty else ''}"
    if slot.until:
        return _text_until(slot)
    return _value(slot, least="*" if slot.maybe_empty else "+")


def _time_parts(slot: ValueSlot) -> Sequence[tuple[str, str]]:
    return _TIME_PARTS[f"{slot.kind} {slot.detail}" if slot.kind == "iso" and slot.detail else slot.kind]


def _value(slot: ValueSlot, least: str = "+") -> str:
    """Bytes up to the stop, or to the end of the line."""
    stop = _class(slot.stop) + (" " if slot.detail == "word" and b" " not in slot.stop else "")
    if slot.escapes:
        return f"[^{stop}\\\\\\n]*+(?:\\\\[^\\n][^{stop}\\\\\\n]*+)*+"
    if not slot.stop:
        return f"[^\\n]{least}+" if slot.kind in ("rest", "request", "tail") else f"[^ \\n]{least}+"
    return f"[^{stop}\\n]{least}+"


def _list(slot: ValueSlot) -> str:
    """Items, each but the first behind a separator that is not the literal that follows the list."""
    item = f"(?:{_D}++(?:\\.{_D}++)?+|-)" if slot.detail == "numbers" else f"[^ ,{_class(slot.stop)}\\n]++"
    guard = f"(?!{until_pattern(slot)})" if slot.until else ""
    return f"(?:{item}(?:{guard}(?:, {item}| : (?:{item})?+))*+){'?+' if slot.maybe_empty else ''}"


def _text_until(slot: ValueSlot) -> str:
    """Match text up to the first place where `until` can be read. The first and last of several words are not `-`."""
    end, mark, stop = until_pattern(slot), _class(slot.passable), _class(slot.stop)
    first = stop if slot.passable == b" " else _class(slot.stop.replace(slot.passable, b""))
    text = (
        f"(?!-[{mark}])(?!{end})[^{first}\\n][^{stop}\\n]*+(?:(?!{end})[{mark}][^{stop}\\n]*+)*+(?<![{mark}]-)"
        if slot.passable != b'"'
        else f"(?!{end})[^\\n](?:(?!{end})[^\\n])*+"
    )
    first = f"{_REQUEST_LINE}(?={end})|" if slot.kind == "request" else ""
    dash = "(?: - |-)" if slot.detail == "user" else "-"
    return f"(?>{first}{dash}(?={end})|{text}(?={end}){f'|(?={end})' if slot.maybe_empty else ''})"


def until_pattern(slot: ValueSlot) -> str:
    """Return the pattern that ends the value of a slot with `until`, without captures."""
    return "".join(
        strict_slot(element)
        if isinstance(element, ValueSlot)
        else r"\Z"
        if element == END
        else re.escape(element).decode("latin-1")
        for element in slot.until
    )


def _class(stop: bytes) -> str:
    """Bytes as they are written inside a character class."""
    return "".join(f"\\x{byte:02x}" for byte in stop)


# ---- fast -----------------------------------------------------------------------------------------


def _fast_slot(slot: ValueSlot, roles: Sequence[str], *, wide: bool) -> tuple[str, list[str]]:
    """The pattern of a slot with the wanted roles captured, and these in the order of their groups."""
    if slot.kind == "quoted":  # a dash without quotes is left to the strict pattern
        return f'"{_group(_fast_whole(replace(slot, kind="text"), wide=wide), bool(roles))}"', list(roles[:1])
    if not roles:
        return _fast_whole(slot, wide=wide), []
    if slot.detail == "padded":
        return f" *+({_strict_value(replace(slot, detail=''))})", list(roles[:1])
    if slot.kind in _TIME_PARTS:
        return _nested(_time_parts(slot), roles)
    if slot.kind == "request" and set(roles) != {"request"}:
        text, order = _fast_request(slot, roles)
        return (f"({text})", ["request", *order]) if "request" in roles else (text, order)
    if slot.kind == "target" and set(roles) != {"target"}:
        text, order = _fast_target(slot, roles)
        return (f"({text})", ["target", *order]) if "target" in roles else (text, order)
    if slot.kind == "query":
        return f"(?:\\?([^{_class(slot.stop)} \\\\\\n]*+))?+", ["query"]
    if slot.kind == "vhost_port":
        host = f"[^:{_class(slot.stop)} \\\\\\n]++"
        text = _group(host, "vhost" in roles) + f"(?::{_group(_D + '++', 'port' in roles)})?+"
        return text, [role for role in ("vhost", "port") if role in roles]
    return f"({_fast_whole(slot, wide=wide)})", [roles[0]]


def _fast_whole(slot: ValueSlot, *, wide: bool) -> str:
    """The whole slot: as the strict pattern, but for cheaper ways to say the commonest ones."""
    if slot.kind not in ("text", "request", "target", "vhost_port") or len(slot.stop) != 1:
        return _strict_value(slot)
    if slot.detail == "word" or (slot.until and (slot.kind == "request" or slot.passable == b'"')):
        return _strict_value(slot)
    least = "*" if slot.maybe_empty else "+"
    if not wide:  # one range is looked up faster than two excluded bytes, and then has no control bytes
        return rf"[!-\xff]{least}+" if slot.stop == b" " else _strict_value(slot)
    if slot.escapes:  # a quote is escaped only after a backslash, and the strict one looks at more
        return r'[^"]*+(?:(?<!\\)|(?:(?<=[^\\]\\)"[^"]*+)++(?<!\\))'
    return f"[^{_class(slot.stop)}]{least}+"


def _fast_request(slot: ValueSlot, roles: Sequence[str]) -> tuple[str, list[str]]:
    target, order = _fast_target(slot, roles)
    text = f"{_group(_METHOD, 'method' in roles)} {target} {_group(_PROTOCOL, 'protocol' in roles)}"
    return text, [role for role in ("method", *order, "protocol") if role in roles]


def _fast_target(slot: ValueSlot, roles: Sequence[str]) -> tuple[str, list[str]]:
    stop = _class(slot.stop)
    path = _group(f"[^ ?{stop}\\\\\\n]++", "path" in roles)
    query = _group(f"[^ {stop}\\\\\\n]*+", "query" in roles)
    return f"{path}(?:\\?{query})?+", [role for role in ("path", "query") if role in roles]


def _nested(parts: Sequence[tuple[str, str]], roles: Sequence[str]) -> tuple[str, list[str]]:
    """Groups within each other, so that each takes the text from the beginning to its part."""
    text = ""
    for role, added in parts:
        text = _group(text + added, role in roles)
    return text, [role for role, _ in reversed(parts) if role in roles]


def _group(text: str, captured: bool) -> str:  # noqa: FBT001 (called in rows, where a keyword would hide the row)
    return f"({text})" if captured else text


# ---- diagnosis of a line -------------------------------------------------------------------------


def diagnose(grammar: Grammar, line: bytes) -> tuple[int, str] | None:
    """Return (offset at which a line stops matching, the expected element), or None if it matches."""
    at = 0
    for element in grammar.elements:
        if isinstance(element, bytes):
            if not line.startswith(element, at):
                return at, f"expected {_shown(element)}"
            at += len(element)
            continue
        match = _compiled_slot(element).match(line, at)
        if match is None and element.until:  # then diagnose the part behind the first word
            match = _compiled_slot(replace(element, until=())).match(line, at)
        if match is None:
            return at, f"expected {element.names[0]} ({element.kind})" if element.names else "expected a blank"
        at = match.end()
    return None if at == len(line) else (at, AT_END)


@lru_cache(maxsize=256)
def _compiled_slot(slot: ValueSlot) -> re.Pattern[bytes]:
    return re.compile(strict_slot(slot).encode("latin-1"))


def _shown(literal: bytes) -> str:
    return repr(literal.decode("utf-8", "replace"))
