"""Parses `--measure`: `hits=count`, `bytes=total:size`, `p95=quantile:0.95:request_time`, `p95:ms`.

A measure is [NAME=]REDUCER[:ARGUMENT]…[:FIELD], and FIELD may be an expression. Not here: the reducers
(`shuffle/measures/`), and the job made of them (`count_job.py`).
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import JobError, UsageError, did_you_mean

_NAMED = re.compile(r"([^\W\d][\w.% -]*)=(?!=)(.*)", re.DOTALL)
_PERCENTILE = re.compile(r"(approx_)?p(\d{1,2}(?:\.\d+)?|100)")
_TOP = re.compile(r"top(\d+)")
_PLAIN = ("total", "mean", "median", "stddev", "smallest", "largest", "distinct", "approx_distinct")
_ALSO = ("first", "last", "collect")
_ALIASES = {"sum": "total", "avg": "mean", "average": "mean", "min": "smallest", "max": "largest", "std": "stddev"}
_ARGUMENTS = {"quantile": 1, "approx_quantile": 1, "heavy_hitters": 1, "first_by": 1, "last_by": 1}
_MODULES = (
    "reducers",
    *(f"measures.{module}" for module in ("quantiles", "spread", "ends", "frequent", "approx_distinct")),
)
FORMS = "count, total, mean, median, p95, stddev, smallest, largest, distinct, approx_distinct, top5, first, last"
REDUCERS = ("count", *_PLAIN, *_ALSO, "p95")
"""Names for help and completion. `reducer_named` takes more: any percentile, `quantile:Q` and the like."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: the name of its column, its reducer, its field, and for `first_by` the field with the time."""

    name: str
    reducer: Any
    field: str | None
    time: str | None = None


def parse_measure(text: str) -> Measure:
    """Parse a measure. Raises UsageError with the reason."""
    named = _NAMED.fullmatch(text)
    name, what = (named[1].strip(), named[2]) if named else ("", text)
    kind, _, rest = what.partition(":")
    kind = _ALIASES.get(kind, kind)
    if kind == "count":
        if rest:
            raise UsageError(f"--measure {text!r}: count counts records, so it takes no field; leave :{rest} out")
        return Measure(name or "count", reducer_named(kind), None)
    spelt, time = kind, None
    if kind in _ARGUMENTS:
        argument, _, rest = rest.partition(":")
        spelt = f"{kind}:{argument}"
        if kind.endswith("_by"):
            spelt, time = kind, argument
    reducer = reducer_named(spelt)
    if not rest:
        what = what.rstrip(":")
        raise UsageError(f"--measure {text!r} needs a field: {what}:FIELD, such as {what}:size")
    return Measure(name or f"{reducer.name}_{rest}", reducer, rest, time)


def reducer_named(text: str) -> Any:
    """Return the ready reducer for a text: total, p95, quantile:0.95. Raises UsageError."""
    kind, _, argument = text.partition(":")
    kind = _ALIASES.get(kind, kind)
    percentile, best = _PERCENTILE.fullmatch(text), _TOP.fullmatch(text)
    try:
        if kind == "count" or kind in _PLAIN or kind in _ALSO or (kind.endswith("_by") and kind in _ARGUMENTS):
            return _ready(kind)
        if percentile:
            q = float(percentile[2]) / 100
            return _ready("approx_quantile" if percentile[1] else "quantile")(q)
        if best:
            return _ready("heavy_hitters")(int(best[1]))
        if kind in _ARGUMENTS and argument:
            return _ready(kind)(int(argument) if kind == "heavy_hitters" else float(argument))
    except JobError as error:
        raise UsageError(f"{text!r} is no measure: {error}") from None
    except ValueError:
        raise UsageError(f"{text!r} is no measure: {argument!r} is not a number") from None
    hint = did_you_mean(kind, ["count", *_PLAIN, *_ALSO, *_ARGUMENTS]) or ";"
    raise UsageError(f"{text!r} is no measure{hint} there are {FORMS}, quantile:Q and heavy_hitters:N")


def _ready(name: str) -> Any:
    """Return the ready reducer of this name, or the function that makes it. The modules are imported as needed."""
    modules = (
        "reducers",
        *(f"measures.{one}" for one in ("quantiles", "spread", "ends", "frequent", "approx_distinct")),
    )
    for module in modules:
        found = getattr(import_module(f"mrframe.shuffle.{module}"), name, None)
        if found is not None:
            return found
    raise KeyError(name)


def is_reducer(text: str) -> bool:
    """Return whether a text names a reducer of a single field."""
    try:
        reducer_named(text)
    except UsageError:
        return False
    return not text.endswith("_by")
