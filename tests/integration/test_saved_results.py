"""Saved results: what is known again, what is not, and each rule with a case that fails without it."""

from __future__ import annotations

import gzip
import os
import shutil
import time
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, count, text
from mrframe.engines.cache import content_scan
from mrframe.engines.plan import planning
from mrframe.errors import InputChanged, NotRepeatable, TooManyMalformed
from mrframe.store import file_index
from mrframe.task import attempt
from mrframe.task.cache import map_results

JOB = """
from mrframe import Job, text, total
{imports}
def by_word(line, {fields}):
    for word in line.split():
        yield {key}, {value}
job = Job(read=text, map=by_word, reduce=total{more})
"""


FIGURES = ("records", "lines", "malformed", "bytes_in", "counters", "bad_fields", "samples", "ledger")


def tick(folder: Path) -> None:
    """Until the file system's clock has gone on, so that the next change of a file is seen by its time."""
    probe = folder / ".probe"
    probe.write_bytes(b"")
    began_ns, deadline_s = probe.stat().st_ctime_ns, time.monotonic() + 10
    while probe.stat().st_ctime_ns == began_ns:
        assert time.monotonic() < deadline_s
        probe.write_bytes(b"")
    probe.unlink()


class Place:
    """A folder with logs, a job, and a folder of saved results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.cache = folder / "cache"
        self.write_job()
        self.write("a.log", lines(0, 30))
        self.write("b.log", lines(30, 60))

    def write_job(self, *, fields="", key="word", value="1", imports="", more="") -> None:
        made = JOB.format(fields=fields, key=key, value=value, imports=imports, more=more)
        (self.folder / "job.py").write_text(made)

    def write(self, name: str, data: bytes) -> None:
        (self.logs / name).write_bytes(data)

    def run(self, job=None, **options):
        """(rows, summary) with saved results; held to what a run without them says."""
        tick(self.folder)
        inputs = [str(self.logs)]
        given = {"engine": "inline", "split_bytes": 100, "cache": "on", "cache_dir": str(self.cache), **options}
        job = job or str(self.folder / "job.py")
        with mrframe.run(job, inputs, RunOptions(**given)) as result:
            rows = list(result)
        with mrframe.run(job, inputs, RunOptions(**{**given, "cache": "off"})) as plain:
            assert rows == list(plain)
            for figure in FIGURES:
                assert getattr(result.summary, figure) == getattr(plain.summary, figure), figure
        tick(self.folder)
        return rows, result.summary

    def maps(self) -> int:
        """Map tasks of a run without saved results."""
        given = RunOptions(engine="inline", split_bytes=100, cache="off", partitions=1, max_failed="1")
        with mrframe.run(str(self.folder / "job.py"), [str(self.logs)], given) as plain:
            return plain.summary.tasks - 1


def lines(start: int, stop: int) -> bytes:
    return b"".join(b"line%d says word%d\n" % (n, n % 7) for n in range(start, stop))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    return Place(tmp_path)


def test_a_second_run_repeats_no_map(place):
    assert place.run()[1].saved_maps == 0
    assert place.run()[1].saved_maps == place.maps() > 10


def test_an_unchanged_file_is_not_even_read(place, monkeypatch):
    place.run()
    monkeypatch.setattr(map_results, "read_split", None)
    options = RunOptions(engine="inline", split_bytes=100, cache="on", cache_dir=str(place.cache))
    with mrframe.run(str(place.folder / "job.py"), [str(place.logs)], options) as result:
        assert result.summary.saved_maps == place.maps()


def test_an_unchanged_question_has_its_answer_at_once(place):
    place.run()
    assert place.run()[1].engine == "saved"
    assert place.run(partitions=3)[1].engine == "inline", "other partitions, another output"
    assert place.run(verify="1%")[1].engine == "inline"


def test_a_saved_answer_is_judged_by_the_limits_of_the_run(place, tmp_path):
    job = Job(read=mrframe.logs.common, key="status", reduce=count)
    place.write("a.log", b'1.2.3.4 - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" 200 10\n' * 20 + b"torn\n")
    place.write("b.log", b"")
    place.run(job, max_bad="1")
    assert place.run(job, max_bad="1")[1].engine == "saved"
    with pytest.raises(TooManyMalformed):
        place.run(job, max_bad="0")
    rejects = tmp_path / "rejects.jsonl"
    options = RunOptions(engine="inline", split_bytes=100, cache="on", cache_dir=str(place.cache))
    with mrframe.run(job, [str(place.logs)], options, rejects=str(rejects)):
        assert rejects.read_text().count("torn") == 1


def test_only_what_was_appended_is_mapped(place):
    place.run()
    with open(place.logs / "a.log", "ab") as file:
        file.write(lines(60, 63))
    summary = place.run()[1]
    assert 0 < place.maps() - summary.saved_maps <= 2


def test_a_torn_last_line_counts_once_when_it_is_whole(place):
    place.write("a.log", lines(0, 30) + b"torn li")
    place.run()
    place.write("a.log", lines(0, 30) + b"torn line\n")
    rows = dict(place.run()[0])
    assert rows["torn"] == rows["line"] == 1 and "li" not in rows


def test_renamed_copied_and_compressed_content_is_known_again(place):
    place.run()
    os.rename(place.logs / "a.log", place.logs / "a.log.1")
    assert place.run()[1].saved_maps == place.maps()
    shutil.copy(place.logs / "a.log.1", place.logs / "c.log")
    rows, summary = place.run()
    assert summary.saved_maps == place.maps()
    assert dict(rows)["line0"] == 2, "work is shared, data is not"
    place.write("a.log.1.gz", gzip.compress((place.logs / "a.log.1").read_bytes()))
    (place.logs / "a.log.1").unlink()
    place.write("d.log", lines(60, 63))
    summary = place.run()[1]
    assert place.maps() - 1 - summary.saved_maps == 1, "all but what is new"
    assert place.run()[1].engine == "saved"


def test_a_compressed_file_is_decoded_once_and_not_written_to_disk(place, monkeypatch):
    place.run()
    place.write("a.log.gz", gzip.compress((place.logs / "a.log").read_bytes()))
    (place.logs / "a.log").unlink()
    options = RunOptions(engine="inline", split_bytes=100, partitions=1, cache="on", cache_dir=str(place.cache))
    monkeypatch.setattr(attempt, "decode_file", None)
    tick(place.folder)
    for _ in range(2):
        with mrframe.run(str(place.folder / "job.py"), [str(place.logs)], options) as result:
            assert result.summary.saved_maps == place_maps(result)
        monkeypatch.setattr(content_scan, "decoded_chunks", None)


def place_maps(result) -> int:
    """Map tasks of a run over compressed files of which none was decoded by a task."""
    return result.summary.tasks - 1


def test_a_compressed_log_that_ends_with_something_new_is_decoded_and_mapped_there_alone(place):
    place.run()
    place.write("a.log.gz", gzip.compress((place.logs / "a.log").read_bytes() + lines(60, 63)))
    (place.logs / "a.log").unlink()
    rows, summary = place.run()
    assert dict(rows)["line62"] == 1
    assert 0 < place.maps() - 1 - summary.saved_maps <= 2


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
def test_rejects_of_a_file_with_saved_results_are_still_written(place, tmp_path, name):
    data = b'1.2.3.4 - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" 200 10\n' * 20 + b"torn\n"
    (place.logs / "a.log").unlink()
    place.write(name, gzip.compress(data) if name.endswith(".gz") else data)
    place.write("b.log", b"")
    job = Job(read=mrframe.logs.common, key="status", reduce=count)
    place.run(job)
    rejects = tmp_path / "rejects.jsonl"
    options = RunOptions(engine="inline", split_bytes=100, cache="on", cache_dir=str(place.cache))
    with mrframe.run(job, [str(place.logs)], options, rejects=str(rejects)) as result:
        assert list(result) == [(200, 20)]
    assert rejects.read_text().count("torn") == 1


def test_a_file_rewritten_after_hashing_saves_nothing_under_its_old_content(place, monkeypatch):
    place.run()
    old, new = lines(30, 90), lines(30, 90).replace(b"line7", b"LINE7").replace(b"line8", b"LINE8")
    place.write("b.log", old)
    plain_look = content_scan.scan

    def look_and_rewrite(*args, **more):
        found = plain_look(*args, **more)
        place.write("b.log", new)
        return found

    options = RunOptions(engine="inline", split_bytes=100, cache="on", cache_dir=str(place.cache))
    tick(place.folder)
    with monkeypatch.context() as patch:
        patch.setattr(content_scan, "scan", look_and_rewrite)
        with pytest.raises(InputChanged, match=r"b\.log was rewritten"):
            mrframe.run(str(place.folder / "job.py"), [str(place.logs)], options)
    assert "LINE80" in dict(place.run()[0])
    place.write("b.log", old)
    assert "line80" in dict(place.run()[0]), "what was mapped of the new content is not taken for the old"


def test_a_run_with_work_for_one_executor_runs_inline(place):
    place.run(split_bytes=20_000)
    place.write("c.log", lines(60, 1000))
    assert place.run(engine="auto", split_bytes=20_000, inline_bytes_max=10_000)[1].engine == "inline"
    place.write("d.log", lines(1000, 1900))
    place.write("e.log", lines(1900, 2800))
    assert place.run(engine="auto", split_bytes=20_000, inline_bytes_max=10_000)[1].engine == "local"


def test_a_file_that_is_dropped_drops_its_part(place):
    place.run()
    (place.logs / "a.log").unlink()
    rows, summary = place.run()
    assert "line0" not in dict(rows)
    assert summary.saved_maps == place.maps()


def test_a_rewrite_in_place_of_the_same_size_and_time_is_noticed(place):
    place.run()
    path = place.logs / "a.log"
    before = path.stat()
    place.write("a.log", lines(0, 30).replace(b"line7 ", b"LINE7 "))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_size == before.st_size
    assert "LINE7" in dict(place.run()[0])


def test_a_file_too_fresh_to_trust_is_not_recorded(place, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 3600.0)
    place.run()
    monkeypatch.setattr(map_results, "read_split", unreadable)
    with pytest.raises(Unread):
        place.run()
    monkeypatch.undo()
    assert place.run()[1].saved_maps == place.maps(), "its content is known all the same"


def test_cuts_stay_where_they_were_when_the_input_grows_beyond_a_step(place, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 3600.0)
    lengths = iter([100, 200])
    monkeypatch.setattr(planning, "default_split_bytes", lambda _: next(lengths))
    place.run(split_bytes=None)
    with open(place.logs / "a.log", "ab") as file:
        file.write(lines(60, 63))
    options = RunOptions(engine="inline", cache="on", cache_dir=str(place.cache))
    with mrframe.run(str(place.folder / "job.py"), [str(place.logs)], options) as result:
        assert result.summary.saved_maps > 10


def test_equal_beginnings_are_not_equal_contents(place):
    head = b"the same head of a line" * 3
    place.write("a.log", head + b" one\n")
    place.run()
    place.write("a.log", head + b" two\n")
    assert "two" in dict(place.run()[0])


@pytest.mark.parametrize(
    "change",
    [{"value": "2"}, {"key": "word.upper()"}, {"imports": "# a comment"}],
    ids=["value", "key", "comment"],
)
def test_an_edited_job_is_another_job(place, change):
    place.run()
    place.write_job(**change)
    assert place.run()[1].saved_maps == 0


def test_an_edited_module_of_the_job_makes_it_another(place):
    module = place.folder / "weights.py"
    module.write_text("WEIGHT = 2\n")
    place.write_job(imports="from weights import WEIGHT", value="WEIGHT")
    place.run()
    module.write_text("WEIGHT = 5\n")
    rows, summary = place.run()
    assert summary.saved_maps == 0
    assert dict(rows)["line0"] == 5


def test_an_option_of_the_job_is_part_of_it(place):
    source = JOB.format(fields="", key="word", value="1", imports="", more="")
    (place.folder / "job.py").write_text(source.replace("job = Job(", "def job(weight: int = 1): return Job("))
    job, inputs = str(place.folder / "job.py"), [str(place.logs)]
    options = RunOptions(engine="inline", split_bytes=100, cache="on", cache_dir=str(place.cache))
    for weight, saved in ((1, False), (1, True), (2, False)):
        with mrframe.run(job, inputs, options, job_options={"weight": weight}) as result:
            assert (result.summary.saved_maps > 0) is saved


def test_file_name_and_offset_count_only_where_the_job_reads_them(place):
    place.write_job(fields="file, offset", key="(word, file, offset)")
    place.run()
    os.rename(place.logs / "b.log", place.logs / "c.log")
    rows, _ = place.run()
    assert {os.path.basename(key[1]) for key, _ in rows} == {"a.log", "c.log"}


def test_a_byte_order_mark_is_no_part_of_a_line(place):
    mark = b"\xef\xbb\xbf"
    block = mark + b"x" * 95 + b"\n"  # as long as a split
    place.write("a.log", block + block)
    place.write("b.log", b"y\n")
    assert dict(place.run()[0]) == {"x" * 95: 2, "y": 1}


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("import random", "random.random() * 0"),
        ("from time import time", "time() * 0"),
        ("import datetime", "datetime.datetime.now().year * 0"),
        ("import os", "len(os.environ) * 0"),
        ("def look():\n    with open(__file__) as file:\n        return len(file.read()) * 0", "look()"),
        ("import helper", "helper.look()"),
        ("seen = 0\ndef bump():\n    global seen\n    seen += 1\n    return 0", "bump()"),
    ],
)
def test_code_that_may_give_something_else_tomorrow_is_not_saved(place, imports, value):
    (place.folder / "helper.py").write_text("import socket\ndef look(): return len(socket.gethostname()) * 0\n")
    place.write_job(imports=imports, value=value)
    place.run()
    summary = place.run()[1]
    assert summary.saved_maps == 0
    assert "job.py" in summary.not_saved or "helper.py" in summary.not_saved
    place.write_job(imports=imports, value=value, more=", pure=True")
    place.run()
    assert place.run()[1].saved_maps == place.maps()


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("from urllib.parse import unquote", "len(unquote('a'))"),
        ("import os", "len(os.path.basename('/a/b'))"),
        ("from datetime import datetime", "datetime(2026, 1, 1).year"),
        ("import re", "len(re.sub('a', 'b', word))"),
        ("def id(word): return 1", "id(word)"),
    ],
)
def test_code_that_depends_on_its_input_alone_is_saved(place, imports, value):
    place.write_job(imports=imports, value=value)
    assert place.run()[1].not_saved == ""
    assert place.run()[1].saved_maps == place.maps()


def test_a_job_that_says_pure_false_is_not_saved(place):
    place.write_job(more=", pure=False")
    place.run()
    assert place.run()[1].saved_maps == 0


def test_a_job_without_a_file_is_known_by_its_code(place):
    def weighted(weight):
        def by_word(line):
            for word in line.split():
                yield word, weight

        return Job(read=text, map=by_word, reduce=mrframe.total)

    place.run(weighted(1))
    assert place.run(weighted(1))[1].saved_maps == place.maps()
    assert place.run(weighted(2))[1].saved_maps == 0
    assert place.run(Job(read=text, key="line", reduce=count))[1].saved_maps == 0
    assert place.run(Job(read=text, key="line", reduce=count))[1].saved_maps == place.maps()


class Unread(Exception):
    """A split was read that need not be."""


def unreadable(*_args, **_more):
    raise Unread


def entries(place) -> list[Path]:
    return [path for path in (place.cache / "results" / "jobs").rglob("*") if path.is_file() and path.name != "about"]


@pytest.mark.parametrize("at", [3, 30, -30, -1])
def test_a_damaged_saved_result_is_made_again(place, at):
    place.run()
    for path in entries(place):
        data = bytearray(path.read_bytes())
        data[at] ^= 4
        path.write_bytes(data)
    assert place.run()[1].saved_maps == 0
    assert place.run()[1].saved_maps == place.maps()


def test_missing_saved_results_are_made_again(place):
    place.run()
    answers = [path for path in entries(place) if "-" in path.name]
    for path in answers + sorted(set(entries(place)) - set(answers))[::2]:
        path.unlink()
    assert answers
    assert 0 < place.run()[1].saved_maps < place.maps()


def test_the_least_recently_used_results_are_evicted(place):
    place.run()
    size = sum(path.stat().st_size for path in entries(place))
    place.write("c.log", lines(60, 64))
    place.run(cache_bytes_max=size // 2)
    left = entries(place)
    assert 0 < sum(path.stat().st_size for path in left) <= size // 2
    place.run(cache_bytes_max=size // 2)


def test_a_folder_that_is_open_to_others_is_not_used(place):
    place.run()
    os.chmod(place.cache / "results", 0o755)
    summary = place.run()[1]
    assert summary.saved_maps == 0
    assert "0755" in summary.not_saved


def test_verify_finds_a_map_that_gives_something_else(place):
    place.write_job(imports="import os", value="int(os.environ['WEIGHT'])", more=", pure=True")
    os.environ["WEIGHT"] = "1"
    try:
        place.run(verify="100%")
        place.run(verify="100%")
        os.environ["WEIGHT"] = "2"
        with pytest.raises(NotRepeatable, match="pure=False"):
            place.run(verify="100%")
    finally:
        del os.environ["WEIGHT"]


def test_records_that_are_left_out_are_not_saved(place):
    place.write("a.log", lines(0, 30) + b"poison\n")
    place.write_job(value="1 // (word != 'poison')")
    place.run(max_failed="1")
    summary = place.run(max_failed="1")[1]
    assert summary.quarantined == 1, "the split that holds it is mapped again, and it is found again"
    assert 0 < summary.saved_maps < place.maps()


def test_small_inputs_are_not_saved_unless_asked(place):
    place.run(cache="auto")
    assert not place.cache.exists()


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_cluster_uses_and_makes_the_same_results(place, nodes):
    place.run(engine="local", nodes=nodes)
    assert place.run()[1].saved_maps == place.maps()
    assert place.run(engine="local", nodes=nodes)[1].saved_maps == place.maps()


# ---- windows of time --------------------------------------------------------------------------------

HOURS = """
from mrframe import Job, increment, logs, total
def by_hour({fields}):
    increment("asked")
    yield {key}, 1
job = Job(read=logs.format({format!r}), map=by_hour, reduce=total)
"""
WITH_ZONE, WITHOUT = '%h %l %u %t "%r" %>s %b', '%h %l %u %{%d/%m/%Y %H:%M:%S}t "%r" %>s %b'


def hour(number: int, *, zone: bool = True) -> bytes:
    """A log of one hour with three splits of a hundred bytes or more, and a line that is none."""
    time = f"[17/May/2026:{number:02d}:05:%02d +0000]" if zone else f"17/05/2026 {number:02d}:05:%02d"
    line = f'192.0.2.1 - - {time} "GET / HTTP/1.1" 200 12\n'
    return b"".join((line % second).encode() for second in range(6)) + f"torn {number}\n".encode()


class Hours(Place):
    """Three logs of an hour each, and a job that asks for the hour."""

    def write_job(self, *, zone=True, fields="time", key="time.hour", **_) -> None:
        text = WITH_ZONE if zone else WITHOUT
        (self.folder / "job.py").write_text(HOURS.format(format=text, fields=fields, key=key))

    def run(self, job=None, **options):
        return super().run(job, max_bad="100%", **options)

    def write_hours(self, *, zone=True) -> None:
        for name in os.listdir(self.logs):
            (self.logs / name).unlink()
        for number in (10, 11, 12):
            self.write(f"{number}.log", hour(number, zone=zone))


@pytest.fixture
def hours(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    place = Hours(tmp_path)
    place.write_hours()
    return place


def test_results_of_splits_within_a_window_serve_all_windows_and_none(hours):
    _, first = hours.run(since="2026-05-17T09:30", until="2026-05-17T11:30")
    assert first.saved_maps == 0
    _, other = hours.run(since="2026-05-17T10", until="2026-05-17T11:20")
    assert other.saved_maps > 0
    assert other.ledger["outside_time"] > 0
    rows, whole = hours.run()
    assert whole.saved_maps > 0
    assert whole.counters == {"asked": 18}
    assert dict(rows) == {10: 6, 11: 6, 12: 6}


def test_a_split_outside_the_window_is_not_read_and_one_that_is_cut_is_read_and_not_saved(hours):
    maps = 12
    _, first = hours.run(since="2026-05-17T11")
    assert first.saved_maps == 0
    _, again = hours.run(since="2026-05-17T10:30")
    assert again.saved_maps == maps
    assert (again.ledger["outside_time"], again.malformed) == (6, 3)
    (hours.folder / "job.py").write_text((hours.folder / "job.py").read_text().replace("time.hour", "time.hour + 1"))
    _, changed = hours.run(since="2026-05-17T11:30")  # of another job there is no result, but the times are known
    assert changed.saved_maps == 8
    _, cut = hours.run(since="2026-05-17T10:05:03", until="2026-05-17T10:05:04")
    assert cut.ledger["outside_time"] == 17
    (hours.folder / "job.py").write_text((hours.folder / "job.py").read_text().replace("hour + 1", "hour + 2"))
    _, once_more = hours.run(since="2026-05-17T10:05:03", until="2026-05-17T10:05:04")
    assert once_more.saved_maps == 8  # those of the other hours; the hour that is cut was read, and is read again


def test_nothing_is_shared_where_a_window_changes_the_records_a_job_sees(hours):
    hours.write_job(zone=False)
    hours.write_hours(zone=False)
    _, first = hours.run(since="2026-05-17T09")
    _, second = hours.run(since="2026-05-17T08")
    assert first.records == 18
    assert second.saved_maps == 0


def test_a_split_that_a_window_cuts_through_is_read_though_its_whole_result_is_saved(hours):
    hours.run()
    for until in ("03", "04", "05"):
        _, cut = hours.run(since="2026-05-17T10:05:02", until=f"2026-05-17T10:05:{until}")
        assert cut.records == int(until) - 2


def test_no_time_span_is_saved_for_a_split_with_a_record_without_a_time(hours):
    for name in sorted(os.listdir(hours.logs)):
        data = (hours.logs / name).read_bytes()
        hours.write(name, data.replace(b"17/May/2026", b"31/Feb/2026", 1))
    hours.write_job(fields="status", key="status")
    hours.run()
    for since in ("2026-05-17T13", "2026-05-17T14", "2026-05-17T09"):
        _, summary = hours.run(since=since)
        assert summary.ledger["without_time"] == 3
