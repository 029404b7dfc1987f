"""Keys and values of all kinds, as Python source, for random jobs (`random_jobs.py`).

`random.Random` decides everything. Values that cannot be keys or answers are here too. A run must refuse them by
name.
"""

from __future__ import annotations

from random import Random

PREAMBLE = (
    ("sys", "import sys"),
    ("Point", "from collections import namedtuple"),
    ("date", "from datetime import date, datetime, timedelta, timezone"),
    ("BERLIN", 'from zoneinfo import ZoneInfo\n\nBERLIN = ZoneInfo("Europe/Berlin")'),
    ("NEW_YORK", 'from zoneinfo import ZoneInfo\n\nNEW_YORK = ZoneInfo("America/New_York")'),
    ("EAST", "from datetime import timedelta, timezone\n\nEAST = timezone(timedelta(hours=5, minutes=30))"),
    ("Point", 'Point = namedtuple("Point", "x y")'),
    ("Odd", 'class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError("no text")\n'),
    ("Unsure", 'class Unsure:\n    def __bool__(self):\n        raise LookupError("no truth")\n'),
    ("number", "def number(thing):\n    return sum(map(ord, str(thing))) % 97\n"),
)
"""Definitions that the pieces of a job refer to, by name."""


def with_preamble(text: str) -> str:
    """The text of a job behind the definitions that it needs."""
    return "\n".join([*(lines for name, lines in PREAMBLE if name in text), "", text])


KINDS: dict[str, tuple[str, ...]] = {
    "none": ("None",),
    "bool": ("True", "False"),
    "int": ("0", "1", "-1", "2", "7", "2**62", "-2**63", "2**63 - 1"),
    "big": ("2**63", "2**64 + 1", "-2**63 - 1", "10**30", "1"),
    "float": ("0.0", "-0.0", "1.0", "2.5", "-1e308", "5e-324", 'float("inf")', 'float("-inf")', "0.1"),
    "bytes": ('b""', 'b"a"', 'b"\\xff"', 'b"a\\0b"', 'b"ab"'),
    "str": ('""', '"a"', '"ab"', '"é"', '"z\\0y"', '"ABCDEFGHI"', '"\\U0001f600"', '"\\uffff"'),
    "surrogate": ('"\\udcff"', '"\\ud800"', '"a\\udce9"', '"a"'),
    "date": ("date(1, 1, 1)", "date(2024, 2, 29)", "date(9999, 12, 31)"),
    "naive": (
        "datetime(2024, 10, 27, 2, 30)",
        "datetime(1969, 12, 31, 23, 59, 59, 999999)",
        "datetime(2024, 1, 1)",
    ),
    "zoned": (
        "datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)",
        "datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)",
        "datetime(2024, 10, 27, 2, 15, tzinfo=BERLIN, fold=1)",
        "datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1)",
        "datetime(2024, 11, 3, 1, 45, tzinfo=NEW_YORK)",
    ),
    "fixed": (
        "datetime(2024, 10, 27, 0, 30, tzinfo=timezone.utc)",
        "datetime(2024, 10, 27, 6, 0, tzinfo=EAST)",
        "datetime(2024, 10, 27, 6, 1, tzinfo=EAST)",
    ),
}
"""Literals by kind. Within a kind some are the same key."""
OTHER_FORMS = KINDS["fixed"][:2]
"""The instant of the first zoned one with other offsets: which form comes out of later steps is not promised."""
REFUSED_KEYS = (
    *('float("nan")', "{1, 2}", "[1]", "object()", "Point(1, 2)", "{}", "bytearray(b'a')"),
    *('(1, float("nan"))', "(1, (2, [3]))", "frozenset()", "1j"),
)
ONLY_VALUES = ("[1, [2]]", "(1, [2])", "{'a': 1, 2: (None,)}", "{3, 1}", "frozenset({'b'})", "()", 'float("nan")')
OBJECTS = ("Point(1, 2)", "1j", "range(3)", "Odd")


def some_keys(random: Random) -> list[str]:
    """Literals of keys: of one kind, of a few, or tuples of these."""
    kinds = random.sample(sorted(KINDS), random.choice((1, 1, 1, 2, 3, 6)))
    found = [one for kind in kinds for one in random.sample(KINDS[kind], random.randint(1, len(KINDS[kind])))]
    if random.random() < 0.25:  # equality and order are not as they look
        kinds = random.choice((["zoned"], ["zoned"], ["zoned", "fixed"], ["float"], ["float", "int", "bool"]))
        found = [one for kind in kinds for one in KINDS[kind]]
    if random.random() < 0.25:
        other = KINDS[random.choice(sorted(KINDS))]
        found = [f"({one}, {random.choice(other)})" for one in found]
        if random.random() < 0.3:
            found += [f"({found[0]}, ({found[-1]},))", "()"]
    random.shuffle(found)
    return found


def some_numbers(random: Random) -> list[str]:
    """Literals that can be added up."""
    kinds = random.choice((("int",), ("int",), ("int", "none"), ("float",), ("bool", "int", "float"), ("big", "int")))
    return random.sample(
        [one for kind in kinds for one in KINDS[kind]], random.randint(1, 4) if len(kinds) == 1 else 5
    )


def some_values(random: Random) -> list[str]:
    """Literals of whatever an answer can hold."""
    pool = [*some_keys(random), *random.sample(ONLY_VALUES, random.randint(0, 3))]
    return random.sample(pool, random.randint(1, len(pool)))
