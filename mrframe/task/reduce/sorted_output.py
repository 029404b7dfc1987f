"""The output of a reduce attempt: checks rows, sorts them by key, spills if necessary, and seals a part file.

Rows with equal keys keep the order in which they were yielded. Output that arrives in order (a rank, ranges, what the
compiled kernel has reduced) is written directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mrframe.core.model.reports import TaskReport
from mrframe.core.safe_text import safe_repr
from mrframe.errors import ValueRefused
from mrframe.shuffle.columns import all_plain, is_plain
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.shuffle.run_file.text_ranges import TextRanges
from mrframe.shuffle.text_buffer import pair_buffer
from mrframe.shuffle.text_merge import Merged, merge_texts
from mrframe.store.attempt_files import TemporaryFiles, create
from mrframe.task.report.failures import NO_KEY

PART_FILE = "part.mrf"
ROWS_AT_ONCE = 4096

_PLAIN = {int, str, float, bytes, bool, type(None)}


class SortedOutput:
    """Checks rows, sorts them by key and writes them to the part file. Spills if they exceed half of the budget."""

    def __init__(self, path: str, temporary: TemporaryFiles, budget_bytes: int, *, compress: bool) -> None:
        self._file = create(path)
        self._writer = RunWriter(self._file, slots=1, compress=compress)
        self._compress = compress
        self._temporary = temporary
        self._budget_bytes = budget_bytes
        self._buffer = pair_buffer()
        self._spilled: list[RunReader] = []
        self._ranked: list[tuple[Any, Any]] | None = None
        self._spills = 0

    def add(self, keys: list[Any], values: list[Any]) -> None:
        """Add rows as columns. Raises ValueRefused for values that are not plain data."""
        _check_plain(values)
        self._buffer.add(keys, values)
        if self._buffer.size_bytes() > self._budget_bytes // 2:
            self._spill()

    def keep_order(self, rows: list[tuple[Any, Any]]) -> None:
        """Take these rows as the whole output, in their given order."""
        self._ranked = rows

    def keep_sorted(self, blocks: Iterator[Merged]) -> None:
        """Write these rows, which are the whole output and already sorted."""
        self._writer.add_merged(0, map(_plain_block, blocks))

    def keep_encoded(self, sections: Iterable[tuple[int, str, Sequence[tuple[int, bytes, bytes]]]]) -> None:
        """Write rows that are sorted and encoded already, as one run. Their keys must not come in another way."""
        self._writer.add_encoded(sections)

    def refused_key(self, rows: Sequence[tuple[Any, Any]]) -> Any:
        """Return the key of the first row that is not plain data."""
        return next((key for key, value in rows if not is_plain(value)), NO_KEY)

    def _spill(self) -> None:
        file = self._temporary.make()
        writer = RunWriter(file, slots=1, compress=self._compress)
        self._buffer.write_runs(writer)
        writer.close()
        self._spilled.append(RunReader(file, "spilled output", unpickle=False))
        self._spills += 1

    def seal(self, report: TaskReport) -> None:
        """Write the part file and put its totals into the report."""
        if self._ranked is not None:
            keys, values = [key for key, _ in self._ranked], [value for _, value in self._ranked]
            self.add(keys, values)  # for the check alone
            self._writer.add_sorted(0, _cut(keys, values), in_order=True)
        elif self._spilled:
            self._spill()
            streams = [stream for reader in self._spilled for stream in reader.placed_streams(0)]
            self._writer.add_merged(0, merge_texts(streams, make_file=self._temporary.make))
        else:
            self._buffer.write_runs(self._writer)
        totals = self._writer.close()
        self._file.close()
        report.records_out, report.bytes_out, report.spills = totals.records, totals.bytes, self._spills

    def close(self) -> None:
        """Close the file, sealed or not."""
        self._file.close()


def _cut(keys: list[Any], values: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    both = iter(zip(keys, values, strict=True))
    while some := list(islice(both, ROWS_AT_ONCE)):
        yield [key for key, _ in some], [value for _, value in some]


def _plain_block(block: Merged) -> Merged:
    if not isinstance(block, TextRanges):
        _check_plain(block[2])
    return block


def _check_plain(values: list[Any]) -> None:
    if not set(map(type, values)) <= _PLAIN and not all_plain(values):
        wrong = next(value for value in values if not is_plain(value))
        raise ValueRefused(
            f"the job yields {safe_repr(wrong)}, a {type(wrong).__name__}, which cannot be written out; yield plain "
            "data: None, bool, int, float, str, bytes, dates, Decimal, and tuples, lists, sets or dicts of these"
        )
