"""The kinds of values of settings: which values each accepts, and its description for messages.

`RunOptions` checks its fields by these, wherever they come from. The command line, which knows the origin of a text,
uses the same descriptions. Not here: units in texts, such as `64MiB` (`cli/parse/settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from os import PathLike
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.limits import RUN_NODES_MAX

_LIMIT = re.compile(r"\d+|(\d+(?:\.\d+)?)%", re.ASCII)
SEED_MAX = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    wanted   description of a value of the kind, for a message that ends in "is needed"
    accepts  returns whether a value of the right type is valid
    python   type of the value in Python
    choices  all valid values, if they can be listed
    group    the group of entry points that adds further choices by their names, or ""
    """

    wanted: str
    accepts: Callable[[Any], bool]
    python: type | tuple[type, ...] = str
    choices: tuple[str, ...] = ()
    group: str = ""

    def takes(self, value: Any) -> bool:
        """Return whether a value is of the kind."""
        return isinstance(value, self.python) and not isinstance(value, bool) and self.accepts(value)


def one_of(*choices: str) -> Kind:
    """Return the kind that accepts these texts."""
    return Kind("one of " + ", ".join(choices), choices.__contains__, choices=choices)


def one_of_group(group: str, *choices: str) -> Kind:
    """Return the kind that accepts these names and those of the entry points in `group`."""
    wanted = f"one of {', '.join(choices)}, or a name that an installed package gives to the group {group},"
    return Kind(wanted, bool, choices=choices, group=group)


def parse_share(text: str) -> float | None:
    """Parse `2%` or `0.02` as 0.02. Returns None for any other text."""
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
LOG_FORMAT = Kind("a log format, or a list of them,", bool)
NAMES = Kind(
    "a list of names separated by commas",
    lambda text: all(name and name.strip() == name and "=" not in name for name in text.split(",")),
)
PATH = Kind("a path", bool, (str, PathLike))
COUNT = Kind("a whole number of at least 1", lambda number: number >= 1, int)
NODE_COUNT = Kind(
    f"a whole number of nodes from 1 to {RUN_NODES_MAX}", lambda number: 1 <= number <= RUN_NODES_MAX, int
)
COUNT_OR_0 = Kind("a whole number of at least 0", lambda number: number >= 0, int)
SIZE = Kind("a size such as 64MiB or 1000000", lambda number: number >= 1, int)
SIZE_OR_0 = Kind("a size such as 64MiB or 1000000", lambda number: number >= 0, int)
SPAN = Kind("a time such as 90, 90s or 5min", lambda seconds: seconds > 0, (float, int))
LIMIT = Kind("a number such as 100, or a share such as 10%,", _is_limit)
SHARE = Kind("a share such as 2%", lambda text: parse_share(text) is not None)
SEED = Kind("a whole number below 2**64, or the word random,", _is_seed)
