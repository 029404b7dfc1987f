"""The summary for people: what it shows of malformed lines, and how it fits a terminal."""

from __future__ import annotations

import dataclasses

import pytest

from mrframe.api import MalformedSample, RunOptions, Summary, Trial
from mrframe.api.explain.trial import TriedWay, ways
from mrframe.cli.commands.check import line_of
from mrframe.cli.show.figures import lines_of
from mrframe.cli.show.terminal import wrapped
from mrframe.core.display_width import Terminal, display_width

HEAD = "600 records · 30 malformed · 9 rows · 2.4 MB in 0.30 s · "


def summary(**changes):
    figures = {field.name: 0 for field in dataclasses.fields(Summary) if field.default_factory is dataclasses.MISSING}
    figures |= {
        "not_saved": "",
        "job": "j",
        "log_format": "combined",
        "engine": "inline",
        "records": 600,
        "lines": 630,
        "malformed": 30,
        "rows": 9,
    }
    return Summary(**{**figures, "bytes_in": 2_400_000, "seconds": {"total": 0.3}, **changes})


def malformed(line, reason="no quote at byte 3", text="x" * 300, source="a.log"):
    return MalformedSample(source, line, 0, text, reason)


def shown(of, terminal=None, **how):
    lines = lines_of(of, terminal=terminal, **how)
    return ["".join([p if isinstance(p, str) else p.text for p in line]) for line in lines]


def test_the_head_is_one_line_in_a_pipe():
    assert shown(summary()) == [HEAD + "inline"]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (80, [HEAD + "inline"]),
        (40, ["600 records · 30 malformed · 9 rows", "  2.4 MB in 0.30 s · inline"]),
        (20, ["600 records", "  30 malformed", "  9 rows", "  2.4 MB in 0.30 s", "  inline"]),
    ],
)
def test_the_head_is_wrapped_between_its_parts(width, lines):
    assert shown(summary(), Terminal(width)) == lines


def test_a_part_that_is_too_wide_stays_whole():
    assert wrapped(["a" * 30, "b"], 10) == [["a" * 30], ["  ", "b"]]


def test_one_sample_is_shown_for_each_file_and_kind_of_reason():
    samples = [
        malformed(1),
        malformed(2, "no quote at byte 77"),
        malformed(3, "empty line", ""),
        malformed(4, source="b.log"),
        malformed(5, "not JSON"),
    ]
    lines = shown(summary(samples=samples))[1:]
    assert [line.split(": ")[0].strip() for line in lines] == ["a.log:1", "a.log:3", "b.log:4", lines[-1].strip()]
    assert lines[-1] == "  and 27 more (see --rejects)"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (60, "  a.log:12: xxxxxxxxxxxxxxxxxxxxxxxxx…  (no quote at byte 3)"),
        (40, "  a.log:12: xxxxxxxxxxx…  (no quote at …"),
    ],
)
def test_a_sample_is_cut_to_the_width_its_text_first(width, line):
    assert shown(summary(samples=[malformed(12)]), Terminal(width))[-2] == line
    assert display_width(line) <= width


@pytest.mark.parametrize(
    ("number", "verbose", "is_shown"), [(6, False, False), (6, True, True), (7, False, True), (7, True, True)]
)
def test_few_malformed_lines_are_only_counted(number, verbose, is_shown):
    lines = shown(summary(malformed=number, samples=[malformed(1)]), verbose=verbose)
    assert any("a.log:1" in line for line in lines) is is_shown
    assert ("(see -v)" in lines[0]) is not is_shown


def test_records_that_were_left_out_are_always_shown():
    lines = shown(summary(malformed=0, quarantined=1, failed=[malformed(8, "ZeroDivisionError: division by zero")]))
    assert "1 left out" in lines[0]
    assert lines[1].startswith("  a.log:8: xxx")


@pytest.mark.parametrize(
    ("local", "other", "verbose", "text"),
    [
        (9, 0, False, "local, 2 nodes"),
        (9, 0, True, "local, 2 nodes, 9 of 9 map tasks data-local"),
        (7, 2, False, "local, 2 nodes, 7 of 9 map tasks data-local"),
    ],
)
def test_locality_is_shown_where_it_says_something(local, other, verbose, text):
    of = summary(engine="local", nodes=2, data_local=local, other_map=other)
    assert shown(of, verbose=verbose)[0] == HEAD + text


@pytest.mark.parametrize(
    ("options", "given"),
    [
        (None, ""),
        (RunOptions(since="1d"), " (--since 1d)"),
        (RunOptions(since="2026-11-29T10:16:43"), ""),
        (
            RunOptions(since="1d", origins=(("since", "MRFRAME_SINCE in the environment"),)),
            " (1d, MRFRAME_SINCE in the environment)",
        ),
    ],
)
def test_the_window_says_where_it_comes_from(options, given):
    of = summary(window={"since": "2026-11-29T10:16:43+00:00", "timezone": "UTC"}, ledger={"outside_time": 1})
    assert shown(of, options=options)[1] == f"  since 2026-11-29T10:16:43+00:00{given} · 1 record outside"


@pytest.mark.parametrize("width", [None, 120, 80, 72, 60, 40])
def test_the_rows_of_a_check_are_aligned_and_fit(width, tmp_path):
    (tmp_path / "a.log").write_text("a\n")
    names = Trial("word_count", [str(tmp_path / "a.log")], RunOptions()).names
    tried = [TriedWay(way, (b"{}\n",) * (1 + 99 * number), 0.1, number < 9) for number, way in enumerate(ways())]
    rows = [line_of(one, names, Terminal(width) if width else None) for one in tried]
    assert len({display_width(row[0]) for row in rows}) == 1
    assert "1 row " in rows[0][0] and "100 rows" in rows[1][0]
    assert (tried[0].digest in rows[0][0]) is (width is None or width >= 72)
    if width:
        assert all(display_width(row[0]) + display_width(row[1].text) <= width for row in rows)
