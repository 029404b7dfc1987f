"""`mrframe cluster`: start, stop and look at a standing cluster, to which jobs are submitted."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.api.units import counted
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.json_option import json_option
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.show.streams import print_json, report, say, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text
from mrframe.core.model.limits import STANDING_NODES_MAX

_NODES = {"expected": "starting", "silent": "does not answer", "gone": "has ended, and is started again"}


@click.group("cluster", cls=CommandGroup)
def command() -> None:
    """Start, stop or look at a standing cluster on this machine."""


@command.command("start")
@click.option(
    "--nodes",
    type=WholeNumber(1, STANDING_NODES_MAX),
    default=None,
    metavar="N",
    help="number of nodes [2, or 1 on one core]",
)
@click.option(
    "--slots", type=WholeNumber(1, 256), default=None, metavar="N", help="executors on each [cores by nodes]"
)
@click.option("--shuffle", type=click.Choice(["auto", "zmq"]), default="auto", help="as for `mrframe run` [auto]")
@json_option
@dir_option
def start_cluster(
    *, nodes: int | None, slots: int | None, shuffle: Any, as_json: bool, directory: str | None
) -> None:
    """Start it and return when it serves. It goes on with earlier submissions."""
    started = api.start_cluster(directory, nodes=nodes, slots=slots, shuffle=shuffle)
    if as_json:
        print_json({"dir": started.directory, "nodes": started.nodes, "slots": started.slots})
    else:
        report(f"a cluster runs in {started.directory}: {started.nodes} nodes with {started.slots} slots each")


@command.command("stop")
@json_option
@dir_option
def stop_cluster(*, as_json: bool, directory: str | None) -> None:
    """End all its processes. Its journal, its log and the output on its nodes stay for the next start."""
    stopped = api.stop_cluster(directory)
    if as_json:
        print_json({"dir": stopped, "state": "stopped"})
    else:
        report(f"the cluster in {stopped} has stopped")


@command.command("status")
@json_option
@dir_option
def cluster_status(*, as_json: bool, directory: str | None) -> None:
    """Show where it lives and logs, its nodes, and how many submissions it has. `mrframe jobs` lists them."""
    status = api.cluster_status(directory)
    if as_json:
        print_json(status.to_plain())
        return
    say(f"a cluster runs in {status.dir}", f"its log is {status.log}")
    nodes = [[node.node, *_node_texts(node.state, node.slots, node.attempts)] for node in status.nodes]
    for line in columns_text(nodes, terminal=terminal_of_stdout()):
        say(line)
    states = ", ".join(f"{count:,} {state}" for state, count in status.counts().items())
    many = counted(len(status.submissions), "submission")
    say(f"{many}: {states} (`mrframe jobs` lists them)" if states else many)


def _node_texts(state: str, slots: int, tasks: int) -> list[str]:
    if state != "joined":
        return [_NODES.get(state, state)]
    return ["ready", f"runs {counted(tasks, 'task')}, {slots:,} at a time"]
