"""Finds the lines behind a key, in the child process of `mrframe why`.

A split with a saved result that does not hold the key is not read. The blocks of the others are mapped again, as in a
map task (`find_key.py`). The job's code runs here, so this must be a process of its own. Not here: kept runs
(`engines/history/kept_runs.py`), showing the lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.spec import Split
from mrframe.errors import UsageError
from mrframe.formats.inputs.compression import decode_file
from mrframe.formats.inputs.open_input import LongLine
from mrframe.formats.inputs.splits import read_split
from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.map_results import identity
from mrframe.task.code.package import LoadedJob
from mrframe.task.code.settings import Saving
from mrframe.task.debug.find_key import Finder, Key
from mrframe.task.map.map_input import block_reader
from mrframe.task.report import counters
from mrframe.task.report.rejects import rejected_records


@dataclass(frozen=True, slots=True)
class Traced:
    """The input that was mapped: its splits in input order, with the lines of each, and the folder of saved results.

    A block of a compressed file has the path of that file. `block_bytes` is the length of its blocks.
    """

    splits: tuple[Split, ...]
    lines: tuple[int, ...]
    partitions: int
    block_bytes: int
    saving: Saving | None


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line that yields the key: its source, number from 1, offset in bytes, and bytes."""

    source: str
    line: int
    offset: int
    data: bytes


def lines_behind(traced: Traced, job: LoadedJob, text: str, folder: str) -> Iterator[list[FoundLine]]:
    """Yield the lines whose records yield the key written as `text`, in input order, one list per block.

    `folder` is an empty directory for decoded blocks. Blocks are read only when needed.

    Raises UsageError if records of this job cannot be told apart, and the errors of reading.
    """
    key, before = Key(text), {"": 0}
    opened = _Compressed(traced.block_bytes, folder)
    for split, lines in zip(traced.splits, traced.lines, strict=True):
        view = job.view(split)
        first = 0 if split.first else before.get(f"{split.order[0]}", 0)
        before[f"{split.order[0]}"] = first + lines
        if _may_hold(traced, view, split, key, folder):
            yield from _lines_of_split(opened.plain(split), view, job, key, first)


def _may_hold(traced: Traced, view: Job, split: Split, key: Key, folder: str) -> bool:
    """Return False if the saved result of the split does not hold the key."""
    if traced.saving is None or not split.content or view.partition is not None:
        return True
    name = identity(view, split, traced.partitions, split.content)
    path = os.path.join(folder, "known")
    if ResultStore(traced.saving.path).load(traced.saving.job, name, path) is None:
        return True
    with open(path, "rb") as file:
        found = _is_in(key, RunReader(file, path, unpickle=True))
    os.unlink(path)
    return found


def _is_in(key: Key, reader: RunReader) -> bool:
    """Return whether a run file with slots by hash holds the key."""
    slots = {slot_column([form], kind_of([form]), reader.slots, reader.seed)[0] for form in key.forms}
    return any(
        key.indexes(keys) for slot in sorted(slots) for stream in reader.streams(slot) for _, keys, _ in stream
    )


class _Compressed:
    """Compressed files, each decoded once, on the first use of a block."""

    def __init__(self, block_bytes: int, folder: str) -> None:
        self._block_bytes = block_bytes
        self._folder = folder
        self._blocks: dict[str, dict[int, str]] = {}

    def plain(self, split: Split) -> Split:
        """Return the split as a part of a plain file."""
        if split.is_planned_range:
            return split
        if split.path not in self._blocks:
            prefix = os.path.join(self._folder, f"{len(self._blocks)}-")
            blocks = decode_file(
                split.path,
                split.source,
                self._block_bytes,
                lambda n: open(f"{prefix}{n}", "xb"),  # noqa: SIM115
                record_start=split.record_start,
            )
            self._blocks[split.path] = {block.offset: f"{prefix}{block.index}" for block in blocks}
        path = self._blocks[split.path].get(split.order[1])
        if path is None:
            raise UsageError(f"{split.source} has changed since the job ran: it has no block at {split.order[1]:,}")
        return replace(split, kind="file", path=path, offset=0, crc32=-1)


def _lines_of_split(split: Split, view: Job, job: LoadedJob, key: Key, first: int) -> Iterator[list[FoundLine]]:
    reader, finder, lines = block_reader(view, job.settings), Finder(view, key), first
    long_lines: list[LongLine] = []
    for offset, block in read_split(split, on_long=long_lines.append):
        lines += sum(line.lines for line in long_lines)
        long_lines.clear()
        parsed = reader.parse(block, split.source, offset)
        wanted = [(index, "") for index in finder.records(parsed.values, parsed.records)]
        if wanted:
            once = {one.line: one for one in rejected_records(reader, block, parsed, wanted)}  # words share a line
            yield [
                FoundLine(split.source, lines + one.line + 1, offset + one.offset, one.data) for one in once.values()
            ]
        lines += parsed.lines
    counters.take()
