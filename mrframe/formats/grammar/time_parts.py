"""Joins the parts of one time, which Apache's `%{…}t` lets a format name apart: date, clock, fraction, zone.

Parts with nothing but literals between them are one value, so that the field `time` is the whole instant:
`%{%d/%b/%Y:%T}t.%{msec_frac}t %{%z}t` is one time of the form `%d/%b/%Y:%T.%3N %z`. Parts that say the same twice are
two times. The time at which the response ended (`%{end:…}t`) is never joined with the one at which the request began.
It is called `end_time` if the format has both, else `time`.

A part that cannot be joined is never lost. A fraction is a field of its own, and so is a part that the time has
already or that belongs to no date. A part that its time lacks makes a FormatError. Not here: the meaning of a form
(`strftime.py`).
"""

from __future__ import annotations

from mrframe.errors import FormatError
from mrframe.formats.grammar.directives import Meaning
from mrframe.formats.grammar.grammar import Kind
from mrframe.formats.grammar.strftime import CLF, check_strftime, expanded, has_date, has_zone, says

Piece = str | tuple[Meaning, str, bool]  # literal text, or (meaning, directive as written, conditional)
_WHOLE: dict[str, tuple[Kind, str]] = {
    "%s": ("epoch", "s"),
    "%3s": ("epoch", "ms"),
    "%6s": ("epoch", "us"),
    CLF: ("clf", ""),
}
_FRACTIONS = {"%3N": "msec_frac", "%6N": "usec_frac"}


def join_times(pieces: list[Piece], whole: str) -> list[Piece]:
    """Join the parts of each time of a format into one piece. Neighbouring literals are one already."""
    joined: list[Piece] = []
    for piece in pieces:
        literal = joined[-1] if joined and isinstance(joined[-1], str) else ""
        before = joined[-2 if literal else -1] if len(joined) > bool(literal) else ""
        if _fit(before, piece):
            del joined[-2 if literal else -1 :]
            joined.append(_both(before, literal, piece))
        else:
            joined.append(piece)
    times = [piece for piece in joined if _is_time(piece)]
    return [_settled(piece, times, whole) if _is_time(piece) else piece for piece in joined]


def _is_time(piece: Piece) -> bool:
    return not isinstance(piece, str) and piece[0].kind in ("clf", "strftime")


def _form(piece: Piece) -> str:
    assert not isinstance(piece, str)
    return piece[0].detail


def _fit(one: Piece, other: Piece) -> bool:
    """Return whether two pieces are parts of one time."""
    if not (_is_time(one) and _is_time(other)) or one[0].name != other[0].name or one[2] or other[2]:  # type: ignore[union-attr]
        return False
    if not (_form(one) and _form(other)):  # nginx writes whole times only
        return False
    return says(_form(one)).isdisjoint(says(_form(other)))


def _both(one: Piece, literal: str, other: Piece) -> Piece:
    assert not isinstance(one, str) and not isinstance(other, str)
    form = _form(one) + literal.replace("%", "%%") + _form(other)
    return Meaning("strftime", one[0].name, form), one[1] + literal + other[1], False


def _settled(piece: Piece, times: list[Piece], whole: str) -> Piece:
    """The piece with the kind and the name that its form gives it among all the times of the format."""
    assert not isinstance(piece, str)
    meaning, directive, conditional = piece
    form = meaning.detail
    if not form:
        return piece
    check_strftime(form, whole)
    same = [other for other in times if other[0].name == meaning.name]  # type: ignore[union-attr]
    dated = [other for other in same if has_date(_form(other) or CLF)]
    if has_date(form):
        name = "time" if meaning.name == "end_time" and not _has_begin(times) else meaning.name
        kind, detail = _WHOLE.get(expanded(form), ("strftime", form))
        return Meaning(kind, name, detail), directive, conditional
    for other in dated:
        has = says(_form(other) or CLF) | {"fraction"} | ({"zone"} if has_zone(_form(other) or CLF) else set())
        lacking = says(form) - has
        if lacking:
            raise FormatError(
                f"{directive} says the {_listed(lacking)} of a time whose other part {other[1]} stands "
                f"apart from it in {whole!r}; put them side by side in the format, or write one directive"
            )
    prefix = meaning.name.removesuffix("time")
    if form in _FRACTIONS:
        return Meaning("int", prefix + _FRACTIONS[form]), directive, conditional
    return Meaning("text", prefix + _name(form)), directive, conditional


def _has_begin(times: list[Piece]) -> bool:
    return any(other[0].name == "time" and has_date(_form(other) or CLF) for other in times)  # type: ignore[union-attr]


def _listed(parts: frozenset[str]) -> str:
    order = ("year", "month", "day", "hour", "minute", "second", "zone")
    return ", ".join(part for part in order if part in parts) or "half of the day"


def _name(form: str) -> str:
    """Return the field name of a part without a date."""
    found = says(form)
    if found & {"hour", "minute", "second"}:
        return "clock"
    return "zone" if found == {"zone"} else "date"
