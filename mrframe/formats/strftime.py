"""The `strftime` forms of Apache's `%{…}t`: which are understood, and what they look like in a log.

Not a general strftime: forms whose text depends on a locale are refused by name. Values are read with
`datetime.strptime` (`times.py`), one distinct text at a time.
"""

from __future__ import annotations

import re

from mrframe.errors import FormatError
from mrframe.formats.grammar import MONTHS

_SHORT = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "R": "%H:%M", "D": "%m/%d/%y"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORMS = {
    "Y": "[0-9][0-9][0-9][0-9]",
    "m": "[0-9][0-9]",
    "d": "[0-9][0-9]",
    "e": "[ 0-9][0-9]",
    "y": "[0-9][0-9]",
    "H": "[0-9][0-9]",
    "I": "[0-9][0-9]",
    "M": "[0-9][0-9]",
    "S": "[0-9][0-9]",
    "j": "[0-9][0-9][0-9]",
    "z": "[+-][0-9][0-9][0-9][0-9]",
    "b": "(?:" + "|".join(MONTHS) + ")",
    "h": "(?:" + "|".join(MONTHS) + ")",
    "a": "(?:" + "|".join(_DAYS) + ")",
    "p": "(?:AM|PM)",
    "%": "%",
}


def expanded(form: str) -> str:
    """The form with its short cuts (%T, %F, %R, %D) written out, in codes that strptime knows."""
    long = re.sub(r"%([TFRD])", lambda m: _SHORT[m[1]], form)
    return long.replace("%h", "%b").replace("%e", "%d")


def check_strftime(form: str, whole: str) -> None:
    """FormatError when the form has a code that is not understood."""
    for code in re.findall(r"%(.?)", form):
        if code not in _FORMS and code not in _SHORT:
            known = " ".join(f"%{c}" for c in (*_FORMS, *_SHORT))
            raise FormatError(f"the time form %{code} in {whole!r} is not understood; these are: {known}")


def has_date(form: str) -> bool:
    """Whether a day can be told from the form: year, and month with day or day of the year."""
    codes = set(re.findall(r"%(.)", expanded(form)))
    return bool(codes & {"Y", "y"}) and (codes >= {"b", "d"} or codes >= {"m", "d"} or "j" in codes)


def pattern(form: str) -> str:
    """A regular expression, as text, for what the form prints."""
    long = re.sub(r"%([TFRD])", lambda m: _SHORT[m[1]], form)
    out = []
    for literal, code in re.findall(r"([^%]+)|%(.)", long):
        out.append(re.escape(literal) if literal else _FORMS[code])
    return "".join(out)
