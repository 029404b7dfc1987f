"""`python -m mrframe.testing.fuzz --mutations 100000 LOG…`: read ruined logs, and compare with a parser of one line.

A mutation is a short log, changed. It is cut into splits and blocks of random lengths and read by the reader of its
format. Records, malformed lines, the bytes of every field and the ledger must be those that a strict parser of one
line finds (`testing/oracle.py`, or Python's own `json`, `gzip` and `bytes.split` for the others). One in `RUN_EVERY`
is run as a job, too. An error that has no name, a result that differs, or one that takes longer than
`HANG_S` fails, and is made again with `--first N --mutations 1`. Not here: ruining logs (`mutations.py`).
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import signal
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from random import Random
from time import perf_counter
from typing import Any, BinaryIO

import mrframe
from mrframe.core.job.job import Job
from mrframe.core.settings.options import RunOptions
from mrframe.errors import ExtraMissing, FormatError, InputError, MrframeError
from mrframe.formats.application_formats import LAYOUTS
from mrframe.formats.detect import detect
from mrframe.formats.factory import BlockReader, explain, make_reader
from mrframe.formats.grammar.layout import start_of
from mrframe.formats.inputs.compression import compression_of, decode_file
from mrframe.formats.inputs.line_blocks import pieces
from mrframe.formats.inputs.magic import HEAD_BYTES
from mrframe.formats.inputs.open_input import LONG_LINE_HEAD_BYTES, LongLine
from mrframe.formats.inputs.splits import read_blocks
from mrframe.formats.named_formats import STRINGS
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.application import layout_of
from mrframe.formats.readers.base import ALL_VALUES, Column, Forms, LinesOf, Scanned, as_raw
from mrframe.formats.readers.kind import LINE_FIELDS
from mrframe.formats.readers.record_starts import RecordStarts
from mrframe.formats.registry import reader_named
from mrframe.formats.schema import fields_of
from mrframe.kernel import compiled
from mrframe.testing import oracle
from mrframe.testing.mutations import mutate, packed, samples_of, some_lines
from mrframe.testing.record_oracle import Read, expected_records, lines_of

HANG_S = 10.0
RUN_EVERY = 100
FAILED_MAX = 10
SHOWN_BYTES = 3000
FORMATS = ("combined", "common", "vhost", "traefik")
SAMPLED = (*FORMATS, "json", "text", "words")
RECORDS = ("log4j", "kafka", "spring", "leveled_zoned")
KINDS = ("combined", *FORMATS, "combined", "json", "json", "text", "words", *RECORDS, "gzip", "detect")


class FuzzFailed(Exception):
    """A mutation was not read as it must be."""


class Hung(BaseException):
    """A mutation takes too long. Not an Exception, so that no handler on the way takes it for a failure."""


# ---- the expected result ------------------------------------------------------------------------------


def expected(kind: str, data: bytes, fields: Sequence[str], line_bytes_max: int) -> Read:
    """Return the result that the parser of one line gives."""
    if kind in LAYOUTS:
        return expected_records(kind, data, fields, line_bytes_max)
    read = Read()
    for number, (offset, line) in enumerate(lines_of(data)):
        read.lines = number + 1
        end = data.find(b"\n", offset) + 1 or len(data)
        long = end - offset > line_bytes_max
        rows = None if long else _rows(kind, line, offset, fields)
        if rows is not None:
            read.rows += rows
        elif long:
            read.malformed.append((number, offset, line[:LONG_LINE_HEAD_BYTES]))
        else:
            read.malformed.append((number, offset, line))
    return read


def _rows(kind: str, line: bytes, offset: int, fields: Sequence[str]) -> list[tuple[Any, ...]] | None:
    """Return the records of a line, or None if it is malformed."""
    if kind == "text":
        return [(offset, line)]
    if kind == "words":
        return [(word, offset, line) for word in line.split()]
    if kind == "json":
        try:
            value = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError):
            return None
        return [(line.decode("utf-8", "surrogateescape"), offset)] if isinstance(value, dict) else None
    if kind in STRINGS:
        found = oracle.parse_line(grammar_of(kind), line)
        return None if found is None else [(offset, *(found[name] for name in fields))]
    record = explain(line, reader_named(kind))
    return [(offset, *(record[name] for name in fields))] if isinstance(record, dict) else None


# ---- the real result ----------------------------------------------------------------------------------


@cache
def _reader(kind: str) -> tuple[BlockReader, tuple[str, ...]]:
    fields: tuple[str, ...] = ()
    reader = reader_named(kind)
    names = {"text": ("offset", "line"), "words": ("word", "offset", "line"), "json": ("line", "offset")}.get(kind)
    if names is None:
        fields = tuple(name for name in fields_of(reader) or {} if name not in LINE_FIELDS)
        names = ("offset", *(("line",) if kind in LAYOUTS else ()), *fields)
    return make_reader(reader, names, {}), fields


def by_reader(kind: str, path: str, sizes: tuple[int, int], line_bytes_max: int) -> Read:
    """Read a file as map tasks do, by `sizes` of splits and blocks. Raises FuzzFailed if bytes do not add up."""
    split_bytes, block_bytes = sizes
    size = os.path.getsize(path)
    reader, _ = _reader(kind)
    read = Read()
    raw = kind in (*SAMPLED, *LAYOUTS)
    forms: Forms = {1: Scanned} if kind == "text" and compiled() else as_raw(range(20)) if raw else ALL_VALUES
    starts = RecordStarts(start_of(layout_of(kind))) if kind in LAYOUTS else None
    counted = 0

    def pass_over(line: LongLine) -> None:
        nonlocal counted
        read.malformed.append((read.lines, line.offset, line.head))
        read.lines += line.lines
        counted += line.length

    with open(path, "rb") as file:

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(file.fileno(), count, offset)

        splits = list(pieces(read_at, size, split_bytes, starts))
    for start, length in splits:
        for offset, block in read_blocks(
            path,
            start,
            length,
            block_bytes=block_bytes,
            line_bytes_max=line_bytes_max,
            on_long=pass_over,
            starts=starts,
        ):
            parsed = reader.parse(block, "f", offset, forms=forms)
            here = parsed.parsed_bytes + parsed.malformed_bytes + parsed.delimiter_bytes
            here += parsed.nul_bytes + parsed.bom_bytes
            if here != len(block):
                raise FuzzFailed(f"the ledger has {here} bytes for a block of {len(block)}")
            read.rows += zip(*(_items(kind, column) for column in parsed.columns), strict=True)
            read.malformed += [(read.lines + m.line, offset + m.offset, m.data) for m in parsed.malformed]
            read.lines += parsed.lines
            counted += len(block)
    if counted != size:
        raise FuzzFailed(f"{counted} of {size} bytes were read")
    return read


def _items(kind: str, column: Column) -> Sequence[Any]:
    """Return the items of a column, those of plain text as bytes."""
    if isinstance(column, Scanned):
        return column.raw()
    if isinstance(column, LinesOf):
        return column.text.split(b"\n")[:-1]
    if kind not in ("text", "words"):
        return column.items
    return [one.encode("utf-8", "surrogateescape") if isinstance(one, str) else one for one in column.items]


def _keep(offset: int, line: str) -> Iterator[tuple[int, str]]:
    yield offset, line


def by_job(kind: str, path: str, split_bytes: int) -> list[tuple[int, bytes]]:
    """(offset, line) of each record, by the inline engine, which balances its own ledger."""
    job = Job(read=reader_named(kind), map=_keep, reduce=mrframe.each)
    options = RunOptions(engine="inline", split_bytes=split_bytes, max_bad="100%")
    with mrframe.run(job, [path], options, keep=False) as result:
        return [(offset, line.encode("utf-8", "surrogateescape")) for offset, line in result]


# ---- one mutation -------------------------------------------------------------------------------------


class Fuzz:
    """Mutations of the samples, by seed and number. `folder` is for their files."""

    def __init__(self, seed: int, samples: dict[str, list[bytes]], folder: str, kinds: Sequence[str] = KINDS) -> None:
        self._seed = seed
        self._kinds = kinds
        self._samples = samples
        self._path = os.path.join(folder, "log")
        _reader.cache_clear()
        self.records = self.malformed = self.refused = 0

    def play(self, number: int) -> None:
        """Make one mutation and check its result. Raises FuzzFailed, Hung, and any unexpected error."""
        random = Random(f"{self._seed}/{number}")
        kind = random.choice(self._kinds)
        format_ = kind if kind in self._samples else random.choice(FORMATS)
        data = some_lines(random, self._samples[format_])
        if kind == "gzip":
            self._packed(mutate(random, packed(random, data), [packed(random, data)]))
            return
        data = mutate(random, data, self._samples[format_])
        if kind == "detect":
            self._detected(data)
            return
        self._read(random, kind, data, as_job=number % RUN_EVERY == 0)

    def _read(self, random: Random, kind: str, data: bytes, *, as_job: bool) -> None:
        self._write(data)
        sizes = (random.choice((1, 7, 64, 1000, 1 << 26)), random.choice((1, 3, 64, 1 << 17)))
        line_bytes_max = random.choice((30, 200, 2000, 1 << 28, 1 << 28, 1 << 28))
        found = by_reader(kind, self._path, sizes, line_bytes_max)
        wanted = expected(kind, data, _reader(kind)[1], line_bytes_max)
        for name in ("lines", "rows", "malformed"):
            if getattr(found, name) != getattr(wanted, name):
                raise FuzzFailed(
                    f"{kind}, splits and blocks of {sizes}, lines up to {line_bytes_max}: {name} differ on "
                    f"{_shown(data)}:\n  read {getattr(found, name)}\n  must {getattr(wanted, name)}"
                )
        self.records += len(found.rows)
        self.malformed += len(found.malformed)
        if as_job and _is_plain(data):
            self._run(kind, data, sizes[0])

    def _run(self, kind: str, data: bytes, split_bytes: int) -> None:
        lines = dict(lines_of(data))
        offset_at = {"words": 1, "json": 1}.get(kind, 0)
        rows = expected(kind, data, (), 1 << 28).rows
        wanted = [(row[offset_at], lines[row[offset_at]]) for row in rows]
        if kind in LAYOUTS:
            wanted = [(offset, line.encode("utf-8", "surrogateescape")) for offset, line in rows]
        if by_job(kind, self._path, max(split_bytes, 7)) != wanted:
            raise FuzzFailed(f"{kind}: the job has other records for {_shown(data)}")

    def _packed(self, data: bytes) -> None:
        self._write(data)
        blocks: list[BinaryIO] = []

        def open_block(_: int) -> BinaryIO:
            blocks.append(_Kept())
            return blocks[-1]

        try:
            for _ in decode_file(self._path, "f", 100, open_block):
                pass
        except MrframeError:
            self.refused += 1
            return
        try:
            wanted = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FuzzFailed(f"gzip says {error}, and mrframe reads {_shown(data)}") from None
        if b"".join(block.kept for block in blocks) != wanted:  # type: ignore[attr-defined]
            raise FuzzFailed(f"gzip decodes another text from {_shown(data)}")

    def _detected(self, data: bytes) -> None:
        try:
            found = detect(data, "f")
        except FormatError:
            self.refused += 1
            return
        if found.lines and not 0 < found.matched <= found.lines:
            raise FuzzFailed(f"detect says {found} of {_shown(data)}")

    def _write(self, data: bytes) -> None:
        with open(self._path, "wb") as file:
            file.write(data)


class _Kept(io.BytesIO):
    """A file that keeps its bytes after it is closed."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


def _is_plain(data: bytes) -> bool:
    """Return whether a file of these bytes is read without decompression."""
    try:
        return not compression_of(data[:HEAD_BYTES], "f")
    except (InputError, ExtraMissing):
        return False


def _shown(data: bytes) -> str:
    return repr(data[:SHOWN_BYTES]) + ("" if len(data) <= SHOWN_BYTES else f"… ({len(data)} bytes)")


# ---- many ---------------------------------------------------------------------------------------------


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(_signal: int, _frame: object) -> None:
        raise Hung(f"not done after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz(
    seed: int, first: int, mutations: int, logs: Sequence[bytes], kinds: Sequence[str] = KINDS
) -> tuple[Fuzz, list[tuple[int, str]]]:
    """Play mutations in the main thread. Returns failures as (number, why), at most `FAILED_MAX`."""
    failed: list[tuple[int, str]] = []
    with tempfile.TemporaryDirectory(prefix="mrframe-fuzz-") as folder, _alarm():
        player = Fuzz(seed, samples_of(logs, kinds), folder, kinds)
        for number in range(first, first + mutations):
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
            try:
                player.play(number)
            except (FuzzFailed, Hung) as error:
                failed.append((number, str(error)))
            except Exception as error:  # a crash, just as fuzzing hopes to find
                failed.append((number, f"{type(error).__name__}: {error}"[:SHOWN_BYTES]))
            if len(failed) == FAILED_MAX:
                break
    return player, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the mutations that the arguments ask for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mrframe.testing.fuzz")
    parser.add_argument("--mutations", type=int, default=10_000, help="how many to play (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation (default: 0)")
    parser.add_argument("logs", nargs="*", help="logs to mutate: combined or JSON lines (default: examples)")
    parser.add_argument("--kind", action="append", help="only this format, such as one that a package adds")
    chosen = parser.parse_args(arguments)
    logs = []
    for path in chosen.logs:
        with open(path, "rb") as file:
            logs.append(file.read())
    begun = perf_counter()
    player, failed = fuzz(chosen.seed, chosen.first, chosen.mutations, logs, chosen.kind or KINDS)
    for number, why in failed:
        sys.stdout.write(f"mutation {number} of seed {chosen.seed} failed: {why}\n")
    sys.stdout.write(
        f"{chosen.mutations:,} mutations of seed {chosen.seed} in {perf_counter() - begun:.1f} s: {player.records:,} "
        f"records, {player.malformed:,} malformed lines, {player.refused:,} refused; {len(failed)} failed\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
