"""Pairs folded in the kernel: the same results as in Python, and the same bytes where no pair is left out."""

from __future__ import annotations

import io
from itertools import chain
from tempfile import TemporaryFile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe import count, distinct, largest, mean, smallest, total
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import FoldBuffer
from mrframe.shuffle.merge import merge
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.map import kernel_pairs
from mrframe.task.map.emit import as_columns
from mrframe.task.map.kernel_pairs import KernelPairsBuffer
from mrframe.task.reduce.merged_states import merged_states, of_each

pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

TEXTS = ["", "a", "b", "é", "eight888", "sixteen-bytes-16", "seventeen-bytes-1", "😀" * 20]
PLAIN_KEYS = st.one_of(st.sampled_from(TEXTS), st.text(st.characters(exclude_characters="\0"), max_size=3))
PLAIN_KEYS = PLAIN_KEYS.filter(lambda key: key.isprintable() or key.isascii())
ODD_KEYS = st.sampled_from([None, True, 1, 0, -1, 1.0, 1 << 63, -(1 << 63), "a\0", "\0", "\udce9", b"a", ("a", 1)])
INTS = st.one_of(st.integers(-3, 300), st.sampled_from([(1 << 63) - 1, 1 - (1 << 63), (1 << 62)]))
ODD_INTS = st.one_of(INTS, st.sampled_from([None, True, 1 << 70, -(1 << 63), 0.5]))
ODD_TEXTS = st.one_of(PLAIN_KEYS, st.sampled_from([None, "a\0", "\udce9", 7, b"a"]))
REDUCERS = [count, total, mean, smallest, largest, {"n": count, "sum": total, "least": smallest, "mean": mean}]
Pairs = list[tuple[Any, Any]]


def filled(buffer: Any, blocks: list[Pairs], as_pairs: bool) -> Any:
    for block in blocks:
        if as_pairs:
            buffer.add_pairs(block, lambda some: as_columns(some) or ([], []))
        else:
            buffer.add([key for key, _ in block], [value for _, value in block])
    return buffer


def run_of(buffer: Any, slots: int) -> bytes:
    file = io.BytesIO()
    writer = RunWriter(file, slots=slots)
    buffer.write_runs(writer)
    writer.close()
    return file.getvalue()


def results_of(run: bytes, fold: Any) -> str:
    """Return the results of the states in a run file, by slot and key."""
    reader = RunReader(io.BytesIO(run), "run", unpickle=False)
    rows = []
    for slot in reader.slots_present():
        merged = merge(reader.streams(slot), make_file=TemporaryFile)
        for keys, states in merged_states(fold, merged):
            rows += [(slot, *row) for row in zip(keys, of_each(fold, fold.finish, keys, states), strict=True)]
    return repr(rows)


def blocks_of(keys: Any, values: Any) -> Any:
    return st.lists(st.lists(st.tuples(keys, values), min_size=1, max_size=80), min_size=1, max_size=4)


@pytest.mark.parametrize("reduce", REDUCERS, ids=str)
@given(blocks=blocks_of(PLAIN_KEYS, INTS), as_pairs=st.booleans(), slots=st.sampled_from([1, 256]))
def test_plain_pairs_make_the_same_run(reduce: Any, blocks: list[Pairs], as_pairs: bool, slots: int) -> None:
    fold = as_fold(reduce)
    found, wanted = (run_of(filled(kind(fold), blocks, as_pairs), slots) for kind in (KernelPairsBuffer, FoldBuffer))
    if fits(blocks):
        assert found == wanted
    assert results_of(found, fold) == results_of(wanted, fold)


def fits(blocks: list[Pairs]) -> bool:
    """Whether no sum can have more than 64 bits."""
    return sum(abs(value) for block in blocks for _, value in block) < 1 << 63


@pytest.mark.parametrize("reduce", [distinct, {"n": count, "names": distinct}], ids=str)
@given(blocks=blocks_of(PLAIN_KEYS, PLAIN_KEYS), as_pairs=st.booleans())
def test_plain_texts_make_the_same_run(reduce: Any, blocks: list[Pairs], as_pairs: bool) -> None:
    fold = as_fold(reduce)
    found, wanted = (run_of(filled(kind(fold), blocks, as_pairs), 256) for kind in (KernelPairsBuffer, FoldBuffer))
    assert found == wanted


@pytest.mark.parametrize("reduce", [*REDUCERS, distinct], ids=str)
@given(data=st.data(), as_pairs=st.booleans(), few=st.sampled_from([1, 1000]))
def test_all_other_pairs_are_folded_beside(reduce: Any, data: Any, as_pairs: bool, few: int) -> None:
    values = ODD_TEXTS if reduce is distinct else ODD_INTS
    blocks = data.draw(blocks_of(st.one_of(PLAIN_KEYS, ODD_KEYS), values))
    fold = as_fold(reduce)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_pairs, "FEW_PAIRS", few)
        found = filled(KernelPairsBuffer(fold), blocks, as_pairs)
    wanted = filled(FoldBuffer(fold), blocks, as_pairs)
    assert results_of(run_of(found, 256), fold) == results_of(run_of(wanted, 256), fold)


def test_ints_are_keys_of_the_table() -> None:
    buffer = filled(KernelPairsBuffer(total), [[(n % 7 - 3, n) for n in range(5000)]], as_pairs=True)
    assert len(buffer._others) == 0
    plain = filled(FoldBuffer(total), [[(n % 7 - 3, n) for n in range(5000)]], as_pairs=True)
    assert run_of(buffer, 256) == run_of(plain, 256)


def test_a_drained_buffer_is_filled_anew() -> None:
    buffer = KernelPairsBuffer(count)
    for block in ([("a", 1), (("a", 1), 1)], [("a", 1)]):
        found = run_of(filled(buffer, [block], as_pairs=True), 1)
        assert results_of(found, count) == results_of(run_of(filled(FoldBuffer(count), [block], True), 1), count)


def test_items_that_are_no_pairs_are_left_to_the_check() -> None:
    asked: list[list[Any]] = []

    def columns_of(some: list[Any]) -> tuple[list[Any], list[Any]]:
        asked.append(some)
        return [], []

    wrong = [None, ["a", 1], ("a",), ("a", 1, 2), "ab"]
    KernelPairsBuffer(total).add_pairs(list(chain([("a", 1)], wrong, [("b", 2)])), columns_of)
    assert asked == [wrong]


def test_memory_is_counted() -> None:
    buffer = KernelPairsBuffer(distinct)
    empty = buffer.size_bytes()
    filled(buffer, [[(f"key {n}", f"value {n} {m}") for m in range(10)] for n in range(2000)], as_pairs=True)
    assert buffer.size_bytes() - empty > 2000 * (40 + 10 * 40)


def test_wrong_arguments_raise() -> None:
    table = compiled().Table(("total",))
    with pytest.raises(ValueError, match="each key has a value"):
        table.add_values(["a"], [])
    with pytest.raises(TypeError):
        table.add_values(("a", 1))
