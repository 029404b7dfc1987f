"""One door to all readers: `make_reader` for blocks, `explain` for one line.

A reader is made in the executor that uses it, for the fields of one job. The pairs of a step before are no
lines and are read by `task/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mrframe.core.job.job import Reader
from mrframe.errors import FormatError, UsageError
from mrframe.formats.grammar.strftime import has_zone
from mrframe.formats.readers.access import AccessReader
from mrframe.formats.readers.base import BlockReader, Parsed
from mrframe.formats.readers.json_lines import JsonReader, read_object
from mrframe.formats.readers.text import TextReader, WordsReader
from mrframe.formats.readers.time_window import DIGITS, HIDDEN, JSON_TIMES, Times, Window, WindowReader
from mrframe.formats.schema import check_fields, fields_of, grammar_of

__all__ = ["BlockReader", "Parsed", "explain", "make_reader"]


def make_reader(
    reader: Reader, projection: Sequence[str], paths: Mapping[str, str], window: Window | None = None
) -> BlockReader:
    """The reader of blocks for these fields, in this order; of the records within a window, if one is given.

    Raises UnknownField for a field that the reader does not have, FormatError for a format that cannot be
    read (and for one that is not yet detected), UsageError for a window over records without times.
    """
    if window is not None:
        return _windowed(reader, projection, paths, window)
    check_fields(reader, projection, paths)
    if reader.kind == "json":
        return JsonReader(projection, dict(paths))
    fields = [paths.get(name, name) for name in projection]
    if reader.kind == "text":
        return TextReader(fields)
    if reader.kind == "words":
        return WordsReader(fields)
    if reader.kind == "access" and reader.format != "auto":
        return AccessReader(grammar_of(reader.format), fields, projection)
    raise FormatError(
        f"the reader {reader.kind!r} with the format {reader.format!r} cannot read lines; detect it first"
    )


def _windowed(reader: Reader, projection: Sequence[str], paths: Mapping[str, str], window: Window) -> BlockReader:
    names: tuple[str, ...]
    if reader.kind == "json":
        names = JSON_TIMES
    elif has_times(reader):
        names = ("time",)
    elif window.since is None and window.until is None:
        return make_reader(reader, projection, paths)
    else:
        raise UsageError(
            f"--since and --until do not apply: the {reader.kind} reader"
            + (f" with the format {reader.format!r}" if reader.format else "")
            + " has no times"
        )
    hidden = [HIDDEN + name for name in names]
    inner = make_reader(reader, [*projection, *hidden], {**paths, **dict(zip(hidden, names, strict=True))})
    wanted = [paths.get(name, name) for name in projection]
    projected = frozenset(index for index, name in enumerate(wanted) if name == "time" and reader.kind == "access")
    times = Times(len(projection), len(names), tuple(projection))
    if reader.kind == "access":
        slot, _ = grammar_of(reader.format).field_map()["time"]
        naive = slot.kind == "strftime" and not has_zone(slot.detail)
        times = replace(times, naive=naive, projected=projected, digits=DIGITS.get(slot.kind))
    return WindowReader(inner, times, window)


def has_times(reader: Reader) -> bool:
    """Whether the lines of a reader say a time."""
    if reader.kind != "access":
        return False
    _, role = grammar_of(reader.format).field_map().get("time", (None, ""))
    return role == "time"


def explain(line: bytes, reader: Reader) -> dict[str, Any] | tuple[int, str]:
    """The fields of one line (without its end), or where it stops to match (from 0) and what was expected there.

    For a reader of JSON the fields are those of the object; words are given as a list.
    """
    if reader.kind == "json":
        value = read_object(line)
        return value if isinstance(value, dict) else (0, value)
    if reader.kind == "words":
        return {"word": make_reader(reader, ("word",), {}).parse(line, "", 0).values[0]}
    names = [name for name in fields_of(reader) or {} if name not in ("file", "offset")]
    made = make_reader(reader, names, {})
    if isinstance(made, AccessReader):
        wrong = made.explain(line)
        if wrong is not None:
            return wrong
    parsed = made.parse(line + b"\n", "", 0)
    return {name: column[0] for name, column in zip(names, parsed.values, strict=True)}
