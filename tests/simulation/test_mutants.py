"""Planted bugs: each breaks one rule of the scheduler or the node, and the simulator must find it.

Each mutant names the invariants that may report it. A simulator that no longer finds any mutant checks nothing.
"""

from __future__ import annotations

import pytest

from mrframe.core.model.events import AcknowledgeBlock, CommitAttempt, ForgetJob
from mrframe.core.model.facts import AttemptCommitted, JobFinished, OutputLost
from mrframe.core.model.spec import Failure
from mrframe.core.model.states import AttemptState
from mrframe.core.node import handing_out, node_core
from mrframe.core.node.attempts import Repeat
from mrframe.core.node.node_core import NodeCore
from mrframe.core.node.report_outbox import ReportOutbox
from mrframe.core.scheduling import (
    assignment,
    attempt_end,
    job_end,
    lost_output,
    membership,
    recovery,
    scheduler,
    speculation,
)
from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.core.state.scheduler_state import SchedulerState, Turn
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Step
from mrframe.testing.simulation.simulated_cluster import run
from mrframe.testing.simulation.world import Faults

SEEDS = 1000
MUTANTS = {}


def mutant(expected: str):
    """Register a function that plants a bug with `patch(owner, name, value)`. It may return arguments for `run`."""

    def keep(plant):
        MUTANTS[plant.__name__] = (expected, plant)
        return plant

    return keep


@mutant("I1|I5|I6")
def commits_what_a_lost_attempt_sealed(patch):
    real = attempt_end.on_sealed

    def sealed(state, turn, node, event):
        task = state.task_of(event.attempt)
        if task is not None and event.attempt not in node.live and task.commit:
            turn.persist(AttemptCommitted(event.attempt, node.name, event.report))
            turn.send(node.name, CommitAttempt(event.attempt))
        else:
            real(state, turn, node, event)

    patch(attempt_end, "on_sealed", sealed)


@mutant("I9")
def forgets_to_run_lost_outputs_again(patch):
    patch(SubmissionRecord, "reopen_needed", lambda _self: [])


@mutant("I9|I3|I10")
def keeps_believing_in_outputs_of_dead_nodes(patch):
    patch(lost_output, "withdraw_commit", lambda *_: None)


@mutant("I2")
def uses_an_attempt_id_again(patch):
    real = assignment.attempt_id
    patch(assignment, "attempt_id", lambda task, epoch, _number: real(task, epoch, 1))


@mutant("I2")
def restarts_with_the_same_epoch(_patch):
    return {"make_scheduler": lambda _epoch, limits: Scheduler(1, limits)}


@mutant("I3|I10")
def starts_reducing_before_the_inputs_are_closed(patch):
    def maps_known(self, step):
        begun = step.maps or (self.closed and not self.unknown_decodes)  # an input may be empty
        return step.planned and bool(begun) and not step.open_maps

    patch(SubmissionRecord, "_maps_known", maps_known)


@mutant("I3|I10")
def does_not_wait_for_compressed_inputs(patch):
    def maps_known(self, step):
        begun = step.maps or not self.unknown_decodes  # an input may be empty
        return (step.index > 0 or self.closed) and step.planned and bool(begun) and not step.open_maps

    patch(SubmissionRecord, "_maps_known", maps_known)


@mutant("I9")
def never_sends_a_start_again(patch):
    patch(membership, "resend", lambda *_: None)


@mutant("I9")
def a_node_says_everything_once_only(patch):
    real = Repeat.due

    def due(self, now_s, limits):
        said = real(self, now_s, limits)
        self.at_s = float("inf")
        return said

    patch(Repeat, "due", due)
    patch(ReportOutbox, "make_due", lambda *_: None)


@mutant("I4")
def gives_a_node_more_than_it_has_room_for(patch):
    patch(assignment, "_has_room", lambda *_: True)


@mutant("I5")
def sends_before_it_persists(patch):
    patch(Turn, "actions", lambda self: self._rest + self._facts)


@mutant("I5|I10|I9")
def does_not_persist_the_commit(patch):
    real = Turn.persist
    patch(Turn, "persist", lambda self, fact: None if isinstance(fact, AttemptCommitted) else real(self, fact))


@mutant("I8|I1")
def recovery_forgets_losses(patch):
    real = recovery._apply
    patch(recovery, "_apply", lambda state, fact: None if isinstance(fact, OutputLost) else real(state, fact))


@mutant("I8")
def recovery_forgets_the_end_of_jobs(patch):
    real = recovery._apply
    patch(recovery, "_apply", lambda state, fact: None if isinstance(fact, JobFinished) else real(state, fact))


@mutant("I3|I10")
def reads_maps_in_the_order_of_their_creation(patch):
    patch(Step, "in_order", lambda self: self.maps)


@mutant("I3|I10")
def leaves_out_a_source(patch):
    real = SubmissionRecord.inputs
    patch(
        SubmissionRecord,
        "inputs",
        lambda self, task: real(self, task)[1:] if task.kind == "reduce" else real(self, task),
    )


@mutant("I6|I8|I10")
def counts_a_split_that_is_added_twice(patch):
    patch(SubmissionRecord, "unknown_splits", lambda _self, splits: tuple(splits))


@mutant("I6|I8|I10|I9")
def maps_a_block_that_is_reported_twice(patch):
    real = SubmissionRecord.add_block

    def add_block(self, decode, split):
        task = real(self, decode, split)
        del self.by_position[split.order]
        return task

    patch(SubmissionRecord, "add_block", add_block)


@mutant("I10|I3|I9")
def a_seal_overtakes_the_blocks_of_its_attempt(patch):
    def due(self, attempt, now_s):
        repeats = [*attempt.blocks.values(), *([attempt.unanswered] if attempt.unanswered else [])]
        return [action for repeat in repeats for action in repeat.due(now_s, self._limits)]

    patch(ReportOutbox, "due", due)


@mutant("I2")
def a_node_forgets_what_it_has_discarded(_patch):
    class Forgetful(NodeCore):
        def _discard(self, name):
            actions = super()._discard(name)
            self._discarded.clear()
            return actions

    return {"make_node": Forgetful}


@mutant("leftovers|I9|I2")
def a_node_forgets_that_a_job_is_over(_patch):
    class Forgetful(NodeCore):
        def _forget(self, job):
            actions = super()._forget(job)
            self._forgotten.clear()
            return actions

    return {"make_node": Forgetful}


@mutant("I4")
def a_node_starts_an_executor_too_many(_patch):
    return {"make_node": lambda name, incarnation, slots, *rest: NodeCore(name, incarnation, slots + 1, *rest)}


@mutant("I10|I6")
def a_late_failure_fails_the_job(patch):
    real = attempt_end.on_failed

    def failed(state, turn, node, event):
        task = state.task_of(event.attempt)
        if task is not None and event.attempt not in node.live:
            job_end.fail(state, turn, state.jobs[task.job], Failure("died", "a stale report"))
        else:
            real(state, turn, node, event)

    patch(attempt_end, "on_failed", failed)


@mutant("I10")
def a_lost_node_is_the_fault_of_its_tasks(patch):
    real = SubmissionRecord.reopen_needed

    def needed(self):
        for task in self.tasks.values():
            if task.losses:
                task.failures = 4
        return real(self)

    patch(SubmissionRecord, "reopen_needed", needed)


@mutant("I10")
def malformed_lines_of_lost_maps_stay_counted(patch):
    real = Step.count

    def count(self, task, node, report, sign):
        before = self.malformed
        real(self, task, node, report, sign)
        self.malformed = max(self.malformed, before)

    patch(Step, "count", count)


@mutant("I10")
def commits_a_reduce_that_has_not_read_what_its_maps_have_made(patch):
    patch(attempt_end, "shuffle_mismatch", lambda *_: "")
    return {"faults": Faults(until_s=10.0, misreads=0.5)}


@mutant("I10")
def what_lost_maps_have_made_stays_in_the_balance(patch):
    real = Step.count

    def count(self, task, node, report, sign):
        before = dict(self.map_checksums)
        real(self, task, node, report, sign)
        if sign < 0:
            self.map_checksums = before

    patch(Step, "count", count)


@mutant("I2|I9")
def a_restarted_node_is_taken_for_the_old_one(patch):
    real = membership.on_joined

    def joined(state, turn, event):
        node = state.nodes.get(event.node)
        if node is not None and node.incarnation:
            node.incarnation = event.incarnation
        real(state, turn, event)

    patch(membership, "on_joined", joined)


@mutant("I9")
def deletes_outputs_when_the_job_is_done(patch):
    real = job_end.finish

    def finish(state, turn, submission):
        real(state, turn, submission)
        for node in state.nodes:
            turn.send(node, ForgetJob(submission.job))

    patch(job_end, "finish", finish)


@mutant("I9|leftovers")
def a_lost_forget_is_never_repeated(patch):
    patch(membership, "check_held", lambda *_: None)


@mutant("I3")
def speculates_on_a_task_whose_input_is_gone(patch):
    patch(speculation, "may_start", lambda *_: True)


@mutant("I9|leftovers")
def the_loser_of_two_attempts_is_left_to_itself(patch):
    real = SchedulerState.drop

    def drop(self, turn, attempt, *, notify=True):
        real(self, turn, attempt, notify=notify and not attempt.task.speculative)

    patch(SchedulerState, "drop", drop)
    patch(membership, "check_held", lambda *_: None)


@mutant("I9")
def a_block_that_is_mapped_is_not_told_of(patch):
    patch(attempt_end, "AcknowledgeBlock", lambda attempt, order, mapped=False: AcknowledgeBlock(attempt, order))


@mutant("I9")
def a_block_that_is_mapped_is_told_of_once(patch):
    real = ReportOutbox.acknowledge

    def acknowledge(self, attempt, order, now_s):
        real(self, attempt, order, now_s)
        if order in attempt.unmapped_blocks:
            attempt.unmapped_blocks[order].at_s = float("inf")

    patch(ReportOutbox, "acknowledge", acknowledge)


@mutant("I7|I9|I10")
def blocks_can_go_before_they_are_mapped(patch):
    def acknowledge(attempt, order, mapped=True):
        return AcknowledgeBlock(attempt, order, mapped=True)

    patch(attempt_end, "AcknowledgeBlock", acknowledge)


@mutant("I4")
def who_decodes_has_all_the_executors(patch):
    patch(node_core, "may_begin", lambda queue, *_: list(queue.values()))


@mutant("I9")
def what_follows_in_a_batch_dies_with_its_executor(patch):
    def forget(self, names):
        for name in self.attempts.keys() & names:
            self.attempts[name].executor = -1

    patch(NodeCore, "_take_back", forget)


@mutant("I2|I9")
def what_an_executor_had_begun_waits_again(patch):
    real = NodeCore._take_back

    def take_back(self, names):
        begun = [a for a in self.attempts.values() if a.state is AttemptState.RUNNING]
        lost = [a for a in begun if a.name not in self.executors.attempts()] if names else []
        for attempt in lost:
            attempt.state = AttemptState.QUEUED
        real(self, (*(attempt.name for attempt in lost), *names))

    patch(NodeCore, "_take_back", take_back)


@mutant("I4")
def anything_may_be_in_a_batch(patch):
    patch(handing_out, "is_small", lambda attempt: True)


@mutant("I10")
def a_death_fails_all_of_a_batch(patch):
    def take_back(self, names):
        for name in self.attempts.keys() & names:
            self.attempts[name].move("run")
            self._fail(self.attempts[name], Failure("raised", "its executor ended"), 0.0)

    patch(NodeCore, "_take_back", take_back)


@mutant("I4")
def a_batch_has_no_end(patch):
    patch(handing_out.Batches, "_many", lambda self, job: 1000)


@mutant("I10")
def what_is_lost_is_missing_in_the_figures(patch):
    patch(SubmissionRecord, "ever_committed", SubmissionRecord.committed)


@mutant("I4")
def speculation_does_not_need_a_free_slot(patch):
    def speculate(state, turn):
        for node in state.joined():
            for attempt in list(node.live.values()):
                for other in state.joined():
                    if attempt.task.kind != "decode" and len(attempt.task.attempts) < 9 and other is not node:
                        assignment.start_attempt(state, turn, state.jobs[attempt.task.job], attempt.task, other)

    patch(scheduler, "speculate", speculate)


def find(arguments) -> tuple[int, str] | None:
    for seed in range(SEEDS):
        try:
            run(seed, **arguments)
        except InvariantBroken as broken:
            return seed, str(broken)
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_the_simulator_finds_it(name, monkeypatch):
    expected, plant = MUTANTS[name]
    arguments = plant(monkeypatch.setattr) or {}
    found = find(arguments)
    assert found is not None, f"{name} is not found in {SEEDS} seeds"
    _, said = found
    assert said.startswith(tuple(expected.split("|"))) or "cannot" in said, said


def test_the_classes_of_bugs_are_many():
    assert len(MUTANTS) >= 16
