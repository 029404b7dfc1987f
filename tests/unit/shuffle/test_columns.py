"""Columns and values: what is plain, what is pickled, what is refused."""

import math
import pickle
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

import msgpack
import pytest

from mrframe.errors import CannotTravel, CorruptData
from mrframe.shuffle.columns import all_plain, decode, encode, is_plain
from mrframe.shuffle.values import DEPTH_MAX


@dataclass
class Visit:
    path: str
    size: int


class Bomb:
    def __reduce__(self):
        return (print, ("opened",))


class Unreadable:
    def __reduce__(self):
        return (int, ("not a number",))


def trip(column, *, unpickle=False):
    return decode(encode(column), unpickle=unpickle)


@pytest.mark.parametrize(
    ("column", "tag"),
    [
        ([], b"n"),
        ([None], b"n"),
        ([True, False], b"o"),
        ([0, 127, -128], b"i\x01"),
        ([128], b"i\x02"),
        ([-32_769], b"i\x04"),
        ([1 << 31], b"i\x08"),
        ([(1 << 63) - 1, -(1 << 63)], b"i\x08"),
        ([1 << 63], b"v"),
        ([1.5, -0.0, math.inf], b"f"),
        (["", ""], b"s"),
        (["\udcff", "é"], b"s"),
        (["\0"], b"S"),
        ([b"", b"a"], b"b"),
        ([b"\0", b""], b"B"),
        ([("a", 1), ("b", 2)], b"t\x02"),
        ([()], b"v"),
        ([(1,), (1, 2)], b"v"),
        ([tuple(range(256))], b"v"),
        ([date(1, 1, 1), date(9999, 12, 31)], b"d"),
        ([datetime(1, 1, 1), datetime.max.replace(tzinfo=UTC)], b"m"),
        ([1, None], b"v"),
        ([["a", "\0"], [], ["b"]], b"l"),
        ([[b"a"], [b""]], b"l"),
        ([[math.inf], [-0.0, 1.5]], b"l"),
        ([[]], b"v"),
        ([[1]], b"v"),
        ([[["a"]]], b"v"),
        ([["a"], [b"a"]], b"v"),
        ([[1, (2,)], {"a": b"", (1,): {1}}], b"v"),
    ],
)
def test_each_kind_of_column_has_its_form_and_comes_back(column, tag):
    data = encode(column)
    assert data.startswith(tag)
    back = decode(data, unpickle=False)
    assert back == column
    assert repr(back) == repr(column)


def test_nan_and_negative_zero_survive_among_values():
    back = trip([math.nan, -0.0])
    assert math.isnan(back[0])
    assert math.copysign(1, back[1]) == -1
    odd = struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]
    assert struct.pack("<d", trip([odd])[0]) == struct.pack("<d", odd)


def test_a_datetime_keeps_reading_and_offset_and_fold():
    class Zone(tzinfo):
        def utcoffset(self, when):
            return timedelta(hours=5, minutes=30, seconds=1, microseconds=7)

        def tzname(self, when):
            return "odd"

        def dst(self, when):
            return None

    moments = [
        datetime(2024, 1, 1, 5, tzinfo=Zone()),
        datetime(2024, 1, 1, fold=1),
        datetime.min.replace(tzinfo=Zone()),
    ]
    back = trip(moments)
    assert back == moments
    assert [m.utcoffset() for m in back] == [m.utcoffset() for m in moments]
    assert [m.fold for m in back] == [0, 1, 0]


def test_is_plain_checks_every_level():
    assert is_plain({"a": [(1, {2}), frozenset({date(2024, 1, 1)})], (1,): Decimal("1")})
    assert not is_plain(Counter("a"))
    assert not is_plain({"a": [(1, bytearray())]})
    assert not is_plain({Visit: 1})
    assert not is_plain(timedelta(1))
    assert all_plain([1, (2, "a")])
    assert not all_plain([1, (2, Visit("/", 1))])


NOT_PLAIN = [
    Visit("/", 1),
    Counter("aab"),
    (1, {"a": [Visit("/a", 2)]}),
    bytearray(b"x"),
    1j,
    msgpack.ExtType(1, b"\x90"),
]


def test_other_values_travel_pickled_where_that_is_allowed():
    assert trip(NOT_PLAIN, unpickle=True) == NOT_PLAIN
    assert list(map(type, trip(NOT_PLAIN, unpickle=True))) == list(map(type, NOT_PLAIN))


@pytest.mark.parametrize("value", NOT_PLAIN, ids=repr)
@pytest.mark.parametrize("column", [lambda v: [v], lambda v: [(v, 1), (v, 2)]], ids=["alone", "in tuples"])
def test_other_values_are_not_opened_where_pickles_are_not_allowed(value, column):
    with pytest.raises(CorruptData, match="not opened"):
        trip(column(value))


def test_classes_of_main_travel_by_value():
    space = {"__name__": "__main__"}
    exec("class Local:\n    def __init__(self, n): self.n = n", space)
    (back,) = trip([space["Local"](7)], unpickle=True)
    assert back.n == 7


def test_equal_values_are_decoded_as_separate_objects(capsys):
    shared = [1]
    a, b = trip([shared, shared])
    a.append(2)
    assert b == [1]


def test_a_pickle_is_opened_only_where_it_is_allowed(capsys):
    data = encode([Bomb()])
    with pytest.raises(CorruptData):
        decode(data, unpickle=False)
    assert capsys.readouterr().out == ""
    assert decode(data, unpickle=True) == [None]
    assert capsys.readouterr().out == "opened\n"


@pytest.mark.parametrize(
    "value", [threading.Lock(), [threading.Lock()], (i for i in ())], ids=["lock", "lock in a list", "generator"]
)
def test_a_value_that_cannot_be_pickled_is_named(value):
    with pytest.raises(CannotTravel, match=r"cannot be sent from map to reduce .*yield plain data"):
        encode([value])


def test_a_pickle_that_cannot_be_opened_is_named():
    with pytest.raises(CannotTravel, match=r"cannot be opened .*ValueError"):
        trip([Unreadable()], unpickle=True)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}], ids=["list", "tuple", "dict"])
def test_values_nested_too_deep_are_pickled_or_refused(wrap):
    def nested(levels):
        value = 1
        for _ in range(levels):
            value = wrap(value)
        return value

    edge = nested(DEPTH_MAX)
    assert is_plain(edge)
    assert trip([edge, None]) == [edge, None]
    deeper = nested(DEPTH_MAX + 40)
    assert not is_plain(deeper)
    assert trip([deeper, None], unpickle=True) == [deeper, None]
    with pytest.raises(CannotTravel):
        encode([nested(100_000), None])


def test_a_list_within_itself_is_pickled():
    endless = []
    endless += [endless, endless]
    assert not is_plain(endless)
    (back,) = trip([endless], unpickle=True)
    assert back[0] is back[1] is back


def test_hostile_nesting_is_corrupt():
    data = msgpack.packb([])
    for _ in range(3000):
        data = msgpack.packb(msgpack.ExtType(1, data))
    with pytest.raises(CorruptData):
        decode(b"v" + data, unpickle=True)
    with pytest.raises(CorruptData):
        decode(b"v" + b"\x91" * 100_000 + b"\xc0", unpickle=True)
    column = b"n\0"
    for _ in range(3000):
        column = b"t\1" + struct.pack("<I", len(column)) + column
    with pytest.raises(CorruptData, match="nested"):
        decode(column, unpickle=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"n\1",
        b"o\2",
        b"i",
        b"i\3abc",
        b"i\2a",
        b"f1234567",
        b"s\xff",
        b"S",
        b"Sx",
        b"B",
        b"B\0\0\0\0",
        b"B\1\0\0\0i",
        b"B\3\0\0\0i\1\2a",
        b"B\4\0\0\0i\1\2\xffa",
        b"B\xff\xff\xff\xffi\1",
        b"t",
        b"t\0",
        b"t\1",
        b"t\1\2\0\0\0n",
        b"t\1\1\0\0\0nn",
        b"t\2\2\0\0\0n\0\3\0\0\0n\0\0",
        b"l",
        b"l\xff\xff\xff\xffi\1",
        b"l\4\0\0\0i\1\1\1sa",
        b"l\3\0\0\0i\1\xffsa",
        b"l\4\0\0\0i\1\2\xffsa",
        b"l\3\0\0\0i\1\1v\x91\x01",
        b"l\3\0\0\0i\1\1lsa",
        b"ds",
        b"di\1\0",
        b"mn",
        b"mt\1\2\0\0\0n\0",
        encode([(4, 0, 0)]).replace(b"t", b"mt", 1),
        encode([(1, 0, 1 << 60)]).replace(b"t", b"mt", 1),
        b"v",
        b"v\x01",
        b"v\x91",
        b"v\xdd\xff\xff\xff\xff",
        b"v\x91\xc6\xff\xff\xff\xff",
        b"v\x90\x90",
        b"v\x91\xd4\x63\x00",
        b"v\x91\xd4\x01\x01",
        b"v\x91\xd4\x04\xc0",
        b"v\x91\xd4\x04\x00",
        b"v\x91\xd4\x06x",
        b"v\x91\xd4\x06\xff",
        b"v\x91\xc7\x03\x02\x91\x91\x01",
        b"v\x91\x81\x90\x01",
    ],
)
def test_bytes_that_are_no_column_are_corrupt(data):
    with pytest.raises(CorruptData):
        decode(data, unpickle=True)


def test_hostile_pickle_bytes_are_no_crash():
    with pytest.raises(CannotTravel):
        decode(b"v" + msgpack.packb([msgpack.ExtType(8, b"\x80\x05garbage")]), unpickle=True)
    assert decode(b"v" + msgpack.packb([msgpack.ExtType(8, pickle.dumps(1))]), unpickle=True) == [1]


def test_sets_are_written_in_one_order():
    items = [f"item-{i}" for i in range(50)]
    backwards = items[::-1]
    assert encode([set(items), 0]) == encode([set(backwards), 0])
    packed = [msgpack.packb(item) for item in items]
    assert b"".join(sorted(packed)) in encode([frozenset(items)])
