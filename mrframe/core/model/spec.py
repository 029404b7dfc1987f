"""The work of a task, as plain values: splits, steps of a job, and the instructions to executors.

Nothing here needs the user's code. The scheduler plans with these values, nodes pass them on, and `task/` executes
them. Every value can be encoded as msgpack (`wire/`).

Three words mean one thing each in names here, and are part of the wire. `source` is the display name of an input
(`Split.source`), and in instructions the run files to read (`sources`). `order` alone is a position in the input
(`Split.order`). `MapOrder`, `DecodeOrder` and `ReduceOrder` are instructions to an executor.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from mrframe.core.fast_dataclass import ADDED, dataclass
from mrframe.core.model.reader import Reader

MIB = 1 << 20
SPLIT_BYTES = 64 * MIB
"""Default length of a split. Cuts count from the start of the file, so a file that grows keeps its splits."""
MANIFEST = "_manifest.json"  # of a folder of output: its parts, with the hash of each

SplitKind = Literal["file", "gzip", "held", "pairs", "saved", "stored"]


@dataclass(frozen=True, slots=True)
class Split:
    """Input of one task.

    kind      "file": `length` bytes at `offset` of the plain file `path` (whole records, as the planner moved
              the cuts). "gzip": a compressed file, input of a *decode* task. "held": a decoded block that an
              attempt sealed on a node, with a `path` relative to that attempt's directory. "pairs": the sealed
              output of reduce attempts of the step before. "saved": a block of a compressed file that is not
              decoded because its map result is saved (under `content`). "stored": a block of the cluster's store,
              with its name as `path` and `content`.
    source    display name (`access.log`, `-` for standard input)
    order     position among the inputs, (input index, byte offset). Values of a key arrive in this order.
    held_by   for "held" and "pairs": (attempt id, node) pairs, in order, that hold the data. For "stored": the
              replica to read, on its node.
    locations nodes on which the data is local, empty if all are equally near
    lines_before  number of lines of the same source before this split, -1 if unknown
    input_name  source of a join that the split belongs to, "" for other jobs
    partition "pairs": the partition that it is the output of, -1 for all of them merged
    crc32     of the split's bytes if mrframe wrote them (decoded blocks, standard input), -1 if unknown
    content   digest of the split's bytes in hex if it is known before they are read, else ""
    packed    "held": the compressed file that the block comes from
    state     of the file when the job was planned: device, inode, size, mtime in ns, CRC-32 of the bytes before the
              split's end. () if mrframe wrote the file. The reader compares it (`formats/inputs/file_identity.py`).
    reader    of the split's input, if the format detected for it is not the one of its source's first input. None:
              the reader of the source (`TaskSettings.reader_of`)
    record_start  pattern for the first line of a record, "" if every line is one (`formats/readers/record_starts.py`)
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
    partition: int = -1
    crc32: int = -1
    content: str = ""
    packed: str = ""
    state: tuple[int, ...] = field(default=(), metadata=ADDED)
    reader: Reader | None = field(default=None, metadata=ADDED)
    record_start: str = field(default="", metadata=ADDED)

    @property
    def first(self) -> bool:
        """Whether the split begins its source."""
        return self.order[1] == 0

    # Properties that follow from the kind. No other code compares `kind`.

    @property
    def is_file(self) -> bool:
        """Whether it is a range of bytes of a plain file."""
        return self.kind == "file"

    @property
    def is_compressed(self) -> bool:
        """Whether it is a compressed file, which a decode task cuts into blocks."""
        return self.kind == "gzip"

    @property
    def is_decoded(self) -> bool:
        """Whether it is a block that a decode task has sealed on a node."""
        return self.kind == "held"

    @property
    def is_pairs(self) -> bool:
        """Whether it is the output of the step before."""
        return self.kind == "pairs"

    @property
    def is_saved(self) -> bool:
        """Whether only the saved result of its map exists, and none of its bytes."""
        return self.kind == "saved"

    @property
    def is_stored(self) -> bool:
        """Whether it is a block of the cluster's store."""
        return self.kind == "stored"

    @property
    def is_local_file(self) -> bool:
        """Whether its path is that of an input file as the user named it, compressed or not."""
        return self.kind in ("file", "gzip")

    @property
    def needs_fetch(self) -> bool:
        """Whether a node must have its bytes fetched before an executor can open them."""
        return self.kind in ("held", "stored")

    @property
    def is_planned_range(self) -> bool:
        """Whether the planner has cut it from an input, so that its `length` is planned."""
        return self.kind in ("file", "stored")

    @property
    def has_predictable_work(self) -> bool:
        """Whether the work of its task follows from its length in bytes."""
        return self.kind in ("file", "held", "stored")


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One map-shuffle-reduce of a job, as far as the scheduler needs to know it.

    partitions   number of reduce tasks
    gather       the maps of this step read the whole output of the step before as one split in key order, because
                 the reduce depends on the order of values. Otherwise each partition of it is a split of its own.
    max_bad      malformed lines allowed: a number (int) or a share (float), None for no limit of its own
    block_bytes  length of the blocks that decode tasks cut compressed inputs into. A setting of the job, since every
                 attempt at a decode task must cut the same blocks.
    max_failed   as `max_bad`, of records on which the user's code fails
    stall_s      kill an attempt after this many seconds without progress
    speculate    a slow task may get a speculative attempt
    keeps_maps   the rejects of map attempts are needed at the end, so a map with lost output always runs again
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
class FatalPosition:
    """Where an isolated attempt was when its process ended: at a record, or (a reduce) at a key.

    offset, length  of the block that holds the record, in bytes of the source
    record  its index in the block, -1 with a key
    """

    offset: int
    length: int
    record: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class MapOrder:
    """Instruction to an executor: map one split into a sealed file `map.mrf` in `out_dir`.

    `split.path` is a path that the executor can open. For "pairs", `sources` are the run files.
    `isolated`: an earlier attempt died, so go record by record and find the one at fault.
    `fatal`: records, each with a reason, at which the executor or node of isolated attempts has died twice.
    `near`: where the last one was. The record at fault may be an earlier one.
    """

    attempt: str
    step: int
    split: Split
    partitions: int
    out_dir: str
    sources: tuple[str, ...] = ()
    isolated: bool = False
    fatal: tuple[tuple[FatalPosition, str], ...] = ()
    near: FatalPosition | None = None


@dataclass(frozen=True, slots=True)
class DecodeOrder:
    """Instruction to an executor: decode a compressed input into blocks `block-00000`… in `out_dir`.

    The executor pauses while `blocks_ahead_max` blocks wait to be mapped. 0: it never pauses.
    """

    attempt: str
    split: Split
    block_bytes: int
    out_dir: str
    blocks_ahead_max: int = 0


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """Instruction to an executor: merge and reduce one partition into `part.mrf` in `out_dir`.

    `sources` are run files in input order, of which only the sections of this partition are read. `partitions` is the
    number of all. `isolated`, `fatal` and `near` as for a map, by keys.
    """

    attempt: str
    step: int
    partition: int
    sources: tuple[str, ...]
    out_dir: str
    partitions: int = 1
    isolated: bool = False
    fatal: tuple[tuple[FatalPosition, str], ...] = ()
    near: FatalPosition | None = None


Order = MapOrder | DecodeOrder | ReduceOrder


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, in plain text that crosses processes (never a pickled exception).

    kind      "raised": the user's code raised, which is deterministic and not retried. "died": the executor ended.
              "fetch": a source could not be read, and `lost` names its (attempt, node). "refused": the input
              or the job is at fault, not retried. "io": a local fault (disk, memory), retried on another node.
              "full": the machine has no room (disk, quota, tables of files and processes). Retried after a pause,
              since other programs may have used it up. "recalled": its executor was ended on account of another
              attempt in the same batch. It is retried, and no try is spent.
    error_slug  identifies the error to raise for "refused" (`errors.py`)
    source    of the record at fault, or the path of a damaged input file
    offset    bytes from the start of the source to the record at fault, -1 if there is none
    line      its line number, -1 if unknown
    record    its bytes
    key       the key at fault, as text
    group     values of the key at fault, as far as they are recorded, packed (only executors can read them)
    input_name, reader  of the split that the record belongs to
    hook      the part of the job that raised ("map", "combine", …), else ""
    position  of "died": where the attempt was, if it was isolated
    """

    kind: Literal["raised", "died", "fetch", "refused", "io", "full", "recalled"]
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
    position: FatalPosition | None = field(default=None, metadata=ADDED)
    reader: Reader | None = field(default=None, metadata=ADDED)
