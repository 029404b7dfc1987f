"""From a server's own format string, pasted verbatim, to a `Grammar`.

Understood are Apache's `LogFormat` (with or without the directive, its quotes and the nickname), nginx's
`log_format` (with or without the directive, as one or several quoted strings), and the strings of HAProxy and Envoy
(`notations.py`). Raises FormatError, naming the place, for a string that cannot be a format: an unknown Apache
directive, two values with nothing between them, a line break inside a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mrframe.errors import FormatError
from mrframe.formats.grammar.cuts import with_ends
from mrframe.formats.grammar.directives import Meaning, apache_meaning, nginx_meaning, typed_meaning
from mrframe.formats.grammar.grammar import ROLES, TIME_KINDS, Element, Grammar, Kind, ValueSlot
from mrframe.formats.grammar.notations import envoy_pieces, haproxy_pieces, is_envoy, is_haproxy
from mrframe.formats.grammar.time_parts import Piece, join_times

_APACHE_DIRECTIVE = re.compile(
    r"%(?:(?P<percent>%)|(?P<modifier>[<>]|!?[0-9]{3}(?:,[0-9]{3})*[<>]?)?"
    r"(?:\{(?P<argument>[^}]*)\})?(?P<letter>\^t[io]|\^FB|[A-Za-z]))"
)
_APACHE_LINE = re.compile(r"^(?:LogFormat|(?:Custom|Transfer)Log\s+(?:\"[^\"]*\"|\S+))\s+", re.IGNORECASE)
_NGINX_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::(?P<kind>[^{}]+))?\}|(?P<plain>\w+))", re.ASCII)
_NGINX_WORD = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s;'"][^\s;]*))""", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
_RESERVED = ("file", "offset", "line")  # fields that every reader has
_MAYBE_NOTHING: tuple[Kind, ...] = ("text", "list", "commas", "int", "float", "status")


def parse_format(text: str, name: str = "") -> Grammar:
    """Return the grammar of a format string. `name` is for messages. Raises FormatError if it cannot be one."""
    stripped = text.strip()
    if is_envoy(stripped):
        pieces, escape = list(envoy_pieces(stripped)), "default"
    elif is_haproxy(stripped):
        pieces, escape = list(haproxy_pieces(stripped)), "default"
    elif stripped.lower().startswith("log_format") or (
        not _APACHE_LINE.match(stripped) and re.search(r"\$\{?[a-z]", stripped)
    ):
        body, escape = _nginx_string(stripped)
        pieces = list(_nginx_pieces(body))
    elif "%" in stripped:
        pieces, escape = list(_apache_pieces(_apache_string(stripped), text)), "default"
    else:
        raise FormatError(
            f"{text!r} is neither the name of a log format nor a format string: an Apache LogFormat has directives "
            "such as %h, an nginx log_format has variables such as $remote_addr (see `mrframe formats list`)"
        )
    times = join_times(_joined(pieces), text)
    return Grammar(name or text, _elements(times, text, escaped=escape != "none", empty=escape in ("json", "none")))


# ---- Apache ---------------------------------------------------------------------------------------


def _apache_string(text: str) -> str:
    """The format itself, without directive, quotes, nickname and backslash escapes."""
    body = _APACHE_LINE.sub("", re.sub(r"\\\r?\n", "", text), count=1)  # a backslash at the end continues the line
    if "&quot;" in body:  # an attribute of Tomcat's server.xml, as it stands there
        from html import unescape

        body = unescape(body)
    for quote in "\"'":
        quoted = re.fullmatch(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}(?:\s+[^\s%{quote}]+)*", body)
        if quoted:
            body = quoted[1]
            break
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), body)


def _apache_pieces(body: str, whole: str) -> Iterator[Piece]:
    at = 0
    while at < len(body):
        percent = body.find("%", at)
        if percent < 0:
            yield body[at:]
            return
        if percent > at:
            yield body[at:percent]
        match = _APACHE_DIRECTIVE.match(body, percent)
        meaning = None if match is None or match["percent"] else apache_meaning(match["letter"], match["argument"])
        if match is None or (meaning is None and not match["percent"]):
            shown = match[0] if match else body[percent : percent + 8]
            raise FormatError(f"Apache has no directive {shown!r} (in {whole!r})")
        if meaning is None:
            yield "%"
        elif meaning.kind == "clf":  # Apache writes %t in brackets, nginx leaves them to the format
            yield from ("[", (meaning, match[0], _conditional(match)), "]")
        else:
            yield meaning, match[0], _conditional(match)
        at = match.end()


def _conditional(match: re.Match[str]) -> bool:
    return bool(match["modifier"]) and match["modifier"] not in "<>"


# ---- nginx ----------------------------------------------------------------------------------------


def _nginx_string(text: str) -> tuple[str, str]:
    """The format itself (the strings of a directive joined, or the text as it is), and how values are escaped."""
    escape = "default"
    if text.startswith("log_format"):
        words = list(_NGINX_WORD.finditer(text.removeprefix("log_format")))
        parts = [m for m in words[1:] if not (m[3] or "").startswith("escape=")]  # the first is the format's name
        escape = next((m[3].removeprefix("escape=") for m in words[1:] if m not in parts), escape)
        if not parts:
            raise FormatError(f"the directive {text!r} has no format string after its name")
    elif text.startswith("'") or (text.startswith('"') and _NGINX_WORD.fullmatch(text.rstrip("; \n"))):
        parts = list(_NGINX_WORD.finditer(text))
    else:
        return text, escape
    joined = "".join(next(group for group in m.groups() if group is not None) for m in parts)
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), joined), escape


def _nginx_pieces(body: str) -> Iterator[Piece]:
    at = 0
    for match in _NGINX_VARIABLE.finditer(body):
        if match.start() > at:
            yield body[at : match.start()]
        name = match["braced"] or match["plain"]
        yield typed_meaning(name, match["kind"]) if match["kind"] else nginx_meaning(name), match[0], False
        at = match.end()
    if at < len(body):
        yield body[at:]


# ---- both -----------------------------------------------------------------------------------------


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring literals as one, and `$is_args$args` as the one value that it is."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(last, str):
            joined[-1] = last + piece
        elif isinstance(last, tuple) and last[1] in ("$is_args", "${is_args}") and isinstance(piece, tuple):
            joined[-1] = Meaning("query", "query"), last[1] + piece[1], False
        else:
            joined.append(piece)
    return joined


def _elements(pieces: list[Piece], whole: str, *, escaped: bool, empty: bool) -> tuple[Element, ...]:
    """Return the pieces as literals and slots. `empty`: the server writes nothing for an absent value."""
    metas = [piece[0] for piece in pieces if not isinstance(piece, str)]
    meanings = {meaning.name for meaning in metas}
    taken = set(_RESERVED)
    reserved = set(ROLES["clf"]) if any(meaning.kind in TIME_KINDS for meaning in metas) else set()
    elements: list[Element] = []
    free: set[ValueSlot] = set()
    for at, piece in enumerate(pieces):
        if isinstance(piece, str):
            if "\n" in piece:
                raise FormatError(f"the format {whole!r} has a line break in it; only one-line records can be read")
            elements.append(piece.encode("utf-8", "surrogateescape"))
            continue
        quoted = escaped and not empty and at + 1 < len(pieces) and str(pieces[at + 1])[:1] == '"'
        slot = _slot(piece, taken, reserved, meanings)
        slot = replace(slot, maybe_empty=(empty and slot.kind in _MAYBE_NOTHING) or (slot.maybe_empty and not quoted))
        if slot.kind in ("text", "commas") and at + 1 == len(pieces) and (piece[0].blanks or _is_header(piece)):
            slot = replace(slot, kind="rest")
        elements.append(slot)
        if piece[0].blanks:
            free.add(slot)
    if not any(isinstance(e, ValueSlot) for e in elements):
        raise FormatError(f"the format {whole!r} has no values in it")
    return with_ends(elements, frozenset(free), whole, escaped=escaped)


def _is_header(piece: tuple[Meaning, str, bool]) -> bool:
    return re.search(r"\}[ionC]$|^\$\{?(http|sent)_", piece[1]) is not None


def _slot(piece: tuple[Meaning, str, bool], taken: set[str], reserved: set[str], all_names: set[str]) -> ValueSlot:
    """A slot that does not yet know where it ends."""
    meaning, directive, conditional = piece
    kind, name, detail = meaning[:3]
    if name == "client" and "host" not in all_names:
        name = "host"
    names: tuple[str, ...] = ROLES.get(kind, (name,))
    if detail == "address":
        names = (name, "client_port" if name == "host" else f"{name}_port")
    if kind in TIME_KINDS and name == "end_time":
        names = tuple(f"end_{role}" for role in names)
    if name == "bytes_sent" and "size" not in all_names:
        names = ("size", name)
    others = taken if kind in TIME_KINDS else taken | reserved
    unique = tuple(_unique(role, others) for role in names)
    taken.update(unique)
    return ValueSlot(kind, unique, b"", detail, conditional, directive, meaning.empty)


def _unique(name: str, taken: set[str]) -> str:
    """The name, or with _2, _3 … when a field has it already."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique
