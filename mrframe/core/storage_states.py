"""What clients are told of the store: how a put, a version, and all blocks are. Nothing is decided here."""

from __future__ import annotations

from mrframe.core.book import Book
from mrframe.core.keeping import hear_put, homes_of, is_settled, readable
from mrframe.core.stored import (
    LISTED_MAX,
    Lacking,
    NodeStorage,
    PutState,
    PutWanted,
    StorageState,
    StorageWanted,
    VersionLine,
    VersionsState,
    VersionState,
    VersionsWanted,
    VersionWanted,
)

Question = PutWanted | VersionsWanted | VersionWanted | StorageWanted
Answer = PutState | VersionsState | VersionState | StorageState


def answer(book: Book, question: Question, now_s: float) -> Answer:
    """The answer to a client's question."""
    match question:
        case PutWanted(put):
            return _put(book, put, now_s)
        case VersionsWanted(dataset):
            return _versions(book, dataset)
        case VersionWanted(dataset, number):
            return _version(book, dataset, number)
        case StorageWanted():
            return _storage(book, now_s)


def _put(book: Book, number: int, now_s: float) -> PutState:
    put = hear_put(book, number, now_s)
    if put is None:
        return PutState(number, 0, (), 0, 0, ())
    failed = tuple((name, *said) for name, said in list(put.failed.items())[:LISTED_MAX])
    pending = tuple(list(put.pending)[:LISTED_MAX])
    return PutState(number, len(put.blocks), pending, put.stored, put.stored_bytes, failed)


def _versions(book: Book, dataset: str) -> VersionsState:
    lines = []
    for version in book.datasets.versions():
        if dataset in ("", version.dataset):
            length = sum(file.length for file in version.files)
            counts = len(version.files), length, len(version.blocks())
            lines.append(VersionLine(version.dataset, version.number, version.put, version.replicas, *counts))
    return VersionsState(dataset, book.datasets.last(dataset), tuple(lines))


def _version(book: Book, dataset: str, number: int) -> VersionState:
    version = book.datasets.find(dataset, number)
    holders = tuple(tuple(readable(book, block.name)) for block in version.blocks()) if version else ()
    return VersionState(dataset, number, version, holders)


def _storage(book: Book, now_s: float) -> StorageState:
    keepers = book.keepers
    nodes = []
    for name, node in sorted(book.nodes.items()):
        held = keepers.held.get(name, set())
        length = sum(keepers.lengths.get(block, 0) for block in held)
        nodes.append(NodeStorage(name, node.state.value, name in keepers.drained, len(held), length))
    lacking: list[Lacking] = []
    count = extra = 0
    for name in sorted(keepers.needs):
        have, wanted = tuple(readable(book, name)), homes_of(book, name)
        extra += len(set(have) - set(wanted))
        if not set(wanted) <= set(have) or not have:
            count += 1
            if len(lacking) < LISTED_MAX:
                lacking.append(Lacking(name, have, wanted))
    extra += sum(len(nodes) for name, nodes in keepers.holders.items() if name not in keepers.needs)
    judged = tuple((node, *said) for node, said in sorted(keepers.judged.items()))
    return StorageState(
        is_settled(book, now_s), tuple(nodes), tuple(lacking), count, extra, tuple(keepers.faults), judged
    )
