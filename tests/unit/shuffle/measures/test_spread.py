"""The standard deviation: that of `statistics`, which computes with fractions."""

from __future__ import annotations

import math
import random
import statistics
from decimal import Decimal

from mrframe import stddev


def result(values):
    return stddev.finish(stddev.start(values))


def test_it_is_that_of_statistics_for_any_numbers():
    chance = random.Random(11)
    for _ in range(200):
        size = chance.choice((1e-300, 1e-9, 1.0, 1e9, 1e150))
        values = [
            chance.choice((chance.gauss(5, 2) * size, chance.randint(0, 9))) for _ in range(chance.randint(2, 50))
        ]
        assert result(values) == statistics.stdev(values)


def test_large_numbers_beside_small_differences_lose_nothing():
    assert result([10**18, 10**18 + 1]) == statistics.stdev([0, 1])
    assert result([Decimal("0.5"), 1.5, True, None]) == statistics.stdev([0.5, 1.5, 1.0])


def test_fewer_than_two_values_have_no_spread_and_infinite_ones_no_number():
    assert result([]) is None
    assert result([3, None]) is None
    assert math.isnan(result([1, math.inf]))
