"""Picks the real cluster for the engines, which only name the parts they need, and knows how to start it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrframe.cluster.client.client import LocalCluster
    from mrframe.core.settings.options import RunOptions
    from mrframe.store.scratch import Scratch

_process_is_ours = False


def claim_process() -> None:
    """Say that this process is the command: one thread, nothing of a caller's in it, so it may be forked."""
    global _process_is_ours  # noqa: PLW0603  (a fact about the process)
    _process_is_ours = True


def start_cluster(options: RunOptions, nodes: int, slots: int, scratch: Scratch) -> LocalCluster:
    """Start a cluster on this machine. ClusterUnreachable when it does not start.

    It works in a directory of its own inside `scratch`, which is made once there is a keeper to remove it.
    Its keeper is forked from the command, and started by exec from a notebook, a test or a script.
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
