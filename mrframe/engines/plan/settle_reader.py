"""Settles the readers of a source from the heads of its inputs, and refuses what the heads show to be wrong.

`--log-format` or the job may name the format of all inputs. Otherwise it is detected for each input on its own, so
that one run reads the logs of several servers. An input for which no format is found is read like the first one that
has any bytes. Only heads are read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mrframe.core.job.job import TEXT, Job
from mrframe.core.model.reader import Reader
from mrframe.core.settings.options import RunOptions
from mrframe.engines.history.summary import MalformedSample
from mrframe.engines.plan.mismatches import evidence, forced_format, origin_of
from mrframe.errors import FormatError, TooManyMalformed, UnknownField, UsageError, did_you_mean
from mrframe.formats.detect import LINES_MAX, better_named, detect, detect_quickly, misfit
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.head import HEAD_BYTES, head_of, text_of
from mrframe.formats.readers.base import Parsed, plain_lines
from mrframe.formats.readers.kind import LINE_FIELDS
from mrframe.formats.registry import AUTO, is_undetected, kind_of, logs, reader_named, resolved
from mrframe.formats.schema import check_fields

FILES_MAX = 64
"""Inputs of which the head is compared with the format that the job names; `SLOW_MAX` of bzip2, where at least 900 kB
are decoded for a head."""
SLOW_MAX = 8
SAMPLE_BYTES = 16 << 10
SAMPLE_LINES = 25
NAMES_SHOWN = 40


class Head(NamedTuple):
    """The first bytes of an input, its name, and its position among the inputs of its source."""

    name: str
    data: bytes
    at: int


class SourceFormats(NamedTuple):
    """The formats of the inputs of a source.

    heads   {reader: head of the first input that it reads}. The first reader is that of the source
    others  {position: reader} of the inputs that are in another format than the first
    """

    heads: Mapping[Reader, Head]
    others: Mapping[int, Reader]

    @property
    def reader(self) -> Reader:
        """The reader of the source."""
        return next(iter(self.heads))


def source_formats(
    view: Job, source: str, files: Sequence[InputFile], stdin: bytes, options: RunOptions
) -> SourceFormats:
    """Settle the formats of one source, which all have the fields that the job asks for.

    `stdin` has the first bytes of standard input. Raises FormatError when no format fits, or another one than the job
    names, UnknownField, TooManyMalformed, UsageError.
    """
    read = _in_records(view.read, options, in_join=bool(source))
    forced = forced_format(read, options, in_join=bool(source))
    is_detected = forced == AUTO or (forced is None and is_undetected(read))
    origin = origin_of(read, forced, options)

    def check(reader: Reader, head: Head) -> None:
        whose = [f"source {source!r}"] if source else []
        where = ": ".join(whose + ([head.name] if is_detected and len(files) > 1 else []))
        _check_fields(view, reader, where, head if is_detected else None)
        _check_head(view, reader, head.data, head.name, origin)

    first = _first_head(files, stdin)
    reader = _settled(read, forced, first, options)
    check(reader, first)
    heads, others = {reader: first}, dict[int, Reader]()
    if is_detected:
        for at, own in _detected(files, stdin, first.at):
            if own != reader:
                others[at] = own
            if own not in heads:
                heads[own] = Head(files[at].name, _head(files[at], stdin), at)
                check(own, heads[own])
    elif forced is None and not kind_of(reader).fits_any_text:
        _check_others(files, reader, first.at)
    return SourceFormats(heads, others)


def _in_records(read: Reader, options: RunOptions, *, in_join: bool) -> Reader:
    """Return the reader of multi-line records if --record-start is set. In a join it applies to sources of text."""
    if options.record_start is None:
        return read
    if read == TEXT:
        return logs.records(options.record_start)
    if in_join or not options.is_asked_for("record_start"):
        return read
    reads = "logs by their format" if is_undetected(read) else read.label
    raise UsageError(
        f"--record-start does not apply: the job reads {reads}, not text. Formats of applications know where a "
        "record begins; read any other log with a job that reads text"
    )


def _first_head(files: Sequence[InputFile], stdin: bytes) -> Head:
    """The head of the first input that has any bytes."""
    for at, file in enumerate(files):
        head = _head(file, stdin)
        if head:
            return Head(file.name, head, at)
    return Head(files[0].name, b"", 0)


def _head(file: InputFile, stdin: bytes, limit_bytes: int = HEAD_BYTES) -> bytes:
    if file.is_stdin:
        return text_of(stdin)[:limit_bytes]
    return head_of(file, limit_bytes)


def _detected(files: Sequence[InputFile], stdin: bytes, first: int) -> Iterator[tuple[int, Reader]]:
    """(position, reader) of each input behind the first one with bytes, if a format is found for it.

    If that takes no more than a small sample, no more is read.
    """
    for at, file in enumerate(files[first + 1 :], first + 1):
        sample = _head(file, stdin, SAMPLE_BYTES)
        found = detect_quickly(sample, file.name, lines_max=SAMPLE_LINES)
        if found is None and len(sample) == SAMPLE_BYTES:
            found = detect_quickly(_head(file, stdin), file.name, lines_max=LINES_MAX)
        if found is not None:
            yield at, found


def _check_others(files: Sequence[InputFile], reader: Reader, first: int) -> None:
    """FormatError when the beginning of an input fits another format, and not at all the one that the job names."""
    slow = 0
    for at, file in enumerate(files[:FILES_MAX]):
        slow += file.compression == "bzip2"
        if at == first or (file.compression == "bzip2" and slow > SLOW_MAX):
            continue
        wrong = misfit(head_of(file, SAMPLE_BYTES), file.name, reader, lines_max=SAMPLE_LINES)
        if wrong is not None:
            raise FormatError(
                f"{file.name} is of another format than {reader.label}, which the job reads: {wrong}. Run it with a "
                "job that reads its format, or name the one to be read with --log-format"
            )


def _settled(read: Reader, forced: str | None, first: Head, options: RunOptions) -> Reader:
    """The concrete reader: that of the forced format, else the job's, else the one detected from the data."""
    if forced is not None:
        if kind_of(read).fits_any_text:
            origin = options.origin_of("log_format")
            raise UsageError(f"{origin} does not apply: the job reads {read.kind}, which has one form only")
        read = _reader_named(forced, options)
    read = resolved(read)
    if not is_undetected(read):
        return read
    if not first.data:
        return logs.combined  # nothing will be read: any format gives the same result
    return detect(first.data, first.name).reader


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


def _check_fields(view: Job, reader: Reader, where: str, detected: Head | None) -> None:
    """Raise UnknownField if the reader lacks a field. `detected` is the head from which it was detected."""
    names, paths = view.projection(), view.paths()
    try:
        check_fields(reader, names, paths)
    except UnknownField as error:
        text = f"{where}: {error}" if where else str(error)
        if detected is not None:
            advice = better_named(detected.data, detected.name, reader, [paths.get(name, name) for name in names])
            text += f". {advice}" if advice else ""
        raise UnknownField(text) from None


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
