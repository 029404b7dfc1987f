"""Rows in each format: what comes back when they are read again, and what a terminal may be shown."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.core.display_width import Terminal, display_width
from mrframe.core.safe_text import escaped_line
from mrframe.errors import ValueRefused
from mrframe.formats.output import writing
from mrframe.formats.output.named_outputs import FORMATS
from mrframe.formats.output.value_text import json_column, json_text
from mrframe.formats.output.writing import jsonl_lines, write_rows


def written(rows, form, **options):
    stream = io.BytesIO()
    rows = list(rows)
    assert write_rows(iter(rows), stream, form, **options) == len(rows)
    return stream.getvalue()


def lines(rows, form, **options):
    return written(rows, form, **options).decode().splitlines()


# ---- jsonl ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('caf\u00e9 \u65e5\u672c "q" \\ \n\x1b', '"caf\u00e9 \u65e5\u672c \\"q\\" \\\\ \\n\\u001b"'),
        ("bad \udc80 byte", '"bad \\udc80 byte"'),
        (None, "null"),
        (True, "true"),
        (10**40, "1" + "0" * 40),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("nan"), '"NaN"'),
        (float("-inf"), '"-Infinity"'),
        (b"\x00\xff", '{"bytes": "00ff"}'),
        (date(2015, 5, 17), '"2015-05-17"'),
        (datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC), '"2015-05-17T10:05:03+00:00"'),
        (Decimal("1.50"), '"1.50"'),
        ((1, ("a", [None])), '[1, ["a", [null]]]'),
        ({3, 1, 20}, "[1, 3, 20]"),
        (frozenset({"b", "a", "B"}), '["B", "a", "b"]'),
        ({("b", 1), ("a", 2)}, '[["a", 2], ["b", 1]]'),
        ({1, "a", None}, '["a", 1, null]'),
        (
            {datetime(2015, 5, 17), datetime(2014, 5, 17, tzinfo=UTC)},
            '["2014-05-17T00:00:00+00:00", "2015-05-17T00:00:00"]',
        ),
        ({"b": {2, 1}, "a": b"x"}, '{"b": [1, 2], "a": {"bytes": "78"}}'),
        ({1: "x", None: "y", (1, 2): "z"}, '{"1": "x", "": "y", "[1, 2]": "z"}'),
        ((), "[]"),
        ({}, "{}"),
    ],
)
def test_each_plain_value_has_one_json_form(value, text):
    data = written([("k", value)], "jsonl", text="bytes")
    assert data == f'{{"key": "k", "value": {text}}}\n'.encode()
    json.loads(data)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


def as_lists(value):
    if isinstance(value, (list, tuple)):
        return [as_lists(item) for item in value]
    return {name: as_lists(item) for name, item in value.items()} if isinstance(value, dict) else value


@settings(deadline=None, max_examples=80)
@given(
    st.lists(plain, max_size=6)
    | st.lists(st.tuples(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False)), max_size=6)
)
def test_jsonl_says_what_the_rows_are_one_by_one_and_in_blocks(values):
    assert json_column(values) == [json_text(value) for value in values]
    data = written(zip(values, values, strict=True), "jsonl")
    rows = [json.loads(line) for line in data.split(b"\n")[:-1]]
    expected = [as_lists(value) for value in values]
    assert repr(rows) == repr([{"key": value, "value": value} for value in expected])
    assert list(jsonl_lines(zip(values, values, strict=True))) == data.splitlines(keepends=True)


def test_a_number_among_others_that_is_none_does_not_spoil_the_block():
    rows = [(i, float("nan") if i == 2 else (i, 1.5)) for i in range(4)]
    assert [json.loads(line)["value"] for line in lines(rows, "jsonl")] == [[0, 1.5], [1, 1.5], "NaN", [3, 1.5]]


class Thing:
    pass


class Point(NamedTuple):
    x: int
    y: int


NOT_PLAIN = {
    "object": (Thing(), r"type \S*test_writing.*Thing is not plain data and cannot be written; let the job yield"),
    "object in a list": ([Thing()], "Thing is not plain"),
    "named tuple": ([Point(1, 2)], "Point is not plain"),
    "int of 5,000 digits": (10**5000, "cannot be written: Exceeds the limit"),
    "clashing names": ([{1: "a", "1": "b"}], "names that are the same as text"),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("value", "words"), NOT_PLAIN.values(), ids=NOT_PLAIN.keys())
def test_a_value_that_is_not_plain_is_refused_by_name(form, value, words):
    with pytest.raises(ValueRefused, match=words):
        written([("k", value)], form)


def test_a_value_nested_for_ever_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ValueRefused, match="more than 64 levels"):
        written([("k", value)], "jsonl")


# ---- csv and tsv ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 1), ("b", None)], ["key,value", "a,1", "b,"]),
        ([(("a", "x"), (1, 2.5)), (("b", "y"), (3, True))], ["key1,key2,value1,value2", "a,x,1,2.5", "b,y,3,true"]),
        ([("a", {"hits": 1, "size": 2}), ("b", {"size": 3})], ["key,hits,size", "a,1,2", "b,,3"]),
        ([("a", {"key": 1})], ["key,value.key", "a,1"]),
        ([(None, (1, 2)), ("a", None), ("b", (3,))], ["key,value1,value2", ",1,2", "a,,", "b,3,"]),
        ([("a", 1), ("b", (2, 3))], ["key,value,value1,value2", "a,1,,", "b,,2,3"]),
        ([("a", [1, "x"]), ("b", {2, 1})], ["key,value", 'a,"[1, ""x""]"', 'b,"[1, 2]"']),
        ([("a", (1, (2, b"x")))], ["key,value1,value2", 'a,1,"[2, {""bytes"": ""78""}]"']),
        ([("a", Decimal("1.50")), ("b", date(2015, 5, 17))], ["key,value", "a,1.50", "b,2015-05-17"]),
        ([("a", ()), ("b", ())], ["key,value", "a,", "b,"]),
        ([], ["key,value"]),
    ],
)
def test_columns_are_the_keys_then_the_values(rows, expected):
    assert lines(rows, "csv") == expected
    plain_cells = [row for row in expected if '"' not in row]
    if len(plain_cells) == len(expected):
        assert lines(rows, "tsv") == [row.replace(",", "\t") for row in expected]


@pytest.mark.parametrize(
    ("names", "rows", "expected"),
    [
        (("path", "hits", "bytes"), [("/", (2, 9))], ["path,hits,bytes", "/,2,9"]),
        (("day", "status", "count"), [(("mon", 200), 3)], ["day,status,count", "mon,200,3"]),
        (("path", "hits", "bytes"), [], ["path,hits,bytes"]),
        (("line",), [("a", None), ("b", None)], ["line", "a", "b"]),
        (("path",), [("/", 2)], ["path,value", "/,2"]),
        (("hour",), [(1, {"hits": 2}), (2, {"hits": 3, "hour": 4})], ["hour,hits,value.hour", "1,2,", "2,3,4"]),
        (("hour", "n"), [(1, {"hits": 2})], ["hour,hits", "1,2"]),
        (("hits", "bytes"), [("/", (2, 9))], ["key,value1,value2", "/,2,9"]),
        (("day", "n"), [(("mon", 200), (1, 2))], ["day,n,value1,value2", "mon,200,1,2"]),
        (("path", "a", "b", "c"), [("/", (2, 9))], ["key,value1,value2", "/,2,9"]),
    ],
)
def test_the_names_that_a_job_gives_head_the_columns(names, rows, expected):
    assert lines(rows, "csv", columns=names) == expected
    assert lines(rows, "table", columns=names)[0].split() == expected[0].split(",")
    assert written(rows, "jsonl", columns=names) == written(rows, "jsonl")


def test_a_value_where_none_had_one_is_refused(monkeypatch):
    monkeypatch.setattr(writing, "FIRST_ROWS", 2)
    rows = [("a", None), ("b", None), ("c", 1)]
    with pytest.raises(ValueRefused, match="the row with the key c has the columns value"):
        written(rows, "csv", columns=("line",))


texts = st.text(st.characters(codec="utf-8") | st.sampled_from(',"\r\n\t\\ \x00'), max_size=8)


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.tuples(texts, texts), texts), max_size=6))
def test_csv_and_tsv_are_read_back_as_they_were(rows):
    flat = [[*key, value] for key, value in rows]
    read = list(csv.reader(io.StringIO(written(rows, "csv").decode(), newline="")))
    assert read[1:] == flat
    unescape = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}

    def cell(text):
        out, at = [], 0
        while at < len(text):
            step = 2 if text[at] == "\\" else 1
            out.append(unescape[text[at : at + 2]] if step == 2 else text[at])
            at += step
        return "".join(out)

    read = [[cell(c) for c in line.split("\t")] for line in written(rows, "tsv").decode().split("\n")[1:-1]]
    assert read == flat


def test_bytes_of_a_log_that_are_no_text_leave_as_they_came():
    rows = [("caf\udce9", b"\xff\x00"), ("a\ud800", 1)]
    assert written(rows, "csv", text="bytes") == b"key,value\ncaf\xe9,\xff\x00\na\\ud800,1\n"
    assert written(rows, "tsv", text="bytes") == b"key\tvalue\ncaf\xe9\t\xff\x00\na\\ud800\t1\n"
    assert written(rows, "text") == b"caf\xe9\t\xff\x00\na\\ud800\t1\n"


ODD = [("caf\udce9", ["\udcff", "\ud800"]), ("é", [])]


@pytest.mark.parametrize("terminal", [None, Terminal(200)])
@pytest.mark.parametrize(
    ("how", "spelled"),
    [(None, ("caf\\xe9", "\\xff", "\\ud800")), ("replace", ("caf\ufffd", "\ufffd", "\ufffd"))],
)
def test_text_that_is_not_utf8_is_written_as_valid_text_that_every_reader_takes(how, spelled, terminal):
    """`json` and `csv` give back the text that stands for what UTF-8 does not have, on a terminal as well."""
    lines = written(ODD, "jsonl", text=how, terminal=terminal).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"key": spelled[0], "value": [*spelled[1:]]},
        {"key": "é", "value": []},
    ]
    rows = list(csv.reader(io.StringIO(written(ODD, "csv", text=how, terminal=terminal).decode(), newline="")))
    assert rows[1][0] == spelled[0]
    assert json.loads(rows[1][1]) == [*spelled[1:]]
    cells = written(ODD, "tsv", text=how, terminal=terminal).decode().splitlines()[1].split("\t")
    assert cells[0].replace("\\\\", "\\") == spelled[0]
    assert json.loads(cells[1].replace("\\\\", "\\")) == [*spelled[1:]]
    table = written(ODD, "table", text=how).decode().splitlines()[1].split()
    assert table[0] == spelled[0]
    asked = written([("caf\udce9", None)], "text", text=how or "escape", terminal=terminal).decode()
    assert asked == f"{spelled[0]}\n"


def test_json_lines_tell_apart_what_is_compared_and_lose_nothing_when_asked():
    assert json.loads(next(jsonl_lines(ODD)))["key"] == "caf\udce9"
    assert json.loads(written(ODD, "jsonl", text="bytes").splitlines()[0]) == {"key": "caf\udce9", "value": ODD[0][1]}


def test_json_has_no_numbers_that_json_does_not_have():
    def no_constant(name):
        raise AssertionError(name)

    values = [float("nan"), float("inf"), -float("inf"), 2**53 + 1, "\u2028"]
    lines = written([(i, value) for i, value in enumerate(values)], "jsonl").decode().split("\n")[:-1]
    read = [json.loads(line, parse_constant=no_constant)["value"] for line in lines]
    assert read == ["NaN", "Infinity", "-Infinity", 2**53 + 1, "\u2028"]


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1", b"=1"]
HARMLESS = ["", "a=1", "'=1", " =1", "1-1", None, True]
NUMBERS = [-1, -1.5, Decimal("-2"), float("-inf")]


def test_csv_for_spreadsheets_has_no_formulas():
    rows = [(("x", cell), {"=name": cell}) for cell in FORMULAS + HARMLESS + NUMBERS]
    plain, safe = (
        list(csv.reader(io.StringIO(written(rows, form).decode(), newline=""))) for form in ("csv", "csv-safe")
    )
    assert safe[0] == ["key1", "key2", "'=name"]
    for row, (before, after) in enumerate(zip(plain[1:], safe[1:], strict=True)):
        mark = "'" if row < len(FORMULAS) else ""
        assert after == ["x", mark + before[1], mark + before[2]]


@pytest.mark.parametrize("form", ["csv", "tsv", "table"])
def test_a_later_row_with_a_column_of_its_own_is_refused_not_cut(form, monkeypatch):
    monkeypatch.setattr(writing, "FIRST_ROWS", 3)
    monkeypatch.setattr(writing, "_ROWS_MAX", 2)
    rows = [(i, (i, i)) for i in range(9)]
    words = (
        r"the row with the key 9 has the columns value1, value2, value3, but the rows before it have value1, value2;"
    )
    with pytest.raises(ValueRefused, match=words + r" use --format jsonl"):
        written([*rows, (9, (1, 2, 3))], form)
    assert len(lines([*rows, (9, (1,)), (10, None)], form)) == 12


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("value", ["x", "x" * 5000])
def test_blocks_join_without_a_seam(form, value, monkeypatch):
    rows = [(f"k{i:05d}", (i, value)) for i in range(700)]
    whole = written(rows, form)
    monkeypatch.setattr(writing, "FIRST_ROWS", 7)
    monkeypatch.setattr(writing, "_BLOCK_BYTES", 3000)
    assert written(rows, form).replace(b" ", b"") == whole.replace(b" ", b"")


# ---- text and table -------------------------------------------------------------------------------


def test_text_is_cells_with_tabs_and_leaves_none_out():
    rows = [("a line", None), (("k", 1), {"n": 2, "m": (3,)}), (None, "v"), (None, None)]
    assert written(rows, "text") == b"a line\nk\t1\t2\t[3]\nv\n\n"
    assert written([], "text") == b"" == written([], "jsonl")


def test_a_table_aligns_columns_and_puts_numbers_to_the_right():
    rows = [("/index.html", (1024, 3.5)), ("/\u65e5\u672c", (7, None)), ("/e\u0301", (70, 12.25))]
    assert lines(rows, "table") == [
        "key          value1  value2",
        "/index.html    1024     3.5",
        "/\u65e5\u672c             7       -",
        "/e\u0301               70   12.25",
    ]
    assert lines([("a", "left"), ("bb", 1)], "table") == ["key  value", "a    left", "bb   1"]
    assert written([], "table") == b"key  value\n"


def test_a_table_tells_none_from_text():
    rows = [("a", None), ("b", ""), ("c", "-"), ("d", "x")]
    assert lines(rows, "table") == ["key  value", "a    -", 'b    ""', 'c    "-"', "d    x"]


# ---- terminals ------------------------------------------------------------------------------------

HOSTILE = "".join(map(chr, range(0x20))) + "\x7f\x85\x9b31m\u202e\u2066\u200f\u2028\udc9b\ud800"


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("parquet", "arrow")])
def test_nothing_that_a_terminal_would_obey_is_written_to_one(form):
    rows = [((HOSTILE, "plain"), {HOSTILE: HOSTILE, "b": HOSTILE.encode("utf-8", "surrogatepass"), "c": [HOSTILE]})]
    text = written(rows, form, terminal=Terminal(2000)).decode()
    allowed = {"\n"} | ({"\t"} if form in ("text", "tsv") else set())
    assert not {c for c in text if escaped_line(c) != c} - allowed
    assert len(text.split("\n")) == {"jsonl": 2, "text": 2, "markdown": 4}.get(form, 3)
    assert "plain" in text and ("\\x1b" in text or "\\u001b" in text)


def test_escapes_are_what_people_expect():
    assert (
        escaped_line("a\n\t\r\x1b[0m \x9b \u202e \udc9b caf\u00e9 \\")
        == "a\\n\\t\\r\\x1b[0m \\x9b \\u202e \\x9b caf\u00e9 \\"
    )
    assert json.loads(written([("\x9b\u202e\x7f", 1)], "jsonl", terminal=Terminal(200)))["key"] == "\x9b\u202e\x7f"
    assert written([("\x1b", 1)], "csv") == b"key,value\n\x1b,1\n"


AGENTS = [
    (("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0", 200), (1234567, 0.16982297)),
    (("curl/8.11.0", 8080), (12, 0.0)),
    (("\u65e5\u672c\u8a9e" * 20, None), (None, 0.00002)),
]


@pytest.mark.parametrize(
    ("terminal", "expected"),
    [
        (
            Terminal(60),
            [
                "agent                              status       hits   share",
                "Mozilla/5.0 (X11; Linu…efox/128.0     200  1,234,567  0.1698",
                "curl/8.11.0                          8080         12  0.0000",
                "日本語日本語日本語日本…本語日本語       -          -   2e-05",
            ],
        ),
        (
            Terminal(40, ascii_only=True),
            [
                "agent          status       hits   share",
                "Mozilla/~28.0     200  1,234,567  0.1698",
                "curl/8.11.0      8080         12  0.0000",
                "\\u65e5\\u~8a9e       -          -   2e-05",
            ],
        ),
    ],
)
def test_a_table_fits_its_terminal_and_is_for_people(terminal, expected):
    shown = lines(AGENTS, "table", terminal=terminal, columns=("agent", "status", "hits", "share"))
    assert shown == expected
    assert {display_width(line) for line in shown} == {terminal.width}


def test_numbers_of_keys_stay_as_they_are_and_those_of_values_are_grouped():
    rows = [((8080, 2.123456789), (80800, 2.123456789)), ((1, 0.5), (-1000, 1234.5))]
    assert lines(rows, "table", terminal=Terminal(80)) == [
        "key1         key2  value1  value2",
        "8080  2.123456789  80,800       2",
        "   1          0.5  -1,000   1,234",
    ]
    assert lines(rows, "table")[1:] == [
        "8080  2.123456789   80800  2.123456789",
        "   1          0.5   -1000       1234.5",
    ]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([2.0, 805434.0], ["2", "805,434"]),
        ([37.767908, 755.0], ["37.8", "755.0"]),
        ([0.004123456], ["0.004123"]),
        ([1e20, 2.5], ["1e+20", "2"]),
        ([float("nan"), float("-inf"), 1.5], ["NaN", "-Infinity", "1.500"]),
        ([Decimal("1234.567890123"), Decimal("NaN")], ["1,234.567890123", "NaN"]),
        ([10**20, True], ["100,000,000,000,000,000,000", "true"]),
    ],
)
def test_floats_have_about_four_digits_on_a_terminal(values, shown):
    rows = list(enumerate(values))
    assert [line.split()[1] for line in lines(rows, "table", terminal=Terminal(80))[1:]] == shown


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "text"])
def test_only_tables_are_rounded_or_cut(form):
    assert written(AGENTS, form, terminal=Terminal(40)) == written(AGENTS, form)


def test_text_of_a_later_block_is_cut_to_its_column_and_numbers_are_not(monkeypatch):
    monkeypatch.setattr(writing, "FIRST_ROWS", 1)
    rows = [("a" * 20, 1), ("b" * 30 + "end", 123456)]
    assert lines(rows, "table", terminal=Terminal(80))[2] == "b" * 13 + "\u2026" + "bbbend  123,456"
