"""The ledger, which accounts for every input byte, and the report of a finished task.

Law 7: the classes of the ledger add up to the bytes read, which is checked at the end of every job. These are plain
values: `task/` reads the bytes, and `core/scheduling/scheduler` adds up the reports.
"""

from __future__ import annotations

from dataclasses import asdict, field, fields
from operator import attrgetter
from typing import Any, Literal

from mrframe.core.fast_dataclass import ADDED, dataclass

SAMPLES_MAX = 10  # malformed lines in each report, for the summary: enough to see a pattern


@dataclass(slots=True)
class Ledger:
    """Counts of input bytes by class (each field that ends in `_bytes`), and of records.

    bytes_in      bytes read, the sum of all `*_bytes` classes
    records       records given to the map
    malformed     lines that do not match the format
    lines         all lines read
    quarantined   records left out because the user's code fails on them
    outside_time, without_time  records left out by a time window
    bom_bytes, nul_bytes  bytes at the head of lines that are not part of the line
    """

    bytes_in: int = 0
    parsed_bytes: int = 0
    malformed_bytes: int = 0
    delimiter_bytes: int = 0
    header_bytes: int = 0
    bom_bytes: int = 0
    outside_time_bytes: int = 0
    without_time_bytes: int = 0
    sampled_out_bytes: int = 0
    unread_bytes: int = 0
    quarantined_bytes: int = 0
    records: int = 0
    malformed: int = 0
    lines: int = 0
    quarantined: int = 0
    outside_time: int = 0
    without_time: int = 0
    nul_bytes: int = field(default=0, metadata=ADDED)

    def add(self, other: Ledger) -> None:
        """Add another ledger's counts to this one's."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def missing_bytes(self) -> int:
        """Return the bytes read that are in no class (negative: counted twice), 0 if the ledger balances."""
        return self.bytes_in - int(sum(_bytes_of(self)))

    def counts(self) -> tuple[int, ...]:
        """Return all counts, in the order of the fields."""
        found: tuple[int, ...] = _counts_of(self)
        return found


_COUNTS = tuple(f.name for f in fields(Ledger))
_counts_of = attrgetter(*_COUNTS)
_bytes_of = attrgetter(*(name for name in _COUNTS if name.endswith("_bytes")))


@dataclass(frozen=True, slots=True)
class Malformed:
    """One line that did not match: its number within the split (from 0), byte offset, bytes, reason."""

    line: int
    offset: int
    data: bytes
    reason: str


@dataclass(slots=True)
class TaskReport:
    """The report of an attempt that has sealed its output. Map, decode and reduce use the same form.

    partitions  {partition: (records, bytes)} in the sealed file
    counters    the user's, counted only if the attempt is committed
    bad_fields  {field: number of values} that matched the grammar but could not be converted
    formats     {format: number of its records}, where a reader knows several formats
    samples     some malformed lines
    failed      some quarantined records, each with the error as its reason
    spills      number of spills to disk
    seconds     duration of the attempt
    memory_peak_bytes  largest size of the attempt's buffers
    content     digest of the split's bytes in hex, where results are saved
    saved       the result was loaded from the cache
    span        first and last time (ISO text) of the records read within a time window, "" if unknown
    digests     {partition: digest of the pairs} of a map (`shuffle_checksum.py`)
    fixed       every attempt at the task must produce the same digests
    read        checksum of a reduce's input, if the reduce computes it
    prints_cut_bytes  bytes printed by the job's code that are not shown
    effect      a side effect of the job's code that was observed, for which its result is not saved
    save_fault  why the result could not be saved
    """

    ledger: Ledger = field(default_factory=Ledger)
    records_out: int = 0
    bytes_out: int = 0
    partitions: dict[int, tuple[int, int]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    bad_fields: dict[str, int] = field(default_factory=dict)
    samples: list[Malformed] = field(default_factory=list)
    failed: list[Malformed] = field(default_factory=list)
    spills: int = 0
    seconds: float = 0.0
    memory_peak_bytes: int = 0
    content: str = ""
    saved: bool = False
    span: tuple[str, str] = ("", "")
    digests: dict[int, int] = field(default_factory=dict)
    fixed: bool = False
    read: tuple[int, int] | None = None
    prints_cut_bytes: int = 0
    effect: str = ""
    save_fault: str = ""
    formats: dict[str, int] = field(default_factory=dict, metadata=ADDED)

    def counts(self) -> tuple[Any, ...]:
        """Return the counts that all attempts at a task have in common if its code is a function of its input.

        Bytes are not among them: a pickled set has another order in another process.
        """
        by_partition = sorted((partition, records) for partition, (records, _) in self.partitions.items())
        return self.ledger.counts(), self.records_out, by_partition, sorted(self.counters.items())

    def differs(self, first: TaskReport) -> bool:
        """Return whether the job's code has produced other output than in `first`, from the same input.

        Where the same pairs may have different digests, only counts are compared.
        """
        if self.counts() != first.counts():
            return True
        return self.fixed and first.fixed and self.digests != first.digests

    def to_plain(self) -> dict[str, Any]:
        """Return a dict of plain values, for the cache. It copies nothing: `asdict` takes 40 times as long."""
        plain = dict(zip(_PARTS, _parts_of(self), strict=True))
        plain["ledger"] = dict(zip(_COUNTS, self.ledger.counts(), strict=True))
        plain["samples"] = [asdict(one) for one in self.samples]
        plain["failed"] = [asdict(one) for one in self.failed]
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> TaskReport:
        """Rebuild the report from `to_plain`. Raises TypeError or KeyError on anything else."""
        data = dict(plain)
        data["ledger"] = Ledger(**data["ledger"])
        data["samples"] = [Malformed(**s) for s in data["samples"]]
        data["failed"] = [Malformed(**s) for s in data["failed"]]
        data["span"] = tuple(data["span"])
        data["partitions"] = {int(p): (int(n), int(b)) for p, (n, b) in data["partitions"].items()}
        data["digests"] = {int(p): int(digest) for p, digest in data["digests"].items()}
        data["read"] = tuple(data["read"]) if data["read"] is not None else None
        return cls(**data)


_PARTS = tuple(part.name for part in fields(TaskReport))
_parts_of = attrgetter(*_PARTS)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of a job, attempts under way included as of their last heartbeat.

    step, steps  index of the current step, and number of steps
    stage        "shuffle" from the last map's commit until a reduce reports that it runs
    tasks_done, tasks_total  map tasks while maps run, else reduce tasks
    records, bytes_done  read by the maps of the current step so far
    """

    job: str
    step: int
    steps: int
    stage: Literal["map", "shuffle", "reduce"]
    tasks_done: int
    tasks_total: int
    records: int
    bytes_done: int
    malformed: int
