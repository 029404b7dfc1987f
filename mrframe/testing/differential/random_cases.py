"""Random cases of the differential run, each from one seed: a job, its inputs, how they are cut, the world around.

`case(seed)` is a pure function. Not here: the answer of a case (`reference.py`), and playing it (`differential.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from mrframe.testing.differential import random_inputs as inputs
from mrframe.testing.differential.random_jobs import JobWriter
from mrframe.testing.differential.random_worlds import GLIMPSES, OuterWorld

LOCAL_EVERY = 20
"""One case in this many runs on a cluster of processes."""
READERS = ("text", "text", "words", "combined", "combined", "json_lines")


@dataclass(frozen=True)
class File:
    """An input: the source of a join it belongs to (or ""), its name, its content, and whether it is compressed."""

    source: str
    name: str
    content: bytes
    is_packed: bool


@dataclass(frozen=True)
class RandomCase:
    """One case.

    worlds   the job runs once in each, with saved results if there are several
    kind     the part of the world that its job looks at, or ""
    tight    make every buffer, block and fan-in as small as possible
    command  run it as a command, too
    """

    seed: int
    job: str
    files: tuple[File, ...]
    options: dict[str, Any]
    worlds: tuple[OuterWorld, ...] = (OuterWorld(),)
    kind: str = ""
    tight: bool = False
    rejects: bool = False
    command: bool = False
    local: bool = False


def case(seed: int) -> RandomCase:
    """The case of a seed."""
    random = Random(seed)
    local = seed % LOCAL_EVERY == LOCAL_EVERY - 1
    joins = random.random() < 0.1
    readers = [random.choice(READERS) for _ in range(random.choice((2, 2, 3)) if joins else 1)]
    saves = not local and random.random() < 0.25
    glimpse = random.choice(GLIMPSES) if saves and random.random() < 0.6 and not joins else None
    writer = JobWriter(random, readers, glimpse)
    job = writer.source()
    files = _files(random, readers)
    options = _options(random, readers, writer, local=local)
    worlds: tuple[OuterWorld, ...] = (OuterWorld(),)
    if saves:
        options["cache"] = "on"
        if random.random() < 0.3:
            options["cache_bytes_max"] = random.choice((1, 4000, 100_000))
        worlds = _worlds(random, readers[0], glimpse.kind if glimpse else "")
    return RandomCase(
        seed,
        job,
        tuple(files),
        options,
        worlds,
        kind=glimpse.kind if glimpse else "",
        tight=not local and random.random() < 0.5,
        rejects=random.random() < 0.2,
        command=not local and len(worlds) == 1 and (writer.prints or random.random() < 0.08),
        local=local,
    )


def _files(random: Random, readers: list[str]) -> list[File]:
    files = []
    for source, reader in zip(inputs.sources_of(readers), readers, strict=True):
        for number in range(random.choice((1, 1, 1, 2, 3))):
            is_packed = random.random() < 0.2
            name = f"{source or 'in'}-{number}.log{'.gz' * is_packed}"
            files.append(File(source, name, inputs.content(random, reader), is_packed))
    return files


def _worlds(random: Random, reader: str, kind: str) -> tuple[OuterWorld, ...]:
    """Return two or three worlds. The part that the job looks at changes, or the input grows, or nothing changes."""
    first = random.randint(0, 10**6)
    worlds = [OuterWorld(first)]
    for number in range(random.choice((1, 1, 2))):
        more = inputs.content(random, reader, 5).removeprefix(inputs.BOM) if random.random() < 0.3 else b""
        changes = kind and random.random() < 0.9
        worlds.append(OuterWorld(first + number + 1 if changes else worlds[-1].number, worlds[-1].more + more))
    return tuple(worlds)


def _options(random: Random, readers: list[str], writer: JobWriter, *, local: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"max_bad": random.choice(("100%", "100%", "100%", "10%", "2"))}
    if random.random() < 0.8 and not local:  # where a task takes longer
        options["split_bytes"] = random.choice((1, 7, 30, random.randint(1, 200), 1000))
    elif random.random() < 0.5 or local:
        options["splits"] = random.randint(1, 5)
    if random.random() < 0.6:
        options["partitions"] = random.choice((1, 2, 3, 4) if local else (1, 2, 3, 5, random.randint(1, 300)))
    if random.random() < 0.5:
        options["memory_bytes"] = random.choice((1, 1, 1000, 10_000))
    if random.random() < 0.3 and not writer.sorts_values and writer.glimpse is None:
        options["max_failed"] = random.choice(("1", "3", "1000", "10%", "100%"))
    if random.random() < 0.2:
        options["hash_seed"] = random.choice(("1", "12345", str(10**18)))
    if random.random() < 0.2 and writer.glimpse is None and not local:
        options["order_seed"] = random.randint(0, 99)
    if random.random() < 0.2:
        options["fast"] = "off"
    if set(readers) <= {"combined", "json_lines"} and random.random() < 0.25:
        ends = [inputs.MARKS[at] for at in sorted(random.sample(range(len(inputs.MARKS)), 2))]
        options |= {name: end for name, end in zip(("since", "until"), ends, strict=True) if random.random() < 0.7}
    return options
