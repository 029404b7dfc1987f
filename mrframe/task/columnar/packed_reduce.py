"""Reduces counts and sums of short text keys as sorted integers: the reduce side of `packed_keys.py`.

How it works. Slots are disjoint, so a partition is cut into groups of slots that fit half of the memory budget. Each
group with text keys and int states is reduced on its own. All others are left to Python. The output has the same
bytes either way. NumPy (the extra `mrframe[fast]`) is loaded only when there are enough records to repay it.
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

WORTH_RECORDS = 200_000  # of map output. Below it, loading NumPy costs more than it saves
OTHERS_MAX = 500_000  # keys that are not packed. With more, the whole group is left to Python
RECORD_BYTES = 64  # of memory per state during a reduce

Reduced = tuple[Any, Any, list[str], list[int]]  # packed keys, their sums, other keys in order, their sums


def packed_groups(
    job: Job, readers: Sequence[RunReader], wanted: range, settings: TaskSettings
) -> list[tuple[range, bool]]:
    """Cut the slots of a partition into groups. Returns (slots, whether to try `reduce_packed`) for each.

    A group to be tried takes at most half of the memory budget.
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
    """Return the sums of the states in these slots, or None if they must be reduced in Python.

    That is so for states other than ints, keys other than text, too many keys that do not fit, and sums that might
    need over 64 bits. `beat` receives the number of states read so far. Raises CorruptData.
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
