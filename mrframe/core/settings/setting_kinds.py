"""The kinds of values that settings have: which values one accepts, and the words that describe them.

`RunOptions` checks its fields by these, wherever they come from. The command line, which knows where a text was
given, uses the same words. Not here: units in texts, such as `64MiB` (`cli/parse/settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from typing import Any

from mrframe.core.fast_dataclass import dataclass

_LIMIT = re.compile(r"\d+|(\d+(?:\.\d+)?)%", re.ASCII)
SEED_MAX = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    wanted   the words for a value of the kind, in a message that ends in "is needed"
    accepts  whether a value of the right type is one
    python   the type of the value in Python
    choices  all values that there are
    group    of entry points, whose names are values beside the choices, "" for none
    """

    wanted: str
    accepts: Callable[[Any], bool]
    python: type | tuple[type, ...] = str
    choices: tuple[str, ...] = ()
    group: str = ""

    def takes(self, value: Any) -> bool:
        """Return whether this value is of the kind."""
        return isinstance(value, self.python) and not isinstance(value, bool) and self.accepts(value)


def one_of(*choices: str) -> Kind:
    """The kind of one of these texts."""
    return Kind("one of " + ", ".join(choices), choices.__contains__, choices=choices)


def one_of_group(group: str, *choices: str) -> Kind:
    """The kind of one of these names, or a name that an installed package registers in this group of entry points."""
    wanted = f"one of {', '.join(choices)}, or a name that an installed package gives to the group {group},"
    return Kind(wanted, bool, choices=choices, group=group)


def parse_share(text: str) -> float | None:
    """`2%` or `0.02` as 0.02, None for any other text."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None


def _is_limit(text: str) -> bool:
    found = _LIMIT.fullmatch(text)
    return found is not None and (found[1] is None or float(found[1]) <= 100)


def _is_seed(text: str) -> bool:
    return text == "random" or (text.isascii() and text.isdecimal() and int(text) <= SEED_MAX)


TEXT = Kind("a text", bool)
PATH = Kind("a path", bool, (str, PathLike))
COUNT = Kind("a whole number of at least 1", lambda number: number >= 1, int)
COUNT_OR_0 = Kind("a whole number of at least 0", lambda number: number >= 0, int)
SIZE = Kind("a size such as 64MiB or 1000000", lambda number: number >= 1, int)
SIZE_OR_0 = Kind("a size such as 64MiB or 1000000", lambda number: number >= 0, int)
SPAN = Kind("a time such as 90, 90s or 5min", lambda seconds: seconds > 0, (float, int))
LIMIT = Kind("a number such as 100, or a share such as 10%,", _is_limit)
SHARE = Kind("a share such as 2%", lambda text: parse_share(text) is not None)
SEED = Kind("a whole number below 2**64, or the word random,", _is_seed)
