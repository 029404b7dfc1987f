"""Chooses the path of a map over lines: its reader, its buffer, and the feed that moves blocks between them.

`PATHS` and `BUFFERS` are the whole decision. The first row that applies wins. Later rows that apply would give the
same bytes. `docs/performance.md` shows both tables, and a test compares them.

A fast path is one row: a condition, a reader that gives columns in its form, a buffer that takes them
(`shuffle.buffers.Buffer`), and usually `feed_columns`. Not here: the paths themselves, and pairs of the step before
(`pair_map_task.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.spec import MIB, Split
from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import ALL_VALUES, Forms, Scanned
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import Buffer, FoldBuffer, buffer_for
from mrframe.shuffle.reducers import Count, Total, as_fold
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import combiner
from mrframe.task.map.feeds import Feed, feed_columns, feed_guarded, feed_pairs
from mrframe.task.map.map_input import block_reader
from mrframe.task.map.pair_buffer import map_fold

if TYPE_CHECKING:
    from mrframe.task.map.kernel_fold import FoldPlan

WORTH_BYTES = 4 * MIB  # of input. Below it, loading NumPy costs more than it saves


class Path(NamedTuple):
    """The parts of a map attempt.

    `forms` has the forms of columns that the reader gives other than as Python values. `bad_fields` counts, by name,
    the fields that the buffer could not convert.
    """

    name: str
    reader: BlockReader
    forms: Forms
    buffer: Buffer
    feed: Feed
    bad_fields: dict[str, int]


@dataclass(frozen=True, slots=True)
class PathCase:
    """The input of the decision. `split` and `reader` are None for pairs of the step before."""

    job: Job
    split: Split | None
    settings: TaskSettings
    reader: BlockReader | None = None
    guarded: bool = False


def choose(job: Job, split: Split, settings: TaskSettings, *, guarded: bool = False) -> Path:
    """Return the path of a map over a split of lines. A `guarded` map notes each record before it maps it."""
    case = PathCase(job, split, settings, block_reader(job, settings), guarded)
    row = next(row for row in PATHS if row.applies(case))
    reader, forms = row.reader(case)
    bad_fields: dict[str, int] = {}
    return Path(row.name, reader, forms, row.buffer(case, reader, bad_fields), row.feed, bad_fields)


def choose_buffer(job: Job, settings: TaskSettings) -> Buffer:
    """Return the buffer of a map over pairs of the step before."""
    return _pairs(PathCase(job, None, settings))


# ---- conditions -----------------------------------------------------------------------------------


def _may_pack(case: PathCase) -> bool:
    """Return whether NumPy may encode runs (default hash only) and the split is large enough to repay loading it."""
    job, split = case.job, case.split
    return (
        case.settings.fast
        and job.partition is None
        and job.key_order == "hash"
        and split is not None
        and split.length >= WORTH_BYTES
        and find_spec("numpy") is not None
    )


def _kernel_plan(case: PathCase) -> FoldPlan | None:
    """Return how the compiled kernel folds the job, None if it cannot. A guarded map does without compiled code."""
    if case.guarded or not case.settings.fast or compiled() is None:
        return None
    from mrframe.task.map.kernel_fold import plan_of, scanned_by, words_plan

    raw = scanned_by(case.reader)
    return plan_of(case.job, raw) if raw else words_plan(case.job)


def _sums_packed(case: PathCase) -> bool:
    job = case.job
    return type(as_fold(job.reduce)) in (Count, Total) and not job.sort_values and _may_pack(case)


# ---- readers, buffers, and feeds that are loaded on demand -----------------------------------------


Read = tuple[BlockReader, Forms]


def _reader(case: PathCase) -> BlockReader:
    assert case.reader is not None, "only lines have a reader"
    return case.reader


def _values(case: PathCase) -> Read:
    return _reader(case), ALL_VALUES


def _scanned(case: PathCase) -> Read:
    return _reader(case), dict.fromkeys(range(len(case.job.projection())), Scanned)


def _batches(case: PathCase) -> Read:
    from mrframe.task.map.map_batch import scanned_forms

    reader = _reader(case)
    return reader, ALL_VALUES if case.guarded else scanned_forms(case.job, reader)


def _feed_split(*attempt: Any) -> None:
    from mrframe.task.map.map_split import feed_split

    feed_split(*attempt)


def _feed_batches(*attempt: Any) -> None:
    from mrframe.task.map.map_batch import feed_batches

    feed_batches(*attempt)


def _kernel_fold(case: PathCase, reader: BlockReader, bad_fields: dict[str, int]) -> Buffer:
    from mrframe.task.map.kernel_fold import KernelFoldBuffer

    plan, job = _kernel_plan(case), case.job
    assert plan is not None
    return KernelFoldBuffer(plan, job, reader, bad_fields, may_encode=_may_encode(case))


def _may_encode(case: PathCase) -> bool:
    return case.job.partition is None and case.job.key_order == "hash" and not case.settings.hash_seed


def _pairs_of_lines(case: PathCase, reader: BlockReader, bad_fields: dict[str, int]) -> Buffer:
    del reader, bad_fields
    return _pairs(case)


def _pairs(case: PathCase) -> Buffer:
    return next(row for row in BUFFERS if row.applies(case)).make(case)


def _fold_buffer(case: PathCase) -> FoldBuffer:
    fold = map_fold(case.job)
    assert fold is not None
    return FoldBuffer(fold)


def _folds_tables(case: PathCase) -> bool:
    fold = map_fold(case.job)
    if case.job.map_batch is None or fold is None or case.guarded or not case.settings.fast or compiled() is None:
        return False
    from mrframe.task.map.table_fold_buffer import aggregates_of

    return aggregates_of(fold) is not None


def _table_fold(case: PathCase) -> Buffer:
    from mrframe.task.map.table_fold_buffer import TableFoldBuffer, aggregates_of

    fold = map_fold(case.job)
    aggregates = None if fold is None else aggregates_of(fold)
    assert fold is not None
    assert aggregates is not None
    return TableFoldBuffer(fold, aggregates, may_encode=_may_encode(case))


def _packed_sums(case: PathCase) -> Buffer:
    from mrframe.task.columnar.packed_buffer import PackedSums

    return PackedSums(_fold_buffer(case))


# ---- the tables -----------------------------------------------------------------------------------


class PathRow(NamedTuple):
    """A path: its condition, as text and as a function, and its parts. `columns` and `pairs` describe the data."""

    name: str
    when: str
    columns: str
    pairs: str
    applies: Callable[[PathCase], bool]
    reader: Callable[[PathCase], Read]
    buffer: Callable[[PathCase, BlockReader, dict[str, int]], Buffer]
    feed: Feed


class BufferRow(NamedTuple):
    """A buffer of pairs: its condition, as text and as a function, and its factory."""

    name: str
    when: str
    applies: Callable[[PathCase], bool]
    make: Callable[[PathCase], Buffer]


PATHS: tuple[PathRow, ...] = (
    PathRow(
        "kernel",
        "fields are picked and folded by ready reducers, without `where`, in a format that the kernel reads",
        "places in the block",
        "`KernelFoldBuffer`",
        lambda case: _kernel_plan(case) is not None,
        _scanned,
        _kernel_fold,
        feed_columns,
    ),
    PathRow(
        "split",
        "`map_split`",
        "Python values",
        "pairs of the one call",
        lambda case: case.job.map_split is not None,
        _values,
        _pairs_of_lines,
        _feed_split,
    ),
    PathRow(
        "batches",
        "`map_batch`",
        "Arrow, from places in the block, or from Python values where the kernel has none",
        "tables of a call a block",
        lambda case: case.job.map_batch is not None,
        _batches,
        _pairs_of_lines,
        _feed_batches,
    ),
    PathRow(
        "guarded",
        "the attempt is isolated, or may leave records out",
        "Python values",
        "pairs, record by record",
        lambda case: case.guarded,
        _values,
        _pairs_of_lines,
        feed_guarded,
    ),
    PathRow(
        "pairs",
        "everything else: a map that is called, or a declaration",
        "Python values",
        "pairs, a block at a time",
        lambda _case: True,
        _values,
        _pairs_of_lines,
        feed_pairs,
    ),
)

BUFFERS: tuple[BufferRow, ...] = (
    BufferRow(
        "`TableFoldBuffer`",
        "ready reducers that the kernel has, of the tables of a `map_batch`",
        _folds_tables,
        _table_fold,
    ),
    BufferRow(
        "`PackedSums`",
        "`count` or `total` over a split of 4 MiB or more, by the usual hash, and there is NumPy",
        _sums_packed,
        _packed_sums,
    ),
    BufferRow(
        "`FoldBuffer`",
        "any other ready reducer whose values need not be sorted",
        lambda case: map_fold(case.job) is not None,
        _fold_buffer,
    ),
    BufferRow(
        "`CombineBuffer`, `PairBuffer`",
        "everything else, with and without `combine`",
        lambda _case: True,
        lambda case: buffer_for(None, combiner(case.job)),
    ),
)
