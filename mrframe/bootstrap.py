"""Starts the real cluster for the engines, which know only the interface that they need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrframe.cluster.client.client import LocalCluster
    from mrframe.core.settings.options import RunOptions
    from mrframe.store.scratch import Scratch

_process_is_ours = False


def claim_process() -> None:
    """Mark this process as the command: it has one thread and no state of a caller, so it may be forked."""
    global _process_is_ours  # noqa: PLW0603  (a fact about the process)
    _process_is_ours = True


def start_cluster(options: RunOptions, nodes: int, slots: int, scratch: Scratch) -> LocalCluster:
    """Start a cluster on this machine. Raises ClusterUnreachable if it does not start.

    It works in a directory of its own inside `scratch`, created only after the keeper that removes it. The keeper is
    forked from the command, and started by exec from a notebook, a test or a script.
    """
    from mrframe.cluster.client.client import LocalCluster

    return LocalCluster.start(
        nodes=nodes,
        slots=slots,
        scratch=os.path.join(scratch.path, "cluster"),
        run_scratch=scratch.path,
        make_run_scratch=scratch.make,
        shuffle=options.shuffle,
        exec_keeper=not _process_is_ours,
    )
