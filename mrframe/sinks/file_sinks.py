"""The sinks for files: one file, and a folder of parts with a manifest.

How a file or folder appears whole or not at all is `store/output.py`'s, and how rows become bytes
`formats/output/writing.py`'s. Here the two meet. Standard output is the command's.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from mrframe.formats.output.named_outputs import output_format
from mrframe.formats.output.writing import write_rows
from mrframe.sinks.result_sink import Delivery, ResultRows
from mrframe.store.output import OutputFolder, Sink, check_target, whole_file, whole_folder

Row = tuple[Any, Any]
PART_BYTES = 64 * (1 << 20)  # a part of a folder ends after the block of rows that reaches this
T = TypeVar("T")


class _Target(Generic[T]):
    """The common part: a target that is in the making while a context manager of `store/output.py` is open."""

    def __init__(self, target: str, delivery: Delivery) -> None:
        self._target = target
        self._delivery = delivery

    def check(self) -> None:
        """See `ResultSink`."""
        check_target(self._target, overwrite=self._delivery.overwrite)
        output_format(self._delivery.form).writer()  # which may need an extra

    def begin(self, about: Mapping[str, Any]) -> None:
        """See `ResultSink`."""
        self._whole = self._opened(about)
        self._inside = self._whole.__enter__()

    def commit(self) -> None:
        """See `ResultSink`."""
        self._whole.__exit__(None, None, None)

    def abort(self) -> None:
        """See `ResultSink`."""
        with contextlib.suppress(Exception):
            self._whole.__exit__(_Aborted, _Aborted(), None)

    def _opened(self, about: Mapping[str, Any]) -> AbstractContextManager[T]:
        raise NotImplementedError


class _Aborted(BaseException):
    """Raised within the context manager so that it leaves nothing."""


class FileSink(_Target[Sink]):
    """A result as one file, in total order of its keys whatever the number of partitions."""

    def write(self, result: ResultRows) -> None:
        """See `ResultSink`."""
        result.write(self._inside, self._delivery.form, text=self._delivery.text)

    def _opened(self, about: Mapping[str, Any]) -> AbstractContextManager[Sink]:  # noqa: ARG002  (has no manifest)
        return whole_file(self._target, overwrite=self._delivery.overwrite)


class FolderSink(_Target[OutputFolder]):
    """A result as a folder of parts of about 64 MiB, with a manifest of their rows and hashes."""

    def write(self, result: ResultRows) -> None:
        """See `ResultSink`."""
        form, text = self._delivery.form, self._delivery.text
        add_parts(
            self._inside,
            output_format(form).part_ending,
            result.rows(),
            lambda rows, sink: write_rows(rows, sink, form, text=text, columns=result.columns),
        )

    def _opened(self, about: Mapping[str, Any]) -> AbstractContextManager[OutputFolder]:
        about_run = {"job": about["job"], "format": self._delivery.form, "hash_seed": about["hash_seed"]}
        return whole_folder(self._target, about_run, overwrite=self._delivery.overwrite)


def add_parts(
    folder: OutputFolder,
    ending: str,
    rows: Iterator[Row],
    write_rows: Callable[[Iterator[Row], Sink], int],
    part_bytes: int = PART_BYTES,
) -> None:
    """Write all rows as parts of a folder. An empty result is one empty part.

    Where a part ends depends on the rows and their form alone, not on how they were computed (law 6).
    """
    following = next(rows, None)
    first = True
    while first or following is not None:
        left: list[Row] = []
        given = iter(()) if following is None else itertools.chain((following,), rows)
        folder.add_part(
            ending,
            lambda sink, given=given, left=left: write_rows(  # type: ignore[misc]
                _until_full(given, sink, left, part_bytes), sink
            ),
        )
        following = left[0] if left else None
        first = False


def _until_full(rows: Iterator[Row], sink: Sink, left: list[Row], part_bytes: int) -> Iterator[Row]:
    """The rows up to the first that does not fit this part any more, which goes to `left`."""
    for row in rows:
        if sink.bytes_written >= part_bytes:
            left.append(row)
            return
        yield row
