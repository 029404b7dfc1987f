"""A column gives back the values that were put in, types included. Hostile bytes are CorruptData or values."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.errors import CorruptData
from mrframe.shuffle.columns import all_plain, decode, encode, is_plain
from mrframe.testing.strategies import key_columns, values

SETTINGS = settings(deadline=None, max_examples=200)


def shape(value):
    """The value as something that `==` compares with its types (1, 1.0 and True differ, -0.0 and 0.0 too)."""
    if isinstance(value, dict):
        return dict, [(shape(k), shape(v)) for k, v in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted((shape(item) for item in value), key=repr)
    if isinstance(value, (list, tuple)):
        return type(value), [shape(item) for item in value]
    return type(value), repr(value)


LISTS = st.one_of(
    *(
        st.lists(st.lists(items, max_size=4), max_size=4)
        for items in (st.text(), st.binary(), st.floats(), st.integers())
    )
)


@SETTINGS
@given(st.one_of(key_columns(), LISTS, st.lists(values(), max_size=6), values().map(lambda value: [value] * 3)))
def test_columns_come_back_with_their_types(column):
    back = decode(encode(column), unpickle=False)
    assert back == column
    assert shape(back) == shape(column)
    assert all_plain(column)
    assert all(map(is_plain, column))


@SETTINGS
@given(st.one_of(st.binary(max_size=60), st.builds(lambda tag, body: tag + body, st.sampled_from(
    [b"n", b"o", b"i\1", b"f", b"b", b"B", b"l\3\0\0\0i\1\1", b"s", b"S", b"SB", b"t\2", b"d", b"mt\3", b"v"]
), st.binary(max_size=40))))  # fmt: skip
def test_any_bytes_are_a_column_or_corrupt(data):
    try:
        column = decode(data, unpickle=False)
    except CorruptData:
        return
    assert len(column) <= len(data)


@SETTINGS
@given(st.lists(values(), min_size=1, max_size=4), st.data())
def test_a_changed_byte_never_raises_anything_else(column, data):
    encoded = bytearray(encode(column))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(encoded), unpickle=False)
    except CorruptData:
        pass
