"""From input files to splits, and from a split to blocks of whole lines.

Not here: parsing of lines (`factory.py`), and finding files (`files.py`). Splits name files by
absolute path; they are read with pread, never by mmap (a truncated map is a signal, not an error).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mrframe.core.model.spec import MIB, SPLIT_BYTES, Split
from mrframe.errors import CorruptData, InputChanged, InputError
from mrframe.formats.inputs.compression import gzip_library
from mrframe.formats.inputs.file_identity import State
from mrframe.formats.inputs.files import InputFile
from mrframe.formats.inputs.line_blocks import pieces
from mrframe.formats.inputs.open_input import BLOCK_BYTES, LongLine, OpenInput, StoredInput
from mrframe.formats.readers.base import BOM
from mrframe.formats.readers.record_starts import RECORD_BYTES_MAX, RecordStarts, record_starts

LINE_BYTES_MAX = 256 * MIB
"""A line longer than this, with its end, is no record. `on_long` is called with it, or it is refused."""
CHECK_BYTES = 1 << 20
COMPRESSION_RATIO = 8
"""Estimated bytes of content per compressed byte. Access logs shrink 8 to 15 times."""
PARTITIONS_MAX = 256
NO_STARTS: Mapping[int, str] = {}


def plan_splits(
    files: Sequence[InputFile],
    *,
    split_bytes: int = SPLIT_BYTES,
    splits: int | None = None,
    first_index: int = 0,
    input_name: str = "",
    starts: Mapping[int, str] = NO_STARTS,
) -> list[Split]:
    """Yield the splits of `files`, in order. File i has the input index `first_index + i`.

    `starts` has the pattern for the start of a record (`readers/record_starts.py`) of each input index that has one.

    A plain file is cut by the rule of `line_blocks.py`. An empty one has no split. A compressed file is one
    split of kind "gzip" (whatever its compression), for a decode task. Standard input has none here: see
    `stdin.py`. With `splits=N` the plain bytes are cut into about N pieces instead, whatever their size.
    Raises InputChanged if a file has become shorter since it was found, or is another one.
    """
    if splits is not None:
        plain = sum(f.bytes for f in files if not f.compression)
        split_bytes = max(1, -(-plain // max(1, splits)))
    planned: list[Split] = []
    for index, file in enumerate(files, first_index):
        start = starts.get(index, "")
        if file.is_stdin:
            continue
        if file.is_stored:
            planned += _stored_splits(file, index, input_name, start)
        elif file.compression:
            planned.append(_compressed_split(file, index, input_name, start))
        elif file.bytes:
            planned += _plain_splits(file, split_bytes, index, input_name, start)
    return planned


def _plain_splits(file: InputFile, split_bytes: int, index: int, input_name: str, start: str) -> Iterator[Split]:
    with OpenInput(file.path, file.name, file.state) as source:
        for offset, length in pieces(source.read_at, file.bytes, split_bytes, record_starts(start)):
            yield Split(
                "file",
                file.name,
                file.path,
                offset,
                length,
                (index, offset),
                lines_before=-1 if offset else 0,
                input_name=input_name,
                state=source.state_before(offset + length),
                record_start=start,
            )


def _compressed_split(file: InputFile, index: int, input_name: str, start: str) -> Split:
    with OpenInput(file.path, file.name, file.state) as source:
        state = source.state_before(file.bytes)
    return Split(
        "gzip",
        file.name,
        file.path,
        0,
        file.bytes,
        (index, 0),
        input_name=input_name,
        state=state,
        record_start=start,
    )


def _stored_splits(file: InputFile, index: int, input_name: str, start: str) -> Iterator[Split]:
    """A block is a split, as it was cut when it was put."""
    offset = 0
    for block in file.blocks:
        yield Split(
            "stored",
            file.name,
            block.name,
            0,
            block.length,
            (index, offset),
            locations=block.nodes,
            lines_before=-1 if offset else 0,
            input_name=input_name,
            content=block.name,
            record_start=start,
        )
        offset += block.length


def estimated_bytes(files: Sequence[InputFile]) -> int:
    """Bytes of the inputs once decoded: compressed ones count eight-fold, standard input counts nothing."""
    return sum(f.bytes * COMPRESSION_RATIO if f.compression else f.bytes for f in files)


def default_split_bytes(total_bytes: int) -> int:
    """Length of a split for this many bytes of input: about a sixteenth, a power of two from 16 to 64 MiB.

    Give it `estimated_bytes(files)`. So a few hundred MiB are still work for all cores, and since every
    length divides the next, an input that grows keeps cuts at places where it had cuts before. Where
    nothing is known (0: standard input) it is 16 MiB, so that work starts early.
    """
    if total_bytes == 0:
        return 16 * MIB
    length = SPLIT_BYTES
    while length > 16 * MIB and length * 16 > total_bytes:
        length //= 2
    return length


def default_partitions(total_bytes: int) -> int:
    """Number of reduce tasks for this many bytes of input: one for each 64 MiB, from 1 to 256.

    Give it `estimated_bytes(files)`. It follows from the inputs alone (law 6), so standard input,
    whose size is not known when a job starts, counts as nothing.
    """
    return max(1, min(PARTITIONS_MAX, -(-total_bytes // SPLIT_BYTES)))


_BEFORE_BLOCKS = (b"\n", b"\0", BOM[-1:])
"""The bytes behind which a block may begin: a line end, or bytes before the text of the next line."""
OnLong = Callable[[LongLine], None]


def read_split(
    split: Split,
    *,
    block_bytes: int = BLOCK_BYTES,
    line_bytes_max: int | None = None,
    on_long: OnLong | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of a "file", "held" or "stored" split as (offset in the *source*, bytes). See `read_blocks`.

    A split that mrframe wrote itself is verified as a whole before its first block. Raises CorruptData.
    """
    if split.crc32 >= 0:
        _check(split)
    base = split.order[1] - split.offset  # blocks of a decoded stream lie in files of their own

    def in_source(line: LongLine) -> None:
        assert on_long is not None
        on_long(replace(line, offset=base + line.offset))

    blocks = read_blocks(
        split.path,
        split.offset,
        split.length,
        block_bytes=block_bytes,
        line_bytes_max=line_bytes_max,
        on_long=in_source if on_long else None,
        name=split.source,
        stored=split.is_stored,
        state=split.state,
        starts=record_starts(split.record_start),
    )
    for offset, block in blocks:
        yield base + offset, block


def open_split(split: Split) -> OpenInput:
    """Open the file of a split, or the content of its block if it is "stored". The caller closes it."""
    if split.is_stored:
        return StoredInput(split.path, split.source)
    return OpenInput(split.path, split.source, split.state)


def _check(split: Split) -> None:
    crc32 = gzip_library().crc32  # four times as fast where the extra is installed
    with OpenInput(split.path, split.source) as source:
        at, end, crc = split.offset, split.offset + split.length, 0
        while at < end:
            data = source.read_at(at, min(CHECK_BYTES, end - at))
            crc = crc32(data, crc)
            at += len(data)
    if crc != split.crc32:
        raise CorruptData(
            f"{split.path}, with {split.length:,} bytes of {split.source} from byte {split.order[1]:,}, is not "
            "what was written (its checksum differs); check the disk, and run the job again",
            file=split.path,
        )


def read_blocks(
    path: str,
    offset: int,
    length: int,
    *,
    block_bytes: int = BLOCK_BYTES,
    line_bytes_max: int | None = None,
    on_long: OnLong | None = None,
    name: str = "",
    stored: bool = False,
    state: State = (),
    starts: RecordStarts | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The bytes of a file (`stored`: of the block in it) from `offset`, a record start: (offset in it, whole lines).

    A block is cut behind its last newline. A line that is longer than a block is a block of its own. Bytes before
    such a line that are not part of it (a hole, a mark: `base.py`) come before it, in blocks without a line.
    Only they and the last block lack a final newline. With `starts` a block is cut behind its last record instead,
    and lines that belong to no record are cut like any. A line over `line_bytes_max` (LINE_BYTES_MAX) and a record
    over RECORD_BYTES_MAX are in no block: `on_long` is called with it, after the blocks before it were taken and
    before the next one is given. Whatever its length, no more than a block of it is held. Raises InputChanged if the
    file is gone, shorter, or not the planned one (`state`, see `file_identity.py`), which may show only at the end.
    Raises InputError for such a line if there is no `on_long`, OSError with the path if the disk fails.
    """
    line_bytes_max = LINE_BYTES_MAX if line_bytes_max is None else line_bytes_max
    record_bytes_max = line_bytes_max if starts is None else min(line_bytes_max, RECORD_BYTES_MAX)
    block_bytes = min(block_bytes, record_bytes_max)  # so that no block hides one that is too long
    with StoredInput(path, name or path) if stored else OpenInput(path, name or path, state) as source:
        if offset and length and source.read_at(offset - 1, 1) not in _BEFORE_BLOCKS:
            raise InputChanged(
                f"{source.name} was rewritten while the job ran (no line begins at byte {offset:,} any more); "
                "run the job again, on a copy if the file keeps changing"
            )
        end = offset + length
        while offset < end:
            data = source.read_at(offset, min(block_bytes, end - offset))
            if offset + len(data) < end:
                # The torn line at the end is read again with the next block: cheaper than carrying it over.
                size = source.lines_bytes(data, offset, end, starts)
                if size > record_bytes_max:  # only a record is longer than a block
                    if on_long is None:
                        raise _refused(source, offset, record_bytes_max)
                    on_long(source.long_record(offset, size))
                    offset += size
                    continue
                data = data[:size] if size <= len(data) else source.read_at(offset, size)
            if not data:
                line_bytes = source.line_bytes(offset, offset + block_bytes, end)
                if line_bytes > line_bytes_max:
                    if on_long is None:
                        raise _refused(source, offset, line_bytes_max)
                    on_long(source.long_line(offset, line_bytes))
                    offset += line_bytes
                    continue
                data = source.read_at(offset, line_bytes)
            yield offset, data
            offset += len(data)
        source.check_read(end)


def _refused(source: OpenInput, offset: int, line_bytes_max: int) -> InputError:
    return InputError(
        f"{source.name} has a line of more than {line_bytes_max:,} bytes at byte {offset:,}; "
        "mrframe reads logs line by line: break the line, or leave the file out"
    )
