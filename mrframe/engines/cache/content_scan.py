"""Hash changed inputs up front, to see whether their map results are saved already.

A log that was renamed, copied or compressed has all its results saved, one that grew nearly all. To know that takes a
hash, and for a compressed log a decoding that nobody else needs. Here both happen in a few threads, nothing is
written, and a run that finds everything needs no cluster. Rules:
- Only a split with a saved result is given its content. All others are left to the tasks that map them, which hash
  their input as they read it.
- The first piece of an input without a result ends the scan of that input, and no scan takes longer than `SCAN_S_MAX`
  (a piece that was begun is finished), so that new logs cost little more than without a scan.
- An input that cannot be read here is reported by the task that reads it. Any other error of a thread is raised here.
- All threads have ended when `scan` returns or raises, so that no fork happens beside them.
Not here: the identity of results (`task/cache/map_results.py`), and which files need not even be hashed
(`input_records.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from mrframe.core.model.spec import Split
from mrframe.errors import MrframeError
from mrframe.formats.inputs.compression import decoded_chunks
from mrframe.formats.inputs.digest import new_digest
from mrframe.formats.inputs.line_blocks import cut_stream
from mrframe.formats.readers.record_starts import record_starts
from mrframe.task.cache.map_results import content_digest

SCAN_S_MAX = 3.0
THREADS_MAX = 8
CHUNKS_MAX = 8
"""Decoded chunks of at most 1 MiB each that wait for their hash."""

IsSaved = Callable[[Split], bool]
"""Returns whether the result of mapping a split with `content` is saved. Called by one thread at a time."""


def scan(splits: Sequence[Split], is_saved: IsSaved, *, block_bytes: int, threads: int) -> list[Split]:
    """The splits, with the content of those that need not be mapped.

    A compressed file becomes its blocks of `block_bytes`, of the kind "saved", when the results of all are saved.
    """
    work = [split for split in splits if split.is_local_file and not split.content]
    if not work:
        return list(splits)
    found = _Scan(work, is_saved, block_bytes).run(min(threads, len(work), THREADS_MAX))
    return [known for split in splits for known in found.get(split.order, (split,))]


class _Scan:
    """One scan of inputs, shared by its threads: the splits that are left to read, and those found."""

    def __init__(self, work: Iterable[Split], is_saved: IsSaved, block_bytes: int) -> None:
        # compressed inputs take longest; then the first pieces of all files, since the scan of a new file ends there
        self._work = deque(sorted(work, key=lambda split: (not split.is_compressed, split.offset, split.order)))
        self._is_saved = is_saved
        self._block_bytes = block_bytes
        self._until_s = time.monotonic() + SCAN_S_MAX
        self._check_lock = threading.Lock()
        self._unknown: set[int] = set()  # inputs of which a piece is not known
        self._found: dict[tuple[int, int], list[Split]] = {}

    def run(self, threads: int) -> dict[tuple[int, int], list[Split]]:
        """{order of a split: the splits to put in its place}."""
        helpers = [_Thread(self._take_all) for _ in range(threads - 1)]
        try:
            self._take_all()
            for helper in helpers:
                helper.join()
        except BaseException:  # also an interrupt: the other threads need not go on
            self._until_s = 0.0
            raise
        finally:
            for helper in helpers:
                helper.join()
        for helper in helpers:
            helper.raise_fault()
        return self._found

    def is_over(self) -> bool:
        """Return whether no time is left."""
        return time.monotonic() >= self._until_s

    def has_result(self, split: Split) -> bool:
        """Return whether the result of mapping this split is saved."""
        with self._check_lock:
            return bool(split.content) and self._is_saved(split)

    def _take_all(self) -> None:
        while not self.is_over():
            try:
                split = self._work.popleft()
            except IndexError:
                return
            if split.order[0] in self._unknown:
                continue
            try:
                known = self._blocks(split) if split.is_compressed else self._piece(split)
            except (MrframeError, OSError):
                known = []
            if known:
                self._found[split.order] = known
            else:
                self._unknown.add(split.order[0])

    def _piece(self, split: Split) -> list[Split]:
        known = replace(split, content=content_digest(split))
        return [known] if self.has_result(known) else []

    def _blocks(self, split: Split) -> list[Split]:
        """The blocks of a compressed file, or none unless the results of all are saved."""
        with _Blocks(split, self) as blocks:
            chunks = decoded_chunks(split.path, split.source, split.state)
            for data, ends in cut_stream(chunks, self._block_bytes, record_starts(split.record_start)):
                if not blocks.go_on or self.is_over():
                    return []
                blocks.add(data, ends=ends)
            blocks.add(b"", ends=True)
        return blocks.found if blocks.go_on else []


class _Blocks:
    """The blocks of one compressed file, hashed in a thread of their own while the next bytes are decoded."""

    def __init__(self, split: Split, scan: _Scan) -> None:
        self.found: list[Split] = []
        self.go_on = True
        self._split = split
        self._scan = scan
        self._queue: SimpleQueue[tuple[bytes, bool] | None] = SimpleQueue()
        self._room = threading.BoundedSemaphore(CHUNKS_MAX)
        self._thread = _Thread(self._hash_all)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Wait until all is hashed, and raise the error of the hashing thread."""
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._thread.raise_fault()

    def add(self, data: bytes, *, ends: bool) -> None:
        """The next bytes, and whether a block ends behind them."""
        self._room.acquire()
        self._queue.put((data, ends))

    def _hash_all(self) -> None:
        try:
            self._hash_blocks()
        finally:
            while self._queue.get() is not None:  # so that `add` never waits for ever
                self._room.release()

    def _hash_blocks(self) -> None:
        digest, start, length = new_digest(), 0, 0
        while (item := self._queue.get()) is not None:
            data, ends = item
            digest.update(data)
            self._room.release()
            length += len(data)
            if ends and length:
                order, content = (self._split.order[0], start), digest.hexdigest()
                block = replace(self._split, kind="saved", length=length, order=order, content=content)
                self.go_on = self._scan.has_result(block)
                if not self.go_on:
                    return
                self.found.append(block)
                digest, start, length = new_digest(), start + length, 0
        self._queue.put(None)


class _Thread:
    """A started thread. An error in it is raised again where it is waited for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mrframe-scan")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised again in the thread that waits for this one
            self._fault = error

    def join(self) -> None:
        self._thread.join()

    def raise_fault(self) -> None:
        """Raise the error of the work, if it has failed."""
        if self._fault is not None:
            raise self._fault
