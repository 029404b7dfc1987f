"""A run of a join: how its inputs are named, what is wrong with them, blame, the format, standard input."""

from __future__ import annotations

import gzip
import io
import json
import sys

import pytest

import mrframe
from mrframe import Job, RunOptions, json_lines, logs, text
from mrframe.engines.plan.job_inputs import by_source
from mrframe.errors import InputError, TooManyMalformed, UnknownField, UsageError, UserCodeError
from mrframe.task.code import pickled
from mrframe.task.code.package import pack, unpack
from mrframe.task.code.settings import TaskSettings

INLINE = RunOptions(engine="inline")
LOG = '192.0.2.7 - {} [17/May/2015:10:05:03 +0000] "GET {} HTTP/1.1" 200 12 "-" "curl"\n'


def of_hit(user, path):
    yield user, path


def of_user(name, plan):
    yield name, plan


def join(key, hits, users):
    for plan in users:
        yield key, (plan, hits)


JOIN = Job(
    read={"hits": logs.access, "users": json_lines}, map={"hits": of_hit, "users": of_user}, reduce=join, name="plans"
)
ORDINARY = Job(read=text, key="line", reduce=mrframe.count)
EXPECTED = [("ann", ("gold", ["/a", "/b"])), ("cyd", ("none", []))]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "one.log").write_text(LOG.format("ann", "/a") + "garbage\n" + LOG.format("bob", "/c") * 9)
    (tmp_path / "two.log.gz").write_bytes(gzip.compress(LOG.format("ann", "/b").encode()))
    users = [{"name": "ann", "plan": "gold"}, {"name": "cyd", "plan": "none"}]
    (tmp_path / "users.jsonl").write_text("".join(json.dumps(user) + "\n" for user in users))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "inputs",
    [
        ["hits=one.log", "users=users.jsonl", "hits=two.log.gz"],
        ["users=users.jsonl", "hits=*.log*"],
        {"users": "users.jsonl", "hits": ["one.log", "two.log.gz"]},
    ],
)
def test_named_inputs_are_read_by_their_source(folder, inputs):
    with mrframe.run(JOIN, inputs, INLINE) as result:
        assert list(result) == EXPECTED
        summary = result.summary
        assert summary.log_format == "hits: combined, users: json"
        assert [(s.source, s.line) for s in summary.samples] == [("one.log", 2)]
        assert summary.sources["hits"]["malformed"] == 1
        assert [figures["records"] for figures in summary.sources.values()] == [11, 2]


def test_an_ordinary_job_has_no_figures_by_source_and_takes_names_as_they_are(folder):
    (folder / "a=b").write_text("x\n")
    with mrframe.run(ORDINARY, ["a=b"], INLINE) as result:
        assert list(result) == [("x", 1)]
        assert result.summary.sources == {}
    assert by_source(ORDINARY, "a=b") == {"": ["a=b"]}
    with pytest.raises(UsageError, match=r"reads one source, so its inputs have no names \(hits\)"):
        mrframe.run(ORDINARY, {"hits": "a=b"}, INLINE)


def test_a_path_of_a_join_may_hold_what_looks_like_a_name():
    assert by_source(JOIN, ["hits=a=b", "users=x", "hits=users=y"]) == {"hits": ["a=b", "users=y"], "users": ["x"]}


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (["one.log"], UsageError, "'one.log' does not say .* joins hits and users, .* hits=one.log users=PATH"),
        (["./a=b"], UsageError, "does not say which source"),
        (["hit=one.log"], UsageError, r"no source 'hit'; did you mean 'hits'\? \(.*hits=PATH users=PATH"),
        ({"hit": "one.log"}, UsageError, "did you mean 'hits'"),
        (["hits=one.log"], InputError, "no input was given for the source 'users'; .*hits=PATH users=PATH"),
        ({"hits": [], "users": "users.jsonl"}, InputError, "for the source 'hits'"),
        (["hits=none.log", "users=users.jsonl"], InputError, "none.log does not exist"),
        (["hits=-", "users=-"], InputError, "standard input .* two sources"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(folder, inputs, error, message):
    with pytest.raises(error, match=message):
        mrframe.run(JOIN, inputs, INLINE)


@pytest.mark.parametrize("name", ["hits", "users"])
def test_one_source_may_be_standard_input(folder, monkeypatch, name):
    (folder / "all.log").write_bytes((folder / "one.log").read_bytes() + LOG.format("ann", "/b").encode())
    inputs = {"hits": "all.log", "users": "users.jsonl"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / inputs[name]).read_bytes())))
    with mrframe.run(JOIN, inputs | {name: "-"}, INLINE) as result:
        assert list(result) == EXPECTED


def test_a_source_without_a_line_joins_nothing(folder):
    (folder / "empty").write_text("")
    with mrframe.run(JOIN, {"hits": "empty", "users": "users.jsonl"}, INLINE) as result:
        assert list(result) == [("ann", ("gold", [])), ("cyd", ("none", []))]
    with mrframe.run(JOIN, {"hits": "one.log", "users": "empty"}, INLINE) as result:
        assert list(result) == []


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_blame_names_the_file_and_line_of_the_source(folder, engine):
    def bad(name, plan):
        if name == "cyd":
            raise ValueError("no")
        yield name, plan

    job = Job(read=JOIN.read, map={"hits": of_hit, "users": bad}, reduce=join)
    with pytest.raises(UserCodeError, match="ValueError: no") as caught:
        mrframe.run(job, ["hits=one.log", "users=users.jsonl"], RunOptions(engine=engine, split_bytes=30))
    assert (caught.value.source, caught.value.line, caught.value.offset) == ("users.jsonl", 2, 32)
    assert "bad" in caught.value.traceback_text


def test_blame_in_reduce_names_the_key_and_is_the_users_own_traceback(folder):
    def bad(key, hits, users):
        yield key, len(hits) // len(list(users))

    job = Job(read=JOIN.read, map=JOIN.map, reduce=bad)
    with pytest.raises(UserCodeError, match="ZeroDivisionError") as caught:
        mrframe.run(job, ["hits=one.log", "users=users.jsonl"], INLINE)
    assert caught.value.key == "'bob'"
    assert "joining.py" not in caught.value.traceback_text
    forgot = Job(read=JOIN.read, map=JOIN.map, reduce=lambda key, hits, users: None)
    with pytest.raises(UserCodeError, match=r"reduce=.*test_job_inputs.py.* returned None; it must yield"):
        mrframe.run(forgot, ["hits=one.log", "users=users.jsonl"], INLINE)


def test_fields_and_formats_are_checked_source_by_source(folder):
    def strange(usr):
        yield usr, 1

    job = Job(read=JOIN.read, map={"hits": strange, "users": of_user}, reduce=join)
    with pytest.raises(UnknownField, match=r"source 'hits': .*'usr'; did you mean 'user'\?"):
        mrframe.run(job, ["hits=one.log", "users=users.jsonl"], INLINE)
    forced = RunOptions(engine="inline", log_format="common")
    (folder / "many.log").write_text(LOG.format("ann", "/a") * 1000)
    with pytest.raises(TooManyMalformed, match="format: common, given by --log-format"):
        mrframe.run(JOIN, ["hits=many.log", "users=users.jsonl"], forced)
    texts = Job(read={"hits": text, "users": text}, key="line", reduce=join)
    with pytest.raises(UsageError, match="none of the job's sources is an access log"):
        mrframe.run(texts, ["hits=one.log", "users=users.jsonl"], forced)


def test_a_join_travels_with_its_readers_in_order():
    readers = {"hits": logs.combined, "users": json_lines}
    loaded = unpack(pack(JOIN, TaskSettings(readers), None, {}))
    assert loaded.settings.reader == readers
    assert list(loaded.settings.reader) == ["hits", "users"]
    assert loaded.steps[0].read == readers
    assert [role for role, _ in pickled.functions_of(JOIN)] == ["map", "map", "reduce"]
