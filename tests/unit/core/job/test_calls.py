"""Mistakes in how a job is written are found when it is made: unknown parts, and functions of another signature."""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial

import pytest

import mrframe
from mrframe import Job, logs
from mrframe.core.job.calls import nearest_name
from mrframe.errors import JobError


def by_status(status):
    yield status, 1


def add(key, values):
    yield key, sum(values)


def of_values(values):
    yield sum(values)


def wants_more(key, values, *, scale):
    yield key, sum(values) * scale


class Called:
    def __call__(self, key, values):
        yield key, sum(values)

    def method(self, key, values):
        yield key, sum(values)


def job(**parts):
    return Job(**{"read": logs.access, "map": by_status, "reduce": add, **parts})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"reduce": sum},
            r"^reduce=sum is Python's sum, .* the ready reducer for it is total: from mrframe import total",
        ),
        ({"reduce": max}, "ready reducer for it is largest"),
        ({"reduce": len}, "ready reducer for it is count"),
        ({"reduce": set}, "ready reducer for it is distinct"),
        ({"reduce": of_values}, r"^reduce=of_values \(.*\) takes \(values\); it is called with \(key, values\)$"),
        ({"reduce": wants_more}, r"takes \(key, values, \*, scale\)"),
        ({"reduce": statistics.mean}, r"^reduce=mean .* takes \(data\); it is called with \(key, values\)$"),
        ({"combine": sum}, r"^combine=sum is Python's sum"),
        ({"combine": of_values}, r"^combine=of_values .* it is called with \(key, values\)$"),
        ({"partition": hash}, r"^partition=hash takes \(obj, /\); it is called with \(key, partitions\)$"),
        ({"partition": lambda key: 0}, r"it is called with \(key, partitions\)$"),
        ({"reader": logs.access}, r"^Job has no reader=; did you mean 'read'\? it has: read, map, "),
        ({"filter": by_status}, "^Job has no filter=; did you mean 'where'"),
        ({"combin": add}, "^Job has no combin=; did you mean 'combine'"),
        ({"zzz": 1}, r"^Job has no zzz=; it has: read, "),
    ],
    ids=lambda part: "-".join(part) if isinstance(part, dict) else "",
)
def test_a_wrong_part_is_refused_when_the_job_is_made(parts, message):
    with pytest.raises(JobError, match=message):
        job(**parts)


@pytest.mark.parametrize(
    "reduce",
    [
        add,
        Called(),
        Called().method,
        partial(wants_more, scale=2),
        lambda *both: [both],
        lambda key, values, more=1: [],
    ],
)
def test_a_function_that_takes_key_and_values_is_accepted(reduce):
    assert job(reduce=reduce, combine=reduce).reduce is reduce


@pytest.mark.parametrize(("name", "nearest"), [("sum", "total"), ("totel", "total"), ("grep", "")])
def test_the_nearest_name_is_by_meaning_then_by_letters_and_never_far_away(name, nearest):
    hint = nearest_name(name, [*mrframe.__all__, "replay"])
    assert hint == (f"; did you mean {nearest!r}?" if nearest else "")


def test_an_unknown_format_and_an_unknown_name_of_the_package_list_those_there_are():
    with pytest.raises(AttributeError, match=r"logs has no format 'combind'; did you mean 'combined'.*nginx_main"):
        _ = logs.combind
    with pytest.raises(AttributeError, match=r"no attribute 'sum'; did you mean 'total'.*collect, connect, count"):
        _ = mrframe.sum
    assert not hasattr(mrframe, "sum")
    with pytest.raises(ImportError, match="no attribute 'max'; did you mean 'largest'"):
        exec("from mrframe import max")


def test_a_submodule_is_still_imported_by_name():
    done = subprocess.run(
        [sys.executable, "-c", "from mrframe import errors, api"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
