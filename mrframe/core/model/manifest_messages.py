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
    """A client asks to put the versions of a dataset ("": of all) that are aside into the catalog.

    With a `name` they become the next versions of that dataset, in order.
    """

    dataset: str
    name: str = ""


# ---- master to node --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepVersion:
    """Store a manifest of this version. The reply is `VersionKept`. May be repeated."""

    version: Version


@dataclass(frozen=True, slots=True)
class DropVersion:
    """This version was removed: delete its manifest. Blocks that no other manifest names become provisional."""

    key: str


@dataclass(frozen=True, slots=True)
class VersionAsked:
    """Ask for the manifest of this key. The reply is `VersionTold`."""

    key: str


# ---- node to master --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VersionsHeld:
    """The keys after `after` and up to `to` ("": no upper bound) of all manifests of a node."""

    node: str
    incarnation: str
    after: str
    to: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VersionTold:
    """The content of a manifest of the node."""

    node: str
    incarnation: str
    version: Version


@dataclass(frozen=True, slots=True)
class VersionKept:
    """The node has a manifest of this version on its disk."""

    node: str
    incarnation: str
    key: str
