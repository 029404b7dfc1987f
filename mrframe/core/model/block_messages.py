"""Messages about blocks of the cluster's store, between the master, the nodes and their block executors.

Plain values: requests to a node and to its block executor, and their replies. `core/replication/reconcile.py`
decides.
"""

from __future__ import annotations

from typing import Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.catalog import Version

STORED = "mrfs"
"""Stands in place of an attempt's id in the name of a node's file if the file is a block of the node's store."""

# ---- client to master ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfferedBlock:
    """A block of a put: `length` bytes at `offset` of the file `path`, which must exist until the block is stored."""

    name: str
    length: int
    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class BlocksOffered:
    """A client asks for `replicas` of each of these blocks, as part of its put. May be repeated."""

    put: int
    replicas: int
    blocks: tuple[OfferedBlock, ...]


@dataclass(frozen=True, slots=True)
class PutEnded:
    """The client's put is over: delete those of its blocks that no version needs."""

    put: int


@dataclass(frozen=True, slots=True)
class JudgingWanted:
    """A client asks for a verification of all blocks on all nodes, under this number. May be repeated."""

    number: int


@dataclass(frozen=True, slots=True)
class PutWanted:
    """Ask for the state of a put, and show that its client is alive. The reply is `PutState`."""

    put: int


@dataclass(frozen=True, slots=True)
class VersionsWanted:
    """Ask for the versions of a dataset ("": of all). The reply is `VersionsState`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class VersionWanted:
    """Ask for a version (0: the last), or by `key` for one that is aside. The reply is `VersionState`."""

    dataset: str
    number: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class StorageWanted:
    """Ask for the state of the blocks and their nodes. The reply is `StorageState`."""


# ---- master to client ------------------------------------------------------------------------------

LISTED_MAX = 1000
"""The most items of a list that one reply names, so that replies stay small."""


@dataclass(frozen=True, slots=True)
class PutState:
    """The state of a put.

    known    number of blocks that were offered. If the client offered more, the master is new: offer them again.
    pending  names of some blocks that lack replicas, empty once all blocks have all theirs
    stored   number of blocks that had to be stored, and in `stored_bytes` their bytes on all disks with all replicas
    failed   (block, kind, reason) of blocks that cannot be stored
    """

    put: int
    known: int
    pending: tuple[str, ...]
    stored: int
    stored_bytes: int
    failed: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in a list: the number of its files and blocks, and the `length` of its content in bytes."""

    dataset: str
    number: int
    put: int
    replicas: int
    files: int
    length: int
    blocks: int


@dataclass(frozen=True, slots=True)
class VersionsState:
    """The versions of a dataset ("": of all) by name and number. `last` is the highest number it ever had."""

    dataset: str
    last: int
    versions: tuple[VersionLine, ...]


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version, or None if it does not exist.

    holders     for each of its blocks: the joined nodes that have it
    unrecorded  nodes that have blocks of the version (all nodes if it has no blocks) but not its manifest yet
    """

    dataset: str
    number: int
    version: Version | None
    holders: tuple[tuple[str, ...], ...]
    unrecorded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStorage:
    """A node's store: number of its blocks, `length` of their content in bytes, and whether the node is drained."""

    node: str
    state: str
    drained: bool
    blocks: int
    length: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """A misplaced block: its replicas are on `nodes` but belong on `wanted`."""

    name: str
    nodes: tuple[str, ...]
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AsideVersion:
    """A version that is aside: nodes have a manifest of it, but the catalog lacks it."""

    key: str
    line: VersionLine
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownBlocks:
    """Blocks on a node that no version names and no put has stored.

    blocks      their number
    file_bytes  bytes of their files
    names       names of some of them
    """

    node: str
    blocks: int
    file_bytes: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A damaged replica, found by the verification of this number (0: by a reader, or by the node itself)."""

    number: int
    node: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class StorageState:
    """The state of the blocks.

    settled        all nodes have listed their blocks, or have had time to do so
    lacking        some of the misplaced blocks
    lacking_count  number of all such blocks
    extra          number of replicas to be deleted: no version needs them, or not on these nodes
    faults         the replicas last found damaged
    verified       (node, number of its last complete verification, number of blocks that it read)
    aside          some of the versions that the catalog lacks. Their blocks are replicated as those of all others.
    unknown        blocks that no version names. They are not deleted.
    """

    settled: bool
    nodes: tuple[NodeStorage, ...]
    lacking: tuple[Lacking, ...]
    lacking_count: int
    extra: int
    faults: tuple[Fault, ...]
    verified: tuple[tuple[str, int, int], ...]
    aside: tuple[AsideVersion, ...] = ()
    unknown: tuple[UnknownBlocks, ...] = ()


# ---- master to node --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreBlock:
    """Store this block: `length` bytes at `offset` of the file `path`, or without one a copy from one of `holders`.

    `provisional`: it is stored for a put, and no version names it. The reply is `BlockStored` or `BlockRefused`. May
    be repeated.
    """

    name: str
    length: int
    path: str
    offset: int
    holders: tuple[str, ...]
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class DropBlock:
    """Delete this block. The node's next `BlocksHeld` confirms it.

    `moved`: all replica nodes of the block have it. Otherwise no version needs it, and a node refuses if one of its
    manifests names the block.
    """

    name: str
    moved: bool = False


@dataclass(frozen=True, slots=True)
class JudgeBlocks:
    """Verify these blocks: report each damaged one, then send `BlocksJudged` with this number.

    If the number is not 0, `names` are all blocks that the node should have, and it verifies all others that it has
    as well.
    """

    number: int
    names: tuple[str, ...]


# ---- node to master --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlocksHeld:
    """All blocks of a node with names after `after` and up to `to` ("": no upper bound).

    provisional  those stored for a put: no manifest of this node names them, and none did when they were stored
    unknown      (name, bytes of its file) of all others that no manifest of this node names
    """

    node: str
    incarnation: str
    after: str
    to: str
    names: tuple[str, ...]
    provisional: tuple[str, ...] = ()
    unknown: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BlockStored:
    """The node has this block whole on its disk. `new`: it did not have it before. Its file has `file_bytes`."""

    node: str
    incarnation: str
    name: str
    length: int
    file_bytes: int
    new: bool


Refusal = Literal["changed", "gone", "full", "failed"]


@dataclass(frozen=True, slots=True)
class BlockRefused:
    """The node could not store this block.

    kind  "changed": the client's file has other bytes by now. "gone": no holder served it. "full": the disk is full.
          "failed": the disk or the block executor failed.
    """

    node: str
    incarnation: str
    name: str
    kind: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class BlockDamaged:
    """The node's replica of this block is missing, or its content does not have the hash that is its name.

    number  of the verification that found it, 0 if it was found otherwise
    reason  for messages
    """

    node: str
    incarnation: str
    name: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class BlocksJudged:
    """The node has done the verification of this number, and read `blocks` blocks."""

    node: str
    incarnation: str
    number: int
    blocks: int


# ---- node and its block executor ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """Instruction to a block executor: store a block in `folder`.

    `path` is a file with the content of the block at `offset`, or with `is_block` the file of a replica.
    """

    name: str
    length: int
    folder: str
    path: str
    offset: int
    is_block: bool
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class JudgeOrder:
    """Instruction to a block executor: read a whole block, and report any damage."""

    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class BlockDone:
    """The result of a block executor. `kind` is "" for success, and "damaged" only for a `JudgeOrder`."""

    executor: int
    name: str
    kind: Literal["", "changed", "gone", "full", "failed", "damaged"] = ""
    reason: str = ""
    file_bytes: int = 0
    new: bool = False
