"""HyperLogLog: within its stated error of the exact number, and the same state however values are split."""

from __future__ import annotations

import random
from datetime import date

import pytest

from mrframe import approx_distinct
from mrframe.shuffle.measures.approx_distinct import REGISTERS, STANDARD_ERROR


def estimate(seed, number):
    return approx_distinct.finish(approx_distinct.start([f"{seed}-{at}" for at in range(number)]))


@pytest.mark.parametrize("number", [0, 1, 2, 10, 100])
def test_a_few_values_are_counted_nearly_exactly(number):
    assert abs(estimate("few", number) - number) <= number / 50


def test_the_estimate_is_within_three_standard_errors():
    for seed, number in enumerate((1_000, 10_000, 50_000)):
        assert abs(estimate(seed, number) - number) <= 3 * STANDARD_ERROR * number


@pytest.mark.slow
def test_the_error_of_a_thousand_trials_is_the_one_that_is_stated():
    chance = random.Random(1)
    errors = [
        estimate(seed, number) / number - 1 for seed, number in enumerate(chance.choices(range(500, 30_000), k=1_000))
    ]
    assert sum(abs(error) <= STANDARD_ERROR for error in errors) > 650
    assert sum(abs(error) <= 3 * STANDARD_ERROR for error in errors) >= 990


def test_a_state_depends_on_the_values_alone():
    values = [f"host{at}" for at in range(9_000)]
    whole = approx_distinct.sealed([approx_distinct.start(values)])
    parts = [approx_distinct.start(values[at::3]) for at in (2, 0, 1)]
    assert approx_distinct.sealed([approx_distinct.merge(approx_distinct.sealed(parts))]) == whole
    assert len(whole[0]) == REGISTERS
    assert len(approx_distinct.sealed([approx_distinct.start(["a"])])[0]) == 3


def test_values_that_are_different_keys_are_different_values():
    assert approx_distinct.finish(approx_distinct.start([1, 1.0, True, "1", b"1", (1,), date(2026, 1, 1), None])) == 7
