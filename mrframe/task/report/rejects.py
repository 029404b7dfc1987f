"""Keeps the lines that a map attempt does not map: malformed lines and quarantined records.

Its report gets some as samples. A file gets all of them on request. Not here: deciding which lines these are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

import msgpack

from mrframe.core.model.reports import SAMPLES_MAX, Malformed
from mrframe.formats.readers.base import BlockReader, Parsed, line_offsets, text_of_record
from mrframe.store.attempt_files import create

REJECTS_FILE = "rejects"
QUARANTINE_FILE = "quarantine"
SAMPLE_BYTES_MAX = 400  # of a malformed line in the samples of a report


def rejected_records(
    reader: BlockReader, block: bytes, parsed: Parsed, bad: Sequence[tuple[int, str]]
) -> list[Malformed]:
    """Return the lines of records of a block, given as (index, reason), with number and offset within the block."""
    if not bad:
        return []
    starts, numbers = line_offsets(block), reader.lines_of_records(block, parsed)
    found = [(numbers[index], reason) for index, reason in bad]
    return [
        Malformed(number, starts[number], text_of_record(reader, block, starts[number]), reason)
        for number, reason in found
    ]


class Rejects:
    """Malformed lines or quarantined records: samples for the report, and all in a file on request."""

    def __init__(self, out_dir: str, name: str = REJECTS_FILE, *, keep: bool) -> None:
        self._path = os.path.join(out_dir, name)
        self._keep = keep
        self._file: BinaryIO | None = None
        self.samples: list[Malformed] = []

    def add(self, malformed: Sequence[Malformed], line: int, offset: int) -> None:
        """Add the lines of a block that begins at `line` of the split and `offset` of the source."""
        for one in malformed:
            if len(self.samples) >= SAMPLES_MAX:
                break
            self.samples.append(
                Malformed(line + one.line, offset + one.offset, one.data[:SAMPLE_BYTES_MAX], one.reason)
            )
        if self._keep:
            if self._file is None:
                self._file = create(self._path)
            for one in malformed:
                self._file.write(msgpack.packb([line + one.line, offset + one.offset, one.data, one.reason]))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
