"""A cluster and its submissions as values that a client returns: for a program, for JSON, for a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mrframe.api.html_table import html_table
from mrframe.api.units import counted, seconds_text
from mrframe.core.fast_dataclass import dataclass
from mrframe.wire.messages import ClusterState, JobState, NodeState


@dataclass(frozen=True, slots=True)
class SubmissionInfo:
    """A submission in a list.

    name       of its job, None when its record is gone (a removal broke off) or damaged
    state      "running", "done", "failed" or "cancelled"
    stage      "map", "shuffle" or "reduce", with the tasks of the step that it is at
    submitted  by the clock of this machine, None when its record is gone
    ended      by the same clock, None while it runs, or when an older version has seen its end
    inputs     as its submitter named them
    rows       of its result, None unless it is done
    error      slug and beginning of the message of a failure, both "" for none
    """

    id: str
    name: str | None
    state: str
    stage: str
    tasks_done: int
    tasks_total: int
    submitted: datetime | None = None
    error_slug: str = ""
    error_message: str = ""
    ended: datetime | None = None
    inputs: tuple[str, ...] = ()
    rows: int | None = None

    @property
    def seconds(self) -> float | None:
        """The time from its submission to its end, waiting included. None when one of them is not known."""
        if self.submitted is None or self.ended is None:
            return None
        return max(0.0, round((self.ended - self.submitted).total_seconds(), 3))

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "stage": self.stage,
            "tasks_done": self.tasks_done,
            "tasks_total": self.tasks_total,
            "submitted": self.submitted.isoformat(timespec="seconds") if self.submitted else None,
            "ended": self.ended.isoformat(timespec="seconds") if self.ended else None,
            "seconds": self.seconds,
            "inputs": list(self.inputs),
            "rows": self.rows,
            "error": {"slug": self.error_slug, "message": self.error_message} if self.error_slug else None,
        }

    def cells(self) -> dict[str, object]:
        """As a row of a table."""
        return {
            "id": self.id,
            "name": self.name or "-",
            "inputs": short_inputs(self.inputs),
            "state": self.state,
            "submitted": _time_text(self.submitted),
            "ended": _time_text(self.ended),
            "took": "-" if self.seconds is None else seconds_text(self.seconds),
            "outcome": self.outcome(),
        }

    def outcome(self) -> str:
        """Describe its end or its progress, as the last column of `mrframe jobs` does."""
        if self.state == "running":
            return f"{self.stage} {self.tasks_done} of {counted(self.tasks_total, 'task')}"
        if self.rows is not None:
            return counted(self.rows, "row")
        return f"{self.error_slug}: {self.error_message.partition(chr(10))[0]}" if self.state == "failed" else ""


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster that runs in `dir`: its nodes and submissions, and the number of its master's start."""

    dir: str
    log: str
    epoch: int
    nodes: tuple[NodeState, ...]
    submissions: tuple[JobState, ...]

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def counts(self) -> dict[str, int]:
        """Count the submissions by state. States without any are left out."""
        return dict(Counter(map(state_text, self.submissions)))

    def _repr_html_(self) -> str:
        rows = [[node.node, node.state, node.slots, node.attempts] for node in self.nodes]
        below = f"{self.dir}, {counted(len(self.submissions), 'submission')}, log {self.log}"
        return html_table(["node", "state", "slots", "tasks"], rows, below)


@dataclass(frozen=True, slots=True)
class CancelledSubmission:
    """The outcome of a cancellation. `state` is that of the submission now ("removed": it was removed meanwhile).

    `now` says that this call ended it. Else it had ended before.
    """

    id: str
    state: str
    now: bool


def short_inputs(inputs: Sequence[str]) -> str:
    """Shorten the inputs to the name of the first, without its folder, and the number of the others."""
    if not inputs:
        return "-"
    first, many = inputs[0], len(inputs) - 1
    name, equals, path = first.partition("=")
    name, path = (name, path) if equals and name.isidentifier() else ("", first)
    base = os.path.basename(path.rstrip("/")) or path
    return (f"{name}={base}" if name else base) + (f" and {many:,} more" if many else "")


def _time_text(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def state_text(one: JobState) -> str:
    """The state of a submission as people call it: "running", "done", "failed" or "cancelled"."""
    return "cancelled" if one.error_slug == "cancelled" else one.state


def status_of(directory: str, log: str, state: ClusterState) -> ClusterStatus:
    """The state that a master tells, with where its cluster lives."""
    return ClusterStatus(directory, log, state.epoch, state.nodes, state.jobs)
