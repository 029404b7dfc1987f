"""The reader of logs whose lines are of several formats: each line is read by the first given format that fits it.

The formats are given by the user (`--log-format` several times, `logs.several(…)`), since only then it is certain
which one reads a line that two would take. A block of one format is given to that format's reader as it is.

If all formats are those of applications, a record begins at a line that begins as one of them says, and takes the
lines behind it. If a format of single lines is among them, each line is a record: such a line ends no stack trace,
since its beginning alone does not tell it from text. Not here: inputs that are each of one format
(`engines/plan/settle_reader.py`), and the formats themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import Malformed
from mrframe.errors import FormatError
from mrframe.formats.readers.application import WHOLE, cutter_of
from mrframe.formats.readers.base import (
    ALL_VALUES,
    BlockReader,
    Forms,
    Parsed,
    RawValue,
    Values,
    all_good,
    good_lines,
    line_offsets,
    plain_lines,
    values_of,
)
from mrframe.formats.readers.kind import LINE_FIELDS, Field, ReaderKind, TimeFields
from mrframe.formats.readers.records import RecordReader
from mrframe.formats.registry import is_undetected, kind_of, reader_named

LABEL_CHARS_MAX = 40  # of a format in the reason for which a line does not match
_NONE = -1


class SeveralReader:
    """Reads lines of several formats. `readers` are those of the formats, in the order in which they are tried."""

    def __init__(self, readers: Sequence[Reader], names: Sequence[str], paths: Mapping[str, str]) -> None:
        self._labels = [reader.label for reader in readers]
        self._formats = readers
        self._fields = len(names)
        self._tests = [kind_of(reader).reads(reader.format) for reader in readers]
        self._readers = [kind_of(reader).make(reader.format, names, paths) for reader in readers]
        self._offsets = [index for index, name in enumerate(names) if paths.get(name, name) == "offset"]

    def parse(self, block: bytes, source: str, offset: int, *, forms: Forms = ALL_VALUES) -> Parsed:  # noqa: ARG002
        """Parse a block. Every column comes as `Values`. See `BlockReader`."""
        lines = plain_lines(block)
        texts = lines.split()
        which = [self._which(text) for text in texts]
        found = sorted(set(which))
        if len(found) == 1 and found[0] != _NONE:
            parsed = self._readers[found[0]].parse(block, source, offset)
            parsed.formats = [self._labels[found[0]]] * parsed.records
            return parsed
        parsed = all_good(lines, 0)
        parsed.malformed = self._malformed(block, texts, which)
        parsed.malformed_bytes = sum(len(one.data) for one in parsed.malformed)
        parsed.parsed_bytes -= parsed.malformed_bytes
        parts = {}
        for at in found:
            if at == _NONE:
                continue
            own = [text for text, one in zip(texts, which, strict=True) if one == at]
            part = self._readers[at].parse(b"\n".join(own) + b"\n", source, 0)
            parts[at] = [iter(values_of(column)) for column in part.columns]
            parsed.records += part.records
            for name, number in part.bad_fields.items():
                parsed.bad_fields[name] = parsed.bad_fields.get(name, 0) + number
        good = [at for at in which if at != _NONE]
        parsed.formats = [self._labels[at] for at in good]
        for index in range(self._fields):
            parsed.columns.append(Values([next(parts[at][index]) for at in good]))
        self._add_offsets(parsed, block, offset)
        return parsed

    def _which(self, line: bytes) -> int:
        return next((at for at, matches in enumerate(self._tests) if matches(line)), _NONE)

    def _add_offsets(self, parsed: Parsed, block: bytes, offset: int) -> None:
        """Give each record the offset of its line in the source, which a part of a block does not know."""
        offsets = line_offsets(block) if self._offsets else []
        for index in self._offsets:
            parsed.columns[index] = Values([offset + offsets[number] for number in good_lines(parsed)])

    def _malformed(self, block: bytes, texts: Sequence[bytes], which: Sequence[int]) -> list[Malformed]:
        wrong = [number for number, at in enumerate(which) if at == _NONE]
        offsets = line_offsets(block) if wrong else []
        return [Malformed(number, offsets[number], texts[number], self._reason(texts[number])) for number in wrong]

    def _reason(self, line: bytes) -> str:
        at, reason = furthest(self._formats, line)
        return f"{reason} at byte {at + 1}" if line else "empty line"

    def convert(self, index: int, column: Sequence[bytes | None]) -> tuple[list[Any], int]:  # noqa: ARG002
        """Return the column as it is. See `BlockReader`."""
        return list(column), 0

    def scanned_values(self) -> Sequence[RawValue | None]:
        """Return that no field is in columns of the compiled kernel, which scans one format. See `BlockReader`."""
        return [None] * self._fields

    def lines_of_records(self, block: bytes, parsed: Parsed) -> Sequence[int]:  # noqa: ARG002
        """Return the number of its line for each record. See `BlockReader`."""
        return good_lines(parsed)

    def locate(self, block: bytes, record: int) -> tuple[int, bytes]:
        """Find the line of the n-th record. See `BlockReader`."""
        texts = plain_lines(block).split()
        good = [number for number, text in enumerate(texts) if self._which(text) != _NONE]
        return line_offsets(block)[good[record]], texts[good[record]]


def furthest(readers: Sequence[Reader], line: bytes) -> tuple[int, str]:
    """Return where the format that matches most of a malformed line stops, and its name with the reason."""
    stops = []
    for reader in readers:
        found = kind_of(reader).explain(reader.format, line)
        if isinstance(found, tuple):
            label = reader.label if len(reader.label) <= LABEL_CHARS_MAX else reader.label[:LABEL_CHARS_MAX] + "…"
            stops.append((found[0], f"{label}: {found[1]}"))
    return max(stops, key=lambda one: one[0], default=(0, "no format fits"))


@lru_cache(maxsize=16)
def readers_of(form: str) -> tuple[Reader, ...]:
    """Return the readers of the formats that `Reader.format` lists as JSON. Raises FormatError for what is none."""
    readers = tuple(map(reader_named, json.loads(form)))
    for reader in readers:
        if kind_of(reader).fits_any_text:
            raise FormatError(f"{reader.label} reads any line, so it cannot be one of several formats")
        if is_undetected(reader):
            raise FormatError("a format still to be detected (auto, access, app) cannot be one of several formats")
    return readers


class Several(ReaderKind):
    """Lines of several formats."""

    name = "several"

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> BlockReader:
        """Make the reader of blocks. See `ReaderKind`."""
        lines, start = SeveralReader(readers_of(form), names, paths), self.record_start(form)
        if not start:
            return lines
        return RecordReader(lines, cutter_of(start), [paths.get(name, name) for name in names], WHOLE)

    def record_start(self, form: str) -> str:
        """Return a pattern for the start of a record of any of the formats, "" if one of them has single lines."""
        starts = [kind_of(reader).record_start(reader.format) for reader in readers_of(form)]
        return f"(?:{'|'.join(starts)})" if all(starts) else ""

    def fields(self, form: str) -> Mapping[str, Field] | None:
        """Return the fields that all formats have, None if each takes any name."""
        schemas = [kind_of(reader).fields(reader.format) for reader in readers_of(form)]
        known = [schema for schema in schemas if schema is not None]
        if not known:
            return None
        common = [name for name in known[0] if name not in LINE_FIELDS and all(name in schema for schema in known)]
        found: dict[str, Field] = {}
        for name in common:
            kinds = {schema[name].kind for schema in known}
            kind = kinds.pop() if len(kinds) == 1 and len(known) == len(schemas) else "any"
            found[name] = Field(known[0][name].doc, kind)
        return found | LINE_FIELDS

    def times(self, form: str) -> TimeFields | None:
        """Return the field of the times if all formats have it, and either all or none of them with a zone."""
        times = [kind_of(reader).times(reader.format) for reader in readers_of(form)]
        if any(one is None or one[:2] != times[0][:2] for one in times):  # type: ignore[index]
            return None
        return times[0]._replace(digits=None)  # type: ignore[union-attr]

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:
        """Return the fields of a line by the first format that fits, or where the furthest one stops."""
        for reader in readers_of(form):
            if kind_of(reader).reads(reader.format)(line):
                return kind_of(reader).explain(reader.format, line)
        return furthest(readers_of(form), line)

    def title(self, form: str) -> str:
        """Name the formats in messages."""
        names = ", ".join(reader.label for reader in readers_of(form))
        return f"each line is of one of the formats {names}, so a field must be in all of them: this list"


KIND = Several()
