"""Reduce counts and sums of short text keys as sorted integers: the reduce side of `packed_keys.py`.

Slots are disjoint, so a partition is cut into groups of slots that fit half of the budget, and each group whose keys
are text and whose states are ints is reduced on its own. Everything else is left to Python, and the output has the
same bytes either way. Not here: NumPy itself, which is the extra `mrframe[fast]` and loaded only for work that is
worth it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from mrframe.core.job.job import Job
from mrframe.shuffle.reducers import Count, Total, as_fold
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.task.code.settings import TaskSettings

WORTH_RECORDS = 200_000  # of map output: below it, loading NumPy costs more than it saves
OTHERS_MAX = 500_000  # keys that are not packed: when there are more, all is Python's
RECORD_BYTES = 64  # of memory that a state takes on its way through a reduce

Reduced = tuple[Any, Any, list[str], list[int]]  # packed keys, their sums; other keys in order, their sums


def packed_groups(
    job: Job, readers: Sequence[RunReader], wanted: range, settings: TaskSettings
) -> list[tuple[range, bool]]:
    """The slots of a partition in groups, and whether `reduce_packed` may be tried on each.

    A group takes at most half of the budget. Slots are disjoint, so each group is reduced on its own.
    """
    suits = settings.fast and type(as_fold(job.reduce)) in (Count, Total) and not job.sort_values
    if not suits or find_spec("numpy") is None:
        return [(wanted, False)]
    per_slot = [(slot, sum(reader.records_in(slot) for reader in readers)) for slot in wanted]
    if sum(records for _, records in per_slot) < WORTH_RECORDS:
        return [(wanted, False)]
    limit = settings.memory_bytes // 2 // RECORD_BYTES
    groups = []
    start, held = wanted.start, 0
    for slot, records in per_slot:
        if held and held + records > limit:
            groups.append((range(start, slot), held <= limit))
            start, held = slot, 0
        held += records
    return [*groups, (range(start, wanted.stop), held <= limit)]


def reduce_packed(readers: Sequence[RunReader], group: range, beat: Callable[[int], None]) -> Reduced | None:
    """The sums of the states in these slots. None when they are no ints or the keys no text, or too few are packed.

    `beat` is told the number of states as they are read. Raises CorruptData.
    """
    from mrframe.task.columnar.packed_keys import decoded, joined, summed

    columns: list[tuple[Any, Any]] = []
    others: Counter[str] = Counter()
    read = 0
    for slot in group:
        for reader in readers:
            for records, keys, values in reader.encoded(slot):
                block = decoded(keys, values)
                if block is None:
                    return None
                columns.append(block[:2])
                for key, value in zip(block[2], block[3], strict=True):
                    others[key] += value
                read += records
        beat(read)
        if len(others) > OTHERS_MAX:
            return None
    if not columns:
        return None
    sums = summed(*(joined(column) for column in zip(*columns, strict=True)))
    if sums is None:
        return None
    in_order = sorted(others)
    return *sums, in_order, [others[key] for key in in_order]
