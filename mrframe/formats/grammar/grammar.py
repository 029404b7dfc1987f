"""The form of a line of an access log as a value: literals and slots, in order.

A grammar is made from the server's own format string (`format_string.py`). Everything else
works from it: the compiled patterns (`patterns.py`), the conversions (`convert.py`), the independent
one-line parser (`oracle.py`) and the list of fields (`access_fields.py`). Nothing here looks at data.

All of them share these rules, which docs/reading.md gives to users:

- A literal matches itself. No slot contains a newline.
- A slot with `until` takes the bytes up to the first place where these elements can be read. Of several words
  (parts between its `passable` byte) neither the first nor the last is `-`: such a line has a column too many.
- Any other slot of text takes the bytes up to (not including) the first of its `stop` bytes, or to the end of the
  line when it has none. At the end of a line it has no blank, unless its kind is `rest`.
- Where `"` is a stop byte, a backslash and the byte after it belong to the value, so `\\"` does not end it,
  and the value may be empty. Elsewhere a value has at least one byte, unless it is `maybe_empty`.
- An iso time of detail `plain` has no zone, a `T` or a blank before the clock, and a point or a comma before the
  fraction. `zoned` is the same with a zone, perhaps behind a blank: `Z`, `+01:00` or `+0100`.
- Numbers, status and time have the forms below, and `-` stands for "not there" in all but the times that
  no condition guards.

Which of these a value gets, so that it can end in one place only, is decided in `cuts.py`.
"""

from __future__ import annotations

from typing import Literal

from mrframe.core.fast_dataclass import dataclass

Kind = Literal[
    "text",  # any bytes up to the stop, no blanks if `detail` is word
    "rest",  # any bytes, blanks too, at the end of the line
    "list",  # items joined by ", " or " : ", numbers or words as `detail` says
    "commas",  # words, with blanks between them only after a comma
    "status",  # three digits
    "int",  # digits, behind a minus if `detail` is signed, behind blanks if it is padded
    "float",  # digits, perhaps a point and digits, behind a minus if `detail` is signed
    "clf",  # 17/May/2015:10:05:03 +0000
    "iso",  # 2015-05-17T10:05:03+00:00 or Z, perhaps with a fraction; with a `detail` also other signs, see below
    "epoch",  # digits, perhaps a point and digits, in the unit `detail`: s, ms or us
    "strftime",  # the form that `detail` says (`strftime.py`)
    "quoted",  # text in quotes, or a dash without quotes
    "request",  # METHOD target HTTP/x.y, or anything else
    "target",  # path, or path?query
    "query",  # ?query, or nothing
    "vhost_port",  # name:port, or name
    "further",  # nothing, or a blank and the rest of the line: values that the format does not name
    "level",  # letters
    "blanks",  # one or more of them, which give no field
    "tail",  # any bytes to the end of the line, from which the fields that `detail` names are found (`tails.py`)
]

FURTHER_MAX = 9
"""How many of the values that a format does not name are fields of their own."""

ROLES: dict[Kind, tuple[str, ...]] = {
    "request": ("request", "method", "path", "query", "protocol"),
    "target": ("target", "path", "query"),
    "query": ("query",),
    "vhost_port": ("vhost", "port"),
    "clf": ("time", "day", "hour", "minute"),
    "iso": ("time", "day", "hour", "minute"),
    "epoch": ("time", "day", "hour", "minute"),
    "strftime": ("time", "day", "hour", "minute"),
    "further": ("extra", *(f"extra_{number}" for number in range(1, FURTHER_MAX + 1))),
}
"""The parts of the kinds that give several fields. Every other kind has the one role `value`."""

LEVELS = (
    *("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "FATAL", "CRITICAL", "CRIT", "SEVERE"),
    *(
        "ALERT",
        "EMERG",
        "PANIC",
        "CONFIG",
        "FINE",
        "FINER",
        "FINEST",
        "TRC",
        "DBG",
        "INF",
        "WRN",
        "FTL",
        "ALL",
        "OFF",
    ),
)
"""Names of levels, by which detection knows them. Any letters are one for a reader that is told the format."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


END = b"\n"
"""Stands for the end of the line, as the last element of an `until`."""
TIME_KINDS: tuple[Kind, ...] = ("clf", "iso", "epoch", "strftime")


@dataclass(frozen=True, slots=True)
class ValueSlot:
    """One value of a line. `names` are the fields it gives, in the order of its kind's roles.

    Several names of a kind without roles are names of the same value.
    """

    kind: Kind
    names: tuple[str, ...]
    stop: bytes = b""
    detail: str = ""
    maybe_dash: bool = False
    directive: str = ""
    maybe_empty: bool = False
    until: tuple[Element, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of each name. The roles of a tail are its fields."""
        if self.kind == "tail":
            return self.names
        return ROLES.get(self.kind) or ("value",) * len(self.names)

    @property
    def escapes(self) -> bool:
        """Return whether a backslash takes the byte after it into the value."""
        return b'"' in self.stop and not self.until

    @property
    def passable(self) -> bytes:
        """The byte that begins the element after a value with `until`, and that the value may hold nevertheless."""
        return next(element[:1] for element in self.until if isinstance(element, bytes))


Element = bytes | ValueSlot


@dataclass(frozen=True, slots=True)
class Grammar:
    """A format: its name (or the string it was made from) and its elements, literals and slots by turns."""

    name: str
    elements: tuple[Element, ...]

    def slots(self) -> tuple[ValueSlot, ...]:
        """The slots, in order."""
        return tuple(e for e in self.elements if isinstance(e, ValueSlot))

    def field_map(self) -> dict[str, tuple[ValueSlot, str]]:
        """{field: (its slot, its role in the slot)}, in the order of the line."""
        return {
            name: (slot, role) for slot in self.slots() for name, role in zip(slot.names, slot.roles, strict=True)
        }
