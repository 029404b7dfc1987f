"""A question about fields without a job file: from names of fields to a `Job`, as `mrframe count` asks it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mrframe.api.questions.where import compile_where
from mrframe.core.job.job import Job, Reducer, top
from mrframe.core.job.result_columns import reduced_columns
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, UsageError
from mrframe.formats.inputs.files import is_stream
from mrframe.formats.registry import json_lines, kind_of, logs, reader_named, reader_with, undetected

REDUCERS = ("count", "total", "smallest", "largest", "mean", "distinct", "collect")


def count_job(
    fields: Sequence[str],
    inputs: Sequence[str],
    *,
    log_format: str | None = None,
    usual_format: str | None = None,
    where: str | None = None,
    limit: int | None = None,
    value: str | None = None,
    reducer: str | None = None,
    kind: str | None = None,
) -> Job:
    """The job that counts the records of the inputs by their fields, or reduces the field `value` of them.

    log_format    the format of the inputs
    usual_format  the format of access logs: used unless the first input is found to be of another kind
    where         only records for which this condition holds: "status >= 500"
    limit         only so many rows, the largest first
    reducer       one of `REDUCERS`. By default "count", or "total" when there is a `value`
    kind          the name of a kind of reader. By default it is found from the first input

    Raises UsageError when they contradict each other, InputError when the first input cannot be read.
    """
    if value is None and reducer not in (None, "count"):
        raise UsageError(f"--reduce {reducer} needs --value FIELD: it says which values are reduced")
    if value is not None and reducer == "count":
        raise UsageError("--reduce count counts records, so --value means nothing to it; leave one of them out")
    reader = reader_named(kind) if kind else find_reader(fields, inputs, log_format, usual_format)
    return make_job(reader, fields, value=value, reducer=_reducer(reducer, value), where=where, limit=limit)


def job_of_question(asked: Mapping[str, Any]) -> Job:
    """The job of a question that was kept with its run (`read`, `fields`, `where`, `value`, `reducer`)."""
    reducer = _reducer(asked["reducer"], asked["value"])
    reader = reader_named(asked["read"])
    return make_job(reader, asked["fields"], value=asked["value"], reducer=reducer, where=asked["where"])


def _reducer(name: str | None, value: str | None) -> Any:
    from mrframe.shuffle import reducers

    return getattr(reducers, name or ("total" if value else "count"))


def find_reader(
    fields: Sequence[str], inputs: Sequence[str], log_format: str | None, usual_format: str | None = None
) -> Reader:
    """The reader for the inputs: the one that the fields imply, else the one detected from the first input."""
    own = reader_with(fields)
    if own is not None:
        return own
    if log_format is not None:
        reader = reader_named(log_format)
        return logs.access if reader.kind == "several" else reader  # settled by the option, when the input is read
    if is_stream(inputs[0]):
        return logs.access  # which is detected, whatever it is, when the input is read
    from mrframe.api.questions.first_bytes import first_bytes
    from mrframe.formats.detect import detect
    from mrframe.formats.schema import fields_of

    name, sample = first_bytes(inputs, empty=True)
    if not sample:  # as just after a rotation: the reader that has the fields, which will read nothing
        return logs.access if set(fields) <= set(fields_of(logs.combined) or ()) else json_lines
    try:
        return undetected(detect(sample, name).reader)
    except FormatError:
        if usual_format is None:
            raise
        return reader_named(usual_format)


def make_job(
    reader: Reader,
    fields: Sequence[str],
    *,
    value: str | None = None,
    reducer: Reducer,
    where: str | None = None,
    limit: int | None = None,
) -> Job:
    """The job that counts (or reduces `value`) by the fields, of the records for which `where` holds."""
    paths = {_parameter(word): word for word in (*fields, *([value] if value else []))}
    condition, more = compile_where(where, nested=kind_of(reader).nested) if where else (None, {})
    dotted = any(name != path for name, path in (*paths.items(), *more.items()))
    names = list(dict.fromkeys(map(_parameter, fields)))
    job = Job(
        read=reader,
        key=names[0] if len(names) == 1 else tuple(names),
        value=_parameter(value) if value else None,
        reduce=reducer,
        where=condition,
        fields={**paths, **more} if dotted else None,
        name="count",
        columns=(*dict.fromkeys(fields), *reduced_columns(reducer, (value,) if value else ())),
    )
    return job.then(top(limit)) if limit else job


def _parameter(path: str) -> str:
    """The name of the field for a path into a record, as a parameter: `request_headers_User_Agent_0`."""
    name = re.sub(r"\W", "_", path)
    return f"_{name}" if name[:1].isdigit() else name
