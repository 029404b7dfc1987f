"""One run over logs of several formats: whatever follows the map knows the format of the line before it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import sys
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, logs
from mrframe.api import input_lines, kept_failures, plan_run
from mrframe.errors import TooManyMalformed, UsageError, UserCodeError

TIME = "17/May/2026:10:05:{:02}"
COMBINED = '192.0.2.1 - - [{}] "GET /{} HTTP/1.1" {} 10 "-" "curl"\n'
FORMS = {
    "combined": COMBINED,
    "vhost": "www.example.org:443 " + COMBINED,
    "common": '192.0.2.1 - - [{}] "GET /{} HTTP/1.1" {} 10\n',
    "json": '{{"time": "{}", "path": "/{}", "status": {}, "host": "192.0.2.1"}}\n',
}
JOB = """
from mrframe import Job, collect, logs

def by_path(path, host, file, line):
    if "boom" in path:
        raise ValueError(path)
    yield path, host

job = Job(read=logs.access, map=by_path, reduce=collect)
"""
HOST = "192.0.2.1"


def lines(form: str, *paths: str, status: int = 200) -> bytes:
    when = "2026-05-17T10:05:{:02}Z" if form == "json" else TIME + " +0000"
    return "".join(FORMS[form].format(when.format(n), path, status) for n, path in enumerate(paths)).encode()


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "a.log").write_bytes(lines("combined", *"abc"))
    (tmp_path / "b.log").write_bytes(lines("vhost", *"bcd"))
    return tmp_path


def rows(*inputs: str, job="job.py", keep=False, rejects=None, quarantine=None, **options):
    given = {"engine": "inline", **options}
    with mrframe.run(job, inputs, RunOptions(**given), keep=keep, rejects=rejects, quarantine=quarantine) as result:
        return dict(result), result.summary


EXPECTED = {"/a": [HOST], "/b": [HOST] * 2, "/c": [HOST] * 2, "/d": [HOST]}


@pytest.mark.parametrize("options", [{}, {"splits": 5}, {"engine": "local", "nodes": 1, "split_bytes": 100}])
def test_every_engine_and_cut_reads_each_file_in_its_format(place, options):
    (place / "c.log.gz").write_bytes(gzip.compress(lines("common", "e", "a")))
    (place / "d.log.bz2").write_bytes(bz2.compress(lines("json", "f")))
    found, summary = rows("a.log", "b.log", "c.log.gz", "d.log.bz2", **options)
    assert found == EXPECTED | {"/a": [HOST] * 2, "/e": [HOST], "/f": [HOST]}
    assert (summary.malformed, summary.log_format) == (0, "combined and vhost and common and json")
    assert summary.formats == {
        "combined": ["a.log"],
        "vhost": ["b.log"],
        "common": ["c.log.gz"],
        "json": ["d.log.bz2"],
    }


def test_standard_input_has_a_format_of_its_own(place, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((place / "b.log").read_bytes())))
    found, summary = rows("a.log", "-")
    assert (found, summary.formats) == (EXPECTED, {"combined": ["a.log"], "vhost": ["-"]})


def test_one_format_is_not_told_for_each_file(place):
    _, summary = rows("a.log")
    assert (summary.log_format, summary.formats) == ("combined", {})


@pytest.mark.parametrize("order", ["hash", "total"])
def test_keys_of_all_formats_are_sampled_for_a_total_order(place, order):
    job = Job(key="path", value="host", reduce=collect, key_order=order)
    assert rows("a.log", "b.log", job=job, partitions=3)[0] == EXPECTED


def test_a_join_may_have_several_formats_on_each_side(place):
    job = Job(
        read={"left": logs.access, "right": logs.access},
        key="path",
        value={"left": "status", "right": "host"},
        reduce=lambda path, left, right: [(path, (len(left), len(list(right))))],
    )
    (place / "c.log").write_bytes(lines("common", "b", "d"))
    inputs = {"left": ["a.log", "b.log"], "right": ["c.log", "b.log"]}
    with mrframe.run(job, inputs, RunOptions(engine="inline")) as result:
        assert dict(result) == {"/a": (1, 0), "/b": (2, 2), "/c": (2, 1), "/d": (1, 2)}
        assert result.summary.log_format == "left: combined and vhost, right: common and vhost"


def test_a_plan_says_which_format_each_file_has(place):
    (place / "c.log").write_bytes(b"")
    plan = plan_run("job.py", ["a.log", "b.log", "c.log"], RunOptions())
    assert plan.format == "combined and vhost"
    assert [file.format for file in plan.files] == ["combined", "vhost", ""]


# ---- results that are saved -------------------------------------------------------------------------


def test_saved_results_are_of_the_content_and_the_format(place):
    saved = {"cache": "on", "cache_dir": str(place / "cache")}
    assert rows("a.log", **saved)[1].saved_maps == 0
    for maps in (1, 2):
        found, summary = rows("a.log", "b.log", **saved)
        assert (found, summary.saved_maps) == (EXPECTED, maps)
    assert rows("b.log", "a.log", **saved)[0] == EXPECTED


def test_the_same_bytes_in_another_format_are_mapped_again(place):
    """These lines are of the format combined, and also of a string whose `host` is another word."""
    saved = {"cache": "on", "cache_dir": str(place / "cache")}
    job = Job(key="host", reduce=count)
    other = r"%l %h %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""
    assert rows("a.log", job=job, **saved)[0] == {HOST: 3}
    found, summary = rows("a.log", job=job, log_format=other, **saved)
    assert (found, summary.saved_maps) == ({None: 3}, 0)


def test_a_window_cuts_all_formats_and_shares_their_results(place):
    saved = {"cache": "on", "cache_dir": str(place / "cache"), "since": "2026-05-17T10:05:01Z"}
    expected = {"/b": [HOST], "/c": [HOST] * 2, "/d": [HOST]}
    for maps in (0, 2):
        found, summary = rows("a.log", "b.log", **saved)
        assert (found, summary.ledger["outside_time"]) == (expected, 2)
    assert maps


def test_a_format_without_times_refuses_a_window_by_name(place):
    (place / "c.log").write_bytes(b'{"path": "/e", "host": "x"}\n')
    with pytest.raises(UsageError, match=r"none of the first 1 records of c.log says its time"):
        rows("a.log", "c.log", since="2026-05-17")


# ---- lines that fail --------------------------------------------------------------------------------


def test_too_many_malformed_lines_are_explained_for_each_format(place):
    for name in ("a.log", "b.log"):
        with (place / name).open("ab") as file:
            file.write(b"odd\n")
    with pytest.raises(TooManyMalformed) as caught:
        rows("a.log", "b.log", rejects="rejects")
    text = str(caught.value)
    assert (
        text.index("format: combined, detected")
        < text.index("a.log:4")
        < text.index("format: vhost")
        < text.index("b.log:4")
    )
    rejected = [json.loads(line) for line in (place / "rejects").read_text().splitlines()]
    assert [(row["source"], row["line"]) for row in rejected] == [("a.log", 4), ("b.log", 4)]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_record_of_any_format_can_be_replayed(place, engine):
    (place / "c.log").write_bytes(lines("vhost", "d", "boom"))
    with pytest.raises(UserCodeError) as caught:
        rows("a.log", "c.log", keep={}, engine=engine, nodes=1)
    assert "ValueError: /boom" in kept_failures(caught.value.kept).replay().traceback_text
    _, summary = rows("a.log", "c.log", keep={}, engine=engine, nodes=1, max_failed="1", quarantine="left-out")
    assert "ValueError: /boom" in kept_failures(summary.kept).replay().traceback_text
    assert json.loads((place / "left-out").read_text())["line"] == 2


def test_a_record_that_kills_is_found_in_any_format(place):
    (place / "job.py").write_text(JOB.replace("raise ValueError(path)", "import os; os._exit(3)"))
    (place / "c.log").write_bytes(lines("vhost", "d", "boom", "e"))
    with pytest.raises(UserCodeError) as caught:
        rows("a.log", "c.log", engine="local", nodes=1)
    assert (caught.value.source, caught.value.line) == ("c.log", 2)
    assert "/boom" in caught.value.record.decode()
    found, _ = rows("a.log", "c.log", engine="local", nodes=1, max_failed="1")
    assert found == {"/a": [HOST], "/b": [HOST], "/c": [HOST], "/d": [HOST], "/e": [HOST]}


def test_a_record_that_fails_in_an_isolated_attempt_can_be_replayed(place):
    """Its executor dies the first time, so the failure comes from a watched child."""
    dies_once = "import os; os.path.exists('died') or (open('died', 'w').close(), os._exit(3))"
    dies_once += "; raise ValueError(path)"
    (place / "job.py").write_text(JOB.replace("raise ValueError(path)", dies_once))
    (place / "c.log").write_bytes(lines("vhost", "d", "boom"))
    with pytest.raises(UserCodeError) as caught:
        rows("a.log", "c.log", keep={}, engine="local", nodes=1)
    assert "ValueError: /boom" in kept_failures(caught.value.kept).replay().traceback_text


@pytest.mark.parametrize("cache", ["off", "on"])
def test_the_lines_behind_a_key_are_found_in_all_formats(place, cache):
    _, summary = rows("a.log", "b.log", keep={}, cache=cache, cache_dir=str(place / "cache"))
    with input_lines(summary.kept) as behind:
        found = [(one.file, one.line) for one in behind.lines("/c")]
    assert found == [("a.log", 3), ("b.log", 2)]
