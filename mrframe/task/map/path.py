"""Chooses the path of a map over lines: its reader, its buffer, and the feed that moves blocks between them.

`PATHS` and `BUFFERS` are the whole decision. The first row that applies wins. Later rows that apply would give the
same bytes. `docs/performance.md` shows both tables, and a test compares them.

A fast path is one row: a condition, a reader that gives columns in its form, a buffer that takes them
(`shuffle.buffers.Buffer`), and usually `feed_columns`. Not here: the paths themselves, and pairs of the step before
(`pair_map_task.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import TEXT, Job
from mrframe.core.model.spec import Split
from mrframe.formats.factory import BlockReader
from mrframe.formats.readers.base import ALL_VALUES, Forms, LinesOf, Scanned
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import Buffer, CombineBuffer, FoldBuffer
from mrframe.shuffle.reducers import as_fold
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation.hook_guard import combiner
from mrframe.task.map.feeds import Feed, feed_columns, feed_guarded, feed_pairs
from mrframe.task.map.map_input import block_reader
from mrframe.task.map.pair_buffer import map_fold

if TYPE_CHECKING:
    from mrframe.task.map.kernel_fold import FoldPlan


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


def _kernel_plan(case: PathCase) -> FoldPlan | None:
    """Return how the compiled kernel folds the job, None if it cannot. A guarded map does without compiled code."""
    if case.guarded or not case.settings.fast or compiled() is None:
        return None
    from mrframe.task.map.kernel_fold import plan_of, scanned_by, words_plan

    raw = scanned_by(case.reader)
    return plan_of(case.job, raw) if raw else words_plan(case.job)


def _has_usual_slots(case: PathCase) -> bool:
    """Return whether keys are parted by the usual hash, so that the kernel may encode runs."""
    job = case.job
    return job.partition is None and job.key_order == "hash" and not case.settings.hash_seed


def _sorts_lines(case: PathCase) -> bool:
    """Return whether the map passes whole lines on as keys, for the kernel to sort."""
    from mrframe.task.columnar.declared_map import Constant, declared_picks

    job = case.job
    return (
        case.reader is not None
        and (job.read, job.projection(), job.where, job.combine) == (TEXT, ("line",), None, None)
        and as_fold(job.reduce) is None
        and declared_picks(job) == (0, Constant(None))
        and not case.guarded
        and _may_sort_texts(case)
    )


def _may_sort_texts(case: PathCase) -> bool:
    """Return whether the kernel may part keys into slots: by the usual hash, or by ranges."""
    in_ranges = case.job.partition is None and case.job.key_order == "total"
    return case.settings.fast and compiled() is not None and (in_ranges or _has_usual_slots(case))


def _folds_pairs(case: PathCase) -> bool:
    fold = map_fold(case.job)
    if fold is None or case.guarded or not case.settings.fast or compiled() is None:
        return False
    from mrframe.task.map.kernel_pairs import aggregates_of

    return aggregates_of(fold) is not None and (case.job.map_batch is not None or _has_usual_slots(case))


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


def _lines(case: PathCase) -> Read:
    return _reader(case), {0: LinesOf}


def _feed_split(*attempt: Any) -> None:
    from mrframe.task.map.map_split import feed_split

    feed_split(*attempt)


def _feed_batches(*attempt: Any) -> None:
    from mrframe.task.map.map_batch import feed_batches

    feed_batches(*attempt)


def _kernel_fold(case: PathCase, reader: BlockReader, bad_fields: dict[str, int]) -> Buffer:
    from mrframe.task.map.kernel_fold import KernelFoldBuffer

    plan = _kernel_plan(case)
    assert plan is not None
    return KernelFoldBuffer(plan, case.job, reader, bad_fields, may_encode=_has_usual_slots(case))


def _line_buffer(case: PathCase, reader: BlockReader, bad_fields: dict[str, int]) -> Buffer:
    del case, reader, bad_fields
    from mrframe.shuffle.text_buffer import LineBuffer

    return LineBuffer()


def _pairs_of_lines(case: PathCase, reader: BlockReader, bad_fields: dict[str, int]) -> Buffer:
    del reader, bad_fields
    return _pairs(case)


def _pairs(case: PathCase) -> Buffer:
    return next(row for row in BUFFERS if row.applies(case)).make(case)


def _fold_buffer(case: PathCase) -> FoldBuffer:
    fold = map_fold(case.job)
    assert fold is not None
    return FoldBuffer(fold)


def _kernel_pairs(case: PathCase) -> Buffer:
    from mrframe.task.map.kernel_pairs import KernelPairsBuffer

    fold = map_fold(case.job)
    assert fold is not None
    return KernelPairsBuffer(fold, may_encode=_has_usual_slots(case))


def _pair_buffer(case: PathCase) -> Buffer:
    from mrframe.shuffle.text_buffer import pair_buffer

    combine = combiner(case.job)
    return pair_buffer(usual_slots=_may_sort_texts(case)) if combine is None else CombineBuffer(combine)


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
        "lines",
        "whole lines are the keys, without values, folds, `where` or `partition`",
        "lines of the block",
        "`LineBuffer`",
        _sorts_lines,
        _lines,
        _line_buffer,
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
        "`KernelPairsBuffer`",
        "reducers that the kernel has, of values of one type, by the usual hash or of a `map_batch`, unguarded",
        _folds_pairs,
        _kernel_pairs,
    ),
    BufferRow(
        "`FoldBuffer`",
        "any other ready reducer whose values need not be sorted",
        lambda case: map_fold(case.job) is not None,
        _fold_buffer,
    ),
    BufferRow(
        "`CombineBuffer`, `TextPairBuffer`",
        "everything else, with and without `combine` (`PairBuffer`: no kernel, or a hash that it lacks)",
        lambda _case: True,
        _pair_buffer,
    ),
)
