"""One door to all readers: `make_reader` for blocks, `explain` for one line.

A reader is made in the executor that uses it, for the fields of one job. The pairs of a step before are no
lines and are read by `task/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mrframe.core.job import Reader
from mrframe.errors import FormatError
from mrframe.formats.access import AccessReader
from mrframe.formats.json_lines import JsonReader, read_object
from mrframe.formats.parsed import BlockReader, Parsed
from mrframe.formats.schema import check_fields, fields_of, grammar_of
from mrframe.formats.text import TextReader, WordsReader

__all__ = ["BlockReader", "Parsed", "explain", "make_reader"]


def make_reader(reader: Reader, projection: Sequence[str], paths: Mapping[str, str]) -> BlockReader:
    """The reader of blocks for these fields, in this order.

    Raises UnknownField for a field that the reader does not have, FormatError for a format that cannot be
    read (and for one that is not yet detected).
    """
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


def explain(line: bytes, reader: Reader) -> dict[str, Any] | tuple[int, str]:
    """The fields of one line (without its end), or where it stops to match (from 0) and what was expected there.

    For a reader of JSON the fields are those of the object; words are given as a list.
    """
    if reader.kind == "json":
        value = read_object(line)
        return value if isinstance(value, dict) else (0, value)
    if reader.kind == "words":
        return {"word": make_reader(reader, ("word",), {}).parse(line, "", 0).columns[0]}
    names = [name for name in fields_of(reader) or {} if name not in ("file", "offset")]
    made = make_reader(reader, names, {})
    if isinstance(made, AccessReader):
        wrong = made.explain(line)
        if wrong is not None:
            return wrong
    parsed = made.parse(line + b"\n", "", 0)
    return {name: column[0] for name, column in zip(names, parsed.columns, strict=True)}
