"""Messages about blocks of the cluster's store, between the master, the nodes and their block executors.

Plain values: requests to a node and to its block executor, and their replies. `core/replication/reconcile.py`
decides.
"""

from __future__ import annotations

from typing import Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.catalog import Version

STORED = "mrfs"
"""In place of an attempt's id, where a file of a node is named: a block of its store."""

# ---- client to master ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OfferedBlock:
    """A block of a put: `length` bytes at `offset` of the file `path`, which stays until the block is kept."""

    name: str
    length: int
    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class BlocksOffered:
    """A client wants these blocks kept on so many nodes each, as part of its put; may be said again."""

    put: int
    replicas: int
    blocks: tuple[OfferedBlock, ...]


@dataclass(frozen=True, slots=True)
class PutEnded:
    """The client's put is over: what of it no version needs is to go."""

    put: int


@dataclass(frozen=True, slots=True)
class JudgingWanted:
    """A client wants all blocks on all nodes to be read and judged, under this number; may be said again."""

    number: int


@dataclass(frozen=True, slots=True)
class PutWanted:
    """How is this put? Answered by `PutState`; also says that its client is still there."""

    put: int


@dataclass(frozen=True, slots=True)
class VersionsWanted:
    """Which versions of a dataset ("": of all) are there? Answered by `VersionsState`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class VersionWanted:
    """What is in this version (0: the last)? Answered by `VersionState`. `key`: of one that the catalog lacks."""

    dataset: str
    number: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class StorageWanted:
    """How are the blocks and their nodes? Answered by `StorageState`."""


# ---- master to client ------------------------------------------------------------------------------

LISTED_MAX = 1000
"""Things of a kind that are named in one answer."""


@dataclass(frozen=True, slots=True)
class PutState:
    """How a put is.

    known    blocks that were offered; fewer than the client did: offer them again, the master is another one
    pending  some of those that are not yet kept on as many nodes as they are to be; none: all are
    stored   blocks that had to be stored, and their bytes on all disks, replicas included
    failed   (block, kind, reason): those that cannot be kept
    """

    put: int
    known: int
    pending: tuple[str, ...]
    stored: int
    stored_bytes: int
    failed: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in a list: its files, the bytes of their content, its blocks."""

    dataset: str
    number: int
    put: int
    replicas: int
    files: int
    length: int
    blocks: int


@dataclass(frozen=True, slots=True)
class VersionsState:
    """The versions of a dataset ("": of all) by name and number; `last` is the highest number it ever had."""

    dataset: str
    last: int
    versions: tuple[VersionLine, ...]


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version, None when there is none; `holders` are the nodes that are there and have each of its blocks.

    `unrecorded` are nodes that have blocks of it (of one without blocks: all nodes) and no manifest of it yet.
    """

    dataset: str
    number: int
    version: Version | None
    holders: tuple[tuple[str, ...], ...]
    unrecorded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeStorage:
    """A node's store: the blocks it has and the bytes of their content, and whether it is being drained."""

    node: str
    state: str
    drained: bool
    blocks: int
    length: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """A block with fewer or other replicas than it is to have: `nodes` have it, `wanted` are to."""

    name: str
    nodes: tuple[str, ...]
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AsideVersion:
    """A version that the catalog does not know, and nodes have a manifest of."""

    key: str
    line: VersionLine
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownBlocks:
    """Blocks on a node that no version names, and that were not stored for a put: so many, in files of so many bytes.

    `names` are some of them.
    """

    node: str
    blocks: int
    file_bytes: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A replica that was found damaged, by the judging of this number (0: by a reader, or by the node itself)."""

    number: int
    node: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class StorageState:
    """How the blocks are; `settled`: all nodes have said what they have, or have had the time to.

    lacking   some of the blocks that are not where they are to be (see `lacking_count` for how many)
    extra     replicas that are to be deleted: no version needs them, or not on these nodes
    faults    the last replicas that were found damaged
    judged    (node, number of its last judging that is complete, blocks that it read)
    aside     some of the versions that the catalog does not know; their blocks are kept as those of all others
    unknown   blocks that belong to nobody, and are kept
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
    """Keep this block: `length` bytes at `offset` of the file `path`; without one, a replica of one of `holders`.

    Answered by `BlockStored` or `BlockRefused`; may be said again. `provisional`: for a put, no version names it.
    """

    name: str
    length: int
    path: str
    offset: int
    holders: tuple[str, ...]
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class DropBlock:
    """Delete this block; the node's next `BlocksHeld` shows that it did.

    `moved`: all nodes that are to have it do. Otherwise nobody needs it, and a node that has a manifest which names
    it knows better.
    """

    name: str
    moved: bool = False


@dataclass(frozen=True, slots=True)
class JudgeBlocks:
    """Read these blocks, tell what is wrong with each, then `BlocksJudged` with this number.

    With a number they are all that the node should have, and it reads all others that it has too.
    """

    number: int
    names: tuple[str, ...]


# ---- node to master --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlocksHeld:
    """Of the names after `after` and up to `to` ("": the last there can be) the node has exactly these.

    provisional  some of them, stored for a put: no manifest here names them, and none did when they were stored
    unknown      (name, bytes of its file) of all others that no manifest here names
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
    """The node has this block on its disk, whole. `new`: it was not there before, and took so many bytes."""

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

    kind  "changed": the file of its client has other bytes; "gone": no holder gave it; "full": no room; "failed": the
          node's disk or worker
    """

    node: str
    incarnation: str
    name: str
    kind: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class BlockDamaged:
    """The node's replica of this block is gone or is not what its name says; `reason` is for people.

    `number` is that of the judging that has found it, 0 when it was found otherwise.
    """

    node: str
    incarnation: str
    name: str
    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class BlocksJudged:
    """All that `JudgeBlocks` of this number asked for has been read: so many blocks."""

    node: str
    incarnation: str
    number: int
    blocks: int


# ---- node and its block executor ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoreOrder:
    """Order to a block executor: store a block in `folder`.

    `path` is a file with its content at `offset`, or with `is_block` the file of a replica.
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
    """Order to a block executor: read all of a block, and say what is wrong with it."""

    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class BlockDone:
    """What a block executor has done. `kind` "" is well, "damaged" is of a `JudgeOrder`."""

    executor: int
    name: str
    kind: Literal["", "changed", "gone", "full", "failed", "damaged"] = ""
    reason: str = ""
    file_bytes: int = 0
    new: bool = False
