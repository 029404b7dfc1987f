"""Quantiles beside NumPy and `statistics`: exact ones equal theirs, and those of buckets stay within their error."""

from __future__ import annotations

import math
import random
import statistics
from decimal import Decimal

import numpy as np
import pytest

from mrframe import Job, approx_quantile, json_lines, median, quantile
from mrframe.errors import JobError, MrframeError


def trial(seed):
    chance = random.Random(seed)
    kinds = (
        lambda: chance.randint(-3, 3),
        lambda: chance.gauss(0, 10),
        lambda: chance.lognormvariate(3, 2),
        lambda: chance.randint(0, 10**12),
    )
    draw = chance.choice(kinds)
    return [draw() for _ in range(chance.randint(1, 300))], chance.choice((0, 1, 0.5, 0.95, chance.random()))


def check(seeds):
    for seed in seeds:
        values, q = trial(seed)
        exact = float(np.quantile(values, q))
        assert quantile(q).finish(quantile(q).start(values)) == exact
        assert median.finish(median.start(values)) == statistics.median(values)
        for error in (0.01, 0.1):
            about = approx_quantile(q, error)
            sizes = [abs(value) for value in values]
            exact = float(np.quantile(sizes, q))
            assert abs(about.finish(about.start(sizes)) - exact) <= error * exact * (1 + 1e-12)


def test_quantiles_equal_those_of_numpy_and_approximate_ones_are_within_their_error():
    check(range(40))


@pytest.mark.slow
def test_quantiles_in_a_thousand_trials():
    check(range(40, 1_040))


def test_values_of_every_type_of_number_and_of_both_signs():
    some = [True, 2, 2.5, Decimal("3.5"), None, -7, 0.0, -0.0, math.inf]
    assert quantile(0.5).finish(quantile(0.5).start(some)) == 1.5
    assert quantile(1).finish(quantile(1).start(some)) == math.inf
    about = approx_quantile(0.0)
    assert about.finish(about.start(some)) == pytest.approx(-7, rel=0.01)
    assert str(quantile(0).finish(quantile(0).start([-0.0]))) == "0.0"


def test_without_values_there_is_no_quantile():
    for measure in (median, quantile(0.9), approx_quantile(0.9)):
        assert measure.finish(measure.start([None])) is None


@pytest.mark.parametrize("value", ["12", math.nan, Decimal("NaN"), 10**400])
def test_values_that_have_no_place_among_numbers_are_refused(value):
    with pytest.raises(TypeError, match=r"not a number|NaN|larger than any float"):
        median.finish(median.start([1, value]))


@pytest.mark.parametrize("q", [-0.1, 1.5, "0.5", True, math.nan])
def test_a_quantile_that_is_none_is_refused(q):
    with pytest.raises(JobError, match="from 0 to 1"):
        quantile(q)
    with pytest.raises(JobError, match="from 0 to 1"):
        approx_quantile(q)
    with pytest.raises(JobError, match="relative error"):
        approx_quantile(0.5, 0)


def test_a_job_gives_the_same_for_any_splits(mr_run):
    chance = random.Random(7)
    values = [(chance.choice("ab"), round(chance.lognormvariate(3, 1), 2)) for _ in range(3_000)]
    text = "".join(f'{{"route": "{route}", "ms": {ms}}}\n' for route, ms in values)
    measures = {"p95": quantile(0.95), "median": median, "about": approx_quantile(0.95)}
    job = Job(read=json_lines, key="route", value="ms", reduce=measures)
    rows = mr_run(job, text)
    assert list(rows) == list(mr_run(job, text, split_bytes=5_000, partitions=3))
    for route, found in rows:
        own = [ms for one, ms in values if one == route]
        assert found["p95"] == np.quantile(own, 0.95)
        assert found["median"] == statistics.median(own)
        assert found["about"] == pytest.approx(found["p95"], rel=0.01)


def test_a_text_among_the_numbers_of_a_key_is_named(mr_run):
    job = Job(read=json_lines, key="route", value="ms", reduce=median)
    with pytest.raises(MrframeError, match="not a number, which median needs"):
        mr_run(job, '{"route": "a", "ms": "12"}\n')
