"""Which values have one form in every process, so that digests of them may be compared."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from mrframe.shuffle.columns import encode
from mrframe.shuffle.deterministic import is_deterministic
from mrframe.shuffle.run_file.run_writer import RunWriter


class Own:
    pass


FIXED = [
    [1, 2],
    [1 << 70, 2],
    ["a", "b"],
    ["a\0", "b"],
    [b"a", None],
    [1.5, 2],
    [None, None],
    [True, 0],
    [date(2024, 2, 29)],
    [datetime(2024, 2, 29, tzinfo=UTC)],
    [Decimal("1.5")],
    [["a"], ["b", "c"]],
    [[1], ["b", 2.0]],
    [(1, "a"), (2, "b")],
    [(1, None), (2, "b")],
    [(1, (2, None)), (2, (None, "b"))],
    [("f", 1, (1.5,), 0.0), ("f", 1, (1.5, 2.5), 0.0)],
]
LOOSE = [
    [{1, 2}],
    [frozenset({1}), None],
    [{"a": 1}],
    [Own()],
    [1j, 1],
    [(1, {2}), (2, {3})],
    [(1, (2, Own()))],
    [[1, {"a": 1}]],
    [1, (2, [frozenset()])],
]


@pytest.mark.parametrize("column", FIXED)
def test_columns_of_these_types_are_deterministic(column):
    assert is_deterministic(encode(column), column)


@pytest.mark.parametrize("column", LOOSE)
def test_columns_of_these_types_are_not_deterministic(column):
    assert not is_deterministic(encode(column), column)


@pytest.mark.parametrize(("values", "fixed"), [([1, 2], True), ([1, {2}], False)])
def test_one_block_that_is_not_deterministic_makes_the_file_so(values, fixed):
    writer = RunWriter(io.BytesIO(), slots=1)
    writer.add_run(["a", "b"], values)
    writer.add_run(["c"], [3])
    assert writer.close().fixed is fixed
