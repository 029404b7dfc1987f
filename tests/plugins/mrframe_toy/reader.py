"""A toy kind of reader: lines `time=2026-05-17T10:05:03Z|level=error|ms=40`, which no built-in kind reads."""

from __future__ import annotations

from datetime import datetime

from mrframe.formats.named_formats import NamedFormat
from mrframe.formats.readers.kind import LINE_FIELDS, Field, ReaderKind, TimeFields
from mrframe.formats.readers.line_reader import BAD, LineReader

KEYS = ("time", "level", "ms")


def parse_line(line):
    """Return the values of a line by field, or text saying why it is malformed."""
    parts = [part.partition(b"=") for part in line.split(b"|")]
    if tuple(key.decode("latin-1") for key, _, _ in parts) != KEYS or any(not equals for _, equals, _ in parts):
        return "not time=…|level=…|ms=…" if line else "empty line"
    time, level, ms = (value.decode("utf-8", "surrogateescape") for _, _, value in parts)
    return {"time": converted(datetime.fromisoformat, time), "level": level, "ms": converted(int, ms)}


def converted(convert, text):
    """Convert text; a value that cannot be converted becomes None and is counted."""
    try:
        return convert(text)
    except ValueError:
        return BAD


class ToyKind(ReaderKind):
    """See `mrframe.formats.readers.kind.ReaderKind`."""

    name = "toy"
    formats = (NamedFormat("toy", "", "time=2026-05-17T10:05:03Z|level=error|ms=40", "key=value, joined by bars"),)

    def fields(self, form):
        return {
            "time": Field("when it happened: a datetime", "time"),
            "level": Field("error, info, …"),
            "ms": Field("how long it took, an int", "int"),
            **LINE_FIELDS,
        }

    def make(self, form, names, paths):
        return LineReader(parse_line, names, paths)

    def times(self, form):
        return TimeFields(("time",), naive=True)


TOY = ToyKind()
