"""`mrframe cluster`: start, stop and look at a standing cluster, to which jobs are submitted."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.session import ANSWER_S, dir_option, home_of, visit
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import columns_text

if TYPE_CHECKING:
    from mrframe.wire.messages import ClusterState


@click.group("cluster")
def command() -> None:
    """Start, stop or look at a standing cluster on this machine."""


@command.command("start")
@click.option(
    "--nodes", type=click.IntRange(1, 64), default=None, metavar="N", help="worker nodes [2, or 1 on one core]"
)
@click.option(
    "--slots", type=click.IntRange(1, 256), default=None, metavar="N", help="executors on each [cores by nodes]"
)
@click.option("--shuffle", type=click.Choice(["auto", "zmq"]), default="auto", help="as for `mrframe run` [auto]")
@dir_option
def start_cluster(nodes: int | None, slots: int | None, shuffle: str, directory: str | None) -> None:
    """Start it, going on with what was submitted before, and return when it serves."""
    from mrframe.cluster.client import supervisor
    from mrframe.engines.local import default_nodes
    from mrframe.engines.protocol import cores

    home = home_of(directory)
    many = default_nodes(nodes)
    each = slots or max(1, cores() // many)
    supervisor.start(home.path, nodes=many, slots=each, shuffle=shuffle)
    click.echo(f"a cluster runs in {home.path}: {many} nodes with {each} slots each", err=True)


@command.command("stop")
@dir_option
def stop_cluster(directory: str | None) -> None:
    """End all its processes; its journal and what its nodes have done stay for the next start."""
    from mrframe.cluster.client import supervisor

    home = home_of(directory)
    supervisor.stop(home.path)
    click.echo(f"the cluster in {home.path} has stopped", err=True)


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
def cluster_status(*, as_json: bool, directory: str | None) -> None:
    """Show its nodes and its submissions."""
    home = home_of(directory)
    with visit(home) as visitor:
        state = visitor.state(ANSWER_S)
    if as_json:
        print_json({"dir": home.path, "log": home.log, **_plain(state)})
        return
    say(f"{home.path}, master's start {state.epoch}, log {os.path.relpath(home.log, home.path)}")
    nodes = [[node.node, node.state, f"{node.slots} slots", f"{node.attempts} attempts"] for node in state.nodes]
    jobs = [[job.job, job.state, job.stage, f"{job.tasks_done} of {job.tasks_total} tasks"] for job in state.jobs]
    for line in columns_text([*nodes, *jobs]):
        say(line)


def _plain(state: ClusterState) -> dict[str, Any]:
    return {
        "epoch": state.epoch,
        "nodes": [asdict(node) for node in state.nodes],
        "submissions": [asdict(job) for job in state.jobs],
    }
