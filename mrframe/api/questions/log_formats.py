"""Log formats: list those with a name, detect that of a file, and try a format string on one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from mrframe.api.questions.first_bytes import first_bytes
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.reader import Reader
from mrframe.errors import UsageError

LINES_TRIED = 1000


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A format that has a name, with an example line and a few words on its origin."""

    name: str
    example: str
    description: str

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"name": self.name, "example": self.example, "what": self.description}


@dataclass(frozen=True, slots=True)
class DetectedFormat:
    """The format that a file was found to have: `matched` of the first `lines` lines match it.

    `fields` are those of the first line that matches. `why` is for people.
    """

    file: str
    format: str
    matched: int
    lines: int
    why: str
    fields: dict[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "file"}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A line that does not match: number from 1, the byte where it stops to match, and the reason."""

    line: int
    text: bytes
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class TriedFormat:
    """A format string, tried on the first lines of a file. `fields` are those of the first line that matches."""

    lines: int
    fields: dict[str, Any]
    mismatches: list[Mismatch]

    @property
    def matched(self) -> int:
        """The lines that match."""
        return self.lines - len(self.mismatches)


def log_formats() -> list[LogFormat]:
    """The formats that have a name."""
    from mrframe.formats.registry import formats_table

    return [LogFormat(*row) for row in formats_table()]


def name_formats(formats: Mapping[str, str]) -> None:
    """Register names for format strings in this process, for `log_format`, jobs and detection."""
    from mrframe.formats import registry

    registry.name_formats(formats)


def formats_of_config(path: str) -> dict[str, str]:
    """Return {name: directive} of the log formats in a configuration of nginx or Apache. Raises UsageError."""
    from mrframe.formats.grammar import server_config

    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = server_config.formats_of_config(file.read())
    except OSError as error:
        raise UsageError(f"the configuration {path} cannot be read: {error.strerror}") from None
    if not found:
        raise UsageError(
            f"the configuration {path} has no log format: neither a log_format of nginx nor a LogFormat of Apache "
            "with a nickname. Files that it includes are not read; give the one that has the format"
        )
    return found


def detect_format(path: str) -> DetectedFormat:
    """Find the format of a file. FormatError when it has none that is known, InputError when it cannot be read."""
    from mrframe.formats.detect import detect

    name, data = first_bytes([path], reads_stdin=True)
    found = detect(data, name)
    fields = _first_fields(data, found.reader)
    return DetectedFormat(name, found.reader.label, found.matched, found.lines, found.why, fields)


def format_fields(format_string: str) -> dict[str, str]:
    """The fields of a format, each with its meaning. FormatError when the string is not a format.

    The string is a name, or Apache's LogFormat or nginx's log_format as it stands in the server's configuration.
    """
    from mrframe.formats.registry import reader_named
    from mrframe.formats.schema import check_fields, fields_of

    reader = reader_named(format_string)
    check_fields(reader, [], {})
    return dict(fields_of(reader) or {})


def try_format(format_string: str, path: str) -> TriedFormat:
    """Try a format string on the first 1,000 lines of a file."""
    from mrframe.formats.registry import reader_named

    reader = reader_named(format_string)
    _, data = first_bytes([path], reads_stdin=True)
    lines, mismatches = _tried(data, reader)
    return TriedFormat(lines, _first_fields(data, reader), mismatches)


def _tried(data: bytes, reader: Reader) -> tuple[int, list[Mismatch]]:
    from mrframe.formats.factory import explain
    from mrframe.formats.readers.record_starts import record_starts
    from mrframe.formats.registry import kind_of

    lines = data.split(b"\n")[:LINES_TRIED]
    if lines and not lines[-1]:
        lines.pop()
    starts = record_starts(kind_of(reader).record_start(reader.format))
    wrong: list[Mismatch] = []
    for number, line in enumerate(lines, 1):
        fits = number > 1 and (not wrong or wrong[-1].line != number - 1)
        if fits and starts is not None and not starts.starts(line, 0):
            continue  # of the record before it
        outcome = explain(line, reader)
        if isinstance(outcome, tuple):
            wrong.append(Mismatch(number, line, *outcome))
    return len(lines), wrong


def _first_fields(data: bytes, reader: Reader) -> dict[str, Any]:
    """The fields of the first line that matches. Empty when none does."""
    from mrframe.formats.factory import explain

    for line in islice(data.split(b"\n"), LINES_TRIED):
        outcome = explain(line, reader)
        if isinstance(outcome, dict):
            return {
                str(name): value if isinstance(value, (int, float, type(None))) else str(value)
                for name, value in outcome.items()
            }
    return {}
