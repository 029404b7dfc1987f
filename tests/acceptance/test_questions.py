"""`mrframe count` with expressions, periods and several measures: real commands beside plain Python over the log."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from mrframe.cli.main import group
from mrframe.errors import InputError, UsageError

START = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # a few hours before clocks are set forward in Berlin
RECORDS = [
    (
        START + timedelta(minutes=23 * n),
        f"/{'ab'[n % 2]}/x{n % 5}.{'html' if n % 3 else 'png'}",
        n * 10,
        f"192.0.2.{n % 4}",
    )
    for n in range(40)
    if not 15 < n < 25
]


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Run a command in a folder with access.log and app.jsonl. Returns its rows, or its result with `raw=True`."""
    lines = [
        f'{host} - - [{time.strftime("%d/%b/%Y:%H:%M:%S +0000")}] "GET {path} HTTP/1.1" 200 {size or "-"} "-" "x"\n'
        for time, path, size, host in RECORDS
    ]
    (tmp_path / "access.log").write_text("".join(lines))
    rows = [{"@timestamp": time.isoformat(), "took": {"ms": size}, "path": path} for time, path, size, _ in RECORDS]
    (tmp_path / "app.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)

    def run(*args, raw=False):
        result = CliRunner().invoke(group, list(args))
        if raw:
            return result
        assert result.exit_code == 0, result.output
        return [tuple(json.loads(line).values()) for line in result.stdout.splitlines()]

    return run


def test_an_expression_is_a_key_and_a_value(ask):
    ending = Counter(path.rsplit(".")[-1] for _, path, _, _ in RECORDS)
    assert dict(ask("count", 'path.rsplit(".")[-1]', "access.log")) == ending
    kib = ask("count", "path[1:2]", "access.log", "--value", "size / 1024")
    assert dict(kib) == {
        letter: sum(size / 1024 for _, path, size, _ in RECORDS if path[1] == letter) for letter in "ab"
    }
    assert ask("count", "path.split('/')[7]", "access.log") == [(None, len(RECORDS))]


def test_several_measures_are_one_pass_ordered_by_the_first(ask):
    rows = ask("count", "host", "access.log", "-m", "bytes=total:size", "-m", "hits=count", "-m", "p95:size")
    sizes = {host: [s for _, _, s, h in RECORDS if h == host] for _, _, _, host in RECORDS}
    assert [value["bytes"] for _, value in rows] == sorted(map(sum, sizes.values()), reverse=True)
    for host, value in rows:
        assert list(value) == ["bytes", "hits", "p95_size"]
        assert value["hits"] == len(sizes[host])
    header = ask("count", "host", "access.log", "-m", "bytes=total:size", "-m", "count", "--format", "csv", raw=True)
    assert header.stdout.splitlines()[0] == "host,bytes,count"


def test_measures_of_different_fields_and_by_time(ask):
    (_, row), *_ = ask(
        *(
            "count",
            "'all' in path",
            "access.log",
            "-m",
            "median:size",
            "-m",
            "distinct:host",
            "-m",
            "last_by:time:path",
        ),
        *("-m", "top2:host", "-m", "approx_distinct:path", "-m", "mean:len(path)"),
    )
    sizes = [size for _, _, size, _ in RECORDS if size]
    assert row["median_size"] == statistics.median(sizes)
    assert row["distinct_host"] == 4
    assert row["last_by_path"] == RECORDS[-1][1]
    assert row["top2_host"] == [
        list(one) for one in sorted(Counter(h for *_, h in RECORDS).items(), key=lambda i: (-i[1], i[0]))[:2]
    ]
    assert row["approx_distinct_path"] == len({path for _, path, _, _ in RECORDS})
    assert row["mean_len(path)"] == statistics.mean(len(path) for _, path, _, _ in RECORDS)


@pytest.mark.parametrize("log", ["access.log", "app.jsonl"])
def test_hours_without_records_are_rows_with_zero(ask, log):
    rows = ask("count", log, "--by", "hour")
    found = Counter(time.replace(minute=0) for time, *_ in RECORDS)
    hours = [min(found) + timedelta(hours=n) for n in range((max(found) - min(found)) // timedelta(hours=1) + 1)]
    assert rows == [(hour.isoformat(), found[hour]) for hour in hours]
    assert 0 in dict(rows).values()
    assert ask("count", log, "--by", "hour", "--no-fill") == [row for row in rows if row[1]]


def test_periods_of_a_zone_skip_the_hour_that_is_not_there_and_are_the_same_on_a_cluster(ask):
    asked = ("count", "access.log", "--by", "hour", "--timezone", "Europe/Berlin", "-m", "count", "-m", "total:size")
    rows = ask(*asked)
    hours = [key[:16] for key, _ in rows]
    assert "2026-03-29T01:00" in hours
    assert "2026-03-29T02:00" not in hours
    assert [value["count"] for _, value in rows] == [count for _, count in ask("count", "access.log", "--by", "hour")]
    assert ask(*asked, "--engine", "local", "--nodes", "2", "--split-bytes", "1000", "--partitions", "3") == rows


def test_with_other_fields_each_of_them_has_every_period(ask):
    rows = ask("count", "path[1:2]", "access.log", "--by", "6h", "-m", "count", "-m", "median:size")
    periods = list(dict.fromkeys(key[0] for key, _ in rows))
    assert [key for key, _ in rows] == [[period, letter] for period in periods for letter in "ab"]
    empty = ask(
        "count", "path", "access.log", "--by", "day", "--where", "size == 10", "-m", "count", "-m", "p50:size"
    )
    assert empty == [(["2026-03-28", "/b/x1.html"], {"count": 1, "p50_size": 10.0})]
    top = ask("count", "access.log", "--by", "day", "--top", "1")
    assert top == Counter(time.date().isoformat() for time, *_ in RECORDS).most_common(1)


def test_why_shows_the_lines_behind_an_expression(ask):
    ask("count", 'path.rsplit(".")[-1]', "access.log", "-m", "total:size")
    command = [sys.executable, "-m", "mrframe", "why", "@", "png", "--lines", "0"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("\n") == sum(path.endswith("png") for _, path, _, _ in RECORDS)


@pytest.mark.parametrize(
    ("args", "kind", "said"),
    [
        (["status", "access.log", "-m", "p95"], UsageError, "needs a field: p95:FIELD"),
        (["status", "access.log", "-m", "totl:size"], UsageError, "did you mean 'total'"),
        (["status", "access.log", "-m", "count:size"], UsageError, "takes no field"),
        (["status", "access.log", "-m", "quantile:2:size"], UsageError, "from 0 to 1"),
        (["status", "access.log", "-m", "heavy_hitters:x:size"], UsageError, "no measure: 'x' is not a number"),
        (["status", "access.log", "-m", "total:"], UsageError, "needs a field: total:FIELD"),
        (["status", "access.log", "-m", "count", "-m", "count"], UsageError, "two measures are called 'count'"),
        (["status", "access.log", "-m", "count", "--value", "size"], UsageError, "leave them out"),
        (["status", "access.log", "--by", "7m"], UsageError, "divides an hour or a day"),
        (["access.log"], UsageError, "count needs a field before the input access.log"),
        (["acces.log"], InputError, "no file is called acces.log"),
        (["access.log", "--by", "day", "--read", "words"], UsageError, "has none"),
        (["--by", "day"], InputError, "no input was given"),
        (["open(path)", "access.log"], UsageError, "open()"),
        (["path", "access.log", "--record-start", "x"], UsageError, "reads logs by their format, not text"),
    ],
)
def test_impossible_questions_are_refused(ask, args, kind, said):
    result = ask("count", *args, raw=True)
    assert isinstance(result.exception, kind), result.output
    assert said in str(result.exception)


def test_too_many_empty_periods_are_refused_with_the_remedy(ask, tmp_path):
    line = '192.0.2.1 - - [01/Jan/{}:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n'
    (tmp_path / "stray.log").write_text(line.format(1999) + line.format(2026))
    result = ask("count", "stray.log", "--by", "5m", raw=True)
    assert result.exit_code != 0
    assert "from 1999-01-01 00:00:00+00:00 to 2026-01-01 00:00:00+00:00" in str(result.exception)
    assert "--no-fill" in str(result.exception)
    assert len(ask("count", "stray.log", "--by", "5m", "--no-fill")) == 2


def test_select_shows_the_first_records_for_which_a_condition_holds(ask):
    rows = ask("select", "path", "size / 10", "access.log", "--where", "size > 40", "--first", "3")
    there = [{"path": path, "size / 10": size / 10} for _, path, size, _ in RECORDS if size > 40]
    assert rows == list(enumerate(there[:3], 1))
    assert len(ask("select", "path", "access.log")) == 20
    assert ask("select", "path", "access.log", "--where", "size == 7") == []


def test_select_shows_the_largest_and_leaves_out_those_without_a_value(ask):
    rows = ask("select", "size", "host", "access.log", "--largest", "size", "--first", "100")
    sizes = sorted((size for _, _, size, _ in RECORDS if size), reverse=True)
    assert [value["size"] for _, value in rows] == sizes
    ties = ask("select", "time.hour", "size", "access.log", "--largest", "time.hour", "--first", "4")
    hours = sorted(((-time.hour, size) for time, _, size, _ in RECORDS))
    assert [(-value["time.hour"], value["size"] or 0) for _, value in ties] == hours[:4]


def test_a_sample_is_the_same_for_any_splits_and_in_the_order_of_the_input(ask):
    rows = ask("select", "size", "access.log", "--sample", "9", "--where", "size > 0")
    sizes = [value["size"] for _, value in rows]
    assert sizes == sorted(set(sizes))
    assert len(sizes) == 9
    assert sizes != [size for _, _, size, _ in RECORDS if size][:9]
    cut = ("--engine", "local", "--nodes", "2", "--split-bytes", "500", "--partitions", "2")
    assert ask("select", "size", "access.log", "--sample", "9", "--where", "size > 0", *cut) == rows


def test_records_of_json_lie_at_their_offsets_where_a_path_renames_fields(ask):
    rows = ask("select", "took.ms", "app.jsonl", "--sample", "9", "--split-bytes", "500")
    sizes = [value["took.ms"] for _, value in rows]
    assert sizes == sorted(set(sizes))
    assert sizes != [size for _, _, size, _ in RECORDS][:9]
    assert rows == ask("select", "took.ms", "app.jsonl", "--sample", "9")
    keys = [key for key, _ in ask("select", "took.ms", "app.jsonl", "--first", "0")]
    with open("app.jsonl", "rb") as log:
        ends = [len(line) for line in log]
    assert keys == [["app.jsonl", sum(ends[:n])] for n in range(len(ends))]
    assert {key[1] for key, _ in ask("count", "took.ms", "file", "app.jsonl")} == {"app.jsonl"}


def test_all_records_come_with_their_places(ask):
    result = ask("select", "size", "access.log", "--first", "0", "--format", "csv", raw=True)
    lines = [line.split(",") for line in result.stdout.splitlines()]
    assert lines[0] == ["file", "offset", "size"]
    assert [line[2] for line in lines[1:]] == [str(size or "") for _, _, size, _ in RECORDS]
    assert ask("select", "request", "app.jsonl", raw=True).exit_code != 0
    assert ask("select", "took.ms", "app.jsonl", "--first", "1") == [(1, {"took.ms": 0})]


def test_selections_that_contradict_themselves_are_refused(ask):
    for args in (["--sample", "3", "--first", "2"], ["--largest", "size", "--first", "0"]):
        assert isinstance(ask("select", "size", "access.log", *args, raw=True).exception, UsageError)


@pytest.mark.parametrize(
    "words", [("path", "--by", "hour"), ("path[1:2]",), ("path", "-m", "count", "-m", "p50:size")]
)
def test_a_question_that_was_asked_before_is_answered_from_saved_results(ask, monkeypatch, tmp_path, words):
    monkeypatch.setenv("MRFRAME_CACHE_DIR", str(tmp_path / "cache"))
    first, again = (ask("count", *words, "access.log", "--cache", "on", "--json", raw=True) for _ in range(2))
    summaries = [json.loads(result.stdout)["summary"] for result in (first, again)]
    assert [summary["saved_maps"] for summary in summaries] == [0, 1], summaries
