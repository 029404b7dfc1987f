"""Every bad input of the table, cut at every place: what is read, what is malformed, and that no byte is lost.

All inputs of a reader are the inputs of one job, so that a run judges them all; `file` and `offset` say whose a
record is. The default run takes some block sizes, the long one all from 1 to 64 bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict

import pytest
from corpus import ACCESS, JSON, LIMIT, LONG, PACKED, REFUSED, TEXT, Case

import mrframe
from mrframe import Job, RunOptions, each, json_lines, logs, text
from mrframe.errors import InputError
from mrframe.formats.inputs import splits
from mrframe.task.map.map_input import MapInput

BETWEEN = re.compile(rb"(?:\r?\n)?(?:\0|\xef\xbb\xbf)*")
BEHIND = re.compile(rb"\r?\n?(?:\0|\xef\xbb\xbf)*")
MIB = 1 << 20
SIZES = [1, 2, 3, 5, 17, 64 * MIB]
ALL_SIZES = [*range(1, 65), 64 * MIB]
GROUPS = {"text": TEXT, "access": ACCESS, "json": JSON, "packed": PACKED}


def of_text(file, offset, line):
    yield (file, offset), (line, line)


def of_access(file, offset, line, time, status, size):
    yield (file, offset), (line, (time and time.isoformat(), status, size))


def of_json(file, offset, line, a):
    yield (file, offset), (line, "nan" if a != a else a)


JOBS = {
    "text": Job(read=text, map=of_text, reduce=each),
    "combined": Job(read=logs.combined, map=of_access, reduce=each),
    "json": Job(read=json_lines, map=of_json, reduce=each),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("corpus")
    for group, cases in {**GROUPS, "long": LONG}.items():
        for number, case in enumerate(cases):
            (made / f"{group}-{number:03d}").write_bytes(case.packed or case.data)
    return made


def judge(group: str, cases: list[Case], folder, options: RunOptions, monkeypatch, reader_block_bytes: int) -> None:
    """Run the cases of a group as one job, and hold what came of each against the table."""
    monkeypatch.setattr(MapInput.blocks, "__defaults__", (reader_block_bytes,))
    paths = [str(folder / f"{group}-{number:03d}") for number in range(len(cases))]
    rejects = str(folder / f"rejects-{group}")
    rows = defaultdict(list)
    malformed = defaultdict(list)
    with mrframe.run(JOBS[cases[0].reader], paths, options, rejects=rejects) as result:
        for (path, offset), (line, value) in result:
            rows[path].append((offset, line, value))
        summary = result.summary
    with open(rejects, encoding="utf-8") as file:
        for one in map(json.loads, file):
            malformed[one["source"]].append(one)
    assert summary.records + summary.malformed == summary.lines
    for path, case in zip(paths, cases, strict=True):
        judge_one(case, rows[path], malformed[path])
    assert (summary.records, summary.malformed) == (sum(c.records for c in cases), sum(c.malformed for c in cases))


def judge_one(case: Case, rows, malformed) -> None:
    body = case.data
    assert (len(rows), len(malformed)) == (case.records, case.malformed), case.name
    if case.values is not None:
        assert [value for _, _, value in rows] == case.values, case.name
    if case.name == "gzip-with-a-bom":
        return  # its offsets are those of the decoded bytes, the mark included
    found = {offset: line.encode("utf-8", "surrogateescape") for offset, line, _ in rows}
    for one in malformed:
        found[one["offset"]] = one["text"].encode("utf-8", "surrogateescape")
    numbers = {one["offset"]: one["line"] for one in malformed}
    at = 0
    for number, (offset, line) in enumerate(sorted(found.items()), 1):
        gap = body[at:offset]
        assert BETWEEN.fullmatch(gap), case.name
        assert at == 0 or b"\n" in gap, case.name
        assert body[offset : offset + len(line)] == line, case.name
        assert numbers.get(offset, number) == number, case.name
        at = offset + len(line)
    assert BEHIND.fullmatch(body, at), case.name


def options(split_bytes: int, engine: str = "inline", **more) -> RunOptions:
    return RunOptions(engine=engine, split_bytes=split_bytes, max_bad="100%", **more)


def test_the_table_is_whole():
    assert sum(map(len, GROUPS.values())) + len(LONG) + len(REFUSED) >= 180
    assert all(len({case.name for case in cases}) == len(cases) for cases in GROUPS.values())


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("size", SIZES)
def test_every_bad_input_gives_what_the_table_says(group, size, folder, monkeypatch):
    judge(group, GROUPS[group], folder, options(max(size, 4)), monkeypatch, size)
    if size != 1:
        judge(group, GROUPS[group], folder, options(64 * MIB), monkeypatch, size)


@pytest.mark.parametrize("size", SIZES)
def test_lines_over_the_limit_are_malformed_and_the_rest_is_read(size, folder, monkeypatch):
    monkeypatch.setattr(splits, "LINE_BYTES_MAX", LIMIT)
    judge("long", LONG, folder, options(max(size, 4)), monkeypatch, size)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("size", ALL_SIZES)
def test_every_bad_input_at_every_size(group, size, folder, monkeypatch):
    judge(group, GROUPS[group], folder, options(size), monkeypatch, size)


@pytest.mark.parametrize("group", GROUPS)
def test_a_cluster_gives_what_the_table_says(group, folder, monkeypatch):
    judge(group, GROUPS[group], folder, options(700, "local", nodes=1, slots=2), monkeypatch, 64)


@pytest.mark.parametrize("name", REFUSED)
def test_inputs_that_are_refused_say_why(name, tmp_path):
    data, error, words = REFUSED[name]
    path = tmp_path / "input.log"
    path.write_bytes(data)
    with pytest.raises(error, match=words) as caught:
        mrframe.run(JOBS["text"], [str(path)], options(64)).close()
    assert "input.log" in str(caught.value)
    assert os.listdir(tmp_path) == ["input.log"]


def test_a_name_may_hold_anything(tmp_path):
    names = [b"with\nnewline", b"esc\x1b[2J", b"not-utf8-\xff", b"-dash", b" blank ", "\u202e".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"line\n")
    with mrframe.run(JOBS["text"], [str(tmp_path)], options(64)) as result:
        seen = {os.fsencode(os.path.basename(path)) for (path, _), _ in result}
    assert seen == set(names)


@pytest.mark.parametrize("kind", ["fifo", "dangling", "loop", "kernel", "missing", "device"])
def test_inputs_that_are_no_regular_files_are_refused(kind, tmp_path):
    path = tmp_path / "input"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    name = {"kernel": "/proc/self/status", "device": "/dev/null"}.get(kind, str(path))
    with pytest.raises(InputError):
        mrframe.run(JOBS["text"], [name], options(64)).close()
