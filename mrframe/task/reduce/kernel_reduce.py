"""Reduces encoded states of text keys in the compiled kernel: the blocks of run files are never decoded.

How it works. Slots are disjoint, so a table absorbs slot after slot, and is drained as one sorted run of results
whenever it has grown to half of the memory budget. Keys that are not text, such as the None of a field that a line
lacks, are few where there are text keys. They are decoded and merged beside the table. Everything else is left to
Python: other reducers, states such as floats, and a slot that outgrows the budget. The output has the same rows
either way. Not here: the table (`kernel/table.h`), and the path of Python (`reduce_task.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgpack

from mrframe.core.job.job import Job
from mrframe.errors import CorruptData
from mrframe.kernel import compiled
from mrframe.shuffle.columns import decode, encode
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.keys import kind_of, normal, sort_order
from mrframe.shuffle.reducers import Count, Distinct, Largest, Measures, Smallest, Total, as_fold
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.task.code.settings import TaskSettings
from mrframe.task.reduce.merged_states import merged_states, of_each
from mrframe.task.reduce.sorted_output import SortedOutput

OTHERS_MAX = 10_000  # states of keys that are not text, in a group of slots. With more, all is left to Python
TABLE_BYTES_MIN = 1 << 20  # of a table that may be used, however small the budget
_KNOWN = (Count, Total, Smallest, Largest, Distinct)


class _Other(Exception):
    """The states, or the keys, are not for the table. Internal to this module."""


class KernelReduce:
    """The reduce of one partition. `readers` are its run files, and `beat` receives the number of states read."""

    def __init__(
        self,
        fold: Fold,
        readers: Sequence[RunReader],
        output: SortedOutput,
        budget_bytes: int,
        beat: Callable[[int], None],
    ) -> None:
        parts = fold.parts if isinstance(fold, Measures) else {}
        self._fold = fold
        self._names = tuple(parts)
        self._packed_names = tuple(msgpack.packb(name, unicode_errors="surrogatepass") for name in parts)
        self._aggregates = tuple(part.name for part in parts.values()) or (fold.name,)
        self._readers = readers
        self._output = output
        self._table_bytes_max = max(TABLE_BYTES_MIN, budget_bytes // 2)
        self._beat = beat
        self._begin()
        self.records = 0  # states of the slots that were reduced here

    def _begin(self) -> None:
        self._table = compiled().Table(self._aggregates, bool(self._names))
        self._others: tuple[list[Any], list[Any]] = ([], [])

    def left_to_python(self, wanted: range) -> Iterator[range]:
        """Reduce these slots. Yields those that are left to Python, before it goes on. Raises CorruptData."""
        start = wanted.start
        while start < wanted.stop:
            taken = [reader.taken for reader in self._readers]
            end, rest = start, wanted.stop
            try:
                while end < wanted.stop and (end == start or self._table.size_bytes <= self._table_bytes_max):
                    self._absorb_slot(end)
                    end += 1
            except MemoryError:
                rest = end + 1
            except _Other:
                pass
            else:
                self._write(range(start, end))
                start = end
                continue
            for reader, before_it in zip(self._readers, taken, strict=True):
                reader.taken = before_it  # these slots will be read again
            self._begin()
            yield range(start, rest)
            start = rest

    def _absorb_slot(self, slot: int) -> None:
        """Raise _Other for states that the table cannot take, and MemoryError where they exceed the budget."""
        read = 0
        for reader in self._readers:
            for records, keys, values in reader.encoded(slot):
                if not self._table.absorb(keys, values):
                    self._absorb_some(keys, values)
                if self._table.size_bytes > 2 * self._table_bytes_max:
                    raise MemoryError
                read += records
                self._beat(self.records + read)

    def _absorb_some(self, keys: memoryview, values: memoryview) -> None:
        """Take the text keys of a block, and put all others aside."""
        try:
            pairs = list(zip(decode(keys, unpickle=False), decode(values, unpickle=True), strict=True))
        except (CorruptData, ValueError):  # Python will read it again, and name the file
            raise _Other from None
        some = [pair for pair in pairs if type(pair[0]) is str and "\0" not in pair[0]]
        if len(some) == len(pairs):
            raise _Other
        if some and not self._table.absorb(*(encode(list(column)) for column in zip(*some, strict=True))):
            raise _Other
        for key, state in pairs:
            if type(key) is not str or "\0" in key:
                self._others[0].append(key)
                self._others[1].append(state)
        if len(self._others[0]) > OTHERS_MAX:
            raise _Other

    def _write(self, slots: range) -> None:
        """Write the results of a group of slots, the keys that the table had not as rows of Python."""
        sections, beyond = self._table.drain_results(self._packed_names)
        self._output.keep_encoded(sections)
        if beyond:  # sums of more than 64 bits
            keys = [key.decode("utf-8", "surrogatepass") for (key,), _, _ in beyond]
            results = [result for _, _, result in beyond]
            named = [dict(zip(self._names, result, strict=True)) for result in results] if self._names else results
            self._output.add(keys, named)
        keys, states = self._others
        if keys:
            kind = kind_of(keys)
            keys, indexes = normal(keys, kind), sort_order(keys, kind)
            block = kind, [keys[i] for i in indexes], [states[i] for i in indexes]
            for merged_keys, merged in merged_states(self._fold, iter([block])):
                self._output.add(merged_keys, of_each(self._fold, self._fold.finish, merged_keys, merged))
            self._others = ([], [])
        if self._table.size_bytes > self._table_bytes_max // 2:  # a drained table keeps its memory
            self._begin()
        self.records += sum(reader.records_in(slot) for reader in self._readers for slot in slots)


def kernel_reduce(
    job: Job,
    readers: Sequence[RunReader],
    output: SortedOutput,
    settings: TaskSettings,
    beat: Callable[[int], None],
) -> KernelReduce | None:
    """Return the reduce of a job whose reducers the kernel has, None for other jobs and where there is no kernel."""
    fold = as_fold(job.reduce)
    kernel = compiled()
    if fold is None or not settings.fast or job.sort_values or kernel is None:
        return None
    parts = list(fold.parts.values()) if isinstance(fold, Measures) else [fold]
    if len(parts) > kernel.AGGREGATES_MAX or any(type(part) not in _KNOWN for part in parts):
        return None
    return KernelReduce(fold, readers, output, settings.memory_bytes, beat)
