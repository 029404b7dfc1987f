"""One door to all readers: `make_reader` for blocks, `explain` for one line.

A reader is made in the executor that uses it, for the fields of one job. The pairs of a step before are no
lines and are read by `task/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrframe.core.model.reader import Reader
from mrframe.errors import UsageError
from mrframe.formats.readers.base import BlockReader, Parsed
from mrframe.formats.registry import kind_of
from mrframe.formats.schema import check_fields

if TYPE_CHECKING:
    from mrframe.formats.readers.time_window import Window

__all__ = ["BlockReader", "Parsed", "explain", "make_reader"]


def make_reader(
    reader: Reader, projection: Sequence[str], paths: Mapping[str, str], window: Window | None = None
) -> BlockReader:
    """Make the reader of blocks for these fields, in this order. With a window it gives only the records within.

    Raises UnknownField for a field that the reader does not have, FormatError for a format that cannot be
    read (and for one that is not yet detected), UsageError for a window over records without times.
    """
    if window is not None:
        return _windowed(reader, projection, paths, window)
    check_fields(reader, projection, paths)
    return kind_of(reader).make(reader.format, projection, paths)


def _windowed(reader: Reader, projection: Sequence[str], paths: Mapping[str, str], window: Window) -> BlockReader:
    found = kind_of(reader).times(reader.format)
    if found is None:
        if window.since is None and window.until is None:
            return make_reader(reader, projection, paths)
        raise UsageError(f"--since and --until do not apply: {kind_of(reader).title(reader.format)} has no times")
    from mrframe.formats.readers.time_window import HIDDEN, Times, WindowReader

    hidden = [HIDDEN + name for name in found.names]
    inner = make_reader(reader, [*projection, *hidden], {**paths, **dict(zip(hidden, found.names, strict=True))})
    wanted = [paths.get(name, name) for name in projection]
    projected = frozenset(index for index, name in enumerate(wanted) if name in found.names)
    times = Times(len(projection), len(found.names), tuple(projection), found.naive, projected, found.digits)
    return WindowReader(inner, times, window)


def explain(line: bytes, reader: Reader) -> dict[str, Any] | tuple[int, str]:
    """Parse one line (without its end): its fields, or where it stops matching (from 0) and the expectation there.

    For JSON the fields are those of the object. Words come as a list.
    """
    return kind_of(reader).explain(reader.format, line)
