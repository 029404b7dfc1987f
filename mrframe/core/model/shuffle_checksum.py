"""The checksum of a shuffle: a reduce must have read exactly the pairs that its maps made for it.

A *shuffle checksum* is (pairs, digest). The digest is the sum, modulo 2^64, of the digests of the blocks that hold
the pairs (`shuffle/run_file/pair_blocks.py`).

Why a sum: it does not depend on the order in which blocks are written, fetched or read. It can be added up per
partition while maps commit, and taken back when their output is lost. It costs one addition for each block, and
nothing for each pair. (Clarke et al., "Incremental Multiset Hash Functions and Their Application to Memory Integrity
Checking", ASIACRYPT 2003: it is their MSet-Add-Hash, without the secret key and the cryptographic hash. So it guards
against mistakes, not against an attacker.)

It finds a section that was left out, read twice, taken from another attempt, or changed after its own checksum was
verified. It does not find pairs in the wrong order, for which the merge is responsible.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from mrframe.core.model.reports import TaskReport

ShuffleChecksum = tuple[int, int]  # (pairs, digest)

EMPTY_CHECKSUM: ShuffleChecksum = (0, 0)
DIGEST_MASK = (1 << 64) - 1


def add_checksums(one: ShuffleChecksum, other: ShuffleChecksum, sign: int = 1) -> ShuffleChecksum:
    """Return the checksum of both together, or with `sign` -1 that of the first without the other."""
    return one[0] + sign * other[0], (one[1] + sign * other[1]) & DIGEST_MASK


def sum_checksums(checksums: Iterable[ShuffleChecksum]) -> ShuffleChecksum:
    """Return the checksum of all of them together."""
    return reduce(add_checksums, checksums, EMPTY_CHECKSUM)


def map_checksum(report: TaskReport, partition: int) -> ShuffleChecksum:
    """Return the checksum of the pairs that a map reports for a partition."""
    pairs, _ = report.partitions.get(partition, (0, 0))
    return pairs, report.digests.get(partition, 0)


def shuffle_mismatch(made: ShuffleChecksum, report: TaskReport) -> str:
    """Compare a reduce's report with the checksum of its maps' output. Returns a message, or "" if they agree.

    `ledger.records` counts the pairs that came out of the merge. A report without a checksum passes.
    """
    if report.read is None or (report.read == made and report.ledger.records == made[0]):
        return ""
    return (
        f"its maps made {_text(made)}, it read {_text(report.read)} and reduced {report.ledger.records:,}: "
        "something was left out, doubled or changed on the way"
    )


def _text(checksum: ShuffleChecksum) -> str:
    return f"{checksum[0]:,} pairs (digest {checksum[1]:016x})"
