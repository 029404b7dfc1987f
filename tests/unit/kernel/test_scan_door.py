"""Blocks of the kernel go to Arrow and come from it, and buffers that are no array are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.kernel import compiled

kernel = compiled()
pytestmark = pytest.mark.skipif(kernel is None, reason="no kernel is installed")
pa = pytest.importorskip("pyarrow")

cells = st.lists(st.none() | st.sampled_from([b"", b"-", b"a", b"\xff", b"long " * 9]) | st.binary(max_size=4))


def as_block(*columns):
    """Return a block of arrays of binary, whose data need not begin at the first item."""
    buffers = [column.buffers() for column in columns]
    parts = [b"" if data is None else data.to_pybytes() for _, _, data in buffers]
    given = [
        (validity, offsets, column.offset, sum(map(len, parts[:at])))
        for at, (column, (validity, offsets, _)) in enumerate(zip(columns, buffers, strict=True))
    ]
    return kernel.Block(b"".join(parts), len(columns[0]), tuple(given))


def as_array(block, column, nones):
    return pa.Array.from_buffers(pa.binary(), block.records, list(map(pa.py_buffer, block.arrow(column, nones))))


@given(cells, cells, st.integers(0, 9))
def test_values_survive_the_way_from_arrow_and_back(one, other, cut):
    rows = min(len(one), len(other))
    columns = [pa.array(values[:rows], pa.binary())[min(cut, rows) :] for values in (one, other)]
    block = as_block(*columns)
    for index, column in enumerate(columns):
        assert block.values(index) == column.to_pylist()
        found = as_array(block, index, 0)
        found.validate(full=True)
        assert found.to_pylist() == column.to_pylist()


@pytest.mark.parametrize(("nones", "expected"), [(1, [None, b""]), (2, [b"-", None]), (3, [None, None])])
def test_texts_that_stand_for_none_are_null(nones, expected):
    block = as_block(pa.array([b"-", b"", None, b"--"], pa.binary()))
    assert as_array(block, 0, nones).to_pylist() == [*expected, None, b"--"]


def ints(*numbers):
    return b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)


@pytest.mark.parametrize(
    "given",
    [
        (b"ab", 1, ((None, ints(0, 3), 0, 0),)),
        (b"ab", 1, ((None, ints(2, 1), 0, 0),)),
        (b"ab", 1, ((None, ints(-1, 1), 0, 0),)),
        (b"ab", 1, ((None, ints(0, 1), 0, 2),)),
        (b"ab", 1, ((None, ints(1, 2), 0, -2),)),
        (b"ab", 1, ((None, ints(0), 0, 0),)),
        (b"ab", 1, ((None, ints(0, 1), 1, 0),)),
        (b"ab", 1, ((None, ints(0, 1), -1, 0),)),
        (b"ab", 9, ((b"\xff", ints(*[0] * 10), 0, 0),)),
        (b"ab", -1, ((None, ints(0, 1), 0, 0),)),
        (b"ab", 1, ((None, ints(0, 1), 0, 0), (None, b"", 0, 0))),
    ],
)
def test_buffers_that_are_no_array_are_refused(given):
    with pytest.raises(ValueError, match=r"array|records"):
        kernel.Block(*given)


def test_a_program_fills_each_of_its_columns():
    """Nothing else writes to them, so the places of an unfilled one would be what the memory held before."""

    def program(columns, *filled):
        steps = [(1, 1, b"\t", b"", b"", b"", bytes((0, 0, column))) for column in filled]
        return kernel.Program(tuple(steps), columns)

    for wrong in [(1,), (2, 0), (2, 1), (3, 0, 2, 2), (255, *range(254))]:
        with pytest.raises(ValueError, match=r"one of which no step captures"):
            program(*wrong)
    assert program(2, 1, 0).scan(b"\n").values(1) == [b""]
    assert program(0).scan(b"\n").records == 1


def test_a_block_takes_nothing_but_bytes():
    for wrong in [(bytearray(b"a"), 0, ()), (b"a", 0, [(None, b"", 0, 0)]), (b"a", 0, ((None, b""),))]:
        with pytest.raises(TypeError):
            kernel.Block(*wrong)
    assert kernel.Block(b"", 0, ()).records == 0
