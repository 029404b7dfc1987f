"""Single decisions of the scheduler, each from the events that lead to it."""

from __future__ import annotations

import pytest

from mrframe.core.model import events as e
from mrframe.core.model.facts import AttemptCommitted, JobFinished, OutputLost
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX, SchedulerLimits
from mrframe.core.model.spec import Split, StepSpec
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.manual_scheduler import ManualScheduler, file_split, report


def gzip(source: int = 0) -> Split:
    return Split("gzip", f"input-{source}", f"input-{source}", 0, 100, (source, 0))


def block(number: int, source: int = 0) -> Split:
    return Split("held", f"input-{source}", f"block-{number:05d}", number * 10, 10, (source, number * 10))


@pytest.fixture
def one():
    """One node with one slot and a job of two splits, of which the first is being mapped."""
    cluster = ManualScheduler()
    cluster.join("node-1")
    cluster.submit(file_split(0), file_split(1))
    return cluster


# ---- a job from end to end --------------------------------------------------------------------------


def test_a_job_goes_from_maps_to_reduces_to_its_end(one):
    assert list(one.starts) == ["job-1/m0000.1.1"]
    one.seal("job-1/m0000.1.1")
    assert one.messages(e.CommitAttempt) == [e.CommitAttempt("job-1/m0000.1.1")]
    assert one.started() == ["job-1/m0001.1.1"]
    one.seal("job-1/m0001.1.1")
    assert one.started() == ["job-1/r0000.1.1"]
    _, start = one.starts["job-1/r0000.1.1"]
    assert start.sources == (("job-1/m0000.1.1", "node-1"), ("job-1/m0001.1.1", "node-1"))
    one.seal("job-1/r0000.1.1")
    (ended,) = one.ended
    assert ended.outputs == (("job-1/r0000.1.1", "node-1"),)
    assert ended.failure is None
    assert [r[:3] for r in ended.reports] == [
        ("job-1/m0000.1.1", 0, "node-1"),
        ("job-1/m0001.1.1", 0, "node-1"),
        ("job-1/r0000.1.1", 0, "node-1"),
    ]
    assert not one.messages(e.ForgetJob)
    one.handle(e.JobReleased("job-1"))
    assert one.messages(e.ForgetJob) == [e.ForgetJob("job-1")]
    assert one.scheduler.progress("job-1") is None


def test_an_empty_input_still_has_its_reduces():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.submit(steps=(StepSpec(2),))
    assert cluster.started() == ["job-1/r0000.1.1", "job-1/r0001.1.1"]
    assert cluster.starts["job-1/r0001.1.1"][1].sources == ()


def test_maps_without_data_for_a_partition_are_no_sources():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.submit(file_split(0), file_split(1), steps=(StepSpec(2),))
    cluster.seal("job-1/m0000.1.1", report({0: 5}))
    cluster.seal("job-1/m0001.1.1", report({0: 5, 1: 5}))
    assert len(cluster.starts["job-1/r0000.1.1"][1].sources) == 2
    assert cluster.starts["job-1/r0001.1.1"][1].sources == (("job-1/m0001.1.1", "node-1"),)


def test_reduces_read_in_input_order_however_the_tasks_came_to_be():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=4)
    cluster.handle(e.JobSubmitted("job-1", (StepSpec(1),)))
    cluster.handle(e.SplitsAdded("job-1", (file_split(0, source=1),)))
    cluster.handle(e.SplitsAdded("job-1", (file_split(1), file_split(0))))
    cluster.handle(e.InputsClosed("job-1", 3))
    for attempt in list(cluster.starts):
        cluster.seal(attempt)
    read = [attempt for attempt, _ in cluster.starts["job-1/r0000.1.1"][1].sources]
    assert read == ["job-1/m0002.1.1", "job-1/m0001.1.1", "job-1/m0000.1.1"]


def test_reduces_wait_until_all_announced_splits_are_known(one):
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.handle(e.JobSubmitted("job-1", (StepSpec(1),)))
    cluster.handle(e.InputsClosed("job-1", 2))
    cluster.handle(e.SplitsAdded("job-1", (file_split(0),)))
    cluster.seal("job-1/m0000.1.1")
    assert not cluster.started()
    cluster.handle(e.SplitsAdded("job-1", (file_split(1),)))
    cluster.seal("job-1/m0001.1.1")
    assert cluster.started() == ["job-1/r0000.1.1"]


def test_more_splits_than_were_announced_fail_the_job(one):
    one.handle(e.SplitsAdded("job-1", (file_split(7),)))
    assert one.ended[0].failure.error_slug == "input"
    assert "2 splits were announced" in one.ended[0].failure.message


def test_a_split_that_is_added_twice_counts_once(one):
    one.handle(e.SplitsAdded("job-1", (file_split(0), file_split(1))))
    assert one.facts == []
    assert one.scheduler.progress("job-1").tasks_total == 2


# ---- steps --------------------------------------------------------------------------------------------


def two_steps(second: StepSpec) -> ManualScheduler:
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0), steps=(StepSpec(2), second))
    cluster.seal("job-1/m0000.1.1", report({0: 1, 1: 1}))
    for attempt in cluster.started():
        cluster.seal(attempt, report({}, bytes_out=7))
    return cluster


def test_the_next_step_reads_each_partition_of_the_last():
    cluster = two_steps(StepSpec(1))
    splits = [m.split for _, m in cluster.starts.values() if m.step == 1]
    assert [s.partition for s in splits] == [0, 1]
    assert [s.held_by[0][0] for s in splits] == ["job-1/r0000.1.1", "job-1/r0001.1.1"]
    assert all(cluster.starts[f"job-1/m000{i + 1}.1.1"][0] == s.held_by[0][1] for i, s in enumerate(splits))
    assert {s.length for s in splits} == {7}


def test_a_gathering_step_reads_all_partitions_in_one_task():
    cluster = two_steps(StepSpec(1, gather=True))
    (split,) = [m.split for _, m in cluster.starts.values() if m.step == 1]
    assert split.partition == -1
    assert [attempt for attempt, _ in split.held_by] == ["job-1/r0000.1.1", "job-1/r0001.1.1"]
    cluster.seal("job-1/m0001.1.1")
    assert cluster.started() == ["job-1/r0002.1.1"]


# ---- compressed inputs --------------------------------------------------------------------------------


def test_blocks_are_mapped_while_the_input_is_still_decoded():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=3)
    cluster.submit(gzip(), steps=(StepSpec(1, block_bytes=123),))
    assert list(cluster.starts) == ["job-1/d0000.1.1"]
    assert cluster.starts["job-1/d0000.1.1"][1].block_bytes == 123
    event = e.BlockSealed("node-1", "node-1#1", "job-1/d0000.1.1", block(0))
    cluster.handle(event)
    assert cluster.started() == ["job-1/m0000.1.1"]
    assert cluster.starts["job-1/m0000.1.1"][1].split.held_by == (("job-1/d0000.1.1", "node-1"),)
    assert cluster.messages(e.AcknowledgeBlock) == [e.AcknowledgeBlock("job-1/d0000.1.1", (0, 0))]
    cluster.handle(event)
    assert cluster.facts == []
    assert cluster.messages(e.AcknowledgeBlock)
    cluster.seal("job-1/m0000.1.1")
    assert not cluster.started()
    cluster.seal("job-1/d0000.1.1", report({}))
    assert cluster.started() == ["job-1/r0000.1.1"]


def test_blocks_that_are_lost_are_decoded_again_and_read_from_there():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=1)
    cluster.submit(gzip())
    cluster.handle(e.BlockSealed("node-1", "node-1#1", "job-1/d0000.1.1", block(0)))
    cluster.handle(e.NodeGone("node-1", "node-1#1"))
    cluster.join("node-2")
    assert cluster.started() == ["job-1/d0000.1.2"]
    cluster.handle(e.BlockSealed("node-2", "node-2#1", "job-1/d0000.1.2", block(0)))
    assert cluster.facts == []
    cluster.seal("job-1/d0000.1.2", report({}))
    assert cluster.started() == ["job-1/m0000.1.1"]
    assert cluster.starts["job-1/m0000.1.1"][1].split.held_by == (("job-1/d0000.1.2", "node-2"),)


def test_a_decode_attempt_that_pauses_takes_no_slot():
    cluster = ManualScheduler(limits=SchedulerLimits(queued_per_slot=0))
    cluster.join("node-1")
    cluster.submit(gzip(), gzip(1))
    for number in range(BLOCKS_AHEAD_MAX):
        assert list(cluster.starts) == ["job-1/d0000.1.1"]
        cluster.handle(e.BlockSealed("node-1", "node-1#1", "job-1/d0000.1.1", block(number)))
    assert cluster.started() == ["job-1/m0000.1.1"]
    cluster.seal("job-1/m0000.1.1")
    assert cluster.started() == [], "there is room for one more block, and it is being made"
    cluster.handle(e.BlockSealed("node-1", "node-1#1", "job-1/d0000.1.1", block(BLOCKS_AHEAD_MAX)))
    assert cluster.started() == ["job-1/m0001.1.1"]
    cluster.seal("job-1/d0000.1.1", report({}))
    assert cluster.started() == [], "the slot is taken"
    cluster.seal("job-1/m0001.1.1")
    assert cluster.started() == ["job-1/d0001.1.1"], "who decodes goes first"


def test_a_mapped_block_may_be_deleted_and_the_acknowledgement_is_repeated():
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.submit(gzip())
    sealed = e.BlockSealed("node-1", "node-1#1", "job-1/d0000.1.1", block(0))
    cluster.handle(sealed)
    assert cluster.messages(e.AcknowledgeBlock) == [e.AcknowledgeBlock("job-1/d0000.1.1", (0, 0))]
    cluster.seal("job-1/m0000.1.1")
    gone = e.AcknowledgeBlock("job-1/d0000.1.1", (0, 0), mapped=True)
    assert cluster.messages(e.AcknowledgeBlock) == [gone]
    cluster.handle(sealed)
    assert cluster.messages(e.AcknowledgeBlock) == [gone]


# ---- attempts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["died", "io"])
def test_a_task_is_tried_four_times(one, kind):
    for number in range(1, 4):
        one.fail(f"job-1/m0000.1.{number}", kind)
        assert one.started() == [f"job-1/m0000.1.{number + 1}"]
        assert one.messages(e.DiscardAttempt) == [e.DiscardAttempt(f"job-1/m0000.1.{number}")]
    one.fail("job-1/m0000.1.4", kind)
    failure = one.ended[0].failure
    assert failure.kind == kind
    assert (
        failure.message == "job-1/m0000 (10 bytes of input-0 from byte 0) is given up after 4 attempts failed, "
        "the last on node-1: it broke"
    )
    assert isinstance(one.facts[0], JobFinished)


@pytest.fixture
def alone():
    """One node with one slot, which maps the only split of a job."""
    cluster = ManualScheduler(limits=SchedulerLimits(lease_s=1e6, queued_per_slot=0))
    cluster.join("node-1")
    cluster.submit(file_split(0))
    return cluster


def test_a_full_disk_is_met_with_pauses_for_some_time_and_not_with_four_quick_tries(alone):
    limits, began_s = alone.scheduler.state.limits, alone.now_s
    number, pause_s = 1, limits.full_pause_s
    while True:
        alone.fail(f"job-1/m0000.1.{number}", "full")
        if alone.ended:
            break
        assert not alone.started()
        alone.wait(pause_s * 0.99)
        assert not alone.started()
        alone.wait(pause_s * 0.01 + 1e-6)
        number += 1
        assert alone.started() == [f"job-1/m0000.1.{number}"]
        assert not alone.starts[alone.started()[0]][1].isolated
        pause_s = min(2 * pause_s, limits.full_pause_s_max)
    assert limits.full_s <= alone.now_s - began_s < limits.full_s + limits.full_pause_s_max
    assert number > limits.tries_max
    assert f"is given up after {number} attempts in 2" in alone.ended[0].failure.message
    assert alone.ended[0].failure.message.endswith(" s found no room, the last on node-1: it broke")


def test_a_task_of_another_job_has_the_slot_meanwhile(alone):
    alone.submit(file_split(0), job="job-2")
    alone.fail("job-1/m0000.1.1", "full")
    assert alone.started() == ["job-2/m0000.1.1"]


def test_long_attempts_that_meet_a_full_disk_are_tried_as_often_as_others(alone):
    for number in range(1, 5):
        alone.wait(1000)
        alone.fail(f"job-1/m0000.1.{number}", "full")
        assert bool(alone.ended) == (number == 4)
        alone.wait(10)


def test_a_full_disk_spends_no_try_and_is_forgotten_when_the_task_ends_well(alone):
    for number in range(1, 6):
        alone.fail(f"job-1/m0000.1.{number}", "full")
        alone.wait(4)
    for number in range(6, 9):
        alone.fail(f"job-1/m0000.1.{number}", "io")
        assert alone.started() == [f"job-1/m0000.1.{number + 1}"]
    alone.seal("job-1/m0000.1.9")
    assert alone.scheduler.state.task_of("job-1/m0000.1.9").refusals == 0
    assert not alone.ended


@pytest.mark.parametrize("kind", ["raised", "refused"])
def test_deterministic_failures_are_not_retried(one, kind):
    one.fail("job-1/m0000.1.1", kind)
    assert one.ended[0].failure.message == "it broke"
    assert not one.started()


def test_a_failure_that_is_reported_twice_counts_once(one):
    one.fail("job-1/m0000.1.1")
    one.fail("job-1/m0000.1.1")
    assert one.messages(e.DiscardAttempt) == [e.DiscardAttempt("job-1/m0000.1.1")]
    assert not one.started()


def test_a_failed_task_is_tried_elsewhere():
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0))
    cluster.fail("job-1/m0000.1.1")
    assert cluster.starts["job-1/m0000.1.1"][0] == "node-1"
    assert cluster.starts["job-1/m0000.1.2"][0] == "node-2"


def test_a_seal_is_confirmed_again_and_a_stale_one_discarded(one):
    one.seal("job-1/m0000.1.1")
    one.seal("job-1/m0000.1.1")
    assert one.sent == [("node-1", e.CommitAttempt("job-1/m0000.1.1"))]
    assert one.facts == []
    for stale in ("job-1/m0000.0.1", "job-1/m0077.1.1", "no id"):
        one.seal(stale, node="node-1")
        assert one.sent == [("node-1", e.DiscardAttempt(stale))]
    one.seal("job-9/m0000.1.1", node="node-1")
    assert one.sent == [("node-1", e.DiscardAttempt("job-9/m0000.1.1"))]


def deletions(one) -> list:
    return [message for _, message in one.sent if isinstance(message, e.ForgetJob | e.DiscardAttempt)]


def test_sealed_attempts_of_which_the_journal_may_not_know_are_kept_until_their_job_is_released(one):
    """The journal may have been begun anew, or be an older copy: what earlier masters have committed is not in it."""
    unknown, earlier, own = "job-9/m0000.1.1", "job-1/m0000.0.7", "job-1/m0000.1.9"
    one.beat("node-1", held=(unknown, earlier, own))
    assert deletions(one) == [e.DiscardAttempt(own)]
    one.join("node-1", start=2, held=(unknown, earlier))
    assert deletions(one) == []
    one.handle(e.JobReleased("job-1"))
    one.beat("node-1", held=(unknown, earlier), start=2)
    assert deletions(one) == [e.ForgetJob("job-1")]


def test_a_start_is_sent_again_when_heartbeats_do_not_show_it(one):
    one.beat("node-1")
    assert one.sent == [("node-1", e.Welcome("node-1", 1, "node-1#1"))]
    one.now_s = 3.0
    one.beat("node-1", "job-1/m0000.1.1")
    assert not one.started()
    one.beat("node-1")
    assert one.started() == ["job-1/m0000.1.1"]
    one.beat("node-1")
    assert not one.started()


def test_a_superfluous_attempt_in_a_heartbeat_is_discarded(one):
    one.beat("node-1", "job-1/m0000.1.9", held=("job-1/m0001.1.9",))
    assert one.messages(e.DiscardAttempt) == [
        e.DiscardAttempt("job-1/m0000.1.9"),
        e.DiscardAttempt("job-1/m0001.1.9"),
    ]


def test_cancelling_ends_the_job_and_stops_its_attempts(one):
    one.handle(e.CancelRequested("job-1"))
    assert one.ended[0].failure.error_slug == "cancelled"
    assert one.messages(e.DiscardAttempt) == [e.DiscardAttempt("job-1/m0000.1.1")]
    one.handle(e.CancelRequested("job-1"))
    assert not one.facts
    assert not one.ended


def test_releasing_a_job_that_still_runs_ends_it(one):
    one.handle(e.JobReleased("job-1"))
    assert one.messages(e.ForgetJob)
    one.handle(e.JobSubmitted("job-1", (StepSpec(1),)))
    assert not one.facts


# ---- malformed lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "fails"), [(None, False), (3, False), (2, True), (0.15, False), (0.1, True)])
def test_malformed_lines_are_checked_when_all_maps_are_done(limit, fails):
    cluster = ManualScheduler()
    cluster.join("node-1", slots=2)
    cluster.submit(file_split(0), file_split(1), steps=(StepSpec(1, max_bad=limit),))
    cluster.seal("job-1/m0000.1.1", report(lines=10, malformed=3))
    assert not cluster.ended
    cluster.seal("job-1/m0001.1.1", report(lines=10))
    assert bool(cluster.ended) is fails
    if fails:
        failure = cluster.ended[0].failure
        assert failure.error_slug == "too-many-malformed"
        assert "3 of 20 lines" in failure.message
    assert ("job-1/r0000.1.1" in cluster.starts) is not fails


# ---- losses -------------------------------------------------------------------------------------------


@pytest.fixture
def mapped():
    """Two nodes; map 0 is committed on node-1, map 1 on node-2, and the reduce runs on node-1."""
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    cluster.submit(file_split(0), file_split(1))
    cluster.seal("job-1/m0000.1.1", report({0: 100}))
    cluster.seal("job-1/m0001.1.1", report({0: 10}))
    assert cluster.starts["job-1/r0000.1.1"][0] == "node-1"
    return cluster


def test_a_map_with_lost_output_runs_again_if_a_reduce_needs_it(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    assert mapped.facts == [OutputLost("job-1/m0000.1.1", "node-1")]
    assert mapped.started() == ["job-1/m0000.1.2"]
    mapped.seal("job-1/m0000.1.2")
    assert mapped.starts["job-1/r0000.1.2"][1].sources == (
        ("job-1/m0000.1.2", "node-2"),
        ("job-1/m0001.1.1", "node-2"),
    )


def other(records: int):
    """A report that differs from the usual one in what a partition has."""
    made = report({0: 100})
    made.partitions[0] = (records, 100)
    return made


def test_a_repeated_map_with_other_output_fails_the_job(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    mapped.seal("job-1/m0000.1.2", other(2))
    assert mapped.ended[0].failure.error_slug == "not-repeatable"
    assert "job-1/m0000 was run again" in mapped.ended[0].failure.message
    assert [type(fact) for fact in mapped.facts] == [JobFinished]


def test_the_next_master_knows_the_first_output_of_a_map(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    again.join("node-2", held=("job-1/m0001.1.1",), start=1)
    again.seal(again.started()[0], other(2))
    assert again.ended[0].failure.error_slug == "not-repeatable"


def test_other_bytes_for_the_same_pairs_are_nothing_else(mapped):
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    mapped.seal("job-1/m0000.1.2", report({0: 99}))
    assert not mapped.ended


def test_a_map_with_lost_output_does_not_run_again_if_nothing_needs_it(mapped):
    mapped.seal("job-1/r0000.1.1")
    mapped.handle(e.NodeGone("node-2", "node-2#1"))
    assert mapped.facts == [OutputLost("job-1/m0001.1.1", "node-2")]
    assert not mapped.started()


def test_lost_output_of_a_done_job_is_produced_again_until_its_release(mapped):
    mapped.seal("job-1/r0000.1.1")
    mapped.handle(e.NodeGone("node-1", "node-1#1"))
    assert mapped.started() == ["job-1/m0000.1.2"]
    mapped.seal("job-1/m0000.1.2")
    mapped.seal("job-1/r0000.1.2")
    assert mapped.ended[0].outputs == (("job-1/r0000.1.2", "node-2"),)
    mapped.handle(e.JobReleased("job-1"))
    mapped.handle(e.NodeGone("node-2", "node-2#1"))
    assert not mapped.started()


def test_a_compacted_journal_gives_the_state_of_the_whole_one():
    steps = (StepSpec(1),)
    later = [e.JobSubmitted("job-2", steps, 1), e.JobSubmitted("job-3", steps)]
    whole = [e.JobSubmitted("job-1", steps), JobFinished("job-1", None), e.JobReleased("job-1"), *later]
    compacted = [e.JobReleased("job-1"), *later]
    schedulers = [Scheduler(2), Scheduler(2)]
    for scheduler, facts in zip(schedulers, (whole, compacted), strict=True):
        scheduler.recover(facts)
    assert schedulers[0].snapshot() == schedulers[1].snapshot()


def test_a_node_that_is_silent_for_its_lease_is_lost_and_comes_back_with_nothing(mapped):
    mapped.now_s = 9.0
    mapped.beat("node-2", held=("job-1/m0001.1.1",))
    mapped.wait(1.5)
    assert OutputLost("job-1/m0000.1.1", "node-1") in mapped.facts
    mapped.beat("node-1", "job-1/r0000.1.1", held=("job-1/m0000.1.1",))
    assert mapped.messages(e.DiscardAttempt) == [
        e.DiscardAttempt("job-1/r0000.1.1"),
        e.DiscardAttempt("job-1/m0000.1.1"),
    ]


def test_a_restarted_node_keeps_the_outputs_of_its_hello(mapped):
    mapped.join("node-1", start=2, held=("job-1/m0000.1.1",))
    assert not any(isinstance(fact, OutputLost) for fact in mapped.facts)
    assert mapped.started() == ["job-1/r0000.1.2"]
    mapped.beat("node-1", "job-1/r0000.1.1", start=1)
    assert not mapped.sent, "an incarnation that is over is not listened to"


def test_the_hello_of_an_incarnation_that_is_over_shuts_the_node_out_for_a_lease_only(mapped):
    mapped.join("node-1", start=2)
    mapped.join("node-1", start=3)
    mapped.join("node-1", start=2)
    assert not mapped.sent, "replaced, while the one in its place is joined"
    for _ in range(3):
        mapped.now_s += 4.0
        mapped.beat("node-2")
        mapped.handle(e.Tick())
    mapped.join("node-1", start=2)
    assert e.Welcome("node-1", 1, "node-1#2") in mapped.messages(e.Welcome)
    mapped.handle(e.NodeGone("node-1", "node-1#2"))
    mapped.join("node-1", start=2)
    assert not mapped.sent, "it has ended, as its keeper saw"


def test_a_repeated_hello_changes_nothing(mapped):
    mapped.handle(e.NodeJoined("node-1", "node-1#1", 1, ()))
    assert mapped.facts == []
    assert mapped.sent == [("node-1", e.Welcome("node-1", 1, "node-1#1"))]


def test_a_source_that_cannot_be_fetched_is_given_up_after_three_reports(mapped):
    for number in (1, 2):
        mapped.fail(f"job-1/r0000.1.{number}", "fetch", lost=("job-1/m0001.1.1", "node-2"))
        assert not mapped.started(), "it rests first"
        mapped.wait(2.0)
        assert mapped.started() == [f"job-1/r0000.1.{number + 1}"]
    mapped.fail("job-1/r0000.1.3", "fetch", lost=("job-1/m0001.1.1", "node-2"))
    assert mapped.facts == [OutputLost("job-1/m0001.1.1", "node-2")]
    assert mapped.started() == ["job-1/m0001.1.2"]


def test_output_that_a_client_cannot_read_is_deleted_and_produced_again(mapped):
    mapped.seal("job-1/r0000.1.1")
    assert len(mapped.ended) == 1
    mapped.handle(e.OutputUnreadable("job-1/r0000.1.1", "node-1"))
    assert mapped.facts == [OutputLost("job-1/r0000.1.1", "node-1")]
    assert mapped.messages(e.DiscardAttempt) == [e.DiscardAttempt("job-1/r0000.1.1")]
    assert mapped.started() == ["job-1/r0000.1.2"]
    mapped.handle(e.OutputUnreadable("job-1/r0000.1.1", "node-1"))
    assert not mapped.facts, "it is the result no longer"
    mapped.seal("job-1/r0000.1.2")
    assert mapped.ended[-1].outputs == (("job-1/r0000.1.2", mapped.starts["job-1/r0000.1.2"][0]),)


@pytest.mark.parametrize("attempt", ["job-1/r0000.1.7", "job-9/r0000.1.1", "job-1/m0000.1.9", "x"])
def test_a_client_cannot_lose_output_that_is_not_a_result(mapped, attempt):
    mapped.seal("job-1/r0000.1.1")
    mapped.handle(e.OutputUnreadable(attempt, "node-1"))
    assert not mapped.facts
    assert not mapped.started()


def test_a_job_fails_after_too_many_lost_attempts():
    cluster = ManualScheduler(limits=SchedulerLimits(losses_max=3))
    cluster.submit(file_split(0))
    for number in (1, 2, 3):
        cluster.join("node-1", start=number)
    assert not cluster.ended
    cluster.join("node-1", start=4)
    assert "after 3 attempts were lost" in cluster.ended[0].failure.message


# ---- restart ------------------------------------------------------------------------------------------


def test_a_restarted_master_asks_for_hellos_and_continues_from_the_commits(mapped):
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    assert again.scheduler.snapshot() == mapped.scheduler.snapshot()
    again.beat("node-1", "job-1/r0000.1.1", held=("job-1/m0000.1.1",))
    assert again.sent == [("node-1", e.Welcome("node-1", 2))]
    again.join("node-1", held=("job-1/m0000.1.1",))
    assert not again.started(), "node-2, which holds the other map output, has still to join"
    again.join("node-2", held=("job-1/m0001.1.1",))
    assert again.started() == ["job-1/r0000.2.1"]
    again.beat("node-1", "job-1/r0000.1.1")
    assert e.DiscardAttempt("job-1/r0000.1.1") in again.messages(e.DiscardAttempt)


def test_a_restarted_master_gives_up_nodes_that_do_not_come_back(mapped):
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    again.join("node-1", held=("job-1/m0000.1.1",))
    again.now_s = 9.0
    again.beat("node-1")
    again.wait(2.0)
    assert again.facts == [OutputLost("job-1/m0001.1.1", "node-2")]
    assert again.started() == ["job-1/m0001.2.1"]


def test_a_restarted_master_repeats_ends_that_may_be_unconfirmed(mapped):
    mapped.seal("job-1/r0000.1.1")
    again = ManualScheduler(epoch=2, journal=mapped.journal)
    again.handle(e.Tick())
    assert again.ended[0].outputs == mapped.ended[0].outputs
    assert again.facts == []


def test_facts_come_before_everything_that_depends_on_them(one):
    actions = one.handle(e.AttemptSealed("node-1", "node-1#1", "job-1/m0000.1.1", report()))
    kinds = [type(action).__name__ for action in actions]
    assert kinds == ["Persist", "SendNode", "SendNode"]
    assert one.facts == [AttemptCommitted("job-1/m0000.1.1", "node-1", report())]


# ---- progress -----------------------------------------------------------------------------------------


def test_progress_counts_commits_and_heartbeats(one):
    one.seal("job-1/m0000.1.1", report(lines=10, malformed=1))
    one.beat("node-1", "job-1/m0001.1.1", progress=(("job-1/m0001.1.1", 5, 50),))
    told = one.scheduler.progress("job-1")
    assert (told.stage, told.tasks_done, told.tasks_total) == ("map", 1, 2)
    assert (told.records, told.bytes_done, told.malformed) == (14, 150, 1)
    one.seal("job-1/m0001.1.1")
    assert one.scheduler.progress("job-1").stage == "shuffle"
    one.beat("node-1", "job-1/r0000.1.1", progress=(("job-1/r0000.1.1", 1, 1),))
    told = one.scheduler.progress("job-1")
    assert (told.stage, told.tasks_done, told.tasks_total) == ("reduce", 0, 1)


# ---- how much a node is given -------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "given_first"), [(100, 12), (2 << 20, 2)])
def test_of_small_tasks_more_are_queued_and_fewer_towards_the_end(length, given_first):
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1")
    cluster.submit(*(Split("file", "log", "/log", at * length, length, (0, at * length)) for at in range(200)))
    node, waiting = cluster.scheduler.state.nodes["node-1"], cluster.scheduler.state.waiting
    assert len(node.live) == given_first
    while node.live:
        assert len(node.live) <= max(2, 2 + len(waiting) // 16)
        assert len(node.live) >= 2 or not len(waiting)
        cluster.seal(next(iter(node.live)))
    assert len(cluster.starts) == 201


def test_an_idle_node_has_its_share_of_small_tasks():
    cluster = ManualScheduler(limits=SchedulerLimits())
    cluster.join("node-1", "node-2")
    cluster.submit(*(file_split(number) for number in range(40)))
    nodes = cluster.scheduler.state.nodes
    assert [len(nodes[name].live) for name in ("node-1", "node-2")] == [2, 2]


# ---- figures ----------------------------------------------------------------------------------------


def lost_map(*, keeps_maps: bool = False) -> ManualScheduler:
    """Two steps on two nodes; the reduce of the first one is committed, and the node that had only a map is gone."""
    cluster = ManualScheduler()
    cluster.join("node-1", "node-2")
    steps = (StepSpec(1, keeps_maps=keeps_maps), StepSpec(1))
    cluster.submit(*(file_split(i, length=64 << 20) for i in range(2)), steps=steps)
    for number in range(2):
        cluster.seal(f"job-1/m000{number}.1.1", report(lines=7))
    cluster.seal("job-1/r0000.1.1", report(lines=14))
    gone = {"node-1": "node-2", "node-2": "node-1"}[cluster.starts["job-1/r0000.1.1"][0]]
    cluster.handle(e.NodeGone(gone, f"{gone}#1"))
    return cluster


def finish(cluster: ManualScheduler) -> list[tuple]:
    for _ in range(9):
        for name, (node, _) in list(cluster.starts.items()):
            if not cluster.ended and name in cluster.scheduler.state.nodes[node].live:
                cluster.seal(name, report(lines=7 if "/m000" in name else 0))
    (ended,) = cluster.ended
    return [(attempt, made.ledger.lines) for attempt, step, _, _, made in ended.reports if step == 0]


def test_a_lost_map_that_nothing_needs_stays_in_the_figures():
    told = finish(lost_map())
    assert [name.partition(".")[0] for name, _ in told] == ["job-1/m0000", "job-1/m0001", "job-1/r0000"]
    assert sum(lines for name, lines in told if "/m" in name) == 14
    assert all(name.endswith(".1.1") for name, _ in told), "nothing was made again"


def test_a_lost_map_that_nothing_needs_stays_in_the_figures_after_a_restart():
    before = lost_map()
    told = finish(before)
    after = ManualScheduler(2, before.journal)
    after.handle(e.Tick())
    (ended,) = after.ended
    assert [(attempt, made.ledger.lines) for attempt, step, _, _, made in ended.reports if step == 0] == told


def test_a_lost_map_with_needed_rejects_runs_again():
    told = finish(lost_map(keeps_maps=True))
    assert sorted(name.rpartition(".")[2] for name, _ in told) == ["1", "1", "2"]
