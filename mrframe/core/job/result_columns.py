"""The names of the columns of a job's result: those that the job gives, else those that follow from its declaration.

Pure. The names are for people and for csv, tsv and tables. Rows stay pairs (key, value), whatever their columns are
called. How names and rows meet is in `formats/output/table_columns.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from mrframe.core.job.job import PAIRS, Each, Job, Reducer

_KEEPS_TUPLES = ("smallest", "largest")  # of a value of several fields their result is a tuple of as many


def result_columns(job: Job) -> tuple[str, ...]:
    """Return the names of the columns of the job's result, () if they are not known before its rows are."""
    names: tuple[str, ...] = ()
    for step in job.steps():
        if step.top is None:  # else it keeps the pairs as they are
            names = step.columns or _declared(step)
    return names


def _declared(step: Job) -> tuple[str, ...]:
    """Return the names that follow from key=, value= and ready reducers, () for anything else.

    A function yields any key. A following step reads pairs, and their keys may be tuples.
    """
    if step.is_join or step.key is None or step.read == PAIRS:
        return ()
    if not isinstance(step.reduce, (Reducer, Mapping)):
        return ()
    fields = step.map_fields()
    keys = 1 if isinstance(step.key, str) else len(step.key)
    return (*fields[:keys], *reduced_columns(step.reduce, fields[keys:]))


def reduced_columns(reduce: Reducer | Mapping[str, Reducer], values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns of what a ready reducer makes of these fields: `count`, `total_size`."""
    if isinstance(reduce, Mapping):
        return tuple(reduce)
    if isinstance(reduce, Each):
        return values
    if not values or reduce.name == "count":
        return (reduce.name,)
    if reduce.name in _KEEPS_TUPLES:
        return tuple(f"{reduce.name}_{value}" for value in values)
    return ("_".join((reduce.name, *values)),)
