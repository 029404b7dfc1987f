"""Makes the job of `mrframe count` from names of fields, expressions and measures, without a job file.

A question whose keys and values are fields is a declaration, which the fast paths know. One with expressions, periods
of time or measures of several fields has a map function made of them (`expressions.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mrframe.api.questions.where import compile_where
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job, top
from mrframe.core.job.result_columns import reduced_columns
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, UsageError
from mrframe.formats.inputs.files import is_stream
from mrframe.formats.registry import is_undetected, json_lines, kind_of, logs, reader_named, reader_with, undetected


@dataclass(frozen=True, slots=True)
class Question:
    """The parameters of `mrframe count`, except the inputs and their format.

    fields    names of fields, and expressions of the language of `--where`
    where     only records for which this condition holds: "status >= 500"
    limit     only so many rows, the largest first
    value     the field, or expression, that is reduced
    reducer   the name of a ready reducer. By default "count", or "total" when there is a `value`
    measures  in place of these two, several: "hits=count", "p95:request_time"
    by        a period of time that comes first in the key: "hour", "5m"
    zone      the time zone of the periods. By default they are those of the times as the log shows them
    fills     whether periods without records are rows, too
    """

    fields: tuple[str, ...]
    where: str | None = None
    limit: int | None = None
    value: str | None = None
    reducer: str | None = None
    measures: tuple[str, ...] = ()
    by: str | None = None
    zone: str | None = None
    fills: bool = True

    def check(self) -> None:
        """Raise UsageError for parts that contradict each other."""
        if self.measures and (self.value or self.reducer):
            raise UsageError("--measure says what is measured, and --value and --reduce do, too; leave them out")
        if self.value is None and self.reducer not in (None, "count"):
            raise UsageError(f"--reduce {self.reducer} needs --value FIELD: it says which values are reduced")
        if self.value is not None and self.reducer == "count":
            raise UsageError("--reduce count counts records, so --value means nothing to it; leave one of them out")
        if self.by is not None:
            from mrframe.formats.readers.periods import check_period

            check_period(self.by)
        elif not self.fields:
            raise UsageError("count needs a field, or --by; such as: mrframe count status access.log")


def count_job(
    fields: Sequence[str],
    inputs: Sequence[str],
    *,
    log_format: str | None = None,
    usual_format: str | None = None,
    kind: str | None = None,
    **asked: Any,
) -> Job:
    """Return the job that counts the records of the inputs by their fields, or computes the measures of a `Question`.

    log_format    the format of the inputs
    usual_format  the format of access logs: used unless the first input is found to be of another kind
    kind          the name of a kind of reader. By default it is found from the first input
    asked         the parts of a `Question`: where, limit, value, reducer, measures, by, zone, fills

    Raises UsageError when they contradict each other, InputError when the first input cannot be read.
    """
    question = Question(tuple(fields), **asked)
    question.check()
    reader = find_reader(fields, inputs, kind=kind, log_format=log_format, usual_format=usual_format)
    return make_job(reader, question, time=_time_field(reader, inputs) if question.by else "")


def job_of_question(asked: Mapping[str, Any]) -> Job:
    """Return the job of a question that was kept with its run (`kept_question`)."""
    parts = {name: part for name, part in asked.items() if name not in ("read", "time", "fields", "measures")}
    question = Question(tuple(asked["fields"]), measures=tuple(asked.get("measures", ())), **parts)
    return make_job(reader_named(asked["read"]), question, time=asked.get("time", ""))


def kept_question(job: Job, fields: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to keep with a run, from which `job_of_question` makes its job again."""
    time = job.fields["time"] if isinstance(job.fields, Mapping) and "time" in job.fields else "time"
    return {"read": job.read.kind, "time": time, "fields": list(fields), **asked}


def find_reader(
    fields: Sequence[str],
    inputs: Sequence[str],
    *,
    kind: str | None = None,
    log_format: str | None = None,
    usual_format: str | None = None,
) -> Reader:
    """Return the reader for the inputs: the one of the kind, else the one that the fields imply, else the detected.

    The parameters are those of `count_job`.
    """
    if kind:
        return reader_named(kind)
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


def _time_field(reader: Reader, inputs: Sequence[str]) -> str:
    """Return the name of the field with the time of a record: the first of the usual names that the input has."""
    if is_undetected(reader):
        return "time"
    kind = kind_of(reader)
    times = kind.times(reader.format)
    if times is None or not times.names:
        raise UsageError(f"--by needs the time of each record, and {kind.title(reader.format)} has none")
    if len(times.names) == 1 or is_stream(inputs[0]):
        return times.names[0]
    from mrframe.api.questions.first_bytes import first_bytes

    lines = first_bytes(inputs, empty=True)[1].split(b"\n")[:100]
    there = (name for name in times.names if lines[0] and kind.absent(lines, [name]) is None)
    return next(there, times.names[0])


def make_job(reader: Reader, question: Question, *, time: str = "time") -> Job:
    """Return the job of a question. `time` names the field with the time of a record."""
    from mrframe.api.questions import expressions

    nested = kind_of(reader).nested
    keys = [expressions.expression_of(text, nested=nested) for text in question.fields]
    keys = list({one.text: one for one in keys}.values())
    if question.by is not None:
        keys.insert(0, expressions.period_expression(question.by, question.zone, time))
    reducer, value, measured = _measured(question, nested=nested)
    condition, more = compile_where(question.where, nested=nested) if question.where else (None, {})
    columns = (*(one.text for one in keys), *measured)
    plain = all(one.field for one in keys) and (value is None or getattr(value, "field", None))
    names = [one.field for one in keys]
    job = Job(
        read=reader,
        map=None if plain else expressions.map_of(keys, value),
        key=(names[0] if len(names) == 1 else tuple(names)) if plain else None,
        value=value.field if plain and value is not None else None,
        reduce=reducer,
        where=condition,
        fields=expressions.renamed_fields([*keys, *expressions.parts_of(value)], more),
        name="count",
        pure=True,  # the language of expressions has nothing else
        columns=columns if len(set(columns)) == len(columns) else (),
    )
    return _ordered(job, question, alone=len(keys) == 1)


def _measured(question: Question, *, nested: bool) -> tuple[Any, Any, tuple[str, ...]]:
    """Return (reducer, value, column names). The value is an expression, or {measure: expression}."""
    from mrframe.api.questions.expressions import expression_of
    from mrframe.api.questions.measures import parse_measure, reducer_named

    if not question.measures:
        reducer = reducer_named(question.reducer or ("total" if question.value else "count"))
        value = expression_of(question.value, nested=nested) if question.value else None
        return reducer, value, reduced_columns(reducer, (question.value,) if question.value else ())
    measures = [parse_measure(text) for text in question.measures]
    names = tuple(measure.name for measure in measures)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two measures are called {twice!r}; give one another name: --measure NAME={twice}")
    reducers = {measure.name: measure.reducer for measure in measures}
    texts = {measure.field for measure in measures} - {None}
    if len(texts) <= 1 and not any(measure.time for measure in measures):
        text = next(iter(texts), None)
        return reducers, expression_of(text, nested=nested) if text else None, names
    values = {}
    for one in measures:
        value = expression_of(one.field, nested=nested) if one.field else None
        values[one.name] = (expression_of(one.time, nested=nested), value) if one.time else value
    return reducers, values, names


def _ordered(job: Job, question: Question, *, alone: bool) -> Job:
    """Add the step that orders the rows or adds the periods without records, and return the job."""
    first = None if not isinstance(job.reduce, Mapping) else next(iter(job.reduce))
    if question.limit:
        return job.then(top(question.limit, by=first))
    if question.by is None:
        return job if first is None else job.then(top(sys.maxsize, by=first))
    if not question.fills:
        return job
    from mrframe.api.questions.empty_periods import filling
    from mrframe.shuffle.reducers import as_fold

    fold = as_fold(job.reduce)
    assert fold is not None
    return job.then(filling(question.by, question.zone, fold.finish(fold.start(())), job.columns, alone=alone))
