"""The ledger, which accounts for every input byte, and the report of a finished task.

Law 7: the classes of the ledger add up to the bytes read, and that is checked at the end of every job. These are
plain values: `task/` reads the bytes, `core/scheduling/scheduler` adds up the reports.
"""

from __future__ import annotations

from dataclasses import asdict, field, fields
from operator import attrgetter
from typing import Any, Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import ADDED

SAMPLES_MAX = 10  # malformed lines kept with each report, to be shown in the summary


@dataclass(slots=True)
class Ledger:
    """Counts of input bytes by class (each field that ends in `_bytes`), and of records.

    `bytes_in` is what was read; the `*_bytes` classes must add up to it. `records` counts what the map
    was given, `malformed` the lines that do not match the format, `lines` all lines seen, `quarantined` the
    records that were left out because user code fails on them; the bytes of their lines are quarantined.
    `outside_time` and `without_time` are records that a window of time leaves out. `bom_bytes` and `nul_bytes` stand
    at the head of lines and are no part of them.
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
        """Bytes read but in no class (negative: counted twice); 0 when the ledger balances."""
        return self.bytes_in - int(sum(_bytes_of(self)))

    def counts(self) -> tuple[int, ...]:
        """All counts, in the order of the fields."""
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
    """What a task attempt says when it has sealed its output; the same form for map, decode and reduce.

    `partitions` maps a partition to (records, bytes) in the sealed file. `bad_fields` counts fields that
    matched the grammar but not their conversion. `counters` are the user's, counted only if committed.
    `samples` are of malformed lines, `failed` of quarantined records, with what failed as the reason. `content` names
    the bytes of the split (their digest in hex) where results are saved; `saved` says that this one was made earlier.
    `span` is the times, as ISO text, between which all records lie that were read within a window ("": not known).

    `digests` has what a map's pairs for each partition are, as a number (`shuffle_checksum.py`), and `fixed` says
    that every attempt at the task must come to the same ones. `read` is the checksum of what a reduce has read, if it
    says so.
    `prints_cut_bytes` of what the job's code printed are not shown.
    `effect` is what the job's code was seen to do beside computing, for which nothing is saved; `save_fault` says why
    the folder of saved results would not have this one.
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

    def counts(self) -> tuple[Any, ...]:
        """What is the same for every attempt at a task whose code is a function of its input, in any process.

        Bytes are not: a set that is pickled has another order in another process.
        """
        by_partition = sorted((partition, records) for partition, (records, _) in self.partitions.items())
        return self.ledger.counts(), self.records_out, by_partition, sorted(self.counters.items())

    def differs(self, first: TaskReport) -> bool:
        """Whether the code of the job has given something else than for `first`, from the same input.

        Where digests need not be the same for the same pairs, only numbers are compared.
        """
        if self.counts() != first.counts():
            return True
        return self.fixed and first.fixed and self.digests != first.digests

    def to_plain(self) -> dict[str, Any]:
        """As a dict of plain values, for what is saved. Nothing is copied: `asdict` takes forty times as long."""
        plain = dict(zip(_PARTS, _parts_of(self), strict=True))
        plain["ledger"] = dict(zip(_COUNTS, self.ledger.counts(), strict=True))
        plain["samples"] = [asdict(one) for one in self.samples]
        plain["failed"] = [asdict(one) for one in self.failed]
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> TaskReport:
        """Back from `to_plain`; raises TypeError or KeyError on anything else."""
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
    """How far a job is; `records` and `bytes_done` are what the maps of the current step have read so far.

    `tasks_done` of `tasks_total` count the map tasks while maps run, else the reduce tasks. The stage is
    "shuffle" from the last map's commit until a reduce reports that it runs. Attempts under way count
    with what their last heartbeat said.
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
