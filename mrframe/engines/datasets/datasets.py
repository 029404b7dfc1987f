"""Datasets of a standing cluster, from its client: put, find, read and remove them.

The client cuts files and names their blocks (`block_cutter.py`). The nodes read and store them, and the master
decides where (`core/replication/reconcile.py`). A version exists once all its blocks have all their replicas. Not
here: checks of the whole store (`fsck.py`).
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import (
    LISTED_MAX,
    STORED,
    BlocksOffered,
    OfferedBlock,
    PutEnded,
    PutState,
    PutWanted,
    StorageWanted,
    VersionState,
    VersionsWanted,
    VersionWanted,
)
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version, parse_reference
from mrframe.core.model.events import DatasetPut, DatasetRemoved
from mrframe.core.model.spec import Split
from mrframe.engines.datasets.block_cutter import cuts
from mrframe.errors import (
    ClusterUnreachable,
    CorruptData,
    InputChanged,
    InputError,
    JobFailed,
    StoreFull,
    UsageError,
)
from mrframe.formats.inputs.block_file import BlockFile
from mrframe.formats.inputs.files import InputFile, StoredBlock, expand

REPLY_S = 30.0
STALL_S = 150.0
"""The time the nodes have to store the next block, which is more than one of them may take for a block."""
POLL_S = 0.1
CONTACT_S = 5.0
"""A client that cuts files contacts the master as often: one that hears nothing for `puts.SILENT_S` ends the put."""
MANIFEST_S = 0.02
OFFER_BLOCKS = 100
SPOOLED_MAX = 8
"""Blocks of compressed files that wait on the client's disk for the nodes to store them."""
TRIES_MAX = 20
READ_BYTES = 1 << 20


class StoreClient(Protocol):
    """The part of `cluster.client.standing_session.StandingSession` that is needed here; see there."""

    # ruff: noqa: D102
    def ask(self, question: Any, timeout_s: float) -> Any: ...
    def want(self, event: Any, timeout_s: float) -> None: ...
    def fetch(self, node: str, attempt: str, name: str) -> str: ...
    def rest(self, seconds: float) -> None: ...


# ---- put --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """The result of a put.

    stored        blocks that were not in the store before, and `stored_bytes` of all their replicas
    notes         about the inputs, for people
    """

    version: Version
    is_new: bool
    stored: int
    stored_bytes: int
    notes: tuple[str, ...] = ()


def put(
    cluster: StoreClient, dataset: str, inputs: Sequence[str], *, block_bytes: int, replicas: int, folder: str
) -> Put:
    """Make the inputs the next version of a dataset, or keep its version when that has exactly these files already.

    `folder` is a private directory for decoded blocks. Raises InputError for an input that cannot be put,
    InputChanged when a file is written to meanwhile, StoreFull when the nodes have no room. Nothing is stored then.
    """
    check_name(dataset)
    notes: list[str] = []
    found = expand(inputs, note=notes.append)
    if any(file.is_stdin for file in found):
        raise InputError("standard input cannot be put, as it cannot be read twice; write it to a file first")
    putting = _Putting(cluster, replicas, folder)
    try:
        files = tuple(DatasetFile(file.name, tuple(putting.blocks(file, block_bytes))) for file in found)
        putting.finish()
        version, is_new = _version(cluster, putting, dataset, files)
        _wait_for_manifests(cluster, version)
        state = putting.state
        return Put(version, is_new, state.stored, state.stored_bytes, tuple(notes))
    finally:
        cluster.want(PutEnded(putting.number), REPLY_S)


def check_name(dataset: str) -> None:
    """UsageError when a dataset cannot have this name."""
    try:
        name, number = parse_reference(f"mrfs:{dataset}")
    except ValueError as error:
        raise UsageError(str(error)) from None
    if number:
        raise UsageError(
            f"the next version of mrfs:{name} gets its number when it is put; say {name}, without @{number}"
        )


class _Putting:
    """A put under way: the blocks that were offered, and how many of them the nodes have stored."""

    def __init__(self, cluster: StoreClient, replicas: int, folder: str) -> None:
        self.number = secrets.randbits(62)
        self.state = PutState(self.number, 0, (), 0, 0, ())
        self._cluster = cluster
        self.replicas = replicas
        self._folder = folder
        self._offered: dict[str, OfferedBlock] = {}
        self._ahead: list[OfferedBlock] = []
        self._spooled: dict[str, str] = {}  # path of a decoded block -> its name
        self._contact_s = time.monotonic()

    def blocks(self, file: InputFile, block_bytes: int) -> Iterator[DatasetBlock]:
        """The blocks of a file, which are offered to the cluster as they come."""
        for block in cuts(file, block_bytes, self._folder):
            if block.name not in self._offered:
                self._offered[block.name] = block
                self._ahead.append(block)
                if file.compression:
                    self._spooled[block.path] = block.name
            elif file.compression:
                os.unlink(block.path)
            if len(self._ahead) >= (1 if file.compression else OFFER_BLOCKS):
                self._offer()
            if time.monotonic() - self._contact_s > CONTACT_S:
                self._offer()
                self._refresh()
            if len(self._spooled) > SPOOLED_MAX:
                self._wait(lambda: len(self._spooled) <= SPOOLED_MAX)
            yield DatasetBlock(block.name, block.length)
        self._offer()

    def _offer(self) -> None:
        if self._ahead:
            self._cluster.want(BlocksOffered(self.number, self.replicas, tuple(self._ahead)), REPLY_S)
            self._ahead = []

    def finish(self) -> None:
        """Wait until all blocks are kept."""
        if self._offered:
            self._wait(lambda: not self.state.pending)

    def _wait(self, is_over: Callable[[], bool]) -> None:
        moved_s, before = time.monotonic(), (-1, -1)
        while True:
            if self._refresh() and is_over():
                return
            progress = len(self.state.pending), self.state.stored
            if progress != before:
                moved_s, before = time.monotonic(), progress
            elif time.monotonic() - moved_s > STALL_S:
                raise ClusterUnreachable(
                    f"no block was stored for {STALL_S:g} s, and {progress[0]:,} are missing; "
                    "`mrframe cluster status` shows the nodes, the cluster's log says more"
                )
            self._cluster.rest(POLL_S)

    def _refresh(self) -> bool:
        """Ask for the state of the put. If the master is new, offer all blocks again and return False."""
        self.state = self._cluster.ask(PutWanted(self.number), REPLY_S)
        self._contact_s = time.monotonic()
        if self.state.known < len(self._offered):  # a new master
            self._ahead = list(self._offered.values())
            self._offer()
            return False
        if self.state.failed:
            _raise_failed(self.state.failed[0])
        self._drop_spooled()
        return True

    def _drop_spooled(self) -> None:
        pending = set(self.state.pending)
        if len(pending) >= LISTED_MAX:  # not all are listed, so any block may be pending
            return
        for path, name in list(self._spooled.items()):
            if name not in pending:
                os.unlink(path)
                del self._spooled[path]


def _raise_failed(failed: tuple[str, str, str]) -> None:
    _, kind, reason = failed
    raise (InputChanged if kind == "changed" else StoreFull)(f"{reason}; nothing of this put is kept")


def _version(
    cluster: StoreClient, putting: _Putting, dataset: str, files: tuple[DatasetFile, ...]
) -> tuple[Version, bool]:
    """The version with these files, and whether it is new: others may be putting to the same dataset."""
    for _ in range(TRIES_MAX):
        last: Version | None = cluster.ask(VersionWanted(dataset, 0), REPLY_S).version
        if last is not None and last.put == putting.number:
            return last, True
        if last is not None and (last.files, last.replicas) == (files, putting.replicas):
            return last, False
        number = cluster.ask(VersionsWanted(dataset), REPLY_S).last + 1
        cluster.want(
            DatasetPut(Version(dataset, number, putting.number, putting.replicas, files)),
            REPLY_S,
        )
        made: Version | None = cluster.ask(VersionWanted(dataset, number), REPLY_S).version
        if made is not None and made.put == putting.number:
            return made, True
        putting.finish()  # a node was lost meanwhile, or the number was taken
    raise ClusterUnreachable(
        f"the version could not be written after {TRIES_MAX} tries; nodes come and go, try again"
    )


def _wait_for_manifests(cluster: StoreClient, version: Version) -> None:
    """Wait until the nodes that have blocks of a version have its manifest, too: the version outlives the journal."""
    begun_s = time.monotonic()
    while True:
        state: VersionState = cluster.ask(VersionWanted(version.dataset, version.number), REPLY_S)
        if state.version is None or not state.unrecorded:
            return
        if time.monotonic() - begun_s > STALL_S:
            raise ClusterUnreachable(
                f"mrfs:{version.dataset}@{version.number} is put, but {', '.join(state.unrecorded)} did not write "
                f"its manifest within {STALL_S:g} s; the cluster's log says why"
            )
        cluster.rest(MANIFEST_S)


# ---- find and read ----------------------------------------------------------------------------------


def find(cluster: StoreClient, reference: str) -> VersionState:
    """The version that `mrfs:access` or `mrfs:access@3` names, and where it is. UsageError when there is none.

    Of a cluster that has just started, some blocks may not be known to be anywhere: the nodes are waited for.
    """
    try:
        name, number = parse_reference(reference if reference.startswith("mrfs:") else f"mrfs:{reference}")
    except ValueError as error:
        raise UsageError(str(error)) from None
    state: VersionState = cluster.ask(VersionWanted(name, number), REPLY_S)
    settled = False
    while state.version is not None and not all(state.holders) and not settled:
        settled = cluster.ask(StorageWanted(), REPLY_S).settled
        if not settled:
            cluster.rest(POLL_S)
        state = cluster.ask(VersionWanted(name, number), REPLY_S)
    if state.version is None:
        known = cluster.ask(VersionsWanted(name), REPLY_S).versions
        versions = ", ".join(f"@{line.number}" for line in known)
        there = f"it has the versions {versions}" if known else "`mrframe fs ls` lists the datasets"
        raise UsageError(f"the cluster has no dataset mrfs:{name}{f'@{number}' if number else ''}; {there}")
    return state


def remove(cluster: StoreClient, reference: str, *, all_versions: bool) -> list[str]:
    """Remove a version, or with `all_versions` the dataset. Returns the names. UsageError when there is none."""
    version = find(cluster, reference).version
    assert version is not None
    numbers = [version.number]
    if all_versions:
        numbers = [line.number for line in cluster.ask(VersionsWanted(version.dataset), REPLY_S).versions]
    for number in numbers:
        cluster.want(DatasetRemoved(version.dataset, number), REPLY_S)
    return [f"mrfs:{version.dataset}@{number}" for number in numbers]


def inputs_of(cluster: StoreClient) -> Callable[[str], list[InputFile]]:
    """Return the function by which `expand` finds the files of a dataset. It raises InputError when there is none."""

    def stored(reference: str) -> list[InputFile]:
        try:
            return _input_files(cluster, find(cluster, reference))
        except UsageError as error:
            raise InputError(str(error)) from None

    return stored


def _input_files(cluster: StoreClient, state: VersionState) -> list[InputFile]:
    assert state.version is not None
    reference = f"mrfs:{state.version.dataset}@{state.version.number}"
    holders = iter(state.holders)
    files = []
    for file in state.version.files:
        blocks = [StoredBlock(block.name, block.length, next(holders)) for block in file.blocks]
        if blocks:  # the beginning shows the format of the file
            blocks[0] = replace(blocks[0], path=_replica(cluster, blocks[0]))
        name = f"{reference}/{os.path.basename(file.name)}"
        files.append(InputFile(reference, name, file.length, is_stored=True, blocks=tuple(blocks)))
    return files


def replica_of(cluster: StoreClient) -> Callable[[Split], str]:
    """Return a function from a stored split to the path of a readable replica. It raises CorruptData for none."""

    def path(split: Split) -> str:
        return _replica(cluster, StoredBlock(split.path, split.length, split.locations))

    return path


def _replica(cluster: StoreClient, block: StoredBlock) -> str:
    """The path of a readable replica. CorruptData when there is none."""
    reasons = ["no node that is there has it"]
    for node in block.nodes:
        try:
            path = cluster.fetch(node, STORED, block.name)
            with BlockFile(path) as file:
                file.read_at(0, 1)
            return path
        except (CorruptData, JobFailed) as error:
            reasons.append(str(error))
    raise CorruptData(f"the block {block.name} cannot be read: {reasons[-1]}; see `mrframe fs fsck`")


def content(cluster: StoreClient, state: VersionState, names: Sequence[str] = ()) -> Iterator[bytes]:
    """The content of a version's files, or of those with these names, in order.

    UsageError when it has no such file, CorruptData when no replica of a block can be read.
    """
    assert state.version is not None
    known = [file.name for file in state.version.files]
    for name in names:
        if name not in known:
            raise UsageError(f"mrfs:{state.version.dataset} has no file {name}; it has: {', '.join(known[:20])}")
    holders = iter(state.holders)
    for file in state.version.files:
        for block in file.blocks:
            nodes = next(holders)
            if not names or file.name in names:
                yield from _block(cluster, StoredBlock(block.name, block.length, nodes))


def _block(cluster: StoreClient, block: StoredBlock) -> Iterator[bytes]:
    at, failed = 0, ""
    for node in block.nodes:
        try:
            with BlockFile(cluster.fetch(node, STORED, block.name)) as file:
                while at < block.length:
                    data = file.read_at(at, READ_BYTES)
                    at += len(data)
                    yield data
                return
        except (CorruptData, JobFailed) as error:
            failed = str(error)
    raise CorruptData(failed or f"no node that is there has the block {block.name}; see `mrframe fs fsck`")
