"""Datasets and the store as values that a client returns: for a program, for JSON, for a table."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from mrframe.api.units import bytes_text, counted
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import AsideVersion, NodeStorage, VersionLine, VersionState
from mrframe.engines.datasets.datasets import Put
from mrframe.engines.datasets.fsck import BlockPosition, Report


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A version of a dataset in a list. `bytes` are of the content of its files, whatever they take on disks."""

    dataset: str
    number: int
    replicas: int
    files: int
    bytes: int
    blocks: int

    @property
    def name(self) -> str:
        """The name of this version as an input: `mrfs:access@3`."""
        return f"mrfs:{self.dataset}@{self.number}"

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {("length" if name == "bytes" else name): value for name, value in asdict(self).items()}

    def cells(self) -> dict[str, object]:
        """As a row of a table."""
        return {
            "name": self.name,
            "files": counted(self.files, "file"),
            "bytes": bytes_text(self.bytes),
            "blocks": counted(self.blocks, "block"),
            "replicas": f"{self.replicas}x",
        }


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """The version that a put made. `new` is False when the last one had these files already. `bytes` are of content.

    This put added `stored_replicas`, with `stored_bytes` on disks. `notes` are about the inputs, for people.
    """

    name: str
    new: bool
    files: int
    bytes: int
    blocks: int
    stored_replicas: int
    stored_bytes: int
    notes: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "notes"}


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """A block of a file: the name made of its content, its bytes, and the nodes that have it."""

    name: str
    bytes: int
    nodes: list[str]


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file of a version, with its blocks in order."""

    name: str
    bytes: int
    blocks: list[BlockInfo]


@dataclass(frozen=True, slots=True)
class DatasetDetail:
    """A version of a dataset: its files, their blocks, and where these are."""

    name: str
    replicas: int
    files: list[FileInfo]

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DamagedReplica:
    """A replica whose content does not match its name. `made_again`: the block has all its replicas again."""

    node: str
    block: str
    reason: str
    made_again: bool
    positions: list[BlockPosition]
    path: str


@dataclass(frozen=True, slots=True)
class LackingBlock:
    """A block with fewer replicas than it is to have: it is on `nodes`, and is to be on `wanted`."""

    block: str
    nodes: list[str]
    wanted: list[str]
    positions: list[BlockPosition]


@dataclass(frozen=True, slots=True)
class UnlistedVersion:
    """A version that nodes have and the journal does not know."""

    dataset: str
    number: int
    bytes: int
    blocks: int
    nodes: list[str]

    @property
    def name(self) -> str:
        """The name of this version: `mrfs:access@3`."""
        return f"mrfs:{self.dataset}@{self.number}"

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"name": self.name, "bytes": self.bytes, "blocks": self.blocks, "nodes": self.nodes}


@dataclass(frozen=True, slots=True)
class UnknownOnNode:
    """Blocks on a node that no version names. `names` are some of them, `path` is the file of the first."""

    node: str
    blocks: int
    file_bytes: int
    names: list[str]
    path: str


@dataclass(frozen=True, slots=True)
class StoreReport:
    """The findings of a check of the whole store, in which `replicas` were read."""

    replicas: int
    damaged: list[DamagedReplica]
    lacking: list[LackingBlock]
    not_in_journal: list[UnlistedVersion]
    unknown: list[UnknownOnNode]

    def is_sound(self, *, repaired: bool = False) -> bool:
        """Return whether nothing is wrong. With `repaired`, a damaged replica that was made again does not count."""
        return not (self.lacking or (self.damaged and not repaired) or self.not_in_journal or self.unknown)

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON, without the paths of files."""
        plain = asdict(self)
        plain["not_in_journal"] = [one.to_plain() for one in self.not_in_journal]
        for row in (*plain["damaged"], *plain["lacking"]):
            row["places"] = row.pop("positions")
        for row in (*plain["damaged"], *plain["unknown"]):
            del row["path"]
        return plain


@dataclass(frozen=True, slots=True)
class NodeStore:
    """The blocks on a node. A decommissioned one gives them to the others."""

    node: str
    state: str
    blocks: int
    bytes: int
    decommissioned: bool

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def cells(self) -> dict[str, object]:
        """As a row of a table."""
        return {
            "node": self.node,
            "state": self.state,
            "blocks": counted(self.blocks, "block"),
            "bytes": bytes_text(self.bytes),
            "": "decommissioned" if self.decommissioned else "",
        }


# ── from the values of the engine room ──


def dataset_info(line: VersionLine) -> DatasetInfo:
    """A version in a list."""
    return DatasetInfo(line.dataset, line.number, line.replicas, line.files, line.length, line.blocks)


def stored_dataset(put: Put) -> StoredDataset:
    """The version that a put made."""
    version = put.version
    length = sum(file.length for file in version.files)
    name = f"mrfs:{version.dataset}@{version.number}"
    counts = len(version.files), length, len(version.blocks())
    return StoredDataset(name, put.is_new, *counts, put.stored, put.stored_bytes, put.notes)


def dataset_detail(state: VersionState) -> DatasetDetail:
    """A version with its blocks."""
    version = state.version
    assert version is not None
    holders = iter(state.holders)
    files = [
        FileInfo(file.name, file.length, [BlockInfo(b.name, b.length, list(next(holders))) for b in file.blocks])
        for file in version.files
    ]
    return DatasetDetail(f"mrfs:{version.dataset}@{version.number}", version.replicas, files)


def unlisted_version(one: AsideVersion) -> UnlistedVersion:
    """A version that the journal does not know."""
    line = one.line
    return UnlistedVersion(line.dataset, line.number, line.length, line.blocks, list(one.nodes))


def store_report(report: Report, folder: str) -> StoreReport:
    """The findings of `fsck`, in the store below this folder."""

    def path(node: str, name: str) -> str:
        return os.path.join(folder, node, "blocks", name)

    return StoreReport(
        report.blocks,
        [
            DamagedReplica(one.node, one.name, one.reason, again, positions, path(one.node, one.name))
            for one, positions, again in report.faults
        ],
        [LackingBlock(one.name, list(one.nodes), list(one.wanted), positions) for one, positions in report.lacking],
        [unlisted_version(one) for one in report.aside],
        [
            UnknownOnNode(one.node, one.blocks, one.file_bytes, list(one.names), path(one.node, one.names[0]))
            for one in report.unknown
        ],
    )


def node_store(node: NodeStorage) -> NodeStore:
    """The blocks on a node."""
    return NodeStore(node.node, node.state, node.blocks, node.length, node.drained)
