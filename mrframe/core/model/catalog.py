"""Versions of datasets (named and numbered lists of files, each a list of blocks), and the catalog of all datasets.

Pure, and part of the scheduler's state: the journal has a fact for each version that was put or removed, and the
catalog is the sum of these facts. Not here: the locations of replicas (`core/replication/rendezvous.py`), and the
blocks themselves.

Rules.
- A version is written once. The first to put number `last + 1` has it. Any other put of that number is refused, and
  its client looks up the latest version and tries the next number. Numbers are never given again, not even those of
  removed versions.
- A repeated event changes nothing.
- A client's version is checked before it becomes a fact: names, numbers, and lengths that add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mrframe.core.fast_dataclass import dataclass

NAME_CHARACTERS_MAX = 100
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARACTERS_MAX - 1}}}")
_REFERENCE = re.compile(r"mrfs:([^@]*)(?:@([1-9][0-9]{0,8}))?")
_BLOCK = re.compile(r"[0-9a-f]{64}")
PUT_MAX = 1 << 63
NUMBER_MAX = 1_000_000_000
_KEY = re.compile(rf"{_NAME.pattern}@[1-9][0-9]{{0,8}}\.([0-7][0-9a-f]{{15}})")


@dataclass(frozen=True, slots=True)
class DatasetBlock:
    """A block of a file: its name, the hash of its content in hex, and the bytes of its content."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A file of a dataset: its display name, and its blocks in order."""

    name: str
    blocks: tuple[DatasetBlock, ...]

    @property
    def length(self) -> int:
        """Length of its content in bytes, decompressed."""
        return sum(block.length for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a dataset. Each of its blocks has `replicas` replicas on as many nodes.

    `put` is a random number, by which the client that put the version recognizes it.
    """

    dataset: str
    number: int
    put: int
    replicas: int
    files: tuple[DatasetFile, ...]

    @property
    def key(self) -> str:
        """Its unique and permanent name in any catalog: `access@3.00000000000004d2`. It is a valid name of a file."""
        return f"{self.dataset}@{self.number}.{self.put:016x}"

    def blocks(self) -> list[DatasetBlock]:
        """Return all its blocks in order, repeated ones too."""
        return [block for file in self.files for block in file.blocks]


def is_key(text: str) -> bool:
    """Return whether a text has the form of a version's key."""
    return _KEY.fullmatch(text) is not None


def put_of(key: str) -> int:
    """Return the put in the key of a version. Raises ValueError for any other text."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"not the key of a version: {key[:200]!r}")
    return int(match[1], 16)


def parse_reference(text: str) -> tuple[str, int]:
    """Parse `mrfs:access` or `mrfs:access@3` as (name, number), 0 for the last version. Raises ValueError."""
    match = _REFERENCE.fullmatch(text)
    if match is None or _NAME.fullmatch(match[1]) is None:
        raise ValueError(
            f"{text[:200]!r} names no dataset; they are named like mrfs:access, or mrfs:access@3 for a version, with "
            f"at most {NAME_CHARACTERS_MAX} letters, digits, dots, hyphens and underscores"
        )
    return match[1], int(match[2] or 0)


def is_sound(version: Version) -> bool:
    """Return whether the values of a version, which come from a peer or a file, are valid."""
    return (
        _NAME.fullmatch(version.dataset) is not None
        and 0 < version.number < NUMBER_MAX
        and 0 <= version.put < PUT_MAX
        and version.replicas > 0
        and all(_BLOCK.fullmatch(b.name) and b.length > 0 for file in version.files for b in file.blocks)
    )


def is_name(dataset: str) -> bool:
    """Return whether a text is a valid name of a dataset."""
    return _NAME.fullmatch(dataset) is not None


class Catalog:
    """All datasets, as the sum of the facts in the journal."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[int, Version]] = {}
        self._last: dict[str, int] = {}
        self._keys: dict[str, Version] = {}  # all versions, by their keys
        self._puts: dict[int, str] = {}  # put -> the key of its version
        self._removed: set[int] = set()  # puts of versions that were removed

    def last(self, dataset: str) -> int:
        """Return the highest number that a version of the dataset ever had, 0 if it never had one."""
        return self._last.get(dataset, 0)

    def find(self, dataset: str, number: int = 0) -> Version | None:
        """Return a version, or with number 0 the newest that exists. None if it does not exist."""
        versions = self._versions.get(dataset, {})
        return versions.get(number or max(versions, default=0))

    def versions(self) -> Iterator[Version]:
        """Yield all versions of all datasets, by name and number."""
        for dataset in sorted(self._versions):
            for number in sorted(self._versions[dataset]):
                yield self._versions[dataset][number]

    def may_put(self, version: Version) -> bool:
        """Return whether this is valid as the dataset's next version."""
        return version.number == self.last(version.dataset) + 1 and is_sound(version)

    def put(self, version: Version) -> None:
        """Add a version. The caller has checked `may_put`, or `is_free` for a recovered version."""
        self._versions.setdefault(version.dataset, {})[version.number] = version
        self._last[version.dataset] = max(self.last(version.dataset), version.number)
        self._keys[version.key] = version
        self._puts[version.put] = version.key

    def remove(self, dataset: str, number: int, put: int) -> None:
        """Remove a version. Its number stays taken, known or not: a compacted journal has only the removal."""
        self._versions.get(dataset, {}).pop(number, None)
        self._last[dataset] = max(self.last(dataset), number)
        key = Version(dataset, number, put, 1, ()).key
        if self._keys.pop(key, None) is not None and self._puts.get(put) == key:
            del self._puts[put]
        if put:  # earlier versions of mrframe did not record it
            self._removed.add(put)

    def by_key(self) -> dict[str, Version]:
        """Return {key: version} of all versions."""
        return self._keys

    def removed(self) -> set[int]:
        """Return the puts of versions that were removed."""
        return self._removed

    def key_of_put(self, put: int) -> str:
        """Return the key of a put's version, which may have been recovered under another name, or "" if unknown."""
        return self._puts.get(put, "")

    def is_free(self, version: Version) -> bool:
        """Return whether its number is above all that versions of its dataset ever had."""
        return version.number > self.last(version.dataset)
