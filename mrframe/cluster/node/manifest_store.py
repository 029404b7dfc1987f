"""A node's side of manifests: serves the master's requests at once, since manifests are small.

`store/manifests.py` has the files. `core/replication/manifest_sync.py`, in the master, decides.

Rules.
- The node reports a version as kept only when its manifest is durable.
- Dropping a version leaves its blocks. Those that no other manifest here names become provisional before the manifest
  goes. Their deletion is decided elsewhere.
- A damaged manifest counts as missing: it names no blocks, so its blocks are unknown here and are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from mrframe.core.model.catalog import Version
from mrframe.core.model.manifest_messages import (
    DropVersion,
    KeepVersion,
    VersionAsked,
    VersionKept,
    VersionsHeld,
    VersionTold,
)
from mrframe.errors import CorruptData, OutputError
from mrframe.store.blocks import BlockStore
from mrframe.store.disk import fault_text
from mrframe.store.manifests import Manifests
from mrframe.task.isolation.process_log import log
from mrframe.wire.codec import BadMessage, Vocabulary

REPORT_KEYS = 2_000
_WORDS = Vocabulary(Version)


class ManifestStore:
    """The manifests beside the blocks of `store` on this node (`name`, `incarnation`). `send` sends to the master."""

    def __init__(self, store: BlockStore, node: tuple[str, str], send: Callable[[Any], None]) -> None:
        self._store = store
        self._node = node
        self._send = send
        self._files = Manifests(store.path)
        self._blocks: dict[str, frozenset[str]] = {}  # key -> names of its blocks
        self._counts: Counter[str] = Counter()  # block -> number of manifests that name it
        for key in self._files.names():
            version = self._read(key)
            if version is not None:
                self._add(version)

    def name(self, block: str) -> bool:
        """Return whether a manifest here names this block."""
        return block in self._counts

    def handle(self, message: KeepVersion | DropVersion | VersionAsked) -> None:
        """Do what the master asks for. Raises ValueError for an invalid name of a version."""
        match message:
            case KeepVersion(version):
                self._write_manifest(version)
            case DropVersion(key):
                self._drop(key)
            case VersionAsked(key):
                found = self._read(key) if key in self._blocks else None
                if found is not None:
                    self._send(VersionTold(*self._node, found))

    def held(self) -> Iterator[VersionsHeld]:
        """Report all manifests, in as many messages as are needed."""
        keys = sorted(self._blocks)
        after = ""
        for first in range(0, max(1, len(keys)), REPORT_KEYS):
            some = tuple(keys[first : first + REPORT_KEYS])
            to = some[-1] if first + REPORT_KEYS < len(keys) else ""
            yield VersionsHeld(*self._node, after, to, some)
            after = to

    def _read(self, key: str) -> Version | None:
        try:
            version: Version = _WORDS.decode(self._files.read(key))
        except (CorruptData, BadMessage) as error:
            log(str(error))
            return None
        return version if version.key == key else None

    def _add(self, version: Version) -> None:
        names = frozenset(block.name for block in version.blocks())
        self._counts.update(names - self._blocks.get(version.key, frozenset()))
        self._blocks[version.key] = names

    def _write_manifest(self, version: Version) -> None:
        try:
            if version.key not in self._blocks:
                self._files.write(version.key, _WORDS.encode(version))
                self._add(version)
            for name in self._blocks[version.key] & self._store.provisional():
                self._store.adopt(name)
        except (OSError, OutputError) as error:
            log(f"the manifest of {version.key} cannot be kept: {_text(error, self._files.path)}")
            return
        self._send(VersionKept(*self._node, version.key))

    def _drop(self, key: str) -> None:
        here = set(self._store.names())
        try:
            for name in self._blocks.get(key, frozenset()) & here:
                if self._counts[name] == 1:
                    self._store.mark_provisional(name)
            self._files.delete(key)
        except (OSError, OutputError) as error:
            log(f"the manifest of {key} cannot be deleted: {_text(error, self._files.path)}")
            return
        self._counts -= Counter(self._blocks.pop(key, frozenset()))


def _text(error: OSError | OutputError, path: str) -> str:
    return fault_text(error, path) if isinstance(error, OSError) else str(error)
