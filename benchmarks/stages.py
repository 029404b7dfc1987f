#!/usr/bin/env python3
"""What does each stage cost on its own? Per record, beside a yardstick: matching a line and taking its groups.

    stages.py [--mib N] [--rounds N]

Everything runs in this process on the same lines, in rounds. The figure is the median over the rounds. Its ratio is
to the yardstick of the same round. A stage gets the output of the stage before it. Making that input is not measured.
Not here: whole jobs (run.py), and a profile of a whole job (profile_job.py).
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project beside this file, installed or not

import rows
from inputs import folder_of_data, ready

from mrframe import Job, count, distinct, logs, total, words
from mrframe.core.model.spec import Split
from mrframe.formats.factory import make_reader
from mrframe.formats.inputs.splits import read_split
from mrframe.formats.output.writing import write_rows
from mrframe.formats.readers.base import ALL_VALUES, as_raw
from mrframe.shuffle.buffers import buffer_for
from mrframe.shuffle.merge import merge
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.map.emit import Emitter
from mrframe.task.reduce.merged_states import merged_states

YARDSTICK = "match + groups()"
SLOTS = 256
RUNS = 8  # that are merged
ROWS = 100_000  # in the stages behind the map
ALL_FIELDS = ("host", "user", "time", "method", "path", "query", "protocol", "status", "size", "referer", "agent")
PROJECTIONS = (("status",), ("path", "size"), ("hour", "host"), ("time",), ALL_FIELDS)
Stage = tuple[str, int, Callable[[], object]]
"""A name, the number of records, and the function to measure."""


def by_status(status):
    yield status, 1


def by_hit(path, size):
    yield path, (1, size or 0)


def used_up(stream: Iterator) -> None:
    """Take everything."""
    for _ in stream:
        pass


def match_lines(lines: list[bytes]) -> None:
    """The yardstick."""
    match = rows.RECORD.fullmatch
    for line in lines:
        if found := match(line):
            found.groups()


def reading(path: str, size: int) -> Iterator[Stage]:
    """From the file to columns."""
    split = Split("file", "log", path, 0, size, (0, 0))
    blocks = [block for _, block in read_split(split)]
    lines = [line for block in blocks for line in rows.lines_of(block)]
    yield YARDSTICK, len(lines), partial(match_lines, lines)
    yield "read blocks", len(lines), lambda: used_up(read_split(split))
    for fields in PROJECTIONS:
        reader = make_reader(logs.combined, fields, {})
        name = "all fields" if fields == ALL_FIELDS else ", ".join(fields)
        everything = as_raw(range(len(fields)))
        for form, forms in (("raw", everything), ("converted", ALL_VALUES)):
            parse = partial(reader.parse, source="log", offset=0, forms=forms)
            yield f"parse {name}, {form}", len(lines), lambda parse=parse: used_up(map(parse, blocks))
    yield from mapping(blocks)


def mapping(blocks: list[bytes]) -> Iterator[Stage]:
    """From columns to folded tables."""
    jobs = {
        "status, 1 to total": Job(read=logs.combined, map=by_status, reduce=total),
        "path, (1, size)": Job(read=logs.combined, map=by_hit, reduce=count),
        "hour, host declared, to distinct": Job(read=logs.combined, key="hour", value="host", reduce=distinct),
    }
    for name, job in jobs.items():
        reader, emitter, fold = make_reader(job.read, job.projection(), {}), Emitter(job), as_fold(job.reduce)
        parsed = [reader.parse(block, "log", 0) for block in blocks]
        records = sum(one.records for one in parsed)
        pairs = [emitter.emit(one.values, one.records) for one in parsed]

        def emit(emitter=emitter, parsed=parsed):
            for one in parsed:
                emitter.emit(one.values, one.records)

        def fold_all(fold=fold, pairs=pairs):
            buffer = buffer_for(fold)
            for keys, values in pairs:
                buffer.add(keys, values)
            buffer.drain()

        yield f"emit {name}", records, emit
        yield f"fold {name}", records, fold_all


def run_of(keys: list[str], values: list[int]) -> io.BytesIO:
    """A run file."""
    file = io.BytesIO()
    writer = RunWriter(file, slots=SLOTS)
    writer.add_run(keys, values)
    writer.close()
    return file


def behind_the_map(number: int) -> Iterator[Stage]:
    """From tables to rows, over pairs of text and a number."""
    draw = random.Random(1)
    keys = [f"/path/{draw.randrange(10**9):x}" for _ in range(number)]
    values = [draw.randrange(10**6) for _ in keys]
    files = [run_of(keys[at::RUNS], values[at::RUNS]) for at in range(RUNS)]
    yield "sort and write a run", number, lambda: run_of(keys, values)

    def merged() -> Iterator:
        readers = [RunReader(file, "run", unpickle=False) for file in files]
        for slot in range(SLOTS):
            yield merge([stream for reader in readers for stream in reader.streams(slot)], make_file=io.BytesIO)

    def reduce_all() -> None:
        fold = as_fold(total)
        for blocks in merged():
            used_up(merged_states(fold, blocks))

    yield f"read and merge {RUNS} runs", number, lambda: used_up(block for blocks in merged() for block in blocks)
    yield f"read, merge and reduce {RUNS} runs", number, reduce_all
    answer = sorted(zip(keys, values, strict=True))
    for form in ("jsonl", "tsv", "text"):
        yield f"write rows as {form}", number, lambda form=form: write_rows(answer, io.BytesIO(), form)


def counting(path: str, size: int) -> Iterator[Stage]:
    """Words, which are counted without a function."""
    blocks = [block for _, block in read_split(Split("file", "text", path, 0, size, (0, 0)))]
    reader, fold = make_reader(words, ("word",), {}), as_fold(count)
    columns = [reader.parse(block, "text", 0).values[0] for block in blocks]
    number = sum(map(len, columns))
    yield "parse words", number, lambda: used_up(reader.parse(block, "text", 0) for block in blocks)

    def fold_all() -> None:
        buffer = buffer_for(fold)
        for column in columns:
            buffer.add(column, column)

    yield "fold words to count", number, fold_all


def all_stages(mib: float, sizes: str, folder: Path) -> list[Stage]:
    """Every stage, the first ones over so much of a log file, the others over a share like that."""
    stages: list[Stage] = []
    share = mib / 16
    for kind, of in (("logs", reading), ("text", counting)):
        path = ready(kind, sizes, folder).files[0]
        size = min(os.path.getsize(path), int(share * (16 << 20 if kind == "logs" else 4 << 20)))
        stages += of(path, size)
    return [*stages, *behind_the_map(max(1000, int(share * ROWS)))]


def measured(stages: list[Stage], rounds: int) -> dict[str, list[float]]:
    """Nanoseconds per record by stage, one for each round."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, number, run in stages:
            started_s = time.process_time()
            run()
            found.setdefault(name, []).append((time.process_time() - started_s) / max(1, number) * 1e9)
    return found


def table(found: dict[str, list[float]]) -> str:
    """The stages with their ratios to the yardstick."""
    lines = ["| stage | ns per record | ratio (range) |", "|---|---|---|"]
    for name, ns in found.items():
        ratios = [own / other for own, other in zip(ns, found[YARDSTICK], strict=True)]
        shown = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        lines.append(f"| {name} | {statistics.median(ns):.0f} | {shown} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=float, default=16, help="MiB of a log file to use (16)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    parser.add_argument("--sizes", default="small", help="sizes of the inputs (small)")
    given = parser.parse_args(arguments)
    print(table(measured(all_stages(given.mib, given.sizes, folder_of_data()), given.rounds)))


if __name__ == "__main__":
    main()
