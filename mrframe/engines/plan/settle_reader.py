"""Settles the reader of a source from the heads of its inputs, and refuses what the heads show to be wrong.

One reader reads all inputs of a source. It is that of `--log-format`, else the job's, else the one detected from the
first input that has any bytes. The heads of the others must not be of another format. Only heads are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mrframe.core.job.job import Job, Reader
from mrframe.core.model.spec import Split
from mrframe.core.settings.options import RunOptions
from mrframe.engines.history.summary import MalformedSample
from mrframe.engines.plan.mismatches import evidence, forced_format, origin_of
from mrframe.errors import FormatError, TooManyMalformed, UnknownField, UsageError, did_you_mean
from mrframe.formats.detect import LINES_MAX, detect, misfit
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.head import HEAD_BYTES, head_at, head_of
from mrframe.formats.readers.base import Parsed, plain_lines
from mrframe.formats.readers.kind import LINE_FIELDS
from mrframe.formats.registry import AUTO, is_undetected, kind_of, logs, reader_named
from mrframe.formats.schema import check_fields

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
    forced = forced_format(view.read, options, in_join=bool(source))
    reader = _settled(view.read, forced, head, name, options)
    try:
        check_fields(reader, view.projection(), view.paths())
    except UnknownField as error:
        raise UnknownField(f"source {source!r}: {error}" if source else str(error)) from None
    _check_head(view, reader, head, name, origin_of(view.read, forced, options))
    if forced in (None, AUTO) and not kind_of(reader).fits_any_text:
        _check_others(files, reader, name, detected=AUTO in (forced, view.read.format))
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
                f"{file.name} is of another format than {reader.label}, {whose}: {wrong}. "
                "One run reads one format: run the files apart, or name the one to be read with --log-format"
            )


def _settled(read: Reader, forced: str | None, head: bytes, name: str, options: RunOptions) -> Reader:
    """The concrete reader: that of the forced format, else the job's, else the one detected from the data."""
    if forced is not None:
        if kind_of(read).fits_any_text:
            origin = options.origin_of("log_format")
            raise UsageError(f"{origin} does not apply: the job reads {read.kind}, which has one form only")
        read = _reader_named(forced, options)
    if not is_undetected(read):
        return read
    if not head:
        return logs.combined  # nothing will be read: any format gives the same result
    return detect(head, name).reader


def _reader_named(forced: str, options: RunOptions) -> Reader:
    """The reader of a format. An error names the location that it comes from, if that is not the command line."""
    try:
        reader = reader_named(forced)
        check_fields(reader, [], {})  # compiles the format
    except FormatError as error:
        if options.is_asked_for("log_format"):
            raise
        raise FormatError(f"{options.origin_of('log_format')}: {error}") from None
    return reader


def _check_head(job: Job, reader: Reader, head: bytes, name: str, origin: str) -> None:
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
        raise _none_matches(parsed, reader, head, name, origin)
    paths: Mapping[str, str] = job.paths()
    fields = [paths.get(field, field) for field in job.projection() if field not in LINE_FIELDS]
    absent = kind_of(reader).absent(plain_lines(block).split(), fields)
    if absent is not None:
        path, known = absent
        shown = ", ".join(known[:NAMES_SHOWN]) + (", …" if len(known) > NAMES_SHOWN else "")
        raise UnknownField(
            f"none of the first {parsed.records:,} records of {name} has the field {path!r}"
            f"{did_you_mean(path, known) or ';'} they have: {shown}"
        )


def _none_matches(parsed: Parsed, reader: Reader, head: bytes, name: str, origin: str) -> TooManyMalformed:
    """The error for a head of which no line is of the format. It has these lines for --rejects."""
    first = [
        MalformedSample(name, one.line + 1, one.offset, one.data.decode("utf-8", "surrogateescape"), one.reason)
        for one in parsed.malformed
    ]
    error = TooManyMalformed(
        "\n".join(
            [
                f"none of the first {parsed.lines:,} lines of {name} is of the format",
                *evidence(first, len(first), reader, origin, head),
                "give the server's own format with --log-format",
            ]
        )
    )
    error.lines = first
    return error
