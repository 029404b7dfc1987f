"""Legal keys, kinds, and what a refused key is told."""

import enum
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from mrframe.errors import KeyRefused
from mrframe.shuffle.keys import canonical, item_kinds, kind_of, normal, order, sort_order

EAST = timezone(timedelta(hours=1))
AWARE = datetime(2024, 2, 29, 12, tzinfo=UTC)
NAIVE = datetime(2024, 2, 29, 12)


class SummerTime(tzinfo):
    """A zone whose clocks go back at 03:00 on 27 October 2024: 02:30 happens twice."""

    def utcoffset(self, when):
        summer = when.replace(tzinfo=None, fold=0) < datetime(2024, 10, 27, 3 - when.fold)
        return timedelta(hours=2 if summer else 1)

    def dst(self, when):
        return self.utcoffset(when) - timedelta(hours=1)

    def tzname(self, when):
        return "summer" if self.dst(when) else "winter"


class Status(enum.IntEnum):
    OK = 200


class Name(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ([], ""),
        ([1, -(1 << 80)], "i"),
        (["a", "\udcff"], "s"),
        ([b""], "b"),
        ([1.0, math.inf], "f"),
        ([None, None], "n"),
        ([True, False], "o"),
        ([date(2024, 1, 1)], "d"),
        ([AWARE, AWARE.astimezone(EAST)], "m"),
        ([NAIVE], "w"),
        ([NAIVE, AWARE], ""),
        ([(1, "a"), (2, "b")], "t(is)"),
        ([(1, (b"", None)), (2, (b"", None))], "t(it(bn))"),
        ([()], "t()"),
        ([(1, "a"), (2, 3)], ""),
        ([(1,), (1, 2)], ""),
        ([1, True], ""),
        ([1, 1.0], ""),
        ([1, None], ""),
    ],
)
def test_a_column_has_the_kind_of_its_keys(column, kind):
    assert kind_of(column) == kind


def test_the_kind_of_a_tuple_lists_the_kinds_of_its_items():
    assert item_kinds("t(st(it())t(t(s)i)o)") == ("s", "t(it())", "t(t(s)i)", "o")
    assert item_kinds("t()") == ()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ([1], "yield tuple(key)"),
        ({1}, "yield tuple(sorted(key))"),
        ({"a": 1}, "yield tuple(sorted(key.items()))"),
        (bytearray(b"a"), "yield bytes(key)"),
        (math.nan, "NaN"),
        (object(), "key of type object"),
        (Status.OK, "yield a plain int"),
        (Name("a"), "test_keys.Name was yielded"),
        (Point(1, 2), "yield a plain tuple"),
        (1j, "key of type complex"),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [lambda key: key, lambda key: ("a", key), lambda key: (("a", (key,)),)],
    ids=["alone", "in a tuple", "deep in tuples"],
)
@pytest.mark.parametrize(
    "refuse",
    [
        lambda wrap, key: canonical(wrap(key)),
        lambda wrap, key: order(wrap(key)),
        lambda wrap, key: kind_of([wrap(key)]),
        lambda wrap, key: kind_of([1, wrap(1), wrap(key)]),
        lambda wrap, key: kind_of([wrap(key), ()]),
    ],
    ids=["canonical", "order", "kind alone", "kind behind legal keys", "kind before a legal key"],
)
def test_an_illegal_key_is_refused_by_name_at_every_depth(key, told, wrap, refuse):
    with pytest.raises(KeyRefused, match=re.escape(told)) as caught:
        refuse(wrap, key)
    assert caught.value.key


def test_a_key_of_tuples_nested_too_deep_is_refused():
    key = ()
    for _ in range(200):
        key = (key,)
    with pytest.raises(KeyRefused, match="levels of tuples"):
        kind_of([key])


def test_equal_numbers_of_different_types_are_different_keys():
    assert len({canonical(key) for key in (1, 1.0, True, "1", b"1", (1,))}) == 6
    assert canonical(-0.0) == canonical(0.0) != canonical(0)
    assert canonical(1 << 63) != canonical(-(1 << 63))


def test_keys_of_all_types_have_one_order():
    in_order = [
        None,
        False,
        True,
        -math.inf,
        -(1 << 70),
        -1.5,
        -1,
        0,
        0.0,
        1,
        1.0,
        1 << 53,
        float(1 << 53),
        (1 << 53) + 1,
    ]
    in_order += [
        1 << 70,
        math.inf,
        b"",
        b"\0",
        b"a",
        b"\xff",
        "",
        "a",
        "\ud83d",
        "\ud83d\ude00",
        "\udcff",
        "\uffff",
        "\U0001f600",
    ]
    in_order += [date(2024, 1, 1), date(2024, 1, 2), NAIVE, AWARE, AWARE + timedelta(microseconds=1)]
    in_order += [(), (None,), (1,), (1, None), (1.0,), ("a",), ("a", ())]
    backwards = in_order[::-1]
    assert sorted(backwards, key=order) == in_order
    assert [in_order[i] for i in sort_order(in_order, "")] == in_order


def test_a_datetime_is_its_instant_and_a_naive_one_another_key():
    assert canonical(AWARE) == canonical(AWARE.astimezone(EAST)) != canonical(NAIVE)
    assert order(AWARE.astimezone(EAST)) == order(AWARE)


def test_times_of_one_zone_sort_by_instant_across_a_change_of_clocks():
    zone = SummerTime()
    before = datetime(2024, 10, 27, 2, 50, tzinfo=zone)  # 00:50 UTC
    after = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zone)  # 01:30 UTC
    assert after < before  # what Python says, reading against reading
    column = normal([after, before], kind_of([after, before]))
    assert kind_of([after, before]) == "m"
    assert sorted(column) == [before.astimezone(UTC), after.astimezone(UTC)]
    assert sort_order(column, "m") == [1, 0]
    assert [canonical(key) for key in column] == [canonical(after), canonical(before)]


@pytest.mark.parametrize("column", [[1, 2], ["a"], [1.5, 2.0], [NAIVE], [AWARE], [("a", 1.5), ("b", 2.0)], [None]])
def test_normal_returns_the_same_list_when_nothing_changes(column):
    assert normal(column, kind_of(column)) is column


@pytest.mark.parametrize("column", [[-0.0, 1.0], [("a", -0.0), ("b", 1.0)], [-0.0, "a", (1, (-0.0,))]])
def test_normal_has_no_negative_zero(column):
    assert "-0.0" not in repr(normal(column, kind_of(column)))


SUMMER = timezone(timedelta(hours=2))
READING = datetime(2024, 10, 27, 2, 30, fold=1)


@pytest.mark.parametrize("zone", [None, SUMMER, UTC, ZoneInfo("Europe/Berlin")], ids=str)
@pytest.mark.parametrize(
    "beside",
    [[], ["text"], [(1, READING)], [READING], [READING.replace(tzinfo=SUMMER)]],
    ids=["alone", "beside text", "beside a tuple", "beside a naive time", "beside a time with a zone"],
)
@pytest.mark.parametrize("wrap", [lambda key: key, lambda key: (1, key)], ids=["time", "time in a tuple"])
def test_canonical_forms_have_no_fold(zone, beside, wrap):
    keys = [wrap(READING.replace(tzinfo=zone)), *beside]
    found = normal(keys, kind_of(keys))[0]
    one = found[1] if isinstance(found, tuple) else found
    assert (one.fold, one.utcoffset()) == (0, READING.replace(tzinfo=zone).utcoffset())
