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
    """A move that is not in the table: a bug in mrframe, found at the place where it happens."""


class JobStatus(Enum):
    """What has become of a submission."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TaskState(Enum):
    """What has become of a task."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    COMMITTED = "committed"
    LOST = "lost"


class NodeMembership(Enum):
    """What the scheduler believes of a node."""

    EXPECTED = "expected"
    JOINED = "joined"
    SILENT = "silent"
    GONE = "gone"


class AttemptState(Enum):
    """Where an attempt is on its node."""

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
    """The table of one kind of thing: what each state means, and which cause moves it where."""

    name: str
    start: S
    meanings: Mapping[S, str]
    causes: Mapping[str, str]
    moves: Mapping[tuple[S, str], S]

    def move(self, state: S, cause: str) -> S:
        """The state after `cause`; IllegalMove when the table has no such move."""
        try:
            return self.moves[state, cause]
        except KeyError:
            raise IllegalMove(f"a {self.name} that is {state.value} cannot {cause!r}") from None


JOB = Machine(
    "job",
    JobStatus.RUNNING,
    {
        JobStatus.RUNNING: "accepted; splits are added, tasks run",
        JobStatus.DONE: "all reduce tasks of the last step are committed; outputs are kept until it is released",
        JobStatus.FAILED: "ended by a failure or a cancellation",
    },
    {
        "done": "the last reduce task of the last step was committed",
        "fail": "a failure that is not retried, too many tries, too many malformed lines, or a cancellation",
        "reopen": "an output of the last step was lost before the job was released",
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
        TaskState.WAITING: "its inputs are not all there",
        TaskState.READY: "may be given to a node",
        TaskState.RUNNING: "has an attempt on a node",
        TaskState.COMMITTED: "one sealed attempt is its result",
        TaskState.LOST: "was committed; its output is gone, and nothing that still runs needs it",
    },
    {
        "inputs there": "everything it reads is committed, on nodes that have joined",
        "inputs gone": "something it reads was lost before it was started",
        "start": "an attempt was given to a node",
        "attempt over": "its last attempt failed or was lost",
        "job over": "the job ended without it",
        "commit": "a sealed attempt was chosen",
        "recall": "the journal says that an attempt was chosen",
        "lose": "the node that holds its output is gone, or its output cannot be fetched",
        "need": "a task that still has to run reads its output",
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
        NodeMembership.EXPECTED: "named by the journal as a holder of outputs; has not joined in this epoch",
        NodeMembership.JOINED: "has said hello and is heard",
        NodeMembership.SILENT: "not heard for the lease; its attempts and outputs count as lost",
        NodeMembership.GONE: "its process has ended; that incarnation never comes back",
    },
    {
        "hello": "it said hello (for a joined node: a new incarnation did)",
        "heard": "the same incarnation was heard again",
        "lease over": "nothing was heard of it for the lease",
        "ended": "its keeper saw the process end",
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
        AttemptState.QUEUED: "accepted; its inputs are on this node or need no fetching",
        AttemptState.FETCHING: "its inputs are being made local",
        AttemptState.FETCHED: "its inputs are local; waits for an executor",
        AttemptState.RUNNING: "an executor works on it",
        AttemptState.SEALED: "its output is complete; the report is repeated until it is answered",
        AttemptState.COMMITTED: "its output is kept until the job is forgotten",
        AttemptState.FAILED: "ended without output; the report is repeated until it is discarded",
    },
    {
        "fetch": "its inputs are asked for",
        "fetched": "they are here",
        "run": "an idle executor was given it",
        "seal": "the executor finished it",
        "fail": "the executor failed or died, or an input could not be fetched",
        "commit": "the scheduler chose it",
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
    """The tables as markdown, one section for each machine; docs/scheduler.md carries this text."""
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
