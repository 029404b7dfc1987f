"""The names of a result's columns: from the declaration, from `columns=`, and none where nobody can know them."""

from __future__ import annotations

import re

import pytest

from mrframe import Job, collect, count, each, json_lines, largest, logs, mean, top, total
from mrframe.core.job.result_columns import result_columns
from mrframe.errors import JobError


def pairs(path, size):
    yield path, size


def add(path, values):
    yield path, sum(values)


@pytest.mark.parametrize(
    ("job", "names"),
    [
        (Job(key=("day", "status"), reduce=count), ("day", "status", "count")),
        (Job(key="status", value="size", reduce=count), ("status", "count")),
        (Job(key="host", value="size", reduce=total), ("host", "total_size")),
        (Job(key="host", value=("time", "size"), reduce=largest), ("host", "largest_time", "largest_size")),
        (Job(key="host", value=("time", "path"), reduce=collect), ("host", "collect_time_path")),
        (Job(key="host", reduce=each), ("host",)),
        (Job(key="host", value="path", reduce=each), ("host", "path")),
        (Job(key="host", value="size", reduce={"hits": count, "mean": mean}), ("host", "hits", "mean")),
        (
            Job(read=json_lines, key="method", fields={"method": "request.method"}, reduce=count),
            ("method", "count"),
        ),
        (Job(key="path", reduce=count).then(top(3)), ("path", "count")),
        (Job(map=pairs, reduce=add, columns=("path", "bytes")).then(top(3)), ("path", "bytes")),
        (Job(map=pairs, reduce=total), ()),
        (Job(key="path", value="size", reduce=add), ()),
        (Job(key="path", reduce=count).then(Job(key="value", reduce=count)), ()),
        (Job(key="path", reduce=count).then(Job(key="value", reduce=count, columns=("a", "b"))), ("a", "b")),
    ],
)  # fmt: skip
def test_names_follow_from_the_last_step_that_makes_rows(job, names):
    assert result_columns(job) == names


def test_the_columns_of_a_join_are_those_that_it_gives():
    def join(key, hits, users):
        yield key, len(hits)

    parts = {"read": {"hits": logs.combined, "users": json_lines}, "key": {"hits": "user", "users": "name"}}
    assert result_columns(Job(**parts, reduce=join)) == ()
    assert result_columns(Job(**parts, reduce=join, columns=("user", "hits"))) == ("user", "hits")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("path", "columns='path' is not a tuple of names"),
        (("path", 1), "columns=('path', 1) is not a tuple of names"),
        (("path", ""), "is not a tuple of names"),
        (("path", "path"), "has a name twice"),
    ],
)
def test_names_that_are_none_are_refused(names, words):
    with pytest.raises(JobError, match=re.escape(words)):
        Job(key="path", reduce=count, columns=names)
