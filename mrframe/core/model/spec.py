"""The work of a task, as plain values: splits, steps of a job, and the orders that executors get.

Nothing here needs the user's code. The scheduler plans with these values, nodes pass them on, and `task/` carries
them out. Every value survives a trip through msgpack (`wire/`).

Three words mean one thing each in names here, and are part of the wire. `source` is the name of an input as people
know it (`Split.source`), and in orders the run files to read (`sources`). `order` alone is a position in the input
(`Split.order`). `MapOrder`, `DecodeOrder` and `ReduceOrder` are instructions to an executor.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from mrframe.core.fast_dataclass import dataclass

MIB = 1 << 20
SPLIT_BYTES = 64 * MIB
"""Default length of a split: cuts count from the start of the file, so an appended file keeps its splits."""
MANIFEST = "_manifest.json"  # of a folder of output: its parts, with the hash of each

ADDED = {"added": True}
"""Of a field that came later, the last of its class: what was written without it (a journal) is read with its
default."""

SplitKind = Literal["file", "gzip", "held", "pairs", "saved", "stored"]


@dataclass(frozen=True, slots=True)
class Split:
    """Input of one task.

    kind      "file": `length` bytes at `offset` of the plain file `path` (whole records; the planner moved
              the cuts). "gzip": a compressed file, input of a *decode* task. "held": a decoded block that an
              attempt sealed on a node; `path` is relative to that attempt's directory. "pairs": the sealed
              output of reduce attempts of the step before. "saved": a block of a compressed file that is not
              decoded, since the result of mapping it is saved (`content` says which). "stored": a block of the
              cluster's store; `path` is its name, and so is `content`.
    source    the name shown to people (`access.log`, `-` for standard input)
    order     place among the inputs, (input index, offset): values of a key arrive in this order
    held_by   for "held" and "pairs": (attempt id, node) pairs, in order, that hold the data; for "stored": the
              replica that is to be read, on its node
    locations nodes on which the data is local; empty: equally near everywhere
    lines_before  lines of the same source before this split, or -1 when not known
    crc32     of the split's bytes, when mrframe wrote them (decoded blocks, standard input); -1: not known
    content   digest of the split's bytes in hex, when it is known before they are read
    packed    "held": the compressed file that the block comes from
    state     of the file when the job was planned: device, inode, size, mtime in ns, CRC-32 of the bytes before the
              split's end; () when mrframe wrote it. Who reads the split compares (`formats/inputs/file_identity.py`)
    first     True when the split begins its source
    """

    kind: SplitKind
    source: str
    path: str
    offset: int
    length: int
    order: tuple[int, int]
    held_by: tuple[tuple[str, str], ...] = ()
    locations: tuple[str, ...] = ()
    lines_before: int = -1
    input_name: str = ""
    partition: int = -1  # "pairs": the partition whose output this is, -1 for all of them merged
    crc32: int = -1
    content: str = ""
    packed: str = ""
    state: tuple[int, ...] = field(default=(), metadata=ADDED)

    @property
    def first(self) -> bool:
        """Whether this split begins its source."""
        return self.order[1] == 0

    # What follows from the kind. No other code compares `kind`.

    @property
    def is_file(self) -> bool:
        """Return whether it is a range of bytes of a plain file."""
        return self.kind == "file"

    @property
    def is_compressed(self) -> bool:
        """Return whether it is a compressed file, which a decode task cuts into blocks."""
        return self.kind == "gzip"

    @property
    def is_decoded(self) -> bool:
        """Return whether it is a block that a decode task has sealed on a node."""
        return self.kind == "held"

    @property
    def is_pairs(self) -> bool:
        """Return whether it is the output of the step before."""
        return self.kind == "pairs"

    @property
    def is_saved(self) -> bool:
        """Return whether only the saved result of its map is there, and no bytes of it."""
        return self.kind == "saved"

    @property
    def is_stored(self) -> bool:
        """Return whether it is a block of the cluster's store."""
        return self.kind == "stored"

    @property
    def is_local_file(self) -> bool:
        """Return whether its path is that of an input file as the user named it, compressed or not."""
        return self.kind in ("file", "gzip")

    @property
    def needs_fetch(self) -> bool:
        """Return whether a node must have its bytes fetched before an executor can open them."""
        return self.kind in ("held", "stored")

    @property
    def is_planned_range(self) -> bool:
        """Return whether its `length` is what the planner has cut from an input."""
        return self.kind in ("file", "stored")

    @property
    def length_tells_work(self) -> bool:
        """Return whether the work of its task follows from its length in bytes."""
        return self.kind in ("file", "held", "stored")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One map-shuffle-reduce of a job, as far as the scheduler needs to know it.

    `gather` says that the *map* side of this step must see the whole output of the step before as one
    split in key order (its reduce is sensitive to the order of values); otherwise each partition of the
    step before is a split of its own. `max_bad` is a count (int) or a ratio (float) of malformed lines, `max_failed`
    the same of records on which user code fails. An attempt that shows no progress for `stall_s` is killed.
    `speculate`: a task whose attempt is slow may get a speculative one. `keeps_maps`: what map attempts have
    beside their output (rejects) is wanted in the end, so one whose output is lost is made again in any case.
    `block_bytes` is the length of the blocks that decode tasks cut compressed inputs into: it belongs to
    the job, since every attempt at a decode task must cut the same blocks.
    """

    partitions: int
    gather: bool = False
    max_bad: int | float | None = None
    block_bytes: int = SPLIT_BYTES
    max_failed: int | float | None = None
    stall_s: float | None = None
    speculate: bool = True
    keeps_maps: bool = False


@dataclass(frozen=True, slots=True)
class MapOrder:
    """Order to an executor: map one split into a sealed file `map.mrf` in `out_dir`.

    `split.path` is already a path that the executor can open. For "pairs", `sources` are the run files.
    `isolated`: an attempt before has died; go record by record, and find out which one is to blame.
    """

    attempt: str
    step: int
    split: Split
    partitions: int
    out_dir: str
    sources: tuple[str, ...] = ()
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class DecodeOrder:
    """Order to an executor: decode a compressed input into blocks `block-00000`… in `out_dir`.

    It waits while so many blocks as `blocks_ahead_max` are not mapped yet; 0: it need not.
    """

    attempt: str
    split: Split
    block_bytes: int
    out_dir: str
    blocks_ahead_max: int = 0


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """Order to an executor: merge and reduce one partition into `part.mrf` in `out_dir`.

    `sources` are run files in input order; each is read for this partition, one of `partitions`, only.
    `isolated`: an attempt before has died; find out which key is to blame.
    """

    attempt: str
    step: int
    partition: int
    sources: tuple[str, ...]
    out_dir: str
    partitions: int = 1
    isolated: bool = False


Order = MapOrder | DecodeOrder | ReduceOrder


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, in plain text that crosses processes (never a pickled exception).

    kind      "raised": the user's code, deterministic, not retried; "died": the executor ended;
              "fetch": a source could not be read, `lost` names its (attempt, node); "refused": the input
              or the job is at fault (error_slug tells which error to raise), not retried; "io": a local
              fault (disk, memory), retried elsewhere. Of damaged input `source` is the path of the file.
    offset    where the record begins within the split's source, -1 when no record is to blame; `input_name` says of
              which source of a join it is
    group     of a key that is to blame: its values, packed, as far as they are kept (opaque but to executors)
    hook      the part of the job that raised ("map", "combine", …), "" where it is none of them
    """

    kind: Literal["raised", "died", "fetch", "refused", "io"]
    message: str
    traceback_text: str = ""
    error_slug: str = ""
    source: str = ""
    offset: int = -1
    line: int = -1
    record: bytes = b""
    key: str = ""
    group: bytes = b""
    input_name: str = ""
    lost: tuple[str, str] | None = None
    hook: str = ""
