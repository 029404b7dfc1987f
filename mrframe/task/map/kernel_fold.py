"""Folds columns of a block in the compiled kernel: the plan that says how, and the buffer of a map that does so.

For jobs that only pick fields: a declaration, or a map that amounts to one. The kernel's table takes the places of
values in a block and folds them as they stand in the log. Values become Python's only where the table is drained,
one for each key, and not even there for keys of text. Not here: the table (`kernel/table.c`), and the other paths
(`path.py`).

Three kinds of records or keys are left to the buffer beside the table, and the merge joins both: records that only
the strict pattern accepts, records with a number of more than 18 digits, and keys that are not text as it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import WORDS, Job
from mrframe.formats.readers.access import AccessReader
from mrframe.formats.readers.base import RawValue, Scanned
from mrframe.formats.readers.records import RecordReader
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import FoldBuffer, RunTarget
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.partition import slots_bits
from mrframe.shuffle.reducers import Count, Distinct, Largest, Mean, Measures, Smallest, Total, as_fold
from mrframe.task.columnar.declared_map import Constant, Pick, declared_picks

COLUMNS_MAX = 32  # of a key, and aggregates of a table: KEY_COLUMNS_MAX and AGGREGATES_MAX of the kernel
NAMES: dict[type[Fold], str] = {
    Count: "count",
    Total: "total",
    Mean: "mean",
    Smallest: "smallest",
    Largest: "largest",
    Distinct: "distinct",
}
_WORD = RawValue("text", dash_is_none=False)


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """The fold of a job: the columns of its key, and the name, the column and the flags of None of each aggregate.

    `key` and `values` are numbers of the projected fields, -1 for an aggregate that needs no value. `is_tuple` says
    that the key is a tuple. `single` describes the field that is the key, and is None for a tuple.
    """

    key: tuple[int, ...]
    is_tuple: bool
    single: RawValue | None
    aggregates: tuple[str, ...]
    values: tuple[int, ...]
    nones: tuple[int, ...]


def plan_of(job: Job, raw: Sequence[RawValue | None]) -> FoldPlan | None:
    """Return the plan of a job, or None for a job that the kernel cannot fold.

    `raw` has for each projected field the type of its values in the kernel, None for a field that it lacks.
    """
    fold, picks = as_fold(job.reduce), declared_picks(job)
    if job.where is not None or job.sort_values or fold is None or picks is None:
        return None
    names, fields = job.projection(), job.map_fields()
    column = {at: names.index(field) for at, field in enumerate(fields)}
    key = _columns(picks[0], column)
    if not 1 <= len(key) <= COLUMNS_MAX or any(raw[at] is None for at in key):
        return None
    aggregates, values, nones = [], [], []
    for part in fold.parts.values() if isinstance(fold, Measures) else (fold,):
        one = _aggregate(part, picks[1], column, raw)
        if one is None:
            return None
        aggregates.append(one[0])
        values.append(one[1])
        nones.append(one[2])
    unused = set(range(len(names))).difference(key, values)
    if any(one is None or one.kind != "text" for one in map(raw.__getitem__, unused)):
        return None  # those of their values that cannot be converted are to be counted
    if len(aggregates) > COLUMNS_MAX:
        return None
    return FoldPlan(
        key,
        type(picks[0]) is tuple,
        raw[key[0]] if type(picks[0]) is int else None,
        tuple(aggregates),
        tuple(values),
        tuple(nones),
    )


def _columns(pick: Pick, column: dict[int, int]) -> tuple[int, ...]:
    """Return the columns of a key that is a field or a tuple of fields, none for any other."""
    picks = pick if isinstance(pick, tuple) else (pick,)
    return tuple(column[one] for one in picks if type(one) is int) if set(map(type, picks)) == {int} else ()


def _aggregate(
    part: Fold, value: Pick, column: dict[int, int], raw: Sequence[RawValue | None]
) -> tuple[str, int, int] | None:
    """Return (name, column, flags of None) of one reducer, or None if the kernel lacks it for these values."""
    name = NAMES.get(type(part))
    if name == "count":
        return name, -1, 0
    if isinstance(value, Constant):
        is_one = type(value.value) is int and value.value == 1
        return ("count", -1, 0) if name == "total" and is_one else None
    if name is None or type(value) is not int:
        return None
    spelt = raw[column[value]]
    if spelt is None or spelt.kind != ("text" if name == "distinct" else "int"):
        return None
    return name, column[value], spelt.none_flags


def words_plan(job: Job) -> FoldPlan | None:
    """Return the plan of a job that counts words."""
    if job.read != WORDS or job.projection() != ("word",):
        return None
    plan = plan_of(job, (_WORD,))
    return plan if plan is not None and plan.aggregates == ("count",) and not plan.is_tuple else None


class KernelFoldBuffer:
    """A `shuffle.buffers.Buffer` of columns that the kernel has scanned, or of words.

    `may_encode` says that keys of text may be written by their usual hash, without Python. Draining counts the fields
    that cannot be converted in `bad_fields`, by name.
    """

    def __init__(
        self,
        plan: FoldPlan,
        job: Job,
        reader: Any,
        bad_fields: dict[str, int],
        *,
        may_encode: bool,
    ) -> None:
        fold = as_fold(job.reduce)
        assert fold is not None
        self._plan = plan
        self._wrapped = isinstance(fold, Measures)
        self._names = job.projection()
        self._reader = reader
        self._bad_fields = bad_fields
        self._may_encode = may_encode
        self._table = compiled().Table(plan.aggregates, self._wrapped)
        self._others = FoldBuffer(fold)

    def add_block(self, columns: Sequence[Any], records: int) -> None:  # noqa: ARG002
        """See `Buffer`."""
        first = columns[0]
        plan = self._plan
        numbers = [column.index for column in columns]
        values = tuple(-1 if at < 0 else numbers[at] for at in plan.values)
        left_out = self._table.add(first.block, tuple(numbers[at] for at in plan.key), values, plan.nones)
        if left_out or first.strict:
            self._add_singly(columns, left_out)

    def _add_singly(self, columns: Sequence[Scanned], left_out: Sequence[int]) -> None:
        """Fold records that the table does not hold in Python."""
        converted = []
        for index, column in enumerate(columns):
            raw = list(column.strict)
            if left_out:
                every = column.block.values(column.index)
                raw += [every[record] for record in left_out]
            converted.append(self._converted(index, raw, [1] * len(raw)))
        keys = self._keys([converted[at] for at in self._plan.key])
        picked = sorted({at for at in self._plan.values if at >= 0})
        self._others.add(keys, converted[picked[0]] if picked else [1] * len(keys))

    def add_table(self, table: Any) -> bool:  # noqa: ARG002
        """See `Buffer`."""
        return False

    def size_bytes(self) -> int:
        """See `Buffer`."""
        return int(self._table.size_bytes) + self._others.size_bytes()

    def write_runs(self, target: RunTarget) -> None:
        """See `Buffer`. The encoded keys come first."""
        sections, others = self._drained(slots_bits(target.slots))
        if sections:
            target.add_encoded(sections)
        if others:
            self._add_states(others)
        self._others.write_runs(target)

    def _drained(self, bits: int) -> Any:
        """Drain the table. Keys that are text, as it stands in the log or converted, are encoded there."""
        single = self._plan.single
        kind = single.kind if single is not None and self._may_encode else "int"
        if kind != "other":
            as_text = kind == "text"
            nones = single.nones if single is not None and as_text else ()
            return self._table.drain(bits, as_text, nones)
        raw = [text for (text,) in self._table.held_keys()]
        values = self._reader.convert(self._plan.key[0], raw)[0]
        times = Counter(values)  # different texts may be one value, which is one key
        return self._table.drain_written(bits, tuple(_written(key) if times[key] == 1 else None for key in values))

    def _add_states(self, others: Sequence[tuple[Sequence[bytes | None], int, Any]]) -> None:
        """Merge keys that the kernel could not encode. Different texts of one value are one key from here on."""
        records = [count for _, count, _ in others]
        parts = zip(*(parts for parts, _, _ in others), strict=True)
        converted = [self._converted(at, list(raw), records) for at, raw in zip(self._plan.key, parts, strict=True)]
        states = [opened(state, self._plan.aggregates, wrapped=self._wrapped) for _, _, state in others]
        self._others.add_states(self._keys(converted), states)

    def _keys(self, columns: Sequence[list[Any]]) -> list[Any]:
        return list(zip(*columns, strict=True)) if self._plan.is_tuple else columns[0]

    def _converted(self, index: int, raw: list[bytes | None], records: Sequence[int]) -> list[Any]:
        """Convert raw values, each of which stands for so many records. Counts the bad ones."""
        values, bad = self._reader.convert(index, raw)
        if bad:
            wrong = sum(
                count
                for text, value, count in zip(raw, values, records, strict=True)
                if value is None and self._reader.convert(index, [text])[1]
            )
            name = self._names[index]
            self._bad_fields[name] = self._bad_fields.get(name, 0) + wrong
        return list(values)


def _written(key: Any) -> bytes | None:
    """Return a key as a column has it, None for one that is not text or has a NUL."""
    return key.encode("utf-8", "surrogatepass") if type(key) is str and "\0" not in key else None


def opened(state: Any, aggregates: Sequence[str], *, wrapped: bool) -> Any:
    """Return a drained state as reducers start it: the different values of `distinct` are a dict there."""
    if not wrapped:
        return dict.fromkeys(state) if aggregates[0] == "distinct" else state
    return tuple(
        dict.fromkeys(one) if name == "distinct" else one for name, one in zip(aggregates, state, strict=True)
    )


def scanned_by(reader: Any) -> Sequence[RawValue | None]:
    """Return the type of each field of a reader in the kernel's columns, all None for other readers."""
    return reader.scanned_values() if type(reader) in (AccessReader, RecordReader) else ()
