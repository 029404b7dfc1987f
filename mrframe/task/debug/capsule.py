"""A failure capsule: a record, or a key with its values, on which a job's code failed, with everything needed to run
it again alone, after the inputs and the job file are gone.

To the process that keeps it, it is plain bytes. The job's package beside it and its pickled values are opened only
where the job's code may run (`rerun.py`). `group_of` collects a key's values in the executor that failed on it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple
from dataclasses import fields as fields_of
from itertools import compress

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import ReduceOrder
from mrframe.errors import CorruptData
from mrframe.shuffle.columns import encode
from mrframe.shuffle.group import same_key
from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.partition import slot_column, slot_range, slots_for
from mrframe.shuffle.run_file.pair_blocks import Block
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.store.file_pool import FilePool
from mrframe.task.report.failures import GroupFailed

VERSION = 1
VALUES_BYTES_MAX = 1 << 20  # of the values of a key, as written


@dataclass(frozen=True, slots=True)
class Group:
    """A key with its values, as run files for a reduce task (one for each source of a join that has the key).

    `whole` is False if there were more values than are kept. `hook` is the function that failed: reduce, combine, or
    partition, which got the number of `partitions`.
    """

    step: int
    files: tuple[bytes, ...]
    whole: bool
    hook: str = "reduce"
    partitions: int = 0

    def pack(self) -> bytes:
        """Return the group as bytes."""
        return bytes(msgpack.packb([self.step, list(self.files), self.whole, self.hook, self.partitions]))

    @classmethod
    def unpack(cls, data: bytes) -> Group:
        """Return the group from the bytes of `pack`."""
        step, files, *more = msgpack.unpackb(data)
        return cls(step, tuple(files), *more)


@dataclass(frozen=True, slots=True)
class Capsule:
    """One failure.

    message, traceback_text  as shown
    source, offset, line     place of the record (-1: not known), in the source `input_name` of a join
    record                   the line, `whole` is False if only its beginning is kept
    key                      of a group, as text, with its values in `group` (b"": not kept)
    python                   the version of Python that it failed on
    reader                   as `Split.reader`
    """

    message: str
    traceback_text: str = ""
    source: str = ""
    input_name: str = ""
    offset: int = -1
    line: int = -1
    record: bytes = b""
    whole: bool = True
    key: str = ""
    group: bytes = b""
    python: str = "{}.{}.{}".format(*sys.version_info[:3])
    reader: Reader | None = None

    def pack(self) -> bytes:
        """Return the capsule as bytes."""
        return bytes(msgpack.packb([VERSION, *astuple(self)], unicode_errors="surrogateescape"))

    @classmethod
    def unpack(cls, data: bytes) -> Capsule:
        """Return the capsule from the bytes of `pack`. Raises CorruptData."""
        try:
            version, *fields = msgpack.unpackb(data, unicode_errors="surrogateescape")
            if len(fields) == _FIELDS and fields[-1] is not None:  # older ones have no reader
                fields[-1] = Reader(*fields[-1])
            capsule = cls(*fields) if version == VERSION else None
        except (ValueError, TypeError):
            capsule = None
        if capsule is None:
            raise CorruptData("the failure that was kept is damaged, or of another version of mrframe")
        return capsule


_FIELDS = len(fields_of(Capsule))


def group_given(step: int, failed: GroupFailed) -> bytes:
    """Pack the key that a combiner or partitioner failed on, with the values that it got."""
    values = list(failed.values or [None])
    size = len(encode(values))
    whole = size <= VALUES_BYTES_MAX
    kept = values if whole else values[: max(1, len(values) * VALUES_BYTES_MAX // size)]
    target = io.BytesIO()
    writer = RunWriter(target, slots=1)
    writer.add_sorted(0, [([failed.key] * len(kept), kept)])
    writer.close()
    return Group(step, (target.getvalue(),), whole, failed.hook, failed.partitions).pack()


def group_of(job: Job, order: ReduceOrder, key: object) -> bytes:
    """Pack the values of a key that a reduce task failed on. Returns b"" if the task does not read the key.

    Raises the errors of reading.
    """
    kind = kind_of([key])
    files, whole = [], True
    with ExitStack() as stack:
        opened = stack.enter_context(FilePool())
        readers = [RunReader(opened.open(path), path, unpickle=True) for path in order.sources]
        slots, seed = slots_for(order.partitions), readers[0].seed if readers else 0
        wanted: Sequence[int] = slot_range(order.partition, slots, order.partitions)
        if job.partition is None and job.key_order != "total":
            wanted = slot_column([key], kind, slots, seed)
        for source in range(len(job.source_names)):
            target = io.BytesIO()
            writer = RunWriter(target, slots=slots, seed=seed, source=source, by_value=job.sort_values)
            for slot, values in _found(readers, wanted, source, kind, key):
                size = target.tell() + len(encode(values))
                whole = whole and size <= VALUES_BYTES_MAX
                kept = values if whole else values[: len(values) * VALUES_BYTES_MAX // size]
                writer.add_sorted(slot, [([key] * len(kept), kept)])
                if not whole:
                    break
            if writer.close().records:
                files.append(target.getvalue())
    return Group(order.step, tuple(files), whole).pack() if files else b""


def _found(
    readers: Sequence[RunReader], slots: Sequence[int], source: int, kind: str, key: object
) -> Iterator[tuple[int, list[object]]]:
    """Yield (slot, values of the key) for each run that has it, in order."""
    for slot in slots:
        for reader in readers:
            for stream in reader.streams(slot, source):
                values = [value for block in stream for value in _values_of(block, kind, key)]
                if values:
                    yield slot, values


def _values_of(block: Block, kind: str, key: object) -> list[object]:
    own, keys, values = block
    return list(compress(values, [same_key(own, one, kind, key) for one in keys]))
