"""Records without a job file: from names of fields and a condition to a `Job`, as `mrframe select` asks it.

A few records are kept by each task (`shuffle/measures/rows.py`), so nothing is held that is not shown. All records go
through the shuffle, in the order of their places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mrframe.api.questions import expressions
from mrframe.api.questions.count_job import find_reader
from mrframe.api.questions.where import compile_where
from mrframe.core.job.job import PAIRS, Job, each
from mrframe.errors import UsageError
from mrframe.formats.registry import kind_of, reader_named

FIRST = 20
"""Records that are shown unless more are asked for."""


def select_job(
    fields: Sequence[str],
    inputs: Sequence[str],
    *,
    where: str | None = None,
    first: int | None = None,
    largest: str | None = None,
    sample: int | None = None,
    log_format: str | None = None,
    usual_format: str | None = None,
    kind: str | None = None,
) -> Job:
    """The job that gives these fields, or expressions, of some records of the inputs.

    where    only records for which this condition holds
    first    so many of them, 0 for all, `FIRST` by default
    largest  those with the largest value of this field, in place of the first ones
    sample   so many, chosen by the hash of their places, the same ones each time

    The others are those of `count_job`. Raises UsageError and InputError as it does.
    """
    if sample is not None and (first is not None or largest is not None):
        raise UsageError("--sample says how many records and which ones; leave --first and --largest out")
    if largest is not None and first == 0:
        raise UsageError("--largest orders a number of records; give --first a number of at least 1")
    reader = reader_named(kind) if kind else find_reader(fields, inputs, log_format, usual_format)
    nested = kind_of(reader).nested
    row = {text: expressions.expression_of(text, nested=nested) for text in fields}
    position = tuple(expressions.expression_of(text, nested=nested) for text in ("file", "offset"))
    measure = expressions.expression_of(largest, nested=nested) if largest else None
    condition, more = compile_where(where, nested=nested) if where else (None, {})
    everything = first == 0
    keys = position if everything else ()
    value: Any = row if everything else (*position, measure, row)
    paths = {name: path for one in [*keys, *expressions.parts_of(value)] for name, path in one.fields.items()} | more
    parts: dict[str, Any] = {
        "read": reader,
        "map": expressions.map_of(keys, value),
        "where": condition,
        "fields": paths if any(name != path for name, path in paths.items()) else None,
        "name": "select",
    }
    if everything:
        return Job(**parts, reduce=each, columns=("file", "offset", *row))
    from mrframe.shuffle.measures.rows import Rows

    chosen = "sample" if sample else "largest" if largest else "first"
    step = Job(read=PAIRS, map=_numbered, reduce=each, partitions=1, columns=("row", *row))
    return Job(**parts, reduce=Rows(sample or first or FIRST, chosen)).then(step)


def _numbered(value: Any) -> Iterator[tuple[int, Any]]:
    yield from enumerate(value, 1)
