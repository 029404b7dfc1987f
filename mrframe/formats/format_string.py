"""From a server's own format string, pasted verbatim, to a `Grammar`.

Understood are Apache's `LogFormat` (with or without the directive, its quotes and the nickname) and nginx's
`log_format` (with or without the directive, as one or several quoted strings). Raises FormatError, naming
the place, for what cannot be a format: an unknown Apache directive, two values with nothing between
them, a line break inside a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mrframe.errors import FormatError
from mrframe.formats.directives import Meaning, apache_meaning, nginx_meaning
from mrframe.formats.grammar import ROLES, Element, Grammar, Slot
from mrframe.formats.strftime import check_strftime, has_date

_APACHE_DIRECTIVE = re.compile(
    r"%(?:(?P<percent>%)|(?P<modifier>[<>]|!?[0-9]{3}(?:,[0-9]{3})*[<>]?)?"
    r"(?:\{(?P<argument>[^}]*)\})?(?P<letter>\^t[io]|[A-Za-z]))"
)
_NGINX_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))", re.ASCII)
_NGINX_WORD = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s;'"][^\s;]*))""", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
_RESERVED = ("file", "offset", "line")  # fields that every reader has

Piece = str | tuple[Meaning, str, bool]  # literal text, or (meaning, directive as written, conditional)


def parse_format(text: str, name: str = "") -> Grammar:
    """The grammar of a format string; FormatError when it cannot be one. `name` is for messages."""
    stripped = text.strip()
    if stripped.lower().startswith("log_format") or (
        not stripped.lower().startswith("logformat") and re.search(r"\$\{?[a-z]", stripped)
    ):
        pieces = list(_nginx_pieces(_nginx_string(stripped)))
    elif "%" in stripped:
        pieces = list(_apache_pieces(_apache_string(stripped), text))
    else:
        raise FormatError(
            f"{text!r} is neither the name of a log format nor a format string: an Apache LogFormat has directives "
            "such as %h, an nginx log_format has variables such as $remote_addr (see `mrframe formats list`)"
        )
    return Grammar(name or text, _elements(_joined(pieces), text))


# ---- Apache ---------------------------------------------------------------------------------------


def _apache_string(text: str) -> str:
    """The format itself, without directive, quotes, nickname and backslash escapes."""
    body = re.sub(r"^LogFormat\s+", "", text, flags=re.IGNORECASE)
    for quote in "\"'":
        quoted = re.fullmatch(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}(?:\s+\S+)?", body)
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


def _nginx_string(text: str) -> str:
    """The format itself: the strings of a directive joined, or the text as it is."""
    if text.startswith("log_format"):
        words = list(_NGINX_WORD.finditer(text.removeprefix("log_format")))
        parts = [m for m in words[1:] if not (m[3] or "").startswith("escape=")]  # the first is the format's name
        if not parts:
            raise FormatError(f"the directive {text!r} has no format string after its name")
    elif text.startswith("'") or (text.startswith('"') and _NGINX_WORD.fullmatch(text.rstrip("; \n"))):
        parts = list(_NGINX_WORD.finditer(text))
    else:
        return text
    joined = "".join(next(group for group in m.groups() if group is not None) for m in parts)
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), joined)


def _nginx_pieces(body: str) -> Iterator[Piece]:
    at = 0
    for match in _NGINX_VARIABLE.finditer(body):
        if match.start() > at:
            yield body[at : match.start()]
        name = match["braced"] or match["plain"]
        yield nginx_meaning(name), match[0], False
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
            joined[-1] = (Meaning("query", "query"), last[1] + piece[1], False)
        else:
            joined.append(piece)
    return joined


def _elements(pieces: list[Piece], whole: str) -> tuple[Element, ...]:
    taken = set(_RESERVED)
    meanings = {piece[0].name for piece in pieces if isinstance(piece, tuple)}
    elements: list[Element] = []
    for at, piece in enumerate(pieces):
        if isinstance(piece, str):
            if "\n" in piece:
                raise FormatError(f"the format {whole!r} has a line break in it; only one-line records can be read")
            elements.append(piece.encode("utf-8", "surrogateescape"))
            continue
        elements.append(_slot(piece, _stop(pieces, at, whole), taken, meanings, whole))
    if not any(isinstance(e, Slot) for e in elements):
        raise FormatError(f"the format {whole!r} has no values in it")
    return tuple(elements)


def _slot(piece: tuple[Meaning, str, bool], stop: bytes, taken: set[str], all_names: set[str], whole: str) -> Slot:
    meaning, directive, conditional = piece
    kind, name, detail = meaning
    if name == "client" and "host" not in all_names:
        name = "host"
    if name == "bytes_sent" and "size" not in all_names:
        name = "size"
    if kind == "strftime":
        check_strftime(detail, whole)
        if not has_date(detail):
            kind, detail = "text", ""
    if kind == "text" and not stop and re.search(r"\}[ionC]$|^\$\{?(http|sent)_", directive):
        kind = "rest"
    roles = ROLES.get(kind, (name,))
    return Slot(kind, tuple(_unique(role, taken) for role in roles), stop, detail, conditional, directive)


def _unique(name: str, taken: set[str]) -> str:
    """The name, or with _2, _3 … when a field has it already."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    taken.add(unique)
    return unique


def _stop(pieces: list[Piece], at: int, whole: str) -> bytes:
    """The bytes of which the first ends the value at `at`."""
    following = pieces[at + 1] if at + 1 < len(pieces) else None
    if following is None:
        return b""
    if isinstance(following, str):
        return following.encode("utf-8", "surrogateescape")[:1]
    kind = following[0].kind
    if kind == "query":  # may be empty, so what follows it ends this one too
        return b"?" + _stop(pieces, at + 1, whole)
    if kind == "target" or following[0].name == "path":
        return b"/"
    raise FormatError(
        f"nothing stands between {pieces[at][1]} and {following[1]} in {whole!r}, so a reader cannot tell where one "
        "value ends; put a blank or another sign between them"
    )
