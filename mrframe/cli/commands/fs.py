"""`mrframe fs`: datasets in the standing cluster's own store, in replicated blocks on its nodes."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.session import ANSWER_S, dir_option, home_of, visit
from mrframe.cli.show.delivery import standard_output
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import bytes_text, columns_text, counted, escaped

if TYPE_CHECKING:
    from mrframe.core.model.block_messages import StorageState
    from mrframe.engines.datasets.fsck import Place, Report


def _json_option(command: Any) -> Any:
    return click.option("--json", "as_json", is_flag=True, help="print one JSON object")(command)


BLOCK_BYTES_MIN = 4096


@click.group("fs")
def command() -> None:
    """Keep logs in the standing cluster, in replicated blocks on its nodes.

    A dataset is a name for a list of files; each put makes a version of it: mrfs:access is the last one,
    mrfs:access@3 the third. Jobs read them where they lie: mrframe submit JOB mrfs:access
    """


@command.command("put")
@click.option("--block-size", "block_size", metavar="BYTES", default="64MiB", help="length of a block [64MiB]")
@click.option("--replicas", type=click.IntRange(1, 64), metavar="N", default=2, help="nodes that keep each block [2]")
@_json_option
@dir_option
@click.argument("dataset", metavar="NAME")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
def put(
    *, dataset: str, inputs: tuple[str, ...], block_size: str, replicas: int, as_json: bool, directory: str | None
) -> None:
    """Make files the next version of a dataset; done when they lie on the disks of enough nodes.

    INPUT is as for `mrframe run`. Only blocks that no dataset has are stored: of a log that has grown, was rotated or
    compressed, what is new. What is compressed is stored decompressed, and compressed again block by block.
    """
    from mrframe.cli.parse.settings import parse_size
    from mrframe.engines.datasets import datasets
    from mrframe.store.scratch import Scratch

    block_bytes = parse_size(block_size) or 0
    if block_bytes < BLOCK_BYTES_MIN:
        raise click.UsageError(
            f"--block-size {block_size}: a size such as 64MiB, and not less than {BLOCK_BYTES_MIN:,}, is needed"
        )
    with Scratch() as scratch, visit(home_of(directory)) as visitor:
        done = datasets.put(
            visitor,
            dataset.removeprefix("mrfs:"),
            inputs,
            block_bytes=block_bytes,
            replicas=replicas,
            folder=scratch.path,
        )
    for note in done.notes:
        click.echo(f"note: {escaped(note)}", err=True)
    version = done.version
    name = f"mrfs:{version.dataset}@{version.number}"
    length = sum(file.length for file in version.files)
    if as_json:
        figures = {"files": len(version.files), "bytes": length, "blocks": len(version.blocks())}
        print_json(
            {
                "name": name,
                "new": done.is_new,
                **figures,
                "stored_replicas": done.stored,
                "stored_bytes": done.stored_bytes,
            }
        )
        return
    files = (
        f"{counted(len(version.files), 'file')}, {bytes_text(length)} in {counted(len(version.blocks()), 'block')}"
    )
    new = f"{counted(done.stored, 'replica')} stored, {bytes_text(done.stored_bytes)} on disks"
    say(f"{name}: {files}; {new if done.is_new else 'it has these files already'}")


@command.command("ls")
@_json_option
@dir_option
@click.argument("dataset", metavar="[NAME]", default="")
def list_versions(*, dataset: str, as_json: bool, directory: str | None) -> None:
    """List the versions of a dataset, or of all."""
    from mrframe.core.model.block_messages import StorageWanted, VersionsWanted

    with visit(home_of(directory)) as visitor:
        versions = visitor.ask(VersionsWanted(dataset.removeprefix("mrfs:")), ANSWER_S).versions
        aside = visitor.ask(StorageWanted(), ANSWER_S).aside
    if as_json:
        print_json({"versions": [{k: v for k, v in asdict(line).items() if k != "put"} for line in versions]})
        return
    rows = [
        [
            f"mrfs:{line.dataset}@{line.number}",
            counted(line.files, "file"),
            bytes_text(line.length),
            counted(line.blocks, "block"),
            f"{line.replicas}x",
        ]
        for line in versions
    ]
    for text in columns_text(rows):
        say(escaped(text))
    if not versions:
        say("there are no datasets" if not dataset else f"there is no dataset {dataset}")
    if aside:
        say(f"{counted(len(aside), 'version')} that the journal does not know: mrframe fs recover brings them back")


@command.command("stat")
@_json_option
@dir_option
@click.argument("reference", metavar="NAME[@N]")
def stat(*, reference: str, as_json: bool, directory: str | None) -> None:
    """Show the files of a version, their blocks, and the nodes that have each."""
    from mrframe.engines.datasets import datasets

    with visit(home_of(directory)) as visitor:
        state = datasets.find(visitor, reference)
    version = state.version
    assert version is not None
    holders = iter(state.holders)
    files = [
        {
            "name": file.name,
            "bytes": file.length,
            "blocks": [{"name": b.name, "bytes": b.length, "nodes": list(next(holders))} for b in file.blocks],
        }
        for file in version.files
    ]
    if as_json:
        print_json({"name": f"mrfs:{version.dataset}@{version.number}", "replicas": version.replicas, "files": files})
        return
    for file in files:
        blocks: Any = file["blocks"]
        say(escaped(f"{file['name']}: {file['bytes']:,} bytes in {counted(len(blocks), 'block')}"))
        rows = [[f"  {b['name'][:16]}", f"{b['bytes']:,} bytes", " ".join(b["nodes"]) or "no node"] for b in blocks]
        for text in columns_text(rows):
            say(text)


@command.command("cat")
@dir_option
@click.argument("reference", metavar="NAME[@N]")
@click.argument("files", nargs=-1, metavar="[FILE]...")
def cat(*, reference: str, files: tuple[str, ...], directory: str | None) -> None:
    """Write the content of a version's files, or of some of them, to standard output."""
    from mrframe.engines.datasets import datasets

    with visit(home_of(directory)) as visitor, standard_output() as out:
        for data in datasets.content(visitor, datasets.find(visitor, reference), files):
            out.write(data)


@command.command("rm")
@click.option("--all", "all_versions", is_flag=True, help="all versions of the dataset")
@dir_option
@click.argument("reference", metavar="NAME[@N]")
def remove(*, reference: str, all_versions: bool, directory: str | None) -> None:
    """Remove a version; blocks that no other one needs are deleted."""
    from mrframe.engines.datasets import datasets

    if "@" not in reference and not all_versions:
        raise click.UsageError(f"which version? Name it ({reference}@1), or say --all")
    with visit(home_of(directory)) as visitor:
        for name in datasets.remove(visitor, reference, all_versions=all_versions):
            say(f"{name} is removed")


@command.command("fsck")
@click.option("--repair", is_flag=True, help="wait until what is damaged or missing has been made again")
@_json_option
@dir_option
@click.pass_context
def fsck(context: click.Context, /, *, repair: bool, as_json: bool, directory: str | None) -> None:
    """Read every replica on every node, and name what is damaged or missing; exit code 1 if anything is.

    The cluster makes again by itself what it can, from another replica; --repair waits for that, and then the exit
    code is 0 unless something remains.
    """
    from mrframe.engines.datasets import fsck

    home = home_of(directory)
    with visit(home) as visitor:
        report = fsck.fsck(visitor, repair=repair)
    if as_json:
        print_json(_plain(report))
    else:
        for line in _fsck_lines(report, home.blocks):
            say(escaped(line))
        bad = len(report.faults), len(report.lacking)
        say(
            f"{counted(report.blocks, 'replica')} read: {counted(bad[0], 'damaged replica')}, "
            f"{counted(bad[1], 'block')} with too few replicas"
        )
    sound = not report.lacking and (repair or not report.faults) and not report.aside and not report.unknown
    context.exit(0 if sound else 1)


def _fsck_lines(report: Report, folder: str) -> list[str]:
    lines = []
    for fault, places, again in report.faults:
        path = os.path.join(folder, fault.node, "blocks", fault.name)
        state = "made again" if again else "not yet made again"
        lines.append(f"damaged: {_places_text(places)} on {fault.node}, {path}: {state}")
    for lacking, places in report.lacking:
        has = f"only on {' '.join(lacking.nodes)}" if lacking.nodes else "on no node that is there"
        word = "too few" if lacking.nodes else "LOST"
        lines.append(f"{word}: {_places_text(places)}, {lacking.name[:16]}, {has}")
    for version in report.aside:
        line = version.line
        size = f"{bytes_text(line.length)} in {counted(line.blocks, 'block')}"
        where = f"on {' '.join(version.nodes)}"
        lines.append(f"not in the journal: mrfs:{line.dataset}@{line.number}, {size}, {where}: mrframe fs recover")
    for some in report.unknown:
        size = f"{counted(some.blocks, 'block')}, {bytes_text(some.file_bytes)}"
        path = os.path.join(folder, some.node, "blocks", some.names[0])
        lines.append(f"unknown: {size} on {some.node} that no version names, kept; the first is {path}")
    return lines


def _places_text(places: list[Place]) -> str:
    first = f"{places[0].dataset} {places[0].file} from byte {places[0].offset:,}" if places else "a block of a put"
    return first + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def _plain(report: Report) -> dict[str, Any]:
    faults = [
        {"node": fault.node, "block": fault.name, "reason": fault.reason, "made_again": again, "places": _all(places)}
        for fault, places, again in report.faults
    ]
    lacking = [
        {"block": one.name, "nodes": list(one.nodes), "wanted": list(one.wanted), "places": _all(places)}
        for one, places in report.lacking
    ]
    aside = [
        {"name": f"mrfs:{one.line.dataset}@{one.line.number}", "bytes": one.line.length, "blocks": one.line.blocks}
        | {"nodes": list(one.nodes)}
        for one in report.aside
    ]
    unknown = [
        {"node": one.node, "blocks": one.blocks, "file_bytes": one.file_bytes, "names": list(one.names)}
        for one in report.unknown
    ]
    return {
        "replicas": report.blocks,
        "damaged": faults,
        "lacking": lacking,
        "not_in_journal": aside,
        "unknown": unknown,
    }


def _all(places: list[Place]) -> list[dict[str, Any]]:
    return [asdict(place) for place in places]


@command.command("recover")
@click.option("--as", "name", metavar="NEW", default="", help="as the next versions of this dataset")
@_json_option
@dir_option
@click.argument("dataset", metavar="[NAME]", default="")
@click.pass_context
def recover(context: click.Context, /, *, dataset: str, name: str, as_json: bool, directory: str | None) -> None:
    """Bring back versions that nodes have and the journal does not know, of one dataset or of all.

    There are some when the journal was lost and begun anew, or is an older copy. They get the numbers that they had;
    of a dataset that has used one of these numbers since, none is brought back without --as. Exit code 1 when some
    are left.
    """
    from mrframe.engines.datasets import datasets, fsck

    dataset, name = dataset.removeprefix("mrfs:"), name.removeprefix("mrfs:")
    if name:
        datasets.check_name(name)
        if not dataset:
            raise click.UsageError("--as needs the NAME of the dataset that is to have another one")
    with visit(home_of(directory)) as visitor:
        names, left = fsck.recover(visitor, dataset, name=name)
    if as_json:
        print_json({"recovered": names, "left": [f"mrfs:{one.line.dataset}@{one.line.number}" for one in left]})
    else:
        for one in names:
            say(f"{one} is there again")
        for old in sorted({one.line.dataset for one in left}):
            say(f"mrfs:{old} has used these numbers since: mrframe fs recover {old} --as NEW")
    context.exit(1 if left else 0)


@command.command("balance")
@dir_option
def balance(*, directory: str | None) -> None:
    """Wait until every block is on the nodes that are to have it, and show what each has."""
    from mrframe.engines.datasets import fsck

    with visit(home_of(directory)) as visitor:
        _show_nodes(fsck.balance(visitor))


@command.command("decommission")
@click.option("--undo", is_flag=True, help="have the node keep blocks again")
@dir_option
@click.argument("node", metavar="NODE")
def decommission(*, node: str, undo: bool, directory: str | None) -> None:
    """Have a node give its blocks to the others, and return when it has none: it may go then, and nothing is lost."""
    from mrframe.engines.datasets import fsck

    with visit(home_of(directory)) as visitor:
        _show_nodes(fsck.decommission(visitor, node, undo=undo))


def _show_nodes(state: StorageState) -> None:
    rows = [
        [n.node, n.state, counted(n.blocks, "block"), bytes_text(n.length), "decommissioned" if n.drained else ""]
        for n in state.nodes
    ]
    for text in columns_text(rows):
        say(text.rstrip())
