"""`mrframe cluster`: start, stop and look at a standing cluster, to which jobs are submitted."""

from __future__ import annotations

import os
from typing import Any

import click

from mrframe import api
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.show.streams import print_json, report, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text
from mrframe.core.model.limits import STANDING_NODES_MAX


@click.group("cluster", cls=CommandGroup)
def command() -> None:
    """Start, stop or look at a standing cluster on this machine."""


@command.command("start")
@click.option(
    "--nodes",
    type=click.IntRange(1, STANDING_NODES_MAX),
    default=None,
    metavar="N",
    help="number of nodes [2, or 1 on one core]",
)
@click.option(
    "--slots", type=click.IntRange(1, 256), default=None, metavar="N", help="executors on each [cores by nodes]"
)
@click.option("--shuffle", type=click.Choice(["auto", "zmq"]), default="auto", help="as for `mrframe run` [auto]")
@dir_option
def start_cluster(nodes: int | None, slots: int | None, shuffle: Any, directory: str | None) -> None:
    """Start it and return when it serves. It goes on with earlier submissions."""
    started = api.start_cluster(directory, nodes=nodes, slots=slots, shuffle=shuffle)
    report(f"a cluster runs in {started.directory}: {started.nodes} nodes with {started.slots} slots each")


@command.command("stop")
@dir_option
def stop_cluster(directory: str | None) -> None:
    """End all its processes. Its journal and the output on its nodes stay for the next start."""
    report(f"the cluster in {api.stop_cluster(directory)} has stopped")


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
def cluster_status(*, as_json: bool, directory: str | None) -> None:
    """Show its nodes and its submissions."""
    status = api.cluster_status(directory)
    if as_json:
        print_json(status.to_plain())
        return
    say(f"{status.dir}, master's start {status.epoch}, log {os.path.relpath(status.log, status.dir)}")
    nodes = [[node.node, node.state, f"{node.slots} slots", f"{node.attempts} attempts"] for node in status.nodes]
    jobs = [
        [job.job, job.state, job.stage, f"{job.tasks_done} of {job.tasks_total} tasks"] for job in status.submissions
    ]
    for line in columns_text([*nodes, *jobs], terminal=terminal_of_stdout()):
        say(line)
