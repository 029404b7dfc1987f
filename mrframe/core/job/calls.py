"""Checks how a job is written when it is made: its parts have known names, and its functions take their arguments.

`Job(reader=…)`, `reduce=sum` and a combiner of one parameter are mistakes that need no data to be found. Not here:
contradictions between the parts (`job.py`, `joins.py`), and the parameters of map and where (`signature.py`).
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

from mrframe.core.job.signature import describe
from mrframe.errors import JobError, did_you_mean

_MEANT = (
    "sum total, len count, max largest, min smallest, set distinct, frozenset distinct, list collect, tuple collect, "
    "sorted collect, size count, counter count, avg mean, average mean, unique distinct, nunique distinct, maximum "
    "largest, minimum smallest, json json_lines, jsonl json_lines, lines text, reader read, mapper map, "
    "std stddev, stdev stddev, percentile quantile, "
    "mode heavy_hitters, reducer reduce, combiner combine, partitioner partition, filter where"
)
MEANT = dict(pair.split() for pair in _MEANT.split(", "))
"""{a name of Python or of other tools: the name in mrframe}, for names that similar letters do not lead to."""

_ARGUMENTS = {"combine": ("key", "values"), "partition": ("key", "partitions"), "reduce": ("key", "values")}


def nearest_name(name: str, known: list[str]) -> str:
    """Return `; did you mean 'total'?` for an unknown name, by its meaning or its letters, or ""."""
    meant = MEANT.get(name.lower())
    return f"; did you mean {meant!r}?" if meant in known else did_you_mean(name, known)


def checked(cls: type) -> type:
    """Class decorator of `Job`: refuse a keyword that is no part, with the nearest name, and check the functions.

    `dataclasses.replace` gives all parts at once. Then they are not checked: they were when the job was made, and the
    views of a join (`joins.view`) keep its reduce.
    """
    made: Callable[..., None] = cls.__init__  # type: ignore[misc]
    names = [name for name in inspect.signature(made).parameters if name != "self"]

    @wraps(made)
    def __init__(self: Any, *args: Any, **parts: Any) -> None:  # noqa: N807
        __tracebackhide__ = True  # of pytest
        for name in parts:
            if name not in names:
                hint = nearest_name(name, names) or ";"
                raise JobError(f"{cls.__name__} has no {name}={hint} it has: {', '.join(names)}")
        made(self, *args, **parts)
        if len(parts) < len(names) and not self.is_join:
            for part, arguments in _ARGUMENTS.items():
                if callable(getattr(self, part)):
                    check_call(part, getattr(self, part), *arguments)

    cls.__init__ = __init__  # type: ignore[misc]
    return cls


def check_call(part: str, function: Callable[..., Any], *arguments: str) -> None:
    """Raise JobError if `part=function` cannot be called with these arguments, or is a function that Python has."""
    name = getattr(function, "__name__", "")
    if part != "partition" and name in MEANT and getattr(builtins, name, None) is function:
        raise JobError(
            f"{part}={name} is Python's {name}, which takes values alone; {part}= is a function "
            f"({', '.join(arguments)}) that yields pairs{_ready(part, name)}"
        )
    if type(function) is FunctionType and not function.__dict__ and _takes(function, len(arguments)):
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a C function without a signature
    try:
        signature.bind(*arguments)
    except TypeError:
        raise JobError(
            f"{part}={describe(function)} takes {signature}; it is called with ({', '.join(arguments)})"
        ) from None


def _ready(part: str, name: str) -> str:
    return (
        f"; the ready reducer for it is {MEANT[name]}: from mrframe import {MEANT[name]}" if part == "reduce" else ""
    )


def _takes(function: FunctionType, number: int) -> bool:
    """Return whether a plain function surely takes this many arguments by position. Quicker than its signature."""
    code = function.__code__
    if code.co_kwonlyargcount:
        return False
    return code.co_argcount - len(function.__defaults__ or ()) <= number <= code.co_argcount
