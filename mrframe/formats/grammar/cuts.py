"""Decides for a format where each value of a line ends, so that a line can be cut in one way only.

A value that holds no blank ends at the first byte of the next element. A value that may hold blanks (a list of
upstream times, a user's name, a header) ends at the first place where the rest of the format can begin. Bytes of
the value must not look like that place:

- a literal that begins with `"` or a control byte: servers escape both, so that byte ends the value.
- a list: its separators are known, so it goes on exactly where one of them stands and the literal does not.
- an address before a colon: it may hold colons itself, and runs up to the one with the port behind it.
- any text: it runs to the first place where its `until` can be read. These are the next elements up to the first
  literal that is more than blanks and more than one common sign, with the times and numbers after it. If only values
  without blanks follow one another, they are all of them to a `"` or to the end of the line, since the number of
  blanks then marks the place.

A format in which none of these applies is refused: two values with nothing between them, a text with blanks before
another one or a list, a client's text before a comma, a semicolon or the like and another text. Not here: the form
of a value (`patterns.py`) and which ones may hold blanks (`directives.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mrframe.errors import FormatError
from mrframe.formats.grammar.grammar import END, TIME_KINDS, Element, Kind, ValueSlot

SEPARATORS = (b", ", b" : ")
ADDRESSES = frozenset(("host", "client", "peer", "local_address", "vhost", "server_addr", "realip_remote_addr"))
_COMMON = b",;:=&/()-.+@'"  # signs that header fields and URLs are full of: one alone says nothing
_NUMBERS = ("status", "int", "float", "epoch")
_BLANKS = b" \t"


def with_ends(
    elements: Sequence[Element], free: frozenset[ValueSlot], whole: str, *, escaped: bool
) -> tuple[Element, ...]:
    """Return the elements of a format, each value with its end.

    `free` are the slots that may hold blanks. `escaped` says whether the server escapes quotes within values.
    Raises FormatError for a value that has no certain end.
    """
    after: tuple[Element, ...] = ()
    for element in reversed(elements):
        if isinstance(element, ValueSlot):
            after = (_ended(element, after, whole, free=element in free, escaped=escaped), *after)
        else:
            after = (element, *after)
    return after


def _ended(slot: ValueSlot, after: tuple[Element, ...], whole: str, *, free: bool, escaped: bool) -> ValueSlot:
    if slot.kind == "quoted":
        return replace(slot, stop=b'"', maybe_dash=True)
    if slot.kind == "further" and after:
        raise FormatError(f"{slot.directive} takes the rest of the line, so nothing may follow it in {whole!r}")
    stop = _stop(slot, after, whole)
    if not stop:
        return slot
    if stop == b'"' and not escaped and slot.kind in ("text", "commas", "list", "request"):
        kind: Kind = "request" if slot.kind == "request" else "text"
        return replace(slot, kind=kind, detail="", stop=stop, until=_until(slot, after, whole, escaped=escaped))
    if stop == b":" and slot.kind == "list" and slot.detail == "words":
        raise FormatError(
            f"{slot.directive} holds colons itself, so nothing in {whole!r} tells where it ends; "
            f'put it in quotes: "{slot.directive}"'
        )
    if slot.kind in ("list", "commas"):
        return _ended_list(slot, stop, after, whole)
    address = stop == b":" and _is_address(slot)
    if _is_escaped(stop, escaped=escaped):
        return replace(slot, stop=stop)
    if not free and not address:
        if _is_of_url(slot) and _sign(after[0]) and len(after) > 1 and not _is_fixed(after[1]):
            raise FormatError(_unsure(slot, after[1], whole, _sign(after[0])))
        return replace(slot, stop=stop)
    until = _until(slot, after, whole, escaped=escaped)
    alone = until == (stop,) and stop != b" "  # then the first such byte is the first such place
    return replace(slot, stop=stop, until=() if alone else until)


def _stop(slot: ValueSlot, after: tuple[Element, ...], whole: str) -> bytes:
    """Return the bytes of which any ends a value without blanks, none at the end of the line."""
    if not after:
        return b""
    following = after[0]
    if isinstance(following, bytes):
        return following[:1]
    if following.kind == "further":
        return b" "
    if following.kind == "query":  # may be empty, so the element after it ends this one too
        return b"?" + following.stop
    if following.kind == "target" or following.names[0] == "path":
        return b"/"
    raise FormatError(
        f"nothing stands between {slot.directive} and {following.directive} in {whole!r}, so a reader cannot tell "
        "where one value ends; put a blank or another sign between them"
    )


def _is_escaped(stop: bytes, *, escaped: bool) -> bool:
    """Return whether the byte that ends a value cannot be in one."""
    return (stop[:1] == b'"' and escaped) or stop[:1] < b" "


# ---- lists ----------------------------------------------------------------------------------------


def _ended_list(slot: ValueSlot, stop: bytes, after: tuple[Element, ...], whole: str) -> ValueSlot:
    """Make a list before a literal that begins as its separators do, and before another sign text up to that sign."""
    literal = after[0] if isinstance(after[0], bytes) else b""
    if stop not in (b" ", b","):
        return replace(slot, kind="text", detail="", stop=stop)
    if slot.kind == "commas":
        if stop == b" ":
            return replace(slot, stop=stop)
        slot = replace(slot, kind="list", detail="words")
    for separator in SEPARATORS:
        rest = separator.removeprefix(literal) if separator.startswith(literal) else None
        if rest is not None and _may_begin(after[1:], rest):
            raise FormatError(
                f"{slot.directive} is a list, and {literal.decode()!r} after it in {whole!r} may also stand between "
                f'two of its items; put it in quotes: "{slot.directive}"'
            )
    taken = tuple(literal for separator in SEPARATORS if literal.startswith(separator))
    return replace(slot, stop=stop, until=taken)


def _may_begin(after: tuple[Element, ...], text: bytes) -> bool:
    """Return whether the element after a literal may begin with the rest of a separator."""
    if not text:
        return True
    if not after or not isinstance(after[0], ValueSlot) or not after[0].maybe_empty:
        return False
    literal = after[1] if len(after) > 1 else END
    return isinstance(literal, bytes) and (literal.startswith(text) or text.startswith(literal))


# ---- text with blanks -----------------------------------------------------------------------------


def _until(slot: ValueSlot, after: tuple[Element, ...], whole: str, *, escaped: bool) -> tuple[Element, ...]:
    """Return the end of a text with blanks: as many of the next elements as make its end certain."""
    taken: list[Element] = []
    sure, common = False, ""
    rest = list(after)
    while rest:
        element = rest.pop(0)
        if isinstance(element, bytes):
            taken.append(element)
            held = "" if _is_address(slot) else _sign(element)
            common = common or held
            sure = sure or bool(element.strip(_BLANKS) and not held)
            if escaped and any(byte == 34 or byte < 32 for byte in element):
                return tuple(taken)
        elif _is_fixed(element) or (not sure and not common and _has_no_blank(element)):
            taken.append(element)
            sure = sure or element.kind in ("clf", "iso", "strftime")
        elif sure:
            return tuple(taken)
        else:
            raise FormatError(_unsure(slot, element, whole, common or "blanks"))
    return (*taken, END)


def _is_address(slot: ValueSlot) -> bool:
    """Return whether this is an address, which of the common signs holds dots and colons alone."""
    return not ADDRESSES.isdisjoint(slot.names)


def _sign(element: Element) -> str:
    """Return the sign of a literal, perhaps between blanks, if values often contain it, else ""."""
    sign = element.strip(_BLANKS) if isinstance(element, bytes) else b""
    return repr(sign.decode()) if len(sign) == 1 and sign in _COMMON else ""


def _is_fixed(element: Element) -> bool:
    """Return whether this is a number or a time."""
    return isinstance(element, ValueSlot) and element.kind in (*_NUMBERS, *TIME_KINDS)


def _is_of_url(slot: ValueSlot) -> bool:
    """Return whether a client writes this value, which then has no blanks and any other sign."""
    return slot.kind in ("target", "query") or "query" in slot.names


def _has_no_blank(slot: ValueSlot) -> bool:
    """Return whether a value of this slot never holds a blank, so that blanks can be counted."""
    if slot.detail == "word":
        return True
    return (
        not slot.until
        and not slot.escapes
        and slot.kind in ("text", "query", "target", "vhost_port")
        and (not slot.stop or b" " in slot.stop)
    )


def _unsure(slot: ValueSlot, following: Element, whole: str, holds: str) -> str:
    behind = following.directive if isinstance(following, ValueSlot) else ""
    return (
        f"a value of {slot.directive} may hold {holds}, and nothing in {whole!r} tells where it ends, since "
        f'{behind} behind it may be any text; put it in quotes: "{slot.directive}"'
    )
