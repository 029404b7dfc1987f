"""The `strftime` forms of Apache's `%{…}t`: which are understood, their form in a log, and their meaning.

Not a general strftime: forms whose text depends on a locale are refused by name. Beside the codes of strftime there
are `%3N` and `%6N` for a fraction of three and six digits, and `%3s` and `%6s` for milli- and microseconds since
1970. `time_parts.py` writes Apache's `%{msec_frac}t`, `%{usec_frac}t`, `%{msec}t` and `%{usec}t` so. `read` is called
once for each distinct text (`convert.py` remembers), so it is plain rather than quick.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from mrframe.errors import FormatError
from mrframe.formats.grammar.grammar import MONTHS

CLF = "%d/%b/%Y:%H:%M:%S %z"
_SHORT = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y", "r": "%I:%M:%S %p"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TWO = "[0-9][0-9]"
_MONTH = "(?:" + "|".join(MONTHS) + ")"
_FORMS = {
    "Y": _TWO * 2,
    "m": _TWO,
    "d": _TWO,
    "e": "[ 0-9][0-9]",
    "y": _TWO,
    "H": _TWO,
    "k": "[ 0-9][0-9]",
    "I": _TWO,
    "l": "[ 0-9][0-9]",
    "M": _TWO,
    "S": _TWO,
    "j": "[0-9][0-9][0-9]",
    "z": "[+-]" + _TWO * 2,
    "b": _MONTH,
    "h": _MONTH,
    "a": "(?:" + "|".join(_DAYS) + ")",
    "p": "(?:AM|PM)",
    "s": "[0-9]++",
    "3s": "[0-9]++",
    "6s": "[0-9]++",
    "3N": "[0-9]" * 3,
    "6N": "[0-9]" * 6,
    "%": "%",
}
_UNITS = {"s": 1_000_000, "3s": 1_000, "6s": 1, "3N": 1_000, "6N": 1}  # in microseconds
_SINCE_1970 = frozenset(("year", "month", "day", "hour", "half", "minute", "second"))
_SAYS = {
    "Y": {"year"},
    "y": {"year"},
    "m": {"month"},
    "b": {"month"},
    "h": {"month"},
    "d": {"day"},
    "e": {"day"},
    "j": {"month", "day"},
    "H": {"hour", "half"},
    "k": {"hour", "half"},
    "I": {"hour"},
    "l": {"hour"},
    "p": {"half"},
    "M": {"minute"},
    "S": {"second"},
    "3N": {"fraction"},
    "6N": {"fraction"},
    "s": _SINCE_1970,
    "3s": _SINCE_1970 | {"fraction"},
    "6s": _SINCE_1970 | {"fraction"},
    "z": {"zone"},
}
_PIECE = re.compile(r"%([36][Ns]|.)|([^%]+)", re.DOTALL)


def pieces(form: str) -> list[tuple[str, str]]:
    """(code, "") and ("", literal text) by turns, with the short cuts (%T, %F, %R, %D, %r) written out."""
    long = re.sub(r"%([TFRDr%])", lambda m: _SHORT.get(m[1], "%%"), form)
    return [(code, literal) for code, literal in _PIECE.findall(long)]


def expanded(form: str) -> str:
    """The form with its short cuts written out."""
    return "".join(literal or f"%{code}" for code, literal in pieces(form))


def says(form: str) -> frozenset[str]:
    """Return the parts of a time: year, month, day, hour, half (of the day), minute, second, fraction, zone."""
    return frozenset().union(*(_SAYS.get(code, ()) for code, _ in pieces(form)))


def has_date(form: str) -> bool:
    """Return whether the form determines a day."""
    return says(form) >= {"year", "month", "day"}


def has_zone(form: str) -> bool:
    """Return whether the form has a zone, so that it determines an instant."""
    codes = {code for code, _ in pieces(form)}
    return not codes.isdisjoint(("z", "s", "3s", "6s"))


def check_strftime(form: str, whole: str) -> None:
    """FormatError when the form has a code that is not understood, or no half of the day where it needs one."""
    for code, literal in pieces(form):
        if not literal and code not in _FORMS:
            known = " ".join(f"%{c}" for c in (*_FORMS, *_SHORT) if len(c) == 1)
            raise FormatError(f"the time form %{code} in {whole!r} is not understood; these are: {known}")
    found = says(form)
    if has_date(form) and "hour" in found and "half" not in found:
        raise FormatError(
            f"the time of {whole!r} has an hour of 12 and says neither AM nor PM; put %p into its format, or use %H"
        )


def pattern(form: str) -> str:
    """Return a regular expression, as text, that matches the output of the form."""
    return "".join(re.escape(literal) if literal else _FORMS[code] for code, literal in pieces(form))


def read(form: str, text: str) -> datetime:
    """Parse a text of this form, as UTC if it has no zone. Raises ValueError if there is no such time."""
    match = _reader(form).fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not of the form {form}")
    values = {code: match[number] for number, code in enumerate(_codes(form), 1)}
    micros = sum(int(values[code]) * unit for code, unit in _UNITS.items() if code in values)
    zone = _zone(values["z"]) if "z" in values else UTC
    if not values.keys().isdisjoint(("s", "3s", "6s")):
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).astimezone(zone)
    day = _day(values)
    minute, second = int(values.get("M", 0)), int(values.get("S", 0))
    return datetime(day.year, day.month, day.day, _hour(values), minute, second, micros, tzinfo=zone)


@lru_cache(maxsize=64)
def _codes(form: str) -> tuple[str, ...]:
    return tuple(code for code, literal in pieces(form) if not literal)


@lru_cache(maxsize=64)
def _reader(form: str) -> re.Pattern[str]:
    return re.compile(
        "".join(re.escape(literal) if literal else f"({_FORMS[code]})" for code, literal in pieces(form))
    )


def _day(values: dict[str, str]) -> date:
    year = int(values.get("Y") or values["y"])
    if "Y" not in values:
        year += 1900 if year >= 69 else 2000  # as POSIX has it
    if "j" in values:
        day = date(year, 1, 1) + timedelta(days=int(values["j"]) - 1)
        if day.year != year:
            raise ValueError(f"the year {year} has no day {values['j']}")
        return day
    name = values.get("b") or values.get("h")
    month = MONTHS.index(name) + 1 if name else int(values["m"])
    return date(year, month, int(values.get("d") or values["e"]))


def _hour(values: dict[str, str]) -> int:
    whole = values.get("H") or values.get("k")
    if whole:
        return int(whole)
    twelfth = values.get("I") or values.get("l")
    if not twelfth:
        return 0
    if not 1 <= int(twelfth) <= 12:
        raise ValueError(f"there is no hour {twelfth} of 12")
    return int(twelfth) % 12 + 12 * (values.get("p") == "PM")


def _zone(text: str) -> timezone:
    east = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    if int(text[3:5]) > 59:
        raise ValueError(f"there is no zone {text}")
    return UTC if not east else timezone(-east if text[0] == "-" else east)
