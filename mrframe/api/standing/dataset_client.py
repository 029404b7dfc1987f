"""The part of a client that is about datasets: put, list, read, remove, and look after the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mrframe.api.html_table import Listing
from mrframe.api.standing.dataset_rows import (
    DatasetDetail,
    DatasetInfo,
    NodeStore,
    StoredDataset,
    StoreReport,
    UnlistedVersion,
    dataset_detail,
    dataset_info,
    node_store,
    store_report,
    stored_dataset,
    unlisted_version,
)
from mrframe.cluster.client.standing_session import StandingSession
from mrframe.core.model.block_messages import StorageState, StorageWanted, VersionsWanted
from mrframe.engines.datasets import datasets, fsck
from mrframe.errors import UsageError
from mrframe.store.scratch import Scratch

BLOCK_BYTES = 64 << 20
BLOCK_BYTES_MIN = 4096


class DatasetClient:
    """Datasets of a standing cluster. A dataset is a name for a list of files. Each put makes a version of it.

    A version is named `access` (the last one) or `access@3`, with or without `mrfs:` before it.
    """

    def __init__(self, session: StandingSession, blocks: str, reply_s: float) -> None:
        self._session = session
        self._blocks = blocks
        self._reply_s = reply_s

    def put(
        self, dataset: str, inputs: Sequence[str], *, block_bytes: int = BLOCK_BYTES, replicas: int = 2
    ) -> StoredDataset:
        """Make files the next version of a dataset. Done when they lie on the disks of enough nodes.

        Only blocks that no dataset has are stored. Compressed files are decompressed, and compressed again block by
        block. Raises InputError for inputs that cannot be put, InputChanged when a file is written to meanwhile,
        StoreFull when the nodes have no room for it. Then nothing of it is kept.
        """
        if block_bytes < BLOCK_BYTES_MIN:
            raise UsageError(f"blocks of {block_bytes:,} bytes are too small; not less than {BLOCK_BYTES_MIN:,}")
        name = dataset.removeprefix("mrfs:")
        sizes = {"block_bytes": block_bytes, "replicas": replicas}
        with Scratch() as scratch:
            return stored_dataset(datasets.put(self._session, name, inputs, folder=scratch.path, **sizes))

    def datasets(self, dataset: str = "") -> Listing[DatasetInfo]:
        """The versions of a dataset, or of all, by name and number."""
        wanted = VersionsWanted(dataset.removeprefix("mrfs:"))
        return Listing(map(dataset_info, self._session.ask(wanted, self._reply_s).versions))

    ls = datasets

    def unlisted(self) -> list[UnlistedVersion]:
        """The versions that nodes have and the journal does not know: `recover` brings them back."""
        return [unlisted_version(one) for one in self._session.ask(StorageWanted(), self._reply_s).aside]

    def stat(self, reference: str) -> DatasetDetail:
        """The files of a version, their blocks, and the nodes that have each."""
        return dataset_detail(datasets.find(self._session, reference))

    def cat(self, reference: str, files: Sequence[str] = ()) -> Iterator[bytes]:
        """The content of a version's files, or of those with these names, piece by piece.

        UsageError when it has no such file, CorruptData when no replica of a block can be read.
        """
        return datasets.content(self._session, datasets.find(self._session, reference), files)

    def rm_dataset(self, reference: str, *, all_versions: bool = False) -> list[str]:
        """Remove a version, or all of its dataset. Gives their names. Blocks that no other one needs are deleted."""
        return datasets.remove(self._session, reference, all_versions=all_versions)

    def fsck(self, *, repair: bool = False) -> StoreReport:
        """Read every replica on every node, and name those that are damaged or missing.

        The cluster repairs by itself from other replicas. `repair` waits for that.
        """
        return store_report(fsck.fsck(self._session, repair=repair), self._blocks)

    def recover(self, dataset: str = "", *, name: str = "") -> tuple[list[str], list[UnlistedVersion]]:
        """Bring back versions that nodes have and the journal does not know, of one dataset or of all.

        They get the numbers that they had, or with `name` are the next versions of the dataset of this name. Gives
        the names of those that are there again, and those that are left because their numbers have been used since.
        UsageError when there are none.
        """
        dataset, name = dataset.removeprefix("mrfs:"), name.removeprefix("mrfs:")
        if name:
            datasets.check_name(name)
        names, left = fsck.recover(self._session, dataset, name=name)
        return names, [unlisted_version(one) for one in left]

    def balance(self) -> Listing[NodeStore]:
        """Wait until every block is on the nodes that are to have it. Returns the blocks on each node."""
        return _nodes(fsck.balance(self._session))

    def decommission(self, node: str, *, undo: bool = False) -> Listing[NodeStore]:
        """Have a node give its blocks to the others, and wait until it has none. `undo` has it keep blocks again."""
        return _nodes(fsck.decommission(self._session, node, undo=undo))


def _nodes(state: StorageState) -> Listing[NodeStore]:
    return Listing(map(node_store, state.nodes))
