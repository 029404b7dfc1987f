"""States and moves of jobs, tasks, nodes and attempts, as tables.

A state changes only by `Machine.move(state, cause)`. A move that is not in the table raises `IllegalMove` and changes
nothing. docs/scheduler.md shows these tables (`markdown`), and a test compares the page with them. Jobs, tasks and
nodes have their states in the scheduler. Attempts have theirs on a node: the scheduler knows only whether it has
given one out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from mrframe.core.fast_dataclass import dataclass


class IllegalMove(AssertionError):
    """A move that is not in the table: a bug in mrframe, caught where it happens."""


class JobStatus(Enum):
    """The state of a submission."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TaskState(Enum):
    """The state of a task."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    COMMITTED = "committed"
    LOST = "lost"


class NodeMembership(Enum):
    """The state of a node, as the scheduler knows it."""

    EXPECTED = "expected"
    JOINED = "joined"
    SILENT = "silent"
    GONE = "gone"


class AttemptState(Enum):
    """The state of an attempt on its node."""

    QUEUED = "queued"
    FETCHING = "fetching"
    FETCHED = "fetched"
    RUNNING = "running"
    SEALED = "sealed"
    COMMITTED = "committed"
    FAILED = "failed"


S = TypeVar("S", bound=Enum)


@dataclass(frozen=True, slots=True)
class Machine(Generic[S]):
    """A state machine as tables: the meaning of each state and cause, and the moves."""

    name: str
    start: S
    meanings: Mapping[S, str]
    causes: Mapping[str, str]
    moves: Mapping[tuple[S, str], S]

    def move(self, state: S, cause: str) -> S:
        """Return the state after `cause`. Raises IllegalMove if the table has no such move."""
        try:
            return self.moves[state, cause]
        except KeyError:
            raise IllegalMove(f"a {self.name} that is {state.value} cannot {cause!r}") from None


JOB = Machine(
    "job",
    JobStatus.RUNNING,
    {
        JobStatus.RUNNING: "accepted: splits are added, tasks run",
        JobStatus.DONE: "all reduce tasks of the last step are committed, and outputs stay until the job is released",
        JobStatus.FAILED: "ended by a failure or a cancellation",
    },
    {
        "done": "the last reduce task of the last step is committed",
        "fail": "a failure that is not retried, too many retries, too many malformed lines, or a cancellation",
        "reopen": "an output of the last step is lost before the job is released",
    },
    {
        (JobStatus.RUNNING, "done"): JobStatus.DONE,
        (JobStatus.RUNNING, "fail"): JobStatus.FAILED,
        (JobStatus.DONE, "reopen"): JobStatus.RUNNING,
        (JobStatus.DONE, "fail"): JobStatus.FAILED,
    },
)

TASK = Machine(
    "task",
    TaskState.WAITING,
    {
        TaskState.WAITING: "some of its inputs are missing",
        TaskState.READY: "can be assigned to a node",
        TaskState.RUNNING: "has an attempt on a node",
        TaskState.COMMITTED: "one sealed attempt is its result",
        TaskState.LOST: "was committed, but its output is lost, and no open task needs it",
    },
    {
        "inputs there": "all its inputs are committed, on joined nodes",
        "inputs gone": "an input is lost before the task starts",
        "start": "an attempt is assigned to a node",
        "attempt over": "its last attempt fails or is lost",
        "job over": "the job ends first",
        "commit": "the scheduler chooses a sealed attempt",
        "recall": "recovery finds the commit in the journal",
        "lose": "the node that holds its output is lost, or the output cannot be fetched",
        "need": "a task that must still run reads its output",
    },
    {
        (TaskState.WAITING, "inputs there"): TaskState.READY,
        (TaskState.READY, "inputs gone"): TaskState.WAITING,
        (TaskState.READY, "start"): TaskState.RUNNING,
        (TaskState.RUNNING, "attempt over"): TaskState.WAITING,
        (TaskState.READY, "job over"): TaskState.WAITING,
        (TaskState.RUNNING, "job over"): TaskState.WAITING,
        (TaskState.RUNNING, "commit"): TaskState.COMMITTED,
        (TaskState.WAITING, "recall"): TaskState.COMMITTED,
        (TaskState.LOST, "recall"): TaskState.COMMITTED,
        (TaskState.COMMITTED, "lose"): TaskState.LOST,
        (TaskState.LOST, "need"): TaskState.WAITING,
    },
)

NODE = Machine(
    "node",
    NodeMembership.EXPECTED,
    {
        NodeMembership.EXPECTED: "holds outputs according to the journal, but has not joined in this epoch",
        NodeMembership.JOINED: "has sent its hello, and heartbeats arrive",
        NodeMembership.SILENT: "no heartbeat within the lease: its attempts and outputs count as lost",
        NodeMembership.GONE: "its process has ended, and this incarnation never returns",
    },
    {
        "hello": "a hello arrives (for a joined node: of a new incarnation)",
        "heard": "a message of the same incarnation arrives again",
        "lease over": "no message arrives within the lease",
        "ended": "its keeper sees the process end",
    },
    {
        (NodeMembership.EXPECTED, "hello"): NodeMembership.JOINED,
        (NodeMembership.EXPECTED, "lease over"): NodeMembership.SILENT,
        (NodeMembership.EXPECTED, "ended"): NodeMembership.GONE,
        (NodeMembership.JOINED, "hello"): NodeMembership.JOINED,
        (NodeMembership.JOINED, "lease over"): NodeMembership.SILENT,
        (NodeMembership.JOINED, "ended"): NodeMembership.GONE,
        (NodeMembership.SILENT, "hello"): NodeMembership.JOINED,
        (NodeMembership.SILENT, "heard"): NodeMembership.JOINED,
        (NodeMembership.SILENT, "ended"): NodeMembership.GONE,
        (NodeMembership.GONE, "hello"): NodeMembership.JOINED,
    },
)

ATTEMPT = Machine(
    "attempt",
    AttemptState.QUEUED,
    {
        AttemptState.QUEUED: "accepted: its inputs are on this node or need no fetching",
        AttemptState.FETCHING: "its inputs are being fetched",
        AttemptState.FETCHED: "its inputs are local, and it waits for an executor",
        AttemptState.RUNNING: "an executor runs it",
        AttemptState.SEALED: "its output is complete, and the report is repeated until the reply",
        AttemptState.COMMITTED: "its output stays until the job is forgotten",
        AttemptState.FAILED: "ended without output, and the report is repeated until it is discarded",
    },
    {
        "fetch": "its inputs are requested",
        "fetched": "its inputs have arrived",
        "run": "an idle executor gets it",
        "seal": "the executor finishes it",
        "fail": "the executor fails or dies, or an input cannot be fetched",
        "commit": "the scheduler chooses it",
    },
    {
        (AttemptState.QUEUED, "fetch"): AttemptState.FETCHING,
        (AttemptState.FETCHING, "fetched"): AttemptState.FETCHED,
        (AttemptState.FETCHING, "fail"): AttemptState.FAILED,
        (AttemptState.QUEUED, "run"): AttemptState.RUNNING,
        (AttemptState.FETCHED, "run"): AttemptState.RUNNING,
        (AttemptState.RUNNING, "seal"): AttemptState.SEALED,
        (AttemptState.RUNNING, "fail"): AttemptState.FAILED,
        (AttemptState.SEALED, "commit"): AttemptState.COMMITTED,
    },
)


def markdown() -> str:
    """Return the tables as markdown, one section for each machine, which docs/scheduler.md contains."""
    return "\n".join((_section(JOB), _section(TASK), _section(NODE), _section(ATTEMPT)))


def _section(machine: Machine[S]) -> str:
    lines = [f"### {machine.name.capitalize()}", "", f"Begins as *{machine.start.value}*.", ""]
    lines += ["| state | it means |", "|---|---|"]
    lines += [f"| {state.value} | {text} |" for state, text in machine.meanings.items()]
    lines += ["", "| from | cause | to |", "|---|---|---|"]
    lines += [f"| {a.value} | {cause} | {b.value} |" for (a, cause), b in machine.moves.items()]
    lines += ["", "| cause | when |", "|---|---|"]
    lines += [f"| {cause} | {text} |" for cause, text in machine.causes.items()]
    return "\n".join(lines) + "\n"
