"""Jobs for the simulated cluster: small real computations with an answer that depends on every record's place.

A line is `word tag`. The map yields (word, tag). The reduce digests a word's tags in the order in which they
arrive, so that a record lost, doubled or out of place changes the answer. A line `?` is malformed, a line
`!` makes the map raise. `SimulatedCase.expected` is computed straight from the lines, without tasks or splits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import merge
from itertools import combinations
from random import Random
from typing import Any
from zlib import crc32

from mrframe.core.model.reports import Ledger, TaskReport
from mrframe.core.model.spec import DecodeOrder, Failure, MapOrder, Order, ReduceOrder, Split, StepSpec

Pair = tuple[str, str]
Sections = dict[int, list[Pair]]
Read = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class SimulatedCase:
    """One submission: its input lines by file, its splits, its steps, and how it must end.

    `expected` is the answer, a list of (key, value), or the (kind, error_slug) of the failure.
    """

    job: str
    inputs: tuple[tuple[str, ...], ...]
    splits: tuple[Split, ...]
    steps: tuple[StepSpec, ...]
    expected: list[Pair] | tuple[str, str]


def make_case(job: str, random: Random, nodes: tuple[str, ...]) -> SimulatedCase:
    """Return a random job of one to three steps over a few files, some compressed, cut anywhere."""
    inputs = tuple(_lines(random, number) for number in range(random.randint(1, 3)))
    block = random.randint(2, 9)
    steps = [StepSpec(random.randint(1, 3), block_bytes=block, max_bad=random.choice((None, None, 3, 0.2)))]
    steps += [
        StepSpec(random.randint(1, 2), gather=random.random() < 0.5) for _ in range(random.choice((0, 0, 1, 2)))
    ]
    splits = [s for number, lines in enumerate(inputs) for s in _splits(random, number, len(lines), nodes)]
    case = SimulatedCase(job, inputs, tuple(splits), tuple(steps), [])
    return SimulatedCase(job, inputs, tuple(splits), tuple(steps), oracle(case))


def _lines(random: Random, number: int) -> tuple[str, ...]:
    size = random.choice((0, random.randint(1, 12), random.randint(10, 60)))
    lines = [f"w{random.randint(0, 7)} {number}.{i}" for i in range(size)]
    for i in range(size):
        if random.random() < 0.03:
            lines[i] = "?"
    if size and random.random() < 0.04:
        lines[random.randrange(size)] = "!"
    return tuple(lines)


def _splits(random: Random, number: int, size: int, nodes: tuple[str, ...]) -> list[Split]:
    name = f"input-{number}"
    locations = tuple(random.sample(nodes, 1)) if random.random() < 0.5 else ()
    if random.random() < 0.35:
        return [Split("gzip", name, name, 0, size, (number, 0), locations=locations)]
    cuts = sorted({0, *(random.randrange(size) for _ in range(random.randint(0, 6)) if size)})
    ends = [*cuts[1:], size]
    return [
        Split("file", name, name, a, b - a, (number, a), locations=locations) for a, b in zip(cuts, ends, strict=True)
    ]


def oracle(case: SimulatedCase) -> list[Pair] | tuple[str, str]:
    """The answer from the lines alone."""
    lines = [line for one in case.inputs for line in one]
    if "!" in lines:
        return ("raised", "")
    malformed, limit = lines.count("?"), case.steps[0].max_bad
    if limit is not None and malformed > (limit if isinstance(limit, int) else limit * len(lines)):
        return ("refused", "too-many-malformed")
    pairs: Iterable[Pair] = [_split_line(line) for line in lines if line != "?"]
    parts: list[list[Pair]] = []
    for number, step in enumerate(case.steps):
        if number:
            ordered = merge(*parts) if step.gather else (pair for part in parts for pair in part)
            pairs = [_again(pair) for pair in ordered]
        parts = [
            _digest([p for p in pairs if _partition(p[0], step.partitions) == i]) for i in range(step.partitions)
        ]
        pairs = [pair for part in parts for pair in part]
    return list(pairs)


def _split_line(line: str) -> Pair:
    word, tag = line.split()
    return word, tag


def _again(pair: Pair) -> Pair:
    return f"x{crc32(pair[0].encode()) % 3}", f"{pair[0]}={pair[1]}"


def _partition(key: str, partitions: int) -> int:
    return crc32(key.encode()) % partitions


def _digest(pairs: list[Pair]) -> list[Pair]:
    tags: dict[str, list[str]] = {}
    for key, tag in pairs:
        tags.setdefault(key, []).append(tag)
    return sorted((key, f"{len(values)}:{crc32('|'.join(values).encode()):08x}") for key, values in tags.items())


@dataclass(frozen=True, slots=True)
class Done:
    """The output of an executor: files by name, blocks in order (decode), and its report."""

    files: dict[str, Any]
    blocks: tuple[Split, ...]
    report: TaskReport


def work(case: SimulatedCase, order: Order, read: Read, *, misread: bool = False) -> Done | Failure:
    """Carry out an order. `read` opens a local path. A reduce that `misread`s takes one source for another."""
    if isinstance(order, DecodeOrder):
        return _decode(case, order)
    if isinstance(order, MapOrder):
        return _map(case, order, read)
    return _reduce(order, read, misread=misread)


def _decode(case: SimulatedCase, order: DecodeOrder) -> Done:
    number = order.split.order[0]
    lines = case.inputs[number]
    starts = range(0, len(lines), order.block_bytes)
    files = {f"block-{i:05d}": lines[a : a + order.block_bytes] for i, a in enumerate(starts)}
    blocks = tuple(
        Split("held", order.split.source, f"block-{i:05d}", a, len(files[f"block-{i:05d}"]), (number, a))
        for i, a in enumerate(starts)
    )
    return Done(files, blocks, TaskReport())


def _map(case: SimulatedCase, order: MapOrder, read: Read) -> Done | Failure:
    split = order.split
    if split.is_pairs:
        parts = [read(path) for path in order.sources]
        pairs = [_again(pair) for pair in merge(*parts)]
        ledger = Ledger(records=len(pairs), lines=len(pairs))
    else:
        found = case.inputs[split.order[0]][split.offset : split.offset + split.length]
        lines = read(split.path) if split.is_decoded else found
        if "!" in lines:
            return Failure("raised", "the map raised", source=split.source)
        pairs = [_split_line(line) for line in lines if line != "?"]
        ledger = Ledger(bytes_in=len(lines), parsed_bytes=len(pairs), malformed_bytes=len(lines) - len(pairs))
        ledger.records, ledger.lines, ledger.malformed = len(pairs), len(lines), len(lines) - len(pairs)
    sections: Sections = {}
    for key, value in pairs:
        sections.setdefault(_partition(key, order.partitions), []).append((key, value))
    sizes = {p: (len(rows), 10 * len(rows)) for p, rows in sections.items()}
    report = TaskReport(ledger, len(pairs), 10 * len(pairs), sizes, fixed=True)
    report.digests = {p: _sum(rows) for p, rows in sections.items()}
    return Done({"map.mrf": sections}, (), report)


def _sum(pairs: list[Pair]) -> int:
    """The digest of pairs, in any order."""
    return sum(crc32(f"{key} {value}".encode()) for key, value in pairs)


def _reduce(order: ReduceOrder, read: Read, *, misread: bool) -> Done:
    sections = [read(path).get(order.partition, []) for path in order.sources]
    if misread:
        _take_twice(sections)
    rows = [pair for section in sections for pair in section]
    result = _digest(rows)
    report = TaskReport(Ledger(records=len(rows)), len(result), 10 * len(result), read=(len(rows), _sum(rows)))
    return Done({"part.mrf": result}, (), report)


def _take_twice(sections: list[list[Pair]]) -> None:
    """Put one of the sections in the place of another with as many pairs, if there is one."""
    for one, other in combinations(range(len(sections)), 2):
        if len(sections[one]) == len(sections[other]):
            sections[other] = sections[one]
            return
