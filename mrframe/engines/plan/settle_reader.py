"""Settles the reader of a source from the heads of its inputs, and refuses what the heads show to be wrong.

One reader reads all inputs of a source. It is that of `--log-format`, else the job's, else the one detected from the
first input that has any bytes. The heads of the others must not be of another format. Only heads are read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mrframe.core.job.job import Job, Reader
from mrframe.core.model.options import RunOptions
from mrframe.core.model.spec import Split
from mrframe.errors import FormatError, TooManyMalformed, UnknownField, UsageError, did_you_mean
from mrframe.formats.detect import LINES_MAX, detect, misfit
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.head import HEAD_BYTES, head_at, head_of
from mrframe.formats.readers.base import plain_lines
from mrframe.formats.readers.json_lines import has, paths_of, read_object
from mrframe.formats.schema import check_fields, grammar_of

FILES_MAX = 64
"""Inputs of which the head is checked; `SLOW_MAX` of bzip2, where at least 900 kB are decoded for a head."""
SLOW_MAX = 8
SAMPLE_BYTES = 64 << 10
SAMPLE_LINES = 100
NAMES_SHOWN = 40


class Head(NamedTuple):
    """The first bytes of an input, and its name."""

    name: str
    data: bytes


def reader_of(view: Job, source: str, files: Sequence[InputFile], first: Head, options: RunOptions) -> Reader:
    """The concrete reader of one source, which has the fields that the job asks for. `first` is its `first_head`.

    Raises FormatError when no format fits, or another one fits another input, UnknownField, TooManyMalformed,
    UsageError.
    """
    name, head = first
    forced = options.log_format if not source or view.read.kind == "access" else None
    reader = _settled(view.read, forced, head, name)
    try:
        check_fields(reader, view.projection(), view.paths())
    except UnknownField as error:
        raise UnknownField(f"source {source!r}: {error}" if source else str(error)) from None
    _check_head(view, reader, head, name)
    if forced in (None, "auto") and reader.kind in ("access", "json"):
        _check_others(files, reader, name, detected="auto" in (forced, view.read.format))
    return reader


def first_head(files: Sequence[InputFile], first: Split | None) -> Head:
    """The head of the first input that has any bytes. `first` is the first split of standard input."""
    for file in files:
        head = (head_at(first.path) if first else b"") if file.is_stdin else head_of(file)
        if head:
            return Head(file.name, head)
    return Head(files[0].name, b"")


def _check_others(files: Sequence[InputFile], reader: Reader, name: str, *, detected: bool) -> None:
    """FormatError when the beginning of an input is clearly of another format.

    A format that the job itself names is doubted only where it fits nothing at all.
    """
    slow = 0
    for file in files[:FILES_MAX]:
        slow += file.compression == "bzip2"
        if file.name == name or (file.compression == "bzip2" and slow > SLOW_MAX):
            continue
        head = head_of(file, SAMPLE_BYTES)
        wrong = misfit(head, file.name, reader, lines_max=SAMPLE_LINES, at_all=not detected)
        if wrong is not None:
            whose = f"which {name} has" if detected else "which the job reads"
            raise FormatError(
                f"{file.name} is of another format than {reader.format or reader.kind}, {whose}: {wrong}. "
                "One run reads one format: run the files apart, or name the one to be read with --log-format"
            )


def _settled(read: Reader, log_format: str | None, head: bytes, name: str) -> Reader:
    """The concrete reader: that of `--log-format`, else the job's, else the one detected from the data."""
    if log_format is not None:
        if read.kind in ("text", "words"):
            raise UsageError(f"--log-format does not apply: the job reads {read.kind}, which has one form only")
        if log_format in ("json", "text", "words"):
            return Reader("json") if log_format == "json" else Reader("text" if log_format == "text" else "words")
        if log_format != "auto":
            grammar_of(log_format)  # raises FormatError, which names the known ones
            return Reader("access", log_format)
    elif read.kind != "access" or read.format != "auto":
        return read
    if not head:
        return Reader("access", "combined")  # nothing will be read: any format gives the same answer
    return detect(head, name).reader


def _check_head(job: Job, reader: Reader, head: bytes, name: str) -> None:
    """Refuse a format that matches none of the first 1,000 lines, and a field that no record has."""
    lines = head.split(b"\n")
    tail = lines.pop()
    if tail and len(head) < HEAD_BYTES:
        lines.append(tail)  # the whole input was read, and its last line has no end
    if not lines:
        return
    block = b"\n".join(lines[:LINES_MAX]) + b"\n"
    parsed = make_reader(reader, job.projection(), job.paths()).parse(block, name, 0)
    if parsed.records == 0 and parsed.lines >= LINES_MAX:
        said = reader.format or reader.kind
        raise TooManyMalformed(
            f"none of the first {parsed.lines:,} lines of {name} is of the format {said!r}; "
            f"`mrframe formats detect {name}` says what they are, --log-format NAME|STRING reads them so"
        )
    if reader.kind == "json":
        _check_json_fields(job, parsed, block, name)


def _check_json_fields(job: Job, parsed: Any, block: bytes, name: str) -> None:
    """UnknownField when a name or a path is in none of the records."""
    values = [read_object(line) for line in plain_lines(block).split()]
    records = [value for value in values if isinstance(value, dict)]
    paths: Mapping[str, str] = job.paths()
    for field in job.projection() if records else ():
        path = paths.get(field, field)
        if field in ("file", "offset", "line") or any(has(record, path) for record in records):
            continue
        known = list(dict.fromkeys(_known(records, path)))
        shown = ", ".join(known[:NAMES_SHOWN]) + (", …" if len(known) > NAMES_SHOWN else "")
        raise UnknownField(
            f"none of the first {parsed.records:,} records of {name} has the field {path!r}"
            f"{did_you_mean(path, known) or ';'} they have: {shown}"
        )


def _known(records: Sequence[dict[str, Any]], path: str) -> Iterator[str]:
    """The paths in these records with as many parts as `path`, one of which may have been meant."""
    depth = path.count(".") + 1
    for record in records:
        yield from paths_of(record, depth)
