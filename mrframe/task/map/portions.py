"""What a sealed map has for each partition, worked out from the slots of its run file, for its report.

Not here: which slot a key has (`shuffle/partition.py`), the counting itself (`shuffle/run_file/run_writer.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from mrframe.core.model.reports import TaskReport
from mrframe.core.model.shuffle_checksum import DIGEST_MASK
from mrframe.shuffle.partition import partition_of

Sizes = Mapping[int, tuple[int, int]]  # {slot: (pairs, bytes)}


def report_portions(
    report: TaskReport, sizes: Sizes, digests: Mapping[int, int], slots: int, partitions: int
) -> None:
    """Put pairs, bytes and digests of the slots into the report, by partition."""
    for slot, (records, size) in sizes.items():
        partition = partition_of(slot, slots, partitions)
        before = report.partitions.get(partition, (0, 0))
        report.partitions[partition] = (before[0] + records, before[1] + size)
        report.digests[partition] = (report.digests.get(partition, 0) + digests[slot]) & DIGEST_MASK
