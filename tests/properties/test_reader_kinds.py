"""Every kind of reader, built in or the toy of a package, keeps what `ReaderKind` and `BlockReader` promise."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.formats.factory import explain, make_reader
from mrframe.formats.inputs.line_blocks import pieces
from mrframe.formats.readers.base import RawBytes, as_raw, plain_lines, values_of
from mrframe.formats.readers.record_starts import record_starts
from mrframe.formats.registry import kind_of, kinds_of_lines
from mrframe.formats.schema import fields_of
from mrframe.testing.mutations import mutate, some_lines

PLUGINS = str(Path(__file__).parents[1] / "plugins")
sys.path.append(PLUGINS)
from mrframe_toy.reader import TOY  # noqa: E402

sys.path.remove(PLUGINS)

CASES = [(kind, known) for kind in (*kinds_of_lines(), TOY) for known in kind.formats]
each_case = pytest.mark.parametrize(("kind", "known"), CASES, ids=[known.name for _, known in CASES])
limited = settings(max_examples=60, deadline=None)


@pytest.fixture(autouse=True)
def toy_is_registered(monkeypatch):
    monkeypatch.syspath_prepend(PLUGINS)


def names_of(reader):
    return tuple(fields_of(reader) or ("line", "offset", "file", "status"))


def ruined(known, seed):
    random = Random(seed)
    sample = [known.example.encode(), b""]
    return mutate(random, some_lines(random, sample), sample)


def starts_of(reader):
    """The rule by which records of several lines begin, None where each line is one."""
    return record_starts(kind_of(reader).record_start(reader.format))


def bytes_in(parsed):
    return parsed.parsed_bytes + parsed.malformed_bytes + parsed.delimiter_bytes + parsed.nul_bytes + parsed.bom_bytes


@each_case
def test_the_example_of_a_format_matches_it(kind, known):
    reader = kind.reader(known)
    assert kind.matches(reader.format)(known.example.encode())
    assert isinstance(explain(known.example.encode(), reader), dict)
    assert kind_of(reader).name == kind.name


@each_case
@limited
@given(st.integers(0, 1 << 32))
def test_every_byte_is_in_the_ledger_and_a_line_stands_alone(kind, known, seed):
    reader, block = kind.reader(known), ruined(known, seed)
    made = make_reader(reader, names_of(reader), {})
    parsed = made.parse(block, "f", 0)
    assert bytes_in(parsed) == len(block)
    assert all(len(column) == parsed.records for column in parsed.values)
    starts, lines = starts_of(reader), plain_lines(block).split()
    assert parsed.lines == len(lines)
    first = [line for line in lines if starts is None or starts.starts(line, 0)]
    good = sum(isinstance(explain(line, reader), dict) for line in first)
    assert good == (parsed.lines - len(parsed.malformed) if starts is None else parsed.records)
    assert good == len(set(made.lines_of_records(block, parsed))) or kind.name == "words"


@each_case
@limited
@given(st.integers(0, 1 << 32))
def test_a_block_cut_anywhere_between_records_gives_the_same_values(kind, known, seed):
    reader, block = kind.reader(known), ruined(known, seed)
    made = make_reader(reader, names_of(reader), {})
    whole = made.parse(block, "f", 0)
    parts = [
        made.parse(block[at : at + length], "f", at)
        for at, length in pieces(
            lambda offset, count: block[offset : offset + count], len(block), 100, starts_of(reader)
        )
    ]
    for index, column in enumerate(whole.values):
        assert repr([value for part in parts for value in part.values[index]]) == repr(column)  # NaN differs


@each_case
@limited
@given(st.integers(0, 1 << 32))
def test_raw_bytes_convert_to_the_values(kind, known, seed):
    reader, block = kind.reader(known), ruined(known, seed)
    names = names_of(reader)
    made = make_reader(reader, names, {})
    values, raw = made.parse(block, "f", 0).values, made.parse(block, "f", 0, forms=as_raw(range(len(names))))
    for index, column in enumerate(raw.columns):
        got = made.convert(index, column.items)[0] if isinstance(column, RawBytes) else values_of(column)
        assert repr(got) == repr(values[index])


@each_case
@limited
@given(st.integers(0, 1 << 32))
def test_each_record_is_located_on_its_line(kind, known, seed):
    reader, block = kind.reader(known), ruined(known, seed)
    made = make_reader(reader, ("offset", "line"), {})
    parsed = made.parse(block, "f", 0)
    numbers = made.lines_of_records(block, parsed)
    lines = plain_lines(block).split()
    for record, (offset, text) in enumerate(zip(*parsed.values, strict=True)):
        line = text.encode("utf-8", "surrogateescape")
        assert made.locate(block, record) == (offset, line)
        assert lines[numbers[record]] == (line if starts_of(reader) is None else line.partition(b"\n")[0])
