"""Surroundings that even pure code depends on: the local zone, the locale, the `decimal` context, flags of Python.

`digest` is part of a job's fingerprint. An executor with another digest neither saves nor loads results. For a job
that names `zoneinfo`, the time zone database is part of it. Not here: the seed of `hash`, which decides the order of
sets. A job with an answer that depends on it is wrong without saved results, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

LOCALTIME = "/etc/localtime"
ZONES = "/usr/share/zoneinfo"
_USUAL_CONTEXT = [28, "ROUND_HALF_EVEN", -999999, 999999, 1, 0, ["DivisionByZero", "InvalidOperation", "Overflow"]]


def digest() -> str:
    """Return a digest of the surroundings of this process, in hex. Equal digests mean that code computes the same."""
    plain = [_local_zone(), _locale(), _decimal_context(), sys.flags.optimize, sys.get_int_max_str_digits()]
    return _digest(repr(plain).encode("utf-8", "surrogatepass"))


def zone_folders() -> list[str]:
    """Return the folders that `zoneinfo` searches: those of the system, and the package `tzdata`."""
    import zoneinfo
    from importlib.util import find_spec

    package = find_spec("tzdata")
    return [*zoneinfo.TZPATH, *(package.submodule_search_locations or () if package else ())]


def zone_database() -> str:
    """Return a digest of the names, sizes and times of the time zone files."""
    lines = [line for folder in zone_folders() for line in _stamped(folder)]
    return _digest("".join(lines).encode("utf-8", "surrogateescape"))


def _stamped(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            state = os.stat(os.path.join(path, name), follow_symlinks=False)
            yield f"{os.path.join(path, name)} {state.st_size} {state.st_mtime_ns}\n"


def _local_zone() -> list[str]:
    """Return the variable TZ, and the rules that the C library reads for it."""
    name = os.environ.get("TZ")
    path = LOCALTIME if name is None else os.path.join(os.environ.get("TZDIR", ZONES), name.removeprefix(":"))
    try:
        with open(path, "rb") as file:
            rules = _digest(file.read())
    except OSError:
        rules = ""  # no such file, or the variable holds the rules itself
    return [str(name), rules]


def _locale() -> str:
    import _locale  # `locale` imports half of the standard library

    return str(_locale.setlocale(_locale.LC_ALL, None))


def _decimal_context() -> list[Any]:
    if "decimal" not in sys.modules:
        return _USUAL_CONTEXT
    from decimal import getcontext

    one = getcontext()
    traps = sorted(signal.__name__ for signal, is_set in one.traps.items() if is_set)
    return [one.prec, one.rounding, one.Emin, one.Emax, one.capitals, one.clamp, traps]


def _digest(data: bytes) -> str:
    from hashlib import sha256  # it loads OpenSSL, which a run without saved results does not need

    return sha256(data).hexdigest()[:32]
