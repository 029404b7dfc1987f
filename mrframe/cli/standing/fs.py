"""`mrframe fs`: datasets in the standing cluster's own store, in replicated blocks on its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from mrframe import api
from mrframe.api.units import bytes_text, counted
from mrframe.cli.parse import completing
from mrframe.cli.parse.command_group import CommandGroup
from mrframe.cli.parse.dir_option import dir_option
from mrframe.cli.parse.json_option import json_option
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.show.streams import print_json, report, say, standard_output, terminal_of_stdout
from mrframe.cli.show.terminal import columns_text

if TYPE_CHECKING:
    from mrframe.api import BlockPosition, NodeStore, StoreReport


@click.group("fs", cls=CommandGroup)
def command() -> None:
    """Keep logs in the standing cluster, in replicated blocks on its nodes.

    A dataset is a name for a list of files. Each put makes a version of it: mrfs:access is the last one,
    mrfs:access@3 the third. Jobs read them where they lie: mrframe submit JOB mrfs:access
    """


@command.command("put")
@click.option("--block-size", "block_size", metavar="BYTES", default="64MiB", help="length of a block [64MiB]")
@click.option("--replicas", type=WholeNumber(1, 64), metavar="N", default=2, help="nodes that keep each block [2]")
@json_option
@dir_option
@click.argument("dataset", metavar="NAME", shell_complete=completing.datasets)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", shell_complete=completing.inputs)
def put(
    *, dataset: str, inputs: tuple[str, ...], block_size: str, replicas: int, as_json: bool, directory: str | None
) -> None:
    """Make files the next version of a dataset. Done when they lie on the disks of enough nodes.

    INPUT is as for `mrframe run`. Only blocks that no dataset has are stored: the new part of a log that has grown,
    was rotated or compressed. Compressed files are decompressed, and compressed again block by block.
    """
    from mrframe.cli.parse.settings import parse_size

    block_bytes = parse_size(block_size) or 0
    if block_bytes < api.BLOCK_BYTES_MIN:
        raise click.UsageError(
            f"--block-size {block_size}: a size such as 64MiB, and not less than {api.BLOCK_BYTES_MIN:,}, is needed"
        )
    with api.connect(directory) as client:
        done = client.put(dataset, inputs, block_bytes=block_bytes, replicas=replicas)
    report(*[f"note: {note}" for note in done.notes])
    if as_json:
        print_json(done.to_plain())
        return
    files = f"{counted(done.files, 'file')}, {bytes_text(done.bytes)} in {counted(done.blocks, 'block')}"
    new = f"{counted(done.stored_replicas, 'replica')} stored, {bytes_text(done.stored_bytes)} on disks"
    say(f"{done.name}: {files}; {new if done.new else 'it has these files already'}")


@command.command("ls")
@json_option
@dir_option
@click.argument("dataset", metavar="[NAME]", default="", shell_complete=completing.datasets)
def list_versions(*, dataset: str, as_json: bool, directory: str | None) -> None:
    """List the versions of a dataset, or of all."""
    with api.connect(directory) as client:
        versions, unlisted = client.datasets(dataset), client.unlisted()
    if as_json:
        print_json({"versions": [one.to_plain() for one in versions]})
        return
    for text in columns_text(
        [list(map(str, one.cells().values())) for one in versions], terminal=terminal_of_stdout()
    ):
        say(text)
    if not versions:
        say("there are no datasets" if not dataset else f"there is no dataset {dataset}")
    if unlisted:
        more = counted(len(unlisted), "version")
        say(f"{more} that the journal does not know: mrframe fs recover brings them back")


@command.command("stat")
@json_option
@dir_option
@click.argument("reference", metavar="NAME[@N]", shell_complete=completing.datasets)
def stat(*, reference: str, as_json: bool, directory: str | None) -> None:
    """Show the files of a version, their blocks, and the nodes that have each."""
    with api.connect(directory) as client:
        version = client.stat(reference)
    if as_json:
        print_json(version.to_plain())
        return
    for file in version.files:
        say(f"{file.name}: {file.bytes:,} bytes in {counted(len(file.blocks), 'block')}")
        rows = [[f"  {b.name[:16]}", f"{b.bytes:,} bytes", " ".join(b.nodes) or "no node"] for b in file.blocks]
        for text in columns_text(rows, terminal=terminal_of_stdout()):
            say(text)


@command.command("cat")
@dir_option
@click.argument("reference", metavar="NAME[@N]", shell_complete=completing.datasets)
@click.argument("files", nargs=-1, metavar="[FILE]...")
def cat(*, reference: str, files: tuple[str, ...], directory: str | None) -> None:
    """Write the content of a version's files, or of some of them, to standard output."""
    with api.connect(directory) as client, standard_output() as out:
        for data in client.cat(reference, files):
            out.write(data)


@command.command("rm")
@click.option("--all", "all_versions", is_flag=True, help="all versions of the dataset")
@json_option
@dir_option
@click.argument("reference", metavar="NAME[@N]", shell_complete=completing.datasets)
def remove(*, reference: str, all_versions: bool, as_json: bool, directory: str | None) -> None:
    """Remove a version. Blocks that no other one needs are deleted."""
    if "@" not in reference and not all_versions:
        raise click.UsageError(f"which version? Name it ({reference}@1), or say --all")
    with api.connect(directory) as client:
        removed = client.rm_dataset(reference, all_versions=all_versions)
    if as_json:
        print_json({"removed": removed})
        return
    for name in removed:
        say(f"{name} is removed")


@command.command("fsck")
@click.option("--repair", is_flag=True, help="wait until damaged and missing replicas have been made again")
@json_option
@dir_option
@click.pass_context
def fsck(context: click.Context, /, *, repair: bool, as_json: bool, directory: str | None) -> None:
    """Read every replica on every node, and name those that are damaged or missing. Exit code 1 if there are any.

    The cluster repairs by itself from other replicas. --repair waits for that, and then the exit code is 0 unless
    something remains.
    """
    with api.connect(directory) as client:
        report = client.fsck(repair=repair)
    if as_json:
        print_json(report.to_plain())
    else:
        for line in _fsck_lines(report):
            say(line)
        bad = len(report.damaged), len(report.lacking)
        say(
            f"{counted(report.replicas, 'replica')} read: {counted(bad[0], 'damaged replica')}, "
            f"{counted(bad[1], 'block')} with too few replicas"
        )
    context.exit(0 if report.is_sound(repaired=repair) else 1)


def _fsck_lines(report: StoreReport) -> list[str]:
    lines = []
    for fault in report.damaged:
        state = "made again" if fault.made_again else "not yet made again"
        lines.append(f"damaged: {_positions_text(fault.positions)} on {fault.node}, {fault.path}: {state}")
    for lacking in report.lacking:
        has = f"only on {' '.join(lacking.nodes)}" if lacking.nodes else "on no node that is there"
        word = "too few" if lacking.nodes else "LOST"
        lines.append(f"{word}: {_positions_text(lacking.positions)}, {lacking.block[:16]}, {has}")
    for version in report.not_in_journal:
        size = f"{bytes_text(version.bytes)} in {counted(version.blocks, 'block')}"
        where = f"on {' '.join(version.nodes)}"
        lines.append(f"not in the journal: {version.name}, {size}, {where}: mrframe fs recover")
    for some in report.unknown:
        size = f"{counted(some.blocks, 'block')}, {bytes_text(some.file_bytes)}"
        lines.append(f"unknown: {size} on {some.node} that no version names, kept; the first is {some.path}")
    return lines


def _positions_text(positions: Sequence[BlockPosition]) -> str:
    first = (
        f"{positions[0].dataset} {positions[0].file} from byte {positions[0].offset:,}"
        if positions
        else "a block of a put"
    )
    return first + (f" and {len(positions) - 1} more" if len(positions) > 1 else "")


@command.command("recover")
@click.option("--as", "name", metavar="NEW", default="", help="as the next versions of this dataset")
@json_option
@dir_option
@click.argument("dataset", metavar="[NAME]", default="", shell_complete=completing.datasets)
@click.pass_context
def recover(context: click.Context, /, *, dataset: str, name: str, as_json: bool, directory: str | None) -> None:
    """Bring back versions that nodes have and the journal does not know, of one dataset or of all.

    There are some when the journal was lost and begun anew, or is an older copy. They get the numbers that they had.
    Of a dataset that has used one of these numbers since, none is brought back without --as. Exit code 1 when some
    are left.
    """
    dataset, name = dataset.removeprefix("mrfs:"), name.removeprefix("mrfs:")
    if name:
        api.check_dataset_name(name)
        if not dataset:
            raise click.UsageError("--as needs the NAME of the dataset that is to have another one")
    with api.connect(directory) as client:
        names, left = client.recover(dataset, name=name)
    if as_json:
        print_json({"recovered": names, "left": [one.name for one in left]})
    else:
        for one in names:
            say(f"{one} is there again")
        for old in sorted({one.dataset for one in left}):
            say(f"mrfs:{old} has used these numbers since: mrframe fs recover {old} --as NEW")
    context.exit(1 if left else 0)


@command.command("balance")
@json_option
@dir_option
def balance(*, as_json: bool, directory: str | None) -> None:
    """Wait until every block is on the nodes that are to have it, and show the blocks of each node."""
    with api.connect(directory) as client:
        nodes = client.balance()
    _show_nodes(nodes, as_json=as_json)


@command.command("decommission")
@click.option("--undo", is_flag=True, help="have the node keep blocks again")
@json_option
@dir_option
@click.argument("node", metavar="NODE")
def decommission(*, node: str, undo: bool, as_json: bool, directory: str | None) -> None:
    """Have a node give its blocks to the others, and return when it has none: it may go then, and nothing is lost."""
    with api.connect(directory) as client:
        nodes = client.decommission(node, undo=undo)
    _show_nodes(nodes, as_json=as_json)


def _show_nodes(nodes: Sequence[NodeStore], *, as_json: bool) -> None:
    if as_json:
        print_json({"nodes": [node.to_plain() for node in nodes]})
        return
    for text in columns_text(
        [list(map(str, node.cells().values())) for node in nodes], terminal=terminal_of_stdout()
    ):
        say(text.rstrip())
