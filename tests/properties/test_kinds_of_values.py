"""Values and keys of every kind: one answer for every cutting of the input, the one that the contract states, or a
refusal that names the type. The references below are written from docs/jobs.md, not from the code."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Context, Decimal, localcontext
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, collect, count, distinct, largest, mean, smallest, text, top, total
from mrframe.errors import MrframeError, UserCodeError
from mrframe.shuffle.buffers import CombineBuffer, FoldBuffer
from mrframe.shuffle.columns import decode, encode
from mrframe.shuffle.values import as_travelled
from mrframe.task.debug.find_key import Key

np = pytest.importorskip("numpy")

SETTINGS = settings(max_examples=12, deadline=None)
BERLIN, CET = ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=1))
FIRST = datetime.fromtimestamp(1729989000, BERLIN)  # 02:30+02:00, as clocks go back
SECOND = datetime.fromtimestamp(1729991700, BERLIN)  # 02:15+01:00, which is later and reads earlier
TIMES = [
    FIRST,
    SECOND,
    FIRST.astimezone(UTC),
    SECOND.astimezone(CET),
    FIRST.replace(fold=1),
    datetime(2024, 10, 27, 2, 30),
    datetime(2024, 10, 27, 2, 30, fold=1),
    datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN),  # which no clock ever showed
]
PLAIN = [
    None,
    True,
    False,
    0,
    1,
    -7,
    10**400,
    0.0,
    -0.0,
    1.0,
    0.1,
    float("inf"),
    b"b",
    "s",
    "\udce9",
    date(2024, 10, 27),
]
ORDERED = [*PLAIN, *TIMES, *((time, "x") for time in TIMES), (0.0, SECOND), (-0.0, FIRST)]
NUMBERS = [None, True, 3, 10**20, 0.1, -0.0, 1e308, float("inf"), float("-inf"), float("nan")]
DECIMALS = [
    None,
    True,
    7,
    *map(Decimal, ["1.0", "1.00", "-0", "0.1", "1E+30", "1E-30", "Infinity", "-Infinity", "NaN12", "-sNaN"]),
]


def rank(value: Any) -> Any:
    """None < bool < numbers, int before float < bytes < str < date < datetime by UTC, naive first < tuple."""
    if isinstance(value, tuple):
        return 7, tuple(map(rank, value))
    if isinstance(value, datetime):
        aware = value.utcoffset() is not None
        return 6, value.replace(tzinfo=UTC) - (value.utcoffset() or timedelta(0)), aware
    for place, kind in enumerate((type(None), bool, (int, float), bytes, str, date)):
        if isinstance(value, kind):
            return place, value if value is not None else 0, isinstance(value, float)
    raise AssertionError(value)


def shown(value: Any) -> Any:
    """Return the part of a value that an answer shows, with its type: of a time, its reading and offset from UTC."""
    if isinstance(value, (list, tuple)):
        return type(value), [shown(item) for item in value]
    return type(value), value.isoformat() if isinstance(value, date) else str(value)


def picked(pick: Any, values: list[Any]) -> Any:
    """Return the extreme. Of equal times it is the one with the extreme offset. Zero has no sign."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    best = pick(there, key=lambda value: (rank(value), offsets(value)))
    return unsigned(best)


def offsets(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(offsets, value))
    return (isinstance(value, datetime) and value.utcoffset()) or timedelta(0)


def unsigned(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(unsigned, value))
    return value + 0.0 if isinstance(value, float) else value


def answer(job: Job, places: list[int], options: RunOptions) -> list[tuple[Any, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.txt")
        with open(path, "w", encoding="ascii") as file:
            file.writelines(f"{place}\n" for place in places)
        with mrframe.run(job, [path], options) as result:
            return list(result)


def cuttings(step: int = 7) -> list[RunOptions]:
    return [
        RunOptions(engine="inline", splits=1, partitions=1),
        RunOptions(engine="inline", split_bytes=step, partitions=3, memory_bytes=0),
        RunOptions(engine="inline", splits=2, partitions=2, fast="off", memory_bytes=0),
    ]


def yields(pool: list[Any], **how: Any) -> Job:
    def of_line(line: str):
        yield "all", pool[int(line)]

    return Job(read=text, map=of_line, **how)


places_in = lambda pool: st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=12)  # noqa: E731


@given(places_in(ORDERED), st.integers(1, 20))
@SETTINGS
@pytest.mark.parametrize(("reducer", "pick"), [(smallest, min), (largest, max)], ids=["smallest", "largest"])
def test_the_extreme_is_that_of_the_canonical_order(reducer, pick, places, step):
    expected = picked(pick, [ORDERED[place] for place in places])
    for options in cuttings(step):
        ((_, got),) = answer(yields(ORDERED, reduce=reducer), places, options)
        assert shown(got) == shown(expected), options


@given(places_in(ORDERED), st.integers(1, 20))
@SETTINGS
def test_distinct_counts_what_the_canonical_order_tells_apart(places, step):
    expected = len({rank(ORDERED[place]) for place in places} - {rank(None)})
    for options in cuttings(step):
        assert answer(yields(ORDERED, reduce=distinct), places, options) == [("all", expected)]


@given(places_in(ORDERED), st.integers(1, 20))
@SETTINGS
def test_values_that_are_sorted_have_the_canonical_order(places, step):
    def in_order(key, values):
        yield key, list(values)

    expected = sorted((ORDERED[place] for place in places), key=rank)  # stably: equal ones as they came
    for options in cuttings(step):
        ((_, got),) = answer(yields(ORDERED, reduce=in_order, sort_values=True), places, options)
        assert [shown(value) for value in got] == [shown(value) for value in expected]


@given(places_in(ORDERED), st.integers(1, 20))
@SETTINGS
def test_keys_are_told_apart_by_the_canonical_order_and_look_as_they_did_first(places, step):
    def by_value(line: str):
        yield ORDERED[int(line)], 1

    first: dict[Any, Any] = {}
    for place in places:
        first.setdefault(rank(ORDERED[place]), unsigned(ORDERED[place]))
    seen = Counter(rank(ORDERED[place]) for place in places)
    expected = [(shown(first[one]), seen[one]) for one in sorted(seen)]
    for how in ({"reduce": total}, {"reduce": lambda k, vs: [(k, sum(vs))], "combine": lambda k, vs: [(k, sum(vs))]}):
        for options in cuttings(step):
            got = answer(Job(read=text, map=by_value, **how), places, options)
            assert [(shown(key), value) for key, value in got] == expected


@given(places_in(ORDERED), st.integers(1, 20))
@SETTINGS
def test_top_ranks_by_the_canonical_order(places, step):
    def numbered(line: str, offset: int):
        if ORDERED[int(line)] is not None:
            yield offset, ORDERED[int(line)]

    job = Job(read=text, map=numbered, reduce=largest).then(top(3))
    given_values = [ORDERED[place] for place in places if ORDERED[place] is not None]
    expected = sorted(given_values, key=rank, reverse=True)[:3]
    for options in cuttings(step):
        got = answer(job, places, options)
        assert [rank(value) for _, value in got] == [rank(value) for value in expected]


@given(places_in(NUMBERS), st.integers(1, 20))
@SETTINGS
def test_a_sum_of_numbers_of_all_kinds_is_exact_for_every_cutting(places, step):
    values = [NUMBERS[place] for place in places if NUMBERS[place] is not None]
    special = [value for value in values if isinstance(value, float) and not float("-inf") < value < float("inf")]
    exact = sum((Fraction(value) for value in values if value not in special), Fraction(0))
    if special:
        expected: Any = special[0] if len(set(map(str, special))) == 1 else float("nan")
    elif any(isinstance(value, float) for value in values):
        expected = float(exact) if abs(exact) < 2**1024 - 2**970 else float("inf")
    else:
        expected = int(exact)
    for options in cuttings(step):
        ((_, got),) = answer(yields(NUMBERS, reduce=total), places, options)
        assert shown(got) == shown(expected)


@given(places_in(DECIMALS), st.integers(1, 20), st.integers(1, 40))
@SETTINGS
def test_sums_and_means_of_decimals_ask_no_context(places, step, precision):
    values = [DECIMALS[place] for place in places if DECIMALS[place] is not None]
    special = {"NaN" if Decimal(v).is_nan() else str(v) for v in values if not Decimal(v).is_finite()}
    if special:
        expected = Decimal(special.pop()) if len(special) == 1 else Decimal("NaN")
    else:
        with localcontext(Context(prec=500)):
            expected = sum(values, Decimal(0))
    decimal = any(isinstance(value, Decimal) for value in values)
    for options in cuttings(step):
        with localcontext(Context(prec=precision)):
            ((_, got),) = answer(yields(DECIMALS, reduce={"sum": total, "mean": mean}), places, options)
        assert shown(got["sum"]) == shown(expected if decimal else int(expected))
        if decimal:
            assert shown(got["mean"]) == shown(Context(prec=28).divide(expected, len(values)))


def test_the_smallest_of_one_zone_is_the_earliest_instant_wherever_the_input_is_cut():
    for splits in (1, 2):
        rows = answer(yields([FIRST, SECOND], reduce=smallest), [0, 1], RunOptions(engine="inline", splits=splits))
        assert rows == [("all", datetime(2024, 10, 27, 2, 30, tzinfo=timezone(timedelta(hours=2))))]


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: (value, 1), lambda value: {"t": [value]}])
def test_a_combiner_sees_times_as_they_are_after_they_have_travelled(wrap):
    """Else its comparisons, which are Python's, would have other answers than those of reduce."""
    seen: list[Any] = []

    def looking(key, values):
        seen.append((key, values))
        return values[:1]

    buffer = CombineBuffer(looking)
    buffer.add([FIRST, FIRST], [wrap(FIRST), wrap(SECOND)])
    buffer.drain()
    there = decode(encode([wrap(FIRST), wrap(SECOND)]), unpickle=True)
    assert repr(seen) == repr([(as_travelled([FIRST])[0], there)])
    assert not isinstance(seen[0][0].tzinfo, ZoneInfo)


def test_a_partitioner_sees_one_form_of_equal_keys():
    """Else one key would be in two partitions, and twice in the answer."""
    pool = [FIRST, FIRST.astimezone(UTC), FIRST.astimezone(timezone(timedelta(hours=9))), -0.0, 0.0]

    def by_value(line: str):
        yield pool[int(line)], 1

    def by_look(key: Any, partitions: int) -> int:
        return key.hour % partitions if isinstance(key, datetime) else int(str(key) == "0.0")

    job = Job(read=text, map=by_value, partition=by_look, reduce=lambda k, vs: [(k, sum(vs))])
    rows = answer(job, [0, 1, 2, 3, 4], RunOptions(engine="inline", splits=1, partitions=5))
    assert [value for _, value in rows] == [2, 3]


def test_a_value_that_is_pickled_as_a_whole_travels_as_others_do():
    """The other values of its block, which the cutting decides, decide whether its items get columns of their own."""
    value = (bytearray(b"x"), FIRST)
    alone, beside = decode(encode([value]), unpickle=True)[0], decode(encode([value, (1,)]), unpickle=True)[0]
    assert repr(alone) == repr(beside)


def test_a_key_is_found_by_its_instant_also_when_clocks_go_back():
    twice = [FIRST, SECOND]
    assert Key("2024-10-27T02:15:00+01:00").indexes(twice) == [1]
    assert Key("2024-10-27T00:30:00+00:00").indexes(twice) == [0]


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    A = "a"


class Sly(str):
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


Point = namedtuple("Point", "x y")  # noqa: PYI024
ODD = [
    *(
        Level.LOW,
        Word.A,
        Sly("a"),
        Point(1, 2),
        (1, Level.LOW),
        Decimal("1.0"),
        Fraction(1, 2),
        time(1),
        timedelta(1),
    ),
    *(
        np.int64(1),
        np.float32(1),
        np.float64(1),
        np.str_("a"),
        np.bool_(True),
        np.datetime64("2024-10-27"),
        Counter("a"),
    ),
    *({1}, frozenset({1}), [1], {"a": 1}, 1j, object, float("nan")),
]
NAMED = [f"{type(value).__name__}:{value!r:.20}" for value in ODD]


@pytest.mark.parametrize("odd", ODD, ids=NAMED)
@pytest.mark.parametrize("reducer", [total, mean, smallest, largest, distinct, collect, count], ids=repr)
def test_values_of_other_types_are_refused_by_name_for_every_cutting_or_have_one_answer(odd, reducer):
    outcomes = set()
    for cuts in ([3], [1, 2], [1, 1, 1]):
        try:
            states = []
            for size in cuts:
                buffer = FoldBuffer(reducer)
                buffer.add(["k"] * size, [odd] * size)
                states += decode(encode(buffer.drain()[1]), unpickle=True)
            outcomes.add(repr(reducer.finish(reducer.merge(states))))
        except (TypeError, MrframeError) as error:
            assert type(odd).__name__ in str(error) or str(odd) in str(error).lower()
            outcomes.add("refused")
    assert len(outcomes) == 1


@pytest.mark.parametrize("odd", ODD, ids=NAMED)
@pytest.mark.parametrize(
    "how",
    [{"reduce": count}, {"reduce": collect}, {"reduce": lambda k, _: [(k, 1)], "sort_values": True}],
    ids=["count", "collect", "sort_values"],
)
def test_keys_of_other_types_are_refused_by_name_for_every_cutting(odd, how):
    def by_odd(line: str):
        yield (odd if int(line) else 1), 1

    for options in cuttings(2):
        with pytest.raises(UserCodeError) as refused:
            answer(Job(read=text, map=by_odd, **how), [0, 1, 1], options)
        assert any(name in str(refused.value) for name in (type(odd).__name__, "IntEnum", "Level", "NaN"))


@pytest.mark.parametrize(
    ("pool", "reducer", "says"),
    [
        ([10**400], mean, r"the mean of 2 ints.*no float"),
        ([Decimal("1E+999999"), Decimal("1E-9")], total, "exact sum of these Decimals"),
        ([Decimal(1), 1.5], total, "floats and Decimals"),
    ],
)
def test_a_sum_that_cannot_be_is_refused_by_name(pool, reducer, says):
    def by_line(line: str):
        yield "before", 1
        yield "this one", pool[int(line) % len(pool)]

    for options in cuttings(2):
        with pytest.raises(UserCodeError, match=says) as refused:
            answer(Job(read=text, map=by_line, reduce=reducer), [0, 1], options)
        assert refused.value.slug == "user-code"
        assert refused.value.key in (None, "this one", "'this one'")
        if reducer is mean:
            assert "this one" in str(refused.value.key)


@given(st.lists(st.sampled_from(ORDERED) | st.lists(st.sampled_from(TIMES)), max_size=10))
@SETTINGS
def test_as_travelled_is_what_travelling_makes(values):
    assert repr(decode(encode(values), unpickle=True)) == repr(list(as_travelled(values)))
    plain = [1, "x", None]
    assert as_travelled(plain) is plain
