"""Messages about manifests of dataset versions, between the master, the nodes and clients.

A manifest is the copy of a version that a node stores beside its blocks, so that a lost catalog can be rebuilt from
the nodes. Plain values: `core/replication/manifest_sync.py` decides.
"""

from __future__ import annotations

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.catalog import Version

# ---- client to master ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecoverVersions:
    """A client wants the versions of a dataset ("": of all) that nodes know, and the catalog does not, put into it.

    With a `name` they become the next versions of that dataset, in their order.
    """

    dataset: str
    name: str = ""


# ---- master to node --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepVersion:
    """Keep a manifest of this version. Answered by `VersionKept`; may be said again."""

    version: Version


@dataclass(frozen=True, slots=True)
class DropVersion:
    """This version was removed: delete its manifest. Blocks that no other one names are provisional then."""

    key: str


@dataclass(frozen=True, slots=True)
class VersionAsked:
    """What is in the manifest of this key? Answered by `VersionTold`."""

    key: str


# ---- node to master --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionsHeld:
    """Of the keys after `after` and up to `to` ("": the last there can be) the node has exactly these manifests."""

    node: str
    incarnation: str
    after: str
    to: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionTold:
    """What is in a manifest of the node."""

    node: str
    incarnation: str
    version: Version


@dataclass(frozen=True, slots=True)
class VersionKept:
    """The node has a manifest of this version on its disk."""

    node: str
    incarnation: str
    key: str
