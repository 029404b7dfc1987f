"""The records that a log must give where they may have several lines: a second reader, written apart from the first.

It takes a log line by line and uses none of the code that cuts blocks. `fuzz.py` holds the readers against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mrframe.formats.grammar.layout import start_of
from mrframe.formats.inputs.open_input import LONG_LINE_HEAD_BYTES
from mrframe.formats.readers.application import layout_of
from mrframe.formats.readers.record_starts import START_BYTES_MAX
from mrframe.testing import oracle

BOM = b"\xef\xbb\xbf"


@dataclass
class Read:
    """The result of reading a log: fields of each record, (number, offset, bytes) of malformed lines, all lines."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    malformed: list[tuple[int, int, bytes]] = field(default_factory=list)
    lines: int = 0


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, line) by the rule of the docs, and by nothing else."""
    at = 0
    for line in data.split(b"\n"):
        text = line
        while text[:1] == b"\0" or text[:3] == BOM:
            text = text[1:] if text[:1] == b"\0" else text[3:]
        offset = at + len(line) - len(text)
        if offset < len(data):
            yield offset, text.removesuffix(b"\r")
        at += len(line) + 1


def expected_records(kind: str, data: bytes, fields: Sequence[str], record_bytes_max: int) -> Read:
    """The same for a format whose records may have several lines. `line` and what a tail gives is text."""
    read = Read()
    records: list[list[tuple[int, bytes, int]]] = []  # of (number, line, offset). Lines of no record are one each
    start, goes_on = re.compile(start_of(layout_of(kind)).encode()), False
    for number, (offset, line) in enumerate(lines_of(data)):
        starts = start.match(line[:START_BYTES_MAX]) is not None
        goes_on = goes_on and offset > 0 and data[offset - 1] == 10  # else NUL bytes or a mark stand before it
        if not starts and goes_on:
            records[-1].append((number, line, offset))
        else:
            records.append([(number, line, offset)])
            goes_on = starts
        read.lines = number + 1
    ends = [record[0][2] for record in records[1:]]
    rest = data[data.rfind(b"\n") + 1 :]
    ends = [end - len(_head_before(data, end)) for end in ends]
    ends.append(len(data) - (len(rest) if not any(lines_of(rest)) else 0))  # of NUL bytes alone at the end
    for record, end in zip(records, ends, strict=False):
        (number, first, offset), *others = record
        starts = start.match(first[:START_BYTES_MAX]) is not None
        found = oracle.parse_line(layout_of(kind), first) if starts else None
        if end - offset > record_bytes_max:
            whole = data[offset:end] if starts else first
            read.malformed.append((number, offset, whole[:LONG_LINE_HEAD_BYTES]))
        elif found is None:
            read.malformed += [(number, offset, line) for number, line, offset in record]
        else:
            found["line"] = first
            more = b"".join(b"\n" + line for _, line, _ in others)
            if kind == "kafka":
                found |= _message_and_logger(found)
            values: list[Any] = []
            for name in ("line", *fields):
                raw = found[name]
                if name in ("line", "message"):
                    values.append(((raw or b"") + more).decode("utf-8", "surrogateescape"))
                elif raw and kind == "kafka" and name == "logger":
                    values.append(raw.decode("utf-8", "surrogateescape"))
                else:
                    values.append(raw)
            read.rows.append((offset, *values))
    return read


def _head_before(data: bytes, offset: int) -> bytes:
    """Return the NUL bytes and marks between the line end before `offset` and it."""
    return data[data.rfind(b"\n", 0, offset) + 1 : offset]


def _message_and_logger(found: dict[str, bytes | None]) -> dict[str, bytes | None]:
    raw = found["message"] or b""
    message, mark, last = raw.rpartition(b" (")
    logger = last[:-1]
    if mark and last.endswith(b")") and logger and not any(sign in b"() \t\n\r\v\f" for sign in logger):
        return {"message": message, "logger": logger}
    return {"message": raw, "logger": None}
