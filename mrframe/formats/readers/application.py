"""The reader of application logs: a time, a level, a logger, a message, and a stack trace that belongs to it.

Not here: the layouts (`application_formats.py`), how one becomes a grammar (`grammar/layout.py`), and records of
several lines (`records.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from mrframe.formats.application_formats import APPLICATIONS, LAYOUTS
from mrframe.formats.grammar.grammar import LEVELS, TIME_KINDS, Grammar, ValueSlot
from mrframe.formats.grammar.layout import parse_layout, start_of
from mrframe.formats.grammar.patterns import diagnose, patterns_of
from mrframe.formats.grammar.strftime import has_zone
from mrframe.formats.readers.access import AccessReader
from mrframe.formats.readers.kind import LINE_FIELDS, Count, Field, Matches, ReaderKind, TimeFields, ValueKind
from mrframe.formats.readers.record_starts import RecordStarts
from mrframe.formats.readers.records import RecordCutter, RecordReader

LINES_OF_RECORD_MAX = 50
"""Detection takes lines for a stack trace only if at least one in so many begins a record."""
WHOLE = ("message", "line")
_LEVELS = frozenset(level.encode() for level in LEVELS)
_DOCS = {
    "time": "when the record was logged: a datetime with its zone",
    "day": "the day of the record, such as 2015-05-17",
    "hour": "the hour of the record, such as 2015-05-17T10",
    "minute": "the minute of the record, such as 2015-05-17T10:05",
    "level": "INFO, ERROR, …, as it is written",
    "logger": "the name of the logger or the class",
    "thread": "the name of the thread",
    "message": "the text, with all further lines of the record, such as a stack trace",
    "pid": "the number of the process, an int",
    "source_line": "the line of the source, an int",
}


@lru_cache(maxsize=64)
def layout_of(form: str) -> Grammar:
    """Return the grammar of a layout's name or string. Raises FormatError if it is neither."""
    return parse_layout(LAYOUTS.get(form, form), form if form in LAYOUTS else "")


class RecordKind(ReaderKind):
    """Records that begin with a line of a grammar and may go on over further lines."""

    takes_formats = True
    tried_last = True

    def grammar(self, form: str) -> Grammar:
        """Return the grammar of a record's first line."""
        raise NotImplementedError

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> RecordReader:
        """Make the reader of blocks. See `ReaderKind`."""
        grammar, own = self.grammar(form), [paths.get(name, name) for name in names]
        return RecordReader(AccessReader(grammar, own, names), cutter_of(start_of(grammar)), own, WHOLE)

    def fields(self, form: str) -> Mapping[str, Field] | None:
        """Return the fields of a format, or None if it is not yet detected."""
        if form == "auto":
            return None
        known = self.grammar(form).field_map()
        return {name: _field(name, slot, role) for name, (slot, role) in known.items()} | _LINE_FIELDS

    def times(self, form: str) -> TimeFields | None:
        """Return the field `time` of a format that has one."""
        slot, _ = self.grammar(form).field_map().get("time", (None, ""))
        if slot is None:
            return None
        naive = not has_zone(slot.detail) if slot.kind == "strftime" else slot.detail == "plain"
        return TimeFields(("time",), naive, (15, 18) if slot.kind == "iso" else None)

    def record_start(self, form: str) -> str:
        """Return the pattern for a record's first line. See `ReaderKind`."""
        return start_of(self.grammar(form))

    def reads(self, form: str) -> Matches:
        """Return a test of a record's first line. See `ReaderKind`."""
        starts, strict = RecordStarts(self.record_start(form)), patterns_of(self.grammar(form), []).strict
        return lambda line: starts.starts(line, 0) and strict.fullmatch(line) is not None

    def matches(self, form: str) -> Matches:
        """Return a test of one line, whose level must be a known one. See `ReaderKind`."""
        grammar = self.grammar(form)
        levels = [(slot, "value") for slot in grammar.slots() if slot.kind == "level"]
        patterns = patterns_of(grammar, levels)

        def matches(line: bytes) -> bool:
            found = patterns.strict.fullmatch(line)
            return found is not None and all(level.upper() in _LEVELS for level in found.groups())

        return matches

    def count(self, form: str) -> Count:
        """Return a function that counts lines, those of a stack trace behind a first line that matches among them."""
        starts, matches = RecordStarts(self.record_start(form)), self.matches(form)

        def count(lines: Sequence[bytes]) -> int:
            firsts = matched = 0
            within = False
            for line in lines:
                if starts.starts(line, 0):
                    within = matches(line)
                    firsts += within
                matched += within
            return matched if firsts * LINES_OF_RECORD_MAX >= matched else firsts

        return count

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:
        """Return the fields of a line, or (offset at which it stops matching, reason)."""
        return diagnose(self.grammar(form), line) or super().explain(form, line)

    def title(self, form: str) -> str:
        """Name the format in messages."""
        return f"the log format {form!r}"


class ApplicationLogs(RecordKind):
    """Logs of applications, of a known layout or of a layout given as its string."""

    name = "app"
    formats = APPLICATIONS
    sample = (
        "2026-05-17 10:05:03,123 INFO  [main] org.example.Server: started\n"
        "2026-05-17 10:05:09,456 ERROR [worker-1] org.example.Shop: no such item\n"
        "java.lang.IllegalStateException: 17\n\tat org.example.Shop.item(Shop.java:42)\n"
    )

    def grammar(self, form: str) -> Grammar:
        """Return the grammar of a record's first line."""
        return layout_of(form)


@lru_cache(maxsize=64)
def cutter_of(start: str) -> RecordCutter:
    """Return the cutter of records that begin so (`start_of`)."""
    return RecordCutter(RecordStarts(start), start)


_LINE_FIELDS = LINE_FIELDS | {"line": Field("the text of the record's lines, without the last end")}


def _field(name: str, slot: ValueSlot, role: str) -> Field:
    kind: ValueKind = "time" if role == "time" else "int" if slot.kind == "int" else "text"
    doc = _DOCS.get(name, "text; None where the log has -" if slot.kind not in TIME_KINDS else f"as {role}")
    return Field(doc if not slot.directive else f"{doc} ({slot.directive})", kind)


KIND = ApplicationLogs()
