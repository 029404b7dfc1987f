"""The end of jobs: done, failed, cancelled, released.

Rules. The end of a job is a fact before the client is notified. Outputs are kept, also those of failed jobs, until
the client releases the job. Only then do the nodes get `ForgetJob`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mrframe.core.model.actions import JobEnded
from mrframe.core.model.events import ForgetJob, JobReleased
from mrframe.core.model.facts import JobFinished
from mrframe.core.model.spec import Failure
from mrframe.core.model.states import JobStatus, NodeMembership, TaskState
from mrframe.core.replication.replicas import readable
from mrframe.core.scheduling.assignment import wake
from mrframe.core.state.scheduler_state import SchedulerState, Turn
from mrframe.core.state.submission import SubmissionRecord
from mrframe.core.state.tasks import Task


def cancelled(job: str) -> Failure:
    """Return the failure of a cancelled job."""
    return Failure(
        "refused", f"{job} was cancelled, so it has no result; submit it again to get one", error_slug="cancelled"
    )


def advance_job(state: SchedulerState, turn: Turn, submission: SubmissionRecord, readers: Sequence[Task]) -> None:
    """Start the tasks that can start after a change, and end the job when it is over."""
    if submission.state is not JobStatus.RUNNING:
        return
    new, failure = submission.advance()
    if failure is not None:
        fail(state, turn, submission, failure)
    elif submission.complete:
        finish(state, turn, submission)
    else:
        wake(state, turn, readers)
        wake(state, turn, new)


def fail_if_exhausted(state: SchedulerState, turn: Turn, task: Task, node: str, failure: Failure) -> bool:
    """Fail the job if the task was tried or lost too often. `failure` on `node` is the latest one."""
    named = len(task.fatal)  # the attempt after a proof names the record or key
    if task.failures >= state.limits.tries_max + named:
        times = f"{task.failures} attempts failed"
    elif task.losses >= _losses_max(state, task):
        times = f"{task.losses} attempts were lost"
    elif failure.kind == "full" and _full_too_long(state, turn, task):
        times = f"{task.refusals} attempts in {turn.now_s - task.full_since_s:.0f} s found no room"
    elif task.node_deaths >= state.limits.node_deaths_max + named:
        alone = task.node_deaths - state.limits.node_deaths_shared_max
        times = f"{task.node_deaths} nodes ended under its attempts, {alone} of them with nothing else to do"
    else:
        return False
    message = f"{task.id}{_split_text(task)} is given up after {times}, the last on {node}: {failure.message}"
    fail(state, turn, state.jobs[task.job], replace(failure, message=message))
    return True


def _full_too_long(state: SchedulerState, turn: Turn, task: Task) -> bool:
    limits = state.limits
    return task.refusals >= limits.tries_max and turn.now_s - task.full_since_s >= limits.full_s


def _split_text(task: Task) -> str:
    split = task.split
    if split is None or split.is_pairs:
        return ""
    return f" ({split.length:,} bytes of {split.source} from byte {split.order[1]:,})"


def _losses_max(state: SchedulerState, task: Task) -> int:
    """Return how many attempts at a task may be lost: fewer, when its block is on no node."""
    stored = task.split is not None and task.split.is_stored
    gone = stored and task.split is not None and not readable(state, task.split.path)
    return state.limits.block_losses_max if gone else state.limits.losses_max


def fail(state: SchedulerState, turn: Turn, submission: SubmissionRecord, failure: Failure) -> None:
    """End a job with a failure, and stop its attempts. Nothing happens when it has failed already."""
    if submission.state is JobStatus.FAILED:
        return
    submission.ended_s = submission.ended_s or turn.wall_s
    turn.persist(JobFinished(submission.job, failure, submission.ended_s))
    submission.move("fail")
    submission.failure = failure
    stop(state, turn, submission)
    turn.end(ended_action(submission))


def finish(state: SchedulerState, turn: Turn, submission: SubmissionRecord) -> None:
    """End a job after the commit of its last reduce task."""
    submission.ended_s = submission.ended_s or turn.wall_s
    turn.persist(JobFinished(submission.job, None, submission.ended_s))
    submission.move("done")
    stop(state, turn, submission)
    turn.end(ended_action(submission))


def stop(state: SchedulerState, turn: Turn, submission: SubmissionRecord) -> None:
    """Discard all attempts of a job that are not over, and take its tasks out of the queue."""
    for node in state.joined() if submission.live else ():
        for attempt in [a for a in node.live.values() if a.task.job == submission.job]:
            state.drop(turn, attempt)
    for task in submission.tasks.values():
        state.queue(task).remove(task)
        state.suspects.pop(task.id, None)
        if task.state in (TaskState.READY, TaskState.RUNNING):
            task.move("job over")


def ended_action(submission: SubmissionRecord) -> JobEnded:
    """Return the notice to the client that a job is over."""
    done = submission.state is JobStatus.DONE
    return JobEnded(
        submission.job,
        tuple(t.commit for t in submission.last.reduces if t.commit) if done else (),
        tuple(
            (t.last_commit[0], t.step, t.last_commit[1], t.split, t.last_report)
            for t in submission.ever_committed()
            if t.last_commit and t.last_report
        ),
        submission.failure,
    )


def release(state: SchedulerState, turn: Turn, event: JobReleased) -> None:
    """The client is finished with a job: forget it everywhere."""
    submission = state.jobs.get(event.job)
    if submission is None:
        return
    turn.persist(event)
    stop(state, turn, submission)
    forget(state, submission)
    for node in state.nodes.values():
        if node.state is NodeMembership.JOINED:
            turn.send(node.name, ForgetJob(event.job))


def forget(state: SchedulerState, submission: SubmissionRecord) -> None:
    """Take a job out of the state. Its tasks are left in no cycle, since the master hardly ever collects garbage."""
    state.released.add(submission.job)
    del state.jobs[submission.job]
    for task in submission.committed():
        assert task.commit is not None
        state.nodes[task.commit[1]].outputs.pop(task.commit[0], None)
    for decode in submission.decodes.values():
        for block in decode.blocks:
            block.decode_task = None
        decode.blocks = ()
