"""The records of earlier readings of a run's inputs: which have not changed, and how they were cut into splits.

An input that is the same file in the same state as recorded has the same content, so it need not be hashed again, and
cutting it as before finds the saved results of its splits. After a run the inputs are recorded as they were read. Not
here: the folder of records (`store/file_index.py`), and the saved results themselves (`saved_maps.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from mrframe.core.fast_dataclass import dataclass
from mrframe.engines.protocol import CommittedAttempt
from mrframe.formats.inputs.files import InputFile
from mrframe.store.file_index import NO_FILE, FileIndex, FileRecord, FileStat, Piece, now_s


@dataclass(frozen=True, slots=True)
class _Input:
    """An input file as it was when the run began. `seen` is the record of an earlier reading of its path."""

    file: InputFile
    state: FileStat | None
    seen: FileRecord | None

    def pieces(self, split_bytes: int) -> tuple[Piece, ...] | None:
        """The recorded pieces, None when the file has changed since or was cut at another length."""
        if self.seen is None or self.state is None:
            return None
        same = self.seen.state == self.state and self.seen.split_bytes == split_bytes
        return self.seen.pieces if same else None


class InputRecords:
    """The records of the inputs of one run, in the order of their input index."""

    def __init__(self, files: Iterable[InputFile], records: FileIndex) -> None:
        self._began_s = now_s()
        self._records = records
        self._inputs = [
            _Input(file, FileStat(*file.state), records.find(file.path)) if file.state else _Input(file, None, None)
            for file in files
        ]

    def split_bytes(self) -> int | None:
        """The length of splits at which most bytes of these inputs were cut before, None when none was."""
        votes: Counter[int] = Counter()
        for one in self._inputs:
            if one.seen is not None:
                votes[one.seen.split_bytes] += one.file.bytes
        return max(votes, key=lambda length: (votes[length], length)) if votes else None

    def pieces(self, index: int, split_bytes: int) -> tuple[Piece, ...] | None:
        """The pieces of an input that is as it was when it was read at this length of splits, else None."""
        return self._inputs[index].pieces(split_bytes)

    def record(self, index: int, maps: Sequence[CommittedAttempt], split_bytes: int) -> str:
        """Record an input as these maps have read it. Returns the fault of the disk, or ""."""
        one = self._inputs[index]
        if one.pieces(split_bytes) is not None:
            return ""
        pieces = sorted((d.split.order[1], d.split.length, d.report.content) for d in maps if d.split)
        state = one.state if self._is_sure(one, pieces) else None
        seen = (
            FileRecord(NO_FILE, split_bytes, ()) if state is None else FileRecord(state, split_bytes, tuple(pieces))
        )
        return self._records.record(one.file.path, seen)

    def _is_sure(self, one: _Input, pieces: Sequence[Piece]) -> bool:
        """Return whether the file consists of these pieces and has not changed since before it was read."""
        ends = [0, *(at + length for at, length, _ in pieces)]
        whole = all(content for _, _, content in pieces) and ends[:-1] == [at for at, _, _ in pieces]
        if not whole or one.state is None or not one.state.settled(self._began_s):
            return False
        if not one.file.compression and ends[-1] != one.state.size_bytes:
            return False
        return FileStat.of(one.file.path) == one.state

    def trim(self) -> None:
        """Delete the oldest records when there are too many."""
        self._records.trim()
