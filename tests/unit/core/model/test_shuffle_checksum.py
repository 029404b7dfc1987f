"""What maps have made is compared with what a reduce has read before its commit, and a map with its first attempt."""

from __future__ import annotations

import pytest

from mrframe.core.model import events as e
from mrframe.core.model.facts import AttemptCommitted, JobFinished
from mrframe.core.model.reports import Ledger, TaskReport
from mrframe.core.model.shuffle_checksum import (
    DIGEST_MASK,
    EMPTY_CHECKSUM,
    add_checksums,
    map_checksum,
    shuffle_mismatch,
)
from mrframe.testing.manual_scheduler import ManualScheduler, file_split


def of_map(digest: int = 7, *, pairs: int = 1, fixed: bool = True) -> TaskReport:
    return TaskReport(
        Ledger(records=1), pairs, partitions={0: (pairs, 100)}, digests={0: digest}, fixed=fixed, bytes_out=100
    )


def of_reduce(pairs: int, digest: int, *, merged: int | None = None) -> TaskReport:
    return TaskReport(Ledger(records=pairs if merged is None else merged), read=(pairs, digest))


@pytest.fixture
def mapped():
    """Two nodes; maps have made one pair each, of the digests 7 and 2^64 - 1, and the reduce runs on node-1."""
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0), file_split(1))
    cluster.seal("job-1/m0000.1.1", of_map(7))
    cluster.seal("job-1/m0001.1.1", of_map(DIGEST_MASK))
    return cluster


# ---- between map and reduce -----------------------------------------------------------------------------


def test_a_reduce_that_has_read_all_output_of_its_maps_is_committed(mapped):
    mapped.seal("job-1/r0000.1.1", of_reduce(2, 6))
    assert mapped.ended[0].failure is None


@pytest.mark.parametrize(
    "read", [of_reduce(2, 7), of_reduce(1, 6), of_reduce(3, 6), of_reduce(0, 0), of_reduce(2, 6, merged=1)]
)
def test_a_reduce_that_has_read_something_else_is_tried_again_elsewhere(mapped, read):
    assert mapped.starts["job-1/r0000.1.1"][0] == "node-1"
    mapped.seal("job-1/r0000.1.1", read)
    assert mapped.facts == []
    assert mapped.messages(e.DiscardAttempt) == [e.DiscardAttempt("job-1/r0000.1.1")]
    assert mapped.starts["job-1/r0000.1.2"][0] == "node-2"
    mapped.seal("job-1/r0000.1.1", of_reduce(2, 6), node="node-1")
    assert mapped.facts == [], "what was refused stays refused"
    mapped.seal("job-1/r0000.1.2", of_reduce(2, 6))
    assert mapped.ended[0].failure is None


def test_a_reduce_that_never_reads_the_right_thing_fails_the_job_by_name(mapped):
    for number in range(1, 5):
        assert not mapped.ended
        mapped.seal(f"job-1/r0000.1.{number}", of_reduce(2, 7))
    failure = mapped.ended[0].failure
    assert failure.error_slug == "shuffle"
    assert "job-1/r0000 is given up after 4 attempts failed" in failure.message
    assert "made 2 pairs (digest 0000000000000006), it read 2 pairs (digest 0000000000000007)" in failure.message
    assert not any(isinstance(fact, AttemptCommitted) for fact in mapped.facts)


def test_output_of_a_lost_map_is_no_longer_expected(mapped):
    mapped.handle(e.NodeGone("node-2", "node-2#1"))
    mapped.fail("job-1/r0000.1.1")
    mapped.seal("job-1/m0001.1.2", of_map(10, pairs=1, fixed=False))
    mapped.seal("job-1/r0000.1.2", of_reduce(2, 17))
    assert mapped.ended[0].failure is None


def test_a_reduce_is_checked_against_the_maps_that_it_was_given(mapped):
    mapped.handle(e.NodeGone("node-2", "node-2#1"))  # it has read what was there, and goes on
    assert not mapped.ended
    mapped.seal("job-1/r0000.1.1", of_reduce(2, 6))
    assert mapped.ended[0].failure is None


def test_the_next_master_knows_the_checksums_of_map_output(mapped):
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    again.join("node-1", held=("job-1/m0000.1.1",))
    again.join("node-2", held=("job-1/m0001.1.1",))
    again.seal("job-1/r0000.2.1", of_reduce(2, 7))
    assert not again.ended
    again.seal("job-1/r0000.2.2", of_reduce(2, 6))
    assert again.ended[0].failure is None


# ---- between a map and the same map ---------------------------------------------------------------------


def test_a_repeated_map_with_other_values_fails_the_job(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    mapped.seal("job-1/m0000.1.2", of_map(8))
    assert mapped.ended[0].failure.error_slug == "not-repeatable"
    assert [type(fact) for fact in mapped.facts] == [JobFinished]


def test_the_next_master_knows_the_values_that_a_map_gave_first(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    again.join("node-2", held=("job-1/m0001.1.1",), start=1)
    again.seal(again.started()[0], of_map(8))
    assert again.ended[0].failure.error_slug == "not-repeatable"


@pytest.mark.parametrize("made", [of_map(7), of_map(8, fixed=False)], ids=["the same", "values without one form"])
def test_a_map_that_may_have_given_the_same_is_committed(mapped, made):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    mapped.seal("job-1/m0000.1.2", made)
    assert not mapped.ended
    assert any(isinstance(fact, AttemptCommitted) for fact in mapped.facts)


# ---- the numbers ----------------------------------------------------------------------------------------


def test_tallies_add_up_modulo_2_to_the_64():
    assert add_checksums((1, DIGEST_MASK), (2, 2)) == (3, 1)
    assert add_checksums((3, 1), (2, 2), -1) == (1, DIGEST_MASK)
    assert map_checksum(of_map(5, pairs=3), 0) == (3, 5)
    assert map_checksum(of_map(5), 1) == EMPTY_CHECKSUM


def test_a_report_without_a_checksum_passes():
    assert shuffle_mismatch((2, 6), TaskReport()) == ""
    assert shuffle_mismatch((2, 6), of_reduce(2, 6)) == ""
    assert "2 pairs" in shuffle_mismatch((2, 6), of_reduce(2, 7))
