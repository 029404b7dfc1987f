"""Counting by declaration, at C speed: raw bytes are counted, and only the different ones converted.

For `key=…, reduce=count` without `where`, and for a map that says the same (`yield status, 1`, `total`), the reader
leaves the key's fields as they stand in the log; a Counter takes a block at a time; what a field's value is matters
once for each different text, at the spill.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from sys import getsizeof
from typing import Any

from mrframe.core.job.job import Job
from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import Column, raw_of
from mrframe.formats.registry import kind_of
from mrframe.shuffle.reducers import Count, Total
from mrframe.task.columnar.declared_map import Constant, declared_picks

_NO_RAW_FORM = {"file", "offset", "line"}


def counts_raw(job: Job) -> frozenset[int]:
    """The columns to be counted raw: those of the key, or none when the job is of another form."""
    if job.where is not None or not kind_of(job.read).has_raw_bytes or not isinstance(job.reduce, Count | Total):
        return frozenset()
    names, picks = job.projection(), declared_picks(job)
    every = tuple(range(len(names)))
    plain = (
        picks is not None
        and picks[0] == (every if len(every) > 1 else 0)  # a tuple of one field is a tuple all the same
        and names == job.map_fields()  # each field once
        and not _NO_RAW_FORM & set(names)
        and isinstance(picks[1], Constant)
        and (isinstance(job.reduce, Count) or (type(picks[1].value) is int and picks[1].value == 1))
    )
    return frozenset(every) if plain else frozenset()


class RawCountBuffer:
    """A `shuffle.buffers.Buffer` that is fed with raw columns."""

    def __init__(self, reader: BlockReader, names: Sequence[str]) -> None:
        self._reader = reader
        self._names = names
        self._counts: Counter[Any] = Counter()
        self.bad_fields: dict[str, int] = {}

    def add_columns(self, columns: Sequence[Column]) -> int:
        """Count the records of a block; how many there were."""
        texts = [raw_of(column) for column in columns]
        self._counts.update(texts[0] if len(texts) == 1 else zip(*texts, strict=True))
        return len(texts[0])

    def size_bytes(self) -> int:
        """About the bytes held: a key is small text, or a tuple of some."""
        return getsizeof(self._counts) + len(self._counts) * 110 * len(self._names)

    def drain(self) -> tuple[list[Any], list[int]]:
        """Converted keys and their counts; different texts of one value come as several pairs."""
        raw, counts = list(self._counts), list(self._counts.values())
        self._counts = Counter()
        if not raw:
            return [], []
        if len(self._names) == 1:
            return self._converted(0, raw, counts), counts
        columns = [
            self._converted(index, list(column), counts) for index, column in enumerate(zip(*raw, strict=True))
        ]
        return list(zip(*columns, strict=True)), counts

    def _converted(self, index: int, raw: list[Any], counts: list[int]) -> list[Any]:
        values, bad = self._reader.convert(index, raw)
        if bad:
            name = self._names[index]
            wrong = sum(
                count
                for text, value, count in zip(raw, values, counts, strict=True)
                if value is None and self._reader.convert(index, [text])[1]
            )
            self.bad_fields[name] = self.bad_fields.get(name, 0) + wrong
        return values
