"""A cluster and its submissions as values that a client returns: for a program, for JSON, for a table."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mrframe.api.html_table import html_table
from mrframe.core.fast_dataclass import dataclass
from mrframe.wire.messages import ClusterState, JobState, NodeState


@dataclass(frozen=True, slots=True)
class SubmissionInfo:
    """A submission in a list.

    name       of its job, None when its record is gone (a removal broke off) or damaged
    state      "running", "done", "failed" or "cancelled"
    stage      "map", "shuffle" or "reduce", with the tasks of the step that it is at
    submitted  by the clock of this machine, None when its record is gone
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
            "error": {"slug": self.error_slug, "message": self.error_message} if self.error_slug else None,
        }

    def cells(self) -> dict[str, object]:
        """As a row of a table."""
        at = self.submitted
        return {
            "id": self.id,
            "name": self.name or "-",
            "state": self.state,
            "progress": f"{self.stage} {self.tasks_done} of {self.tasks_total}",
            "submitted": f"{at:%Y-%m-%d %H:%M:%S}" if at else "-",
            "ended": f"{self.error_slug}: {self.error_message}" if self.error_slug else "",
        }


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

    def _repr_html_(self) -> str:
        rows = [[node.node, node.state, node.slots, node.attempts] for node in self.nodes]
        below = f"{self.dir}, {len(self.submissions)} submissions, log {os.path.relpath(self.log, self.dir)}"
        return html_table(["node", "state", "slots", "attempts"], rows, below)


@dataclass(frozen=True, slots=True)
class CancelledSubmission:
    """The outcome of a cancellation. `state` is that of the submission now ("removed": it was removed meanwhile).

    `now` says that this call ended it. Else it had ended before.
    """

    id: str
    state: str
    now: bool


def state_text(one: JobState) -> str:
    """The state of a submission as people call it: "running", "done", "failed" or "cancelled"."""
    return "cancelled" if one.error_slug == "cancelled" else one.state


def status_of(directory: str, log: str, state: ClusterState) -> ClusterStatus:
    """The state that a master tells, with where its cluster lives."""
    return ClusterStatus(directory, log, state.epoch, state.nodes, state.jobs)
