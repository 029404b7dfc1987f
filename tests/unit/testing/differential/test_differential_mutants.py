"""Planted faults: each breaks one promise of an answer, and the differential run must find it within 500 cases.

Nearly all leave the exit code at 0. A run that finds no mutant any more checks nothing.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from mrframe.engines import stages
from mrframe.formats.inputs.splits import read_split
from mrframe.formats.readers import time_window
from mrframe.shuffle import keys, merge, top
from mrframe.shuffle.buffers import CombineBuffer, KeyGuard
from mrframe.shuffle.reducers import Smallest
from mrframe.shuffle.run_file import run_writer
from mrframe.task.cache import fingerprint
from mrframe.task.isolation import effects, stdout
from mrframe.task.map import emit, map_input
from mrframe.task.map.calls import Where
from mrframe.task.map.emit import Emitter
from mrframe.task.map.map_input import MapInput
from mrframe.task.reduce import sorted_output
from mrframe.task.report import counters
from mrframe.testing.differential.differential import Differs, Player
from mrframe.testing.differential.random_cases import case

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # random jobs leave files open
CASES = 500
QUICK = ("a_combiner_is_given_the_values_of_two_keys", "the_end_of_a_window_belongs_to_it", "where_is_not_asked")
"""Those that are found within a second, for every run of the tests."""
MUTANTS = {}


def mutant(plant):
    """Register a function that plants a fault with `patch(owner, name, value)`.

    It may return a piece of source: only jobs that contain it are run.
    """
    MUTANTS[plant.__name__] = plant
    return plant


@mutant
def a_map_that_raises_stop_iteration_ends_the_block(patch):
    patch(emit, "is_used_up", lambda place: True)


@mutant
def a_where_that_raises_stop_iteration_ends_the_block(patch):
    def mask(self, function, columns, records):
        found = []
        for index in range(records):
            try:
                found.append(function(*(column[index] for column in columns)))
            except StopIteration:
                return [*found, *[True] * (records - index)]
        return found

    patch(Where, "_mask", mask)


@mutant
def the_smallest_of_zoned_times_is_that_of_the_wall_clock(patch):
    def start(self, values):
        some = [value for value in values if value is not None]
        if not some:
            return None
        return self._pick(some) if keys.kind_of(some) else self._pick(some, key=keys.order)

    patch(Smallest, "start", start)
    patch(Smallest, "merge", start)


@mutant
def what_a_job_prints_lands_in_the_answer(patch):
    patch(stdout, "begin", lambda: None)


@mutant
def results_of_maps_that_look_at_the_world_are_saved(patch):
    patch(fingerprint, "check_sources", lambda sources: None)


@mutant
def maps_that_are_saved_may_read_files(patch):
    patch(fingerprint, "check_sources", lambda sources: None)
    patch(effects, "_audit", lambda event, args, frame: None)
    return "open("


@mutant
def equal_keys_are_merged_in_the_wrong_order(patch):
    real = merge._sorted_together
    patch(merge, "_sorted_together", lambda pieces: real(pieces[::-1]))


@mutant
def the_last_record_of_a_block_is_dropped(patch):
    real = Emitter.emit

    def emit(self, columns, records):
        return (
            real(self, [column[:-1] for column in columns], records - 1)
            if records > 1
            else real(self, columns, records)
        )

    patch(Emitter, "emit", emit)


@mutant
def a_last_line_without_an_end_is_dropped(patch):
    def read(split, **rest):
        blocks = [(offset, data) for offset, data in read_split(split, **rest)]
        for offset, data in blocks:
            yield offset, data if data.endswith(b"\n") else data[: data.rfind(b"\n") + 1]

    patch(map_input, "read_split", read)


@mutant
def a_split_is_mapped_twice(patch):
    real = stages._Stages._file_orders

    def file_orders(self, step):
        for order in real(self, step):
            yield order
            if order.split.order[1] > 0 and not order.split.path.startswith(self._folder):  # a decoded block is gone
                yield self._map_order(step, 0, order.split)

    patch(stages._Stages, "_file_orders", file_orders)


@mutant
def a_record_is_mapped_twice(patch):
    real = Emitter.emit

    def emit(self, columns, records):
        return (
            real(self, [[*column, column[-1]] for column in columns], records + 1)
            if records > 3
            else real(self, columns, records)
        )

    patch(Emitter, "emit", emit)


@mutant
def a_combiner_is_given_the_values_of_two_keys(patch):
    real = CombineBuffer._combine_all

    def combine_all(self):
        tokens = list(self._values)
        if len(tokens) > 2:
            self._values[tokens[0]].extend(self._values[tokens[1]])
            self._values[tokens[1]].clear()
        real(self)

    patch(CombineBuffer, "_combine_all", combine_all)


@mutant
def negative_zero_is_a_key_of_its_own(patch):
    monkey = dict(keys._CANONICAL)
    monkey[float] = lambda key: b"f" + keys._F64.pack(key)
    patch(keys, "_CANONICAL", monkey)
    patch(run_writer, "normal", lambda some, kind: some)
    patch(sorted_output, "normal", lambda some, kind: some)
    patch(keys, "_ORDER", {**keys._ORDER, float: lambda key: (2, key, 1 + ("-" not in str(key)))})


@mutant
def folds_take_true_and_1_for_one_key(patch):
    patch(KeyGuard, "allows", lambda self, some: True)


@mutant
def an_equal_instant_in_another_zone_is_another_key(patch):
    monkey = dict(keys._CANONICAL)
    monkey[keys.datetime] = lambda key: b"m" + repr(key).encode()
    patch(keys, "_CANONICAL", monkey)


@mutant
def values_are_not_sorted(patch):
    patch(run_writer, "pair_kind", lambda kind, values, by_value: (kind, None))


@mutant
def ties_of_a_top_step_are_turned_round(patch):
    real = top._ranked
    patch(top, "_ranked", lambda rows, step: real(rows[::-1], step)[::-1])


@mutant
def the_end_of_a_window_belongs_to_it(patch):
    real = time_window.window_of

    def window_of(since, until, zone, now):
        found = real(since, until, zone, now)
        return found and replace(found, until=found.until and found.until + timedelta(seconds=1))

    patch(time_window, "window_of", window_of)


@mutant
def where_is_not_asked(patch):
    patch(Where, "select", lambda self, columns, records: (columns, records, None))


@mutant
def a_missing_field_is_not_counted(patch):
    patch(MapInput, "add_bad_fields", lambda self, bad: None)


@mutant
def counters_of_records_that_are_left_out_are_counted(patch):
    patch(counters, "restore", lambda before: None)


@mutant
def nan_is_taken_for_a_key(patch):
    patch(keys, "math", SimpleNamespace(isnan=lambda key: False, nan=math.nan))


def find(piece: str) -> Differs | None:
    with tempfile.TemporaryDirectory() as folder:
        player = Player(folder)
        for one in map(case, range(CASES)):
            if one.local or piece not in one.job:
                continue  # a cluster runs in other processes, which do not have the fault
            try:
                player.play(one)
            except Differs as error:
                return error
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_differential_run_finds_it(name, monkeypatch):
    piece = MUTANTS[name](monkeypatch.setattr) or ""
    assert find(piece) is not None, f"{name} is not found in {CASES} cases"


@pytest.mark.parametrize("name", QUICK)
def test_the_differential_run_finds_it_soon(name, monkeypatch):
    MUTANTS[name](monkeypatch.setattr)
    assert find("") is not None


def test_the_classes_of_faults_are_many():
    assert len(MUTANTS) >= 20
