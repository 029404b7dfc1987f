"""What the commands that talk to a standing cluster share: where it is, how long to wait for it, how to visit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mrframe.cluster.client.cluster_dir import ClusterDir
    from mrframe.cluster.client.supervisor import Visitor
    from mrframe.wire.messages import JobState

ANSWER_S = 30.0
"""How long a master may take to answer, its restart included."""
C = TypeVar("C", bound=Callable[..., Any])


def dir_option(command: C) -> C:
    """Decorator: the command takes the directory of the cluster."""
    text = "where the cluster lives [$XDG_STATE_HOME/mrframe/cluster, or ~/.local/state/mrframe/cluster]"
    return click.option("--dir", "directory", metavar="DIR", default=None, help=text)(command)


def home_of(directory: str | None) -> ClusterDir:
    """The cluster's home; NotPrivate when it is not this user's alone."""
    from mrframe.cluster.client.cluster_dir import ClusterDir, default_home

    return ClusterDir(directory or default_home())


@contextmanager
def visit(home: ClusterDir) -> Iterator[Visitor]:
    """A session with the cluster that runs there; what is fetched goes when it ends. ClusterUnreachable."""
    from mrframe.cluster.client.supervisor import Visitor
    from mrframe.store.scratch import Scratch

    with Scratch(later=True) as scratch, Visitor(home, scratch.path) as visitor:
        yield visitor


def seen(visitor: Visitor, job: str) -> JobState | None:
    """What the master says of this submission; None when it has none of this id."""
    return next((one for one in visitor.state(ANSWER_S).jobs if one.job == job), None)


def state_of(one: JobState) -> str:
    """How people call the state of a submission: "running", "done", "failed" or "cancelled"."""
    return "cancelled" if one.error_slug == "cancelled" else one.state
