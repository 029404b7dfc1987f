"""What a notebook shows: tables of escaped text."""

from __future__ import annotations

import pytest

import mrframe
from mrframe.api.html_table import CELL_CHARACTERS_MAX, Listing, html_table
from mrframe.api.result import HTML_ROWS_MAX
from mrframe.api.standing.rows import SubmissionInfo


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("<script>", "&lt;script&gt;"),
        ('"&"', "&quot;&amp;&quot;"),
        ("caf\udce9", "caf\\udce9"),
        (None, ""),
        (404, "404"),
        ("x" * 300, "x" * (CELL_CHARACTERS_MAX - 1) + "…"),
    ],
)
def test_cells_are_escaped_and_bounded(value, cell):
    assert f"<td>{cell}</td>" in html_table(["key"], [[value]])


def test_a_list_of_submissions_is_a_table():
    row = SubmissionInfo("job-1", "<b>", "failed", "map", 1, 2, error_slug="user_code", error_message="no & no")
    table = Listing([row])._repr_html_()
    assert table.startswith("<table>\n<tr><th>id</th><th>name</th><th>inputs</th><th>state</th>")
    assert "<td>&lt;b&gt;</td>" in table
    assert "<td>user_code: no &amp; no</td>" in table
    assert Listing()._repr_html_() == "<p>(none)</p>"


def test_a_result_shows_its_first_rows(tmp_path):
    path = tmp_path / "log"
    path.write_text("".join(f"<{number:02}>\n" for number in range(HTML_ROWS_MAX + 5)))
    result = mrframe.run("word_count", [str(path)], mrframe.RunOptions(engine="inline"))
    table = result._repr_html_()
    assert "<tr><td>&lt;00&gt;</td><td>1</td></tr>" in table
    assert table.count("<td>1</td>") == HTML_ROWS_MAX
    assert table.endswith("<p>and 5 rows more</p>")
    assert repr(result) == "<Result of 'word_count': 25 rows>"
    result.close()
    assert "closed" in result._repr_html_()
