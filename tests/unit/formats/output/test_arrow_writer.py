"""Parquet, Arrow and Markdown: what is written is read back by others as it was."""

from __future__ import annotations

import io
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow.feather
import pyarrow.parquet
import pytest

import mrframe
from mrframe.core.display_width import Terminal
from mrframe.errors import ExtraMissing, ValueRefused
from mrframe.formats.output import arrow_writer
from mrframe.formats.output.writing import write_rows

READ = {"parquet": pyarrow.parquet.read_table, "arrow": pyarrow.feather.read_table}
EAST = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
ROWS = [
    (("a", 1), {"n": 3, "mean": 1, "day": date(2026, 3, 1), "at": EAST, "raw": b"\0", "tags": ["x"], "mixed": 1}),
    (("caf\udce9", None), {"n": None, "mean": 0.5, "day": None, "at": None, "raw": None, "tags": None, "mixed": "b"}),
]


def written(rows, form, **options):
    stream = io.BytesIO()
    write_rows(rows, stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("form", READ)
def test_columns_keep_their_types_and_none(form):
    table = READ[form](io.BytesIO(written(ROWS, form, columns=("path", "status"))))
    assert table.to_pydict() == {
        "path": ["a", "caf\\xe9"],
        "status": [1, None],
        "n": [3, None],
        "mean": [1.0, 0.5],
        "day": [date(2026, 3, 1), None],
        "at": [EAST.astimezone(UTC), None],
        "raw": [b"\0", None],
        "tags": ['["x"]', None],
        "mixed": ["1", "b"],
    }
    replaced = READ[form](io.BytesIO(written(ROWS, form, text="replace")))
    assert replaced.column("key1").to_pylist()[1] == "caf\ufffd"


@pytest.mark.parametrize("form", READ)
def test_many_rows_are_several_groups_and_none_are_a_header(form, monkeypatch):
    monkeypatch.setattr(arrow_writer, "GROUP_ROWS", 3_000)
    rows = [(f"k{number:05}", number) for number in range(10_000)]
    table = READ[form](io.BytesIO(written(rows, form)))
    assert list(zip(*table.to_pydict().values(), strict=True)) == rows
    empty = READ[form](io.BytesIO(written([], form, columns=("path", "count"))))
    assert (empty.num_rows, empty.column_names) == (0, ["path", "count"])


def test_a_later_row_of_another_type_and_a_terminal_are_refused():
    rows = [(number, 1) for number in range(2_000)] + [(2_000, "text")]
    with pytest.raises(ValueRefused, match="another type"):
        written(rows, "parquet")
    with pytest.raises(ValueRefused, match="not for a terminal"):
        written(rows, "arrow", terminal=Terminal(80))


DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (1, "007"),  # Arrow would read the number
        (1, True),
        (1, 2.5),
        (1, 1 << 70),
        (1.5, "1.50"),
        (1.5, 1 << 70),
        (1.5, (1 << 53) + 1),
        (True, "true"),
        (b"a", 1),
        (DAY, "2026-03-01"),
        (DAY, EAST),
        (EAST, 1),
    ],
)
@pytest.mark.parametrize("rows", [1, 1_500])
def test_no_later_value_becomes_another(first, later, rows):
    """Also where all rows of a block have it."""
    with pytest.raises(ValueRefused, match=r"another type in the column value than the rows before it"):
        written([(number, first if number < 1_000 else later) for number in range(1_000 + rows)], "parquet")


@pytest.mark.parametrize(
    ("first", "later", "read"),
    [
        ("a", 1, "1"),
        ("a", 1e20, "1e+20"),
        ("a", True, "true"),
        ("a", b"\xff", "\\xff"),
        (None, DAY, "2026-03-01"),
        (1, 2.0, 2),
        (1.5, 2, 2.0),
        (DAY, None, None),
    ],
)
@pytest.mark.parametrize("rows", [1, 1_500])
def test_later_values_that_a_column_can_hold_are_taken(first, later, read, rows):
    made = [(number, first if number < 1_000 else later) for number in range(1_000 + rows)]
    column = READ["parquet"](io.BytesIO(written(made, "parquet"))).column("value").to_pylist()
    assert column == [first] * 1_000 + [read] * rows


def test_ints_that_no_float_holds_are_text_beside_floats():
    table = READ["parquet"](io.BytesIO(written([("a", 1.5), ("b", (1 << 53) + 1)], "parquet")))
    assert table.column("value").to_pylist() == ["1.5", "9007199254740993"]


def test_without_pyarrow_the_error_names_the_extra(monkeypatch, tmp_path):
    log = tmp_path / "a.txt"
    log.write_text("a b a\n")
    job = mrframe.Job(read=mrframe.words, key="word", reduce=mrframe.count)
    with mrframe.run(job, [str(log)]) as result:
        assert result.to_arrow().to_pydict() == {"word": ["a", "b"], "count": [2, 1]}
        monkeypatch.setattr(arrow_writer, "find_spec", lambda _name: None)
        for wanted in (result.to_arrow, lambda: result.save(str(tmp_path / "x.parquet"))):
            with pytest.raises(ExtraMissing, match=r"mrframe\[fast\]"):
                wanted()
        assert not (tmp_path / "x.parquet").exists()
        for package in ("pandas", "polars"):
            monkeypatch.setitem(sys.modules, package, None)
            with pytest.raises(ExtraMissing, match=f"pip install {package}"):
                getattr(result, f"to_{package}")()


def test_text_in_markdown_is_neither_markup_nor_html():
    text = written([("<script>|*a*\n# b", 1.5), ("plain", None)], "markdown", columns=("path", "mean")).decode()
    assert text.splitlines() == [
        "| path | mean |",
        "| --- | --- |",
        "| &lt;script\\>\\|\\*a\\*\\n\\# b | 1.5 |",
        "| plain |  |",
    ]
