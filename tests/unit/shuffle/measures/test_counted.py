"""Counted values: in memory or in files, the same values come out."""

from __future__ import annotations

import random
import tempfile
from collections import Counter

import pytest

from mrframe import heavy_hitters, quantile
from mrframe.shuffle.measures import counted
from mrframe.shuffle.measures.counted import Counted
from mrframe.shuffle.reducers import Measures, distinct, total


class Files:
    """Makes files, and knows them."""

    def __init__(self):
        self.made = []

    def make(self):
        self.made.append(tempfile.TemporaryFile())  # noqa: SIM115
        return self.made[-1]


@pytest.mark.parametrize("draw", [lambda c: c.gauss(0, 5), lambda c: c.choice(["a", b"a", "b\0", 3])])
def test_values_that_went_through_files_are_those_that_stayed_in_memory(monkeypatch, draw):
    monkeypatch.setattr(counted, "HELD_VALUES_MAX", 3)
    chance, files = random.Random(3), Files()
    values = [draw(chance) for _ in range(500)]
    kept, spilled = Counted(), Counted(files.make)
    for at in range(0, 500, 7):
        some = Counter(values[at : at + 7])
        kept.add(some, some.values())
        spilled.add(some, some.values())
    assert kept.total == spilled.total == 500
    assert len(files.made) == 1
    assert list(kept.items()) == list(spilled.items())
    assert dict(spilled_again(values, files)) == Counter(values)
    assert files.made[0].closed


def spilled_again(values, files):
    again = Counted(files.make)
    for value in values:
        again.add([value], [1])
    return again.items()


def test_a_measure_bound_to_files_spills_and_gives_the_same(monkeypatch):
    monkeypatch.setattr(counted, "HELD_VALUES_MAX", 10)
    files, values = Files(), [random.Random(5).gauss(0, 1) for _ in range(200)] + list(range(200))
    for measure in (quantile(0.9), heavy_hitters(5)):
        bound = measure.spilling_to(files.make)
        merged = bound.merge([bound.start(values[:200])])
        for at in range(200, 400, 20):
            merged = bound.merge([merged, *bound.sealed([bound.start(values[at : at + 20])])])
        assert bound.finish(merged) == measure.finish(measure.start(values))
    assert len(files.made) == 2


def test_long_states_of_several_measures_are_cut_side_by_side():
    measures = Measures({"sum": total, "different": distinct, "p50": quantile(0.5)})
    (state,) = measures.sealed([measures.start([1, 5, 2, 5, 9])])
    pieces = measures.pieces(state, 2)
    assert len(pieces) == 2
    assert measures.finish(measures.merge(pieces)) == {"sum": 22, "different": 4, "p50": 5.0}
