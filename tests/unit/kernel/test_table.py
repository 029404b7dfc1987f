"""Tables of the kernel: what is added comes out as the plain path gives it, in the same bytes of a run file."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.kernel import compiled
from mrframe.shuffle import buffers, reducers
from mrframe.shuffle.buffers import FoldBuffer
from mrframe.shuffle.columns import decode, encode
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.keys import kind_of
from mrframe.shuffle.partition import slot_column
from mrframe.shuffle.reducers import Measures, as_fold
from mrframe.shuffle.run_file.run_writer import RunWriter

kernel = compiled()
pytestmark = pytest.mark.skipif(kernel is None, reason="no kernel is installed")

RUN, AFTER_MARK, MAY_BE_EMPTY = 1, 8, 1  # of scan.h
DASH, EMPTY = 1, 2  # of table.h

Cell = bytes | None
TEXTS = st.one_of(
    st.sampled_from(
        [None, b"", b"-", b"a", b"seven77", b"eight888", b"eight889", b"sixteen-bytes-16", b"seventeen-bytes-1"]
    ),
    st.binary(max_size=20).map(lambda raw: raw.translate(None, b"\t\n\0")),
    st.text(st.characters(exclude_characters="\t\n\0", exclude_categories=["Cs"]), max_size=12).map(str.encode),
    st.sampled_from(
        [b"\xff", b"\xed\xb3\xbf", b"\xed\xa0\x80", b"a\xc3", b"\xf0\x9f\x98\x80", b"long and broken \xe2\x82 end"]
    ),
)
NUMBERS = st.one_of(
    st.sampled_from([None, b"", b"-", b"0", b"007", b"-5", b"9" * 15]), st.integers(0, 3000).map(lambda n: b"%d" % n)
)
NUMERIC = ["total", "mean", "smallest", "largest"]


# ---- blocks, and what the plain path makes of the same --------------------------------------------------------


def block_of(columns: Sequence[Sequence[Cell]]) -> Any:
    """Return a scanned block with these columns. A cell may hold anything but a tab and a newline."""
    steps: list[Any] = []
    for index in range(len(columns)):
        captures = bytes((AFTER_MARK, 0, index))
        steps += ([b"\t"] if index else []) + [(RUN, MAY_BE_EMPTY, b"\t", b"", b"", b"", captures)]
    lines = [b"\t".join(b"" if cell is None else b"?" + cell for cell in row) for row in zip(*columns, strict=True)]
    block = kernel.Program(tuple(steps), len(columns)).scan(b"".join(line + b"\n" for line in lines))
    assert block.records == len(lines)
    return block


def fold_of(aggregates: Sequence[str], *, wrapped: bool) -> Fold:
    parts = [getattr(reducers, name) for name in aggregates]
    fold = as_fold({f"r{i}": part for i, part in enumerate(parts)} if wrapped else parts[0])
    assert fold is not None
    return fold


def text(cell: Cell) -> str | None:
    return None if cell is None else cell.decode("utf-8", "surrogateescape")


def value(aggregate: str, cell: Cell, nones: int) -> Any:
    if aggregate in NUMERIC:
        return None if cell in (None, b"", b"-") else int(cell)
    absent = (cell == b"-" and nones & DASH) or (cell == b"" and nones & EMPTY)
    return None if absent else text(cell)


def folded(fold: Fold, keys: Sequence[Any], columns: Sequence[Sequence[Any]]) -> FoldBuffer:
    """Return the buffer of the plain path, given pairs whose values are these columns, one for each aggregate."""
    buffer = FoldBuffer(fold)
    rows = list(zip(*columns, strict=True))
    whole = [dict(zip(fold.parts, row, strict=True)) for row in rows] if isinstance(fold, Measures) else columns[0]
    if keys:
        buffer.add(keys, whole)
    return buffer


def run_file(slots: int, write: Any) -> bytes:
    file = io.BytesIO()
    writer = RunWriter(file, slots=slots)
    write(writer)
    writer.close()
    return file.getvalue()


def states_in(sections: Any) -> dict[Any, list[Any]]:
    """Return the states of each key in sections, decoded."""
    found: dict[Any, list[Any]] = {}
    for _, _, blocks in sections:
        for records, keys, values in blocks:
            pairs = list(zip(decode(keys, unpickle=False), decode(values, unpickle=False), strict=True))
            assert len(pairs) == records
            for key, state in pairs:
                found.setdefault(key, []).append(state)
    return found


def sealed(buffer: FoldBuffer) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, state in zip(*buffer.drain(), strict=True):
        found.setdefault(key, []).append(state)
    return found


@st.composite
def tables(draw: Any) -> tuple[list[str], bool]:
    aggregates = draw(st.lists(st.sampled_from(["count", "distinct", *NUMERIC]), min_size=1, max_size=4))
    return aggregates, len(aggregates) > 1 or draw(st.booleans())


@st.composite
def filled(draw: Any) -> Any:
    """Draw the aggregates of a table, and blocks of a column of keys and one of values for each aggregate."""
    aggregates, wrapped = draw(tables())
    records = [st.tuples(TEXTS, *[NUMBERS if name in NUMERIC else TEXTS for name in aggregates])]
    blocks = draw(st.lists(st.lists(records[0], max_size=150), max_size=3))
    return (
        aggregates,
        wrapped,
        [list(zip(*block, strict=True)) if block else [()] * (len(aggregates) + 1) for block in blocks],
    )


def add_all(table: Any, aggregates: Sequence[str], blocks: Any, nones: int = DASH) -> list[list[int]]:
    places = tuple(-1 if name == "count" else i + 1 for i, name in enumerate(aggregates))
    return [table.add(block_of(columns), (0,), places, (nones,) * len(aggregates)) for columns in blocks]


# ---- adding and draining ---------------------------------------------------------------------------------------


@given(filled(), st.sampled_from([0, 4, 8, 16]), st.sampled_from([0, DASH, EMPTY, DASH | EMPTY]))
def test_a_run_of_text_keys_has_the_bytes_of_the_plain_path(drawn, bits, nones):
    aggregates, wrapped, blocks = drawn
    blocks = [[[b"" if cell is None else cell for cell in columns[0]], *columns[1:]] for columns in blocks]
    table = kernel.Table(tuple(aggregates), wrapped)
    assert add_all(table, aggregates, blocks, nones) == [[]] * len(blocks)
    plain = folded(
        fold_of(aggregates, wrapped=wrapped),
        [text(cell) for columns in blocks for cell in columns[0]],
        [
            [value(name, cell, nones) for columns in blocks for cell in columns[i + 1]]
            for i, name in enumerate(aggregates)
        ],
    )
    assert len(table) == len(plain)
    sections, others = table.drain(bits, True, ())
    assert others == []
    assert run_file(1 << bits, lambda writer: writer.add_encoded(sections)) == run_file(1 << bits, plain.write_runs)
    assert len(table) == 0 and table.drain(bits, True, ()) == ([], [])


@given(filled(), st.booleans(), st.sampled_from([(), (b"-",), (b"-", b"")]))
def test_keys_that_are_no_plain_text_go_to_python_in_the_order_of_arrival(drawn, as_text, nones):
    aggregates, wrapped, blocks = drawn
    table = kernel.Table(tuple(aggregates), wrapped)
    add_all(table, aggregates, blocks)
    keys = [cell for columns in blocks for cell in columns[0]]
    states = sealed(
        folded(
            fold_of(aggregates, wrapped=wrapped),
            keys,
            [[value(name, c, DASH) for cols in blocks for c in cols[i + 1]] for i, name in enumerate(aggregates)],
        )
    )
    sections, others = table.drain(8, as_text, nones)
    left = [key for key in states if not as_text or key is None or key in nones]
    assert [(parts, records) for parts, records, _ in others] == [((key,), Counter(keys)[key]) for key in left]
    assert [state for _, _, state in others] == [states[key][0] for key in left]
    assert states_in(sections) == {text(key): state for key, state in states.items() if key not in left}


@given(filled(), st.sampled_from([0, 8]), st.sampled_from([(), (b"a",)]))
def test_keys_are_written_as_other_texts_with_the_bytes_of_the_plain_path(drawn, bits, left):
    aggregates, wrapped, blocks = drawn
    table = kernel.Table(tuple(aggregates), wrapped)
    add_all(table, aggregates, blocks)
    keys = [cell for columns in blocks for cell in columns[0]]
    assert table.held_keys() == [(key,) for key in dict.fromkeys(keys)]

    def written(key):
        return None if key is None or key in left else "é " + text(key)[::-1]

    values = [[value(name, c, DASH) for cols in blocks for c in cols[i + 1]] for i, name in enumerate(aggregates)]
    plain = folded(fold_of(aggregates, wrapped=wrapped), *_without_none(list(map(written, keys)), values))
    texts = tuple(
        key and key.encode("utf-8", "surrogatepass") for (one,) in table.held_keys() for key in [written(one)]
    )
    sections, others = table.drain_written(bits, texts)
    assert [parts for parts, _, _ in others] == [(key,) for key in dict.fromkeys(keys) if written(key) is None]
    assert run_file(1 << bits, lambda writer: writer.add_encoded(sections)) == run_file(1 << bits, plain.write_runs)
    assert len(table) == 0


def _without_none(keys, columns):
    kept = [index for index, key in enumerate(keys) if key is not None]
    return [keys[i] for i in kept], [[column[i] for i in kept] for column in columns]


def test_each_key_needs_a_text_to_be_written_as():
    table = kernel.Table(("count",))
    table.add(block_of([[b"a", b"b"]]), (0,), (-1,), (0,))
    for texts in [(), (b"a",), (b"a", b"b", b"c")]:
        with pytest.raises(ValueError, match="each key has a text"):
            table.drain_written(0, texts)
    with pytest.raises(TypeError):
        table.drain_written(0, (b"a", "b"))
    assert states_in(table.drain_written(0, (b"", b"x"))[0]) == {"": [1], "x": [1]}


@given(st.lists(st.tuples(*[TEXTS] * 10), max_size=100), st.integers(2, 10))
def test_several_columns_make_one_key(rows, width):
    rows = [row[:width] for row in rows]
    table = kernel.Table(("count",))
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    table.add(block_of(columns), tuple(range(width)), (-1,), (0,))
    sections, others = table.drain(8, True, ())
    assert sections == []
    assert others == [(key, n, n) for key, n in Counter(rows).items()]


@given(
    st.lists(st.tuples(TEXTS, st.one_of(NUMBERS, TEXTS, st.sampled_from([b"1" * 19, b"-5"])), TEXTS), max_size=200)
)
def test_a_record_that_is_for_python_is_left_out_of_all_aggregates(rows):
    keys, numbers, texts = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    texts = [b"a\0b" if cell == b"a" else cell for cell in texts]
    suits = [
        (number in (None, b"", b"-") or re.fullmatch(rb"-?[0-9]{1,18}", number)) and cell != b"a\0b"
        for number, cell in zip(numbers, texts, strict=True)
    ]
    table = kernel.Table(("count", "total", "distinct"), True)
    left_out = table.add(block_of([keys, numbers, texts]), (0,), (-1, 1, 2), (0, 0, 0))
    assert left_out == [i for i, good in enumerate(suits) if not good]
    assert sum(records for _, records, _ in table.drain(0, False, ())[1]) == sum(map(bool, suits))


def test_a_key_with_a_nul_goes_to_python():
    table = kernel.Table(("total",))
    table.add(block_of([[b"a\0b", b"a", b"a\0b"], [b"1", b"2", b"3"]]), (0,), (1,), (0,))
    sections, others = table.drain(0, True, ())
    assert states_in(sections) == {"a": [2]}
    assert others == [((b"a\0b",), 2, 4)]


@pytest.mark.parametrize("aggregate", ["total", "mean"])
def test_a_sum_of_more_than_64_bits_goes_to_python_whole(aggregate):
    table = kernel.Table((aggregate,))
    block = block_of([[b"large", b"small"] * 50, [b"9" * 18, b"1"] * 50])
    for _ in range(3):
        assert table.add(block, (0,), (1,), (0,)) == []
    sections, others = table.drain(0, True, ())
    expected = 150 * (10**18 - 1)
    assert expected >= 1 << 63
    assert others == [((b"large",), 150, expected if aggregate == "total" else (expected, 150))]
    assert states_in(sections) == {"small": [150 if aggregate == "total" else (150, 150)]}


@pytest.mark.parametrize("shape", ["many keys", "long keys", "one long key", "one long list", "lists", "no UTF-8"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_blocks_are_cut_where_the_plain_path_cuts_them(shape, wrapped):
    rng = random.Random(shape)
    keys, texts = {
        "many keys": lambda: ([b"/%x" % rng.getrandbits(16) for _ in range(40_000)], [b"x"]),
        "long keys": lambda: ([b"%d" % i + b"x" * rng.randrange(2_000) for i in range(3_000)], [b"x"]),
        "one long key": lambda: ([b"k%d" % i if i != 700 else b"k" * 600_000 for i in range(2_000)], [b"x"]),
        "one long list": lambda: ([b"k"] * 50_000, [b"\xc3\xa4%d" % i for i in range(50_000)]),
        "lists": lambda: ([b"%d" % (i % 9) for i in range(60_000)], [b"%d" % i * 9 for i in range(6_001)]),
        "no UTF-8": lambda: (
            [b"k%02d" % (i if i < 20 else 9) for i in range(600)],
            [b"%d" % i + b"\x80" * 600 * (i >= 20) for i in range(600)],
        ),
    }[shape]()
    texts = [texts[i % len(texts)] for i in range(len(keys))]
    table = kernel.Table(("distinct",), wrapped)
    add_all(table, ["distinct"], [[keys, texts]])
    plain = folded(fold_of(["distinct"], wrapped=wrapped), list(map(text, keys)), [list(map(text, texts))])
    sections, _ = table.drain(2, True, ())
    assert run_file(4, lambda writer: writer.add_encoded(sections)) == run_file(4, plain.write_runs)


@given(st.lists(st.text(st.characters(exclude_characters="\t\n\0"), max_size=9), max_size=60), st.integers(0, 16))
def test_slots_and_order_are_those_of_the_hash_and_of_text(keys, bits):
    keys = [key for key in keys if key < "\ud800" or key > "\udfff"]
    keys = [key for key in keys if key.encode("utf-8", "ignore").decode() == key]
    table = kernel.Table(("count",))
    table.add(block_of([[key.encode() for key in keys]]), (0,), (-1,), (0,))
    sections, _ = table.drain(bits, True, ())
    found = [
        (slot, key) for slot, _, blocks in sections for _, some, _ in blocks for key in decode(some, unpickle=False)
    ]
    distinct = list(dict.fromkeys(keys))
    assert found == sorted(zip(slot_column(distinct, kind_of(distinct), 1 << bits), distinct, strict=True))


# ---- words ------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([b" ", b"\t", b"word", b"\x1c", b"\xa0", b"\x85"])),
        max_size=40,
    )
)
def test_words_are_those_of_bytes_split(parts):
    data = b"".join(parts)
    table, block = kernel.Table(("count",)), kernel.words(data)
    assert block.values(0) == data.split()
    assert table.add(block, (0,), (-1,), (0,)) == []
    sections, others = table.drain(8, False, ())
    assert (sections, [(parts[0], n) for parts, n, _ in others]) == ([], list(Counter(data.split()).items()))


# ---- absorbing --------------------------------------------------------------------------------------------------


@given(filled(), st.integers(1, 4))
def test_a_table_absorbs_what_it_was_drained_to(drawn, times):
    aggregates, wrapped, blocks = drawn
    fold = fold_of(aggregates, wrapped=wrapped)
    source, table, python = (
        kernel.Table(tuple(aggregates), wrapped),
        kernel.Table(tuple(aggregates), wrapped),
        FoldBuffer(fold),
    )
    for columns in blocks * times:
        add_all(source, aggregates, [columns])
        for _, _, some in source.drain(1, True, ())[0]:
            for _, keys, values in some:
                if table.absorb(keys, values):
                    python.add_states(
                        decode(keys, unpickle=False),
                        list(map(fold.merge, [[s] for s in decode(values, unpickle=False)])),
                    )
                else:  # None among numbers, or nothing but empty lists: msgpack or the column of None
                    assert b"v" in values or b"n" in values
    sections, others = table.drain(3, True, ())
    assert others == []
    finish = lambda found: {key: fold.finish(fold.merge(states)) for key, states in found.items()}  # noqa: E731
    assert finish(states_in(sections)) == finish(sealed(python))


@given(filled(), st.randoms(use_true_random=False))
def test_ruined_columns_are_refused_or_decode_to_what_was_taken(drawn, rng):
    aggregates, wrapped, blocks = drawn
    fold = fold_of(aggregates, wrapped=wrapped)
    table = kernel.Table(tuple(aggregates), wrapped)
    add_all(table, aggregates, blocks)
    for _, _, some in table.drain(0, True, ())[0]:
        for _, keys, values in some:
            ruined = [ruin(column, rng) if rng.random() < 0.7 else column for column in (keys, values)]
            before = len(table)
            if table.absorb(*ruined):
                names, states = (decode(column, unpickle=False) for column in ruined)
                assert len(names) == len(states)
                merged: dict[str, Any] = {}
                for name, one in zip(names, states, strict=True):
                    merged[name] = fold.merge([merged[name], one] if name in merged else [one])
                sections, others = table.drain(0, True, ())
                taken = {key: fold.merge(some) for key, some in states_in(sections).items()}
                for parts, _, state in others:
                    taken[parts[0].decode("utf-8", "surrogatepass")] = fold.merge([state])
                assert taken == merged
            else:
                assert len(table) == before


def ruin(column: bytes, rng: random.Random) -> bytes:
    data = bytearray(column)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        change = rng.randrange(4)
        if change == 0:
            data[at:at] = bytes([rng.choice([0, 1, 2, 4, 8, 255, rng.randrange(256)])])
        elif change == 1 and at < len(data):
            data[at] = rng.choice([0, 1, 2, 4, 8, 127, 128, 255, rng.randrange(256), ord(rng.choice("silntvS"))])
        elif change == 2:
            del data[at : at + rng.randrange(1, 9)]
        else:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize(
    ("aggregates", "keys", "values"),
    [
        (["count"], ["a", "b"], [1, 1 << 61]),
        (["count"], ["a"], [-1]),
        (["count"], [1], [1]),
        (["count"], ["a", None], [1, 2]),
        (["count"], ["a\0b"], [1]),
        (["count"], ["a"], [1 << 64]),
        (["total"], ["a"], [1.5]),
        (["total"], ["a", "b"], [1, None]),
        (["distinct"], ["a"], [[1]]),
        (["distinct"], ["a"], [["b\0c"]]),
        (["mean"], ["a"], [(1, -1)]),
        (["count", "total"], ["a"], [(1, 2, 3)]),
        (["count", "count"], ["a"], [(1, 2)]),
    ],
)
def test_other_forms_are_refused(aggregates, keys, values):
    table = kernel.Table(tuple(aggregates), len(aggregates) > 1)
    if values == [1, 1 << 61]:
        assert table.absorb(encode(keys), encode(values)) is True  # once more it might not fit
    assert table.absorb(encode(keys), encode(values)) is False


def test_sums_of_absorbed_states_are_exact_beyond_64_bits():
    table = kernel.Table(("total",))
    keys, values = encode(["a", "b", "c"]), encode([(1 << 63) - 1, -(1 << 63), 5])
    for _ in range(1000):
        assert table.absorb(keys, values) is True
    sections, others = table.drain(0, True, ())
    assert states_in(sections) == {"c": [5000]}
    assert [(parts, state) for parts, _, state in others] == [
        ((b"a",), 1000 * ((1 << 63) - 1)),
        ((b"b",), -1000 << 63),
    ]


@given(filled())
def test_results_are_those_of_the_reducer(drawn):
    aggregates, wrapped, blocks = drawn
    aggregates = ["largest" if name == "mean" else name for name in aggregates]
    fold = fold_of(aggregates, wrapped=wrapped)
    table = kernel.Table(tuple(aggregates), wrapped)
    blocks = [[[b"" if cell is None else cell for cell in columns[0]], *columns[1:]] for columns in blocks]
    add_all(table, aggregates, blocks)
    keys = [text(cell) for columns in blocks for cell in columns[0]]
    values = [[value(name, c, DASH) for cols in blocks for c in cols[i + 1]] for i, name in enumerate(aggregates)]
    expected = {key: fold.finish(fold.merge(states)) for key, states in sealed(folded(fold, keys, values)).items()}
    names = tuple(map(msgpack.packb, fold.parts)) if isinstance(fold, Measures) else ()
    sections, others = table.drain_results(names)
    assert others == []
    found = states_in(sections)
    assert list(found) == sorted(expected)
    assert found == {key: [result] for key, result in expected.items()}
    assert [list(map(type, result)) for result in found.values()] == [[type(expected[key])] for key in found]


# ---- the door ---------------------------------------------------------------------------------------------------


def test_a_table_is_filled_in_one_way_until_it_is_drained():
    table = kernel.Table(("count",))
    table.add(kernel.words(b"a b"), (0,), (-1,), (0,))
    with pytest.raises(ValueError, match="one way"):
        table.absorb(encode(["a"]), encode([1]))
    with pytest.raises(ValueError, match="one way"):
        table.add(block_of([[b"a"], [b"b"]]), (0, 1), (-1,), (0,))
    table.drain(0, True, ())
    assert table.absorb(encode(["a"]), encode([1])) is True


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: kernel.Table(()),
        lambda: kernel.Table(("median",)),
        lambda: kernel.Table((1,)),
        lambda: kernel.Table(("count", "total")),
        lambda: kernel.Table(("count",) * 33, True),
        lambda: kernel.Table(("count",)).drain(17, True, ()),
        lambda: kernel.Table(("count",)).drain(0, True, (b"",) * 5),
        lambda: kernel.Table(("mean",)).drain_results(()),
        lambda: kernel.Table(("count",)).drain_results((b"a",)),
        lambda: kernel.Table(("count",)).absorb(bytearray(b"s"), b"i\1\1"),
        lambda: kernel.Table(("count",)).add(block_of([[b"a"]]), (), (-1,), (0,)),
        lambda: kernel.Table(("count",)).add(block_of([[b"a"]]), (0,), (), ()),
        lambda: kernel.Table(("total",)).add(block_of([[b"a"]]), (0,), (-1,), (0,)),
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError):
        wrong()


def test_size_bytes_grows_with_what_is_held_and_comes_back():
    table = kernel.Table(("distinct",))
    empty = table.size_bytes
    keys = [b"%032d" % i for i in range(50_000)]
    table.add(block_of([keys, keys]), (0,), (1,), (0,))
    assert table.size_bytes > empty + 2 * 50_000 * (32 + 32)
    table.drain(0, True, ())
    assert buffers.STATE_ITEMS_MAX == 16_384  # which drain.c repeats
    assert len(table) == 0
