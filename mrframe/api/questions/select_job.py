"""Makes the job of `mrframe select` from names of fields and a condition, without a job file.

Each task keeps only as many records as are shown (`shuffle/measures/rows.py`). With `first=0` all records go through
the shuffle, ordered by file and offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mrframe.api.questions import expressions
from mrframe.api.questions.count_job import find_reader
from mrframe.api.questions.where import compile_where
from mrframe.core.job.job import PAIRS, Job, each
from mrframe.errors import UsageError
from mrframe.formats.registry import kind_of

FIRST = 20
"""The default number of records to show."""


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
    """Return the job that selects records of the inputs and yields these fields or expressions of them.

    where    only records for which this condition holds
    first    number of records, 0 for all, `FIRST` by default
    largest  select the records with the largest values of this field, not the first ones
    sample   number of records of a sample, chosen by the hash of file and offset, the same ones each time

    The other parameters and the errors are those of `count_job`.
    """
    if sample is not None and (first is not None or largest is not None):
        raise UsageError("--sample says how many records and which ones; leave --first and --largest out")
    if largest is not None and first == 0:
        raise UsageError("--largest orders a number of records; give --first a number of at least 1")
    reader = find_reader(fields, inputs, kind=kind, log_format=log_format, usual_format=usual_format)
    nested = kind_of(reader).nested
    row = {text: expressions.expression_of(text, nested=nested) for text in fields}
    position = tuple(expressions.expression_of(text, nested=nested) for text in ("file", "offset"))
    measure = expressions.expression_of(largest, nested=nested) if largest else None
    condition, more = compile_where(where, nested=nested) if where else (None, {})
    everything = first == 0
    keys = position if everything else ()
    value: Any = row if everything else (*position, measure, row)
    parts: dict[str, Any] = {
        "read": reader,
        "map": expressions.map_of(keys, value),
        "where": condition,
        "fields": expressions.renamed_fields([*keys, *expressions.parts_of(value)], more),
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
