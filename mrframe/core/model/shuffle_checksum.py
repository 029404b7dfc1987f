"""What maps have made for a partition, and what its reduce has read, as numbers that are compared before a commit.

A *tally* is (pairs, digest). The digest is the sum, modulo 2^64, of the digests of the blocks that the pairs lie in
(`shuffle/run_file/pair_blocks.py`), so it does not depend on the order in which blocks are written, fetched or read,
and costs nothing per pair. What it tells: a section that was left out, read twice, taken from another attempt or
changed after its checksum was judged. What it does not: the order of the pairs, which the merge answers for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from mrframe.core.model.reports import TaskReport

Tally = tuple[int, int]  # (pairs, digest)

NOTHING: Tally = (0, 0)
DIGEST_MASK = (1 << 64) - 1


def plus(one: Tally, other: Tally, sign: int = 1) -> Tally:
    """Both together; with `sign` -1, the first without the other."""
    return one[0] + sign * other[0], (one[1] + sign * other[1]) & DIGEST_MASK


def added(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    return reduce(plus, tallies, NOTHING)


def made_for(report: TaskReport, partition: int) -> Tally:
    """What a map says that it has made for a partition."""
    pairs, _ = report.partitions.get(partition, (0, 0))
    return pairs, report.digests.get(partition, 0)


def unbalanced(made: Tally, report: TaskReport) -> str:
    """What is wrong with a reduce that was to read what `made` says, for people; "" when nothing is.

    `ledger.records` are the pairs that came out of the merge; a report that does not say what was read is not judged.
    """
    if report.read is None or (report.read == made and report.ledger.records == made[0]):
        return ""
    return (
        f"its maps have made {_said(made)}, it has read {_said(report.read)} and reduced {report.ledger.records:,}: "
        "something was left out, doubled or changed on the way"
    )


def _said(tally: Tally) -> str:
    return f"{tally[0]:,} pairs (digest {tally[1]:016x})"
