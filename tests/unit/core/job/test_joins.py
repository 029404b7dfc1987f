"""What makes a job a join, the views of its sources, and what is refused, with the remedy in the message."""

from __future__ import annotations

import pytest

from mrframe import Job, collect, count, json_lines, logs, text, top
from mrframe.errors import JobError


def f(user, path):
    yield user, path


def g(name, plan):
    yield name, plan


def join(key, hits, users):
    yield key, (hits, list(users))


READ = {"hits": logs.combined, "users": json_lines}
MAP = {"hits": f, "users": g}


def refused(message, **parts):
    with pytest.raises(JobError, match=message) as caught:
        Job(**{"read": READ, "map": MAP, "reduce": join, **parts})
    assert str(caught.value).count("\n") == 0


def test_each_source_has_a_view_that_is_an_ordinary_job():
    paths = {"users": {"name": "user.name", "plan": "plan"}}
    job = Job(read=READ, map=MAP, where={"users": lambda age: age}, fields=paths, reduce=join, partitions=3).then(
        top(2)
    )
    assert (job.is_join, job.source_names, len(job.steps())) == (True, ("hits", "users"), 2)
    hits, users = job.sources().values()
    assert (hits.read, hits.projection(), hits.where, hits.paths()) == (logs.combined, ("user", "path"), None, {})
    assert (users.read, users.projection(), users.paths()) == (json_lines, ("name", "plan", "age"), paths["users"])
    assert (hits.partitions, hits.is_join, hits.next, hits.reduce) == (3, False, None, join)


def test_a_job_of_one_source_is_its_own_view():
    job = Job(read=text, key="line", reduce=count)
    assert (job.is_join, job.source_names) == (False, ("",))
    assert job.sources()[""] is job


def test_a_part_that_is_not_named_serves_every_source():
    job = Job(read=READ, key="user", value={"hits": "path"}, where=lambda user: user, reduce=join)
    assert [view.projection() for view in job.sources().values()] == [("user", "path"), ("user",)]


@pytest.mark.parametrize(
    "reduce",
    [join, lambda *all_of_it: (), lambda key, a, b, more=1: (), max],
    ids=["names of the sources", "star", "other names", "builtin"],
)
def test_a_reduce_of_a_join_may_name_its_parameters_freely(reduce):
    assert Job(read=READ, map=MAP, reduce=reduce).is_join


def test_sources_and_parts_that_do_not_fit_are_refused():
    refused("two sources or more", read={"hits": text})
    refused("'my hits' needs a name", read={"my hits": text, "users": text})
    refused("'class' needs a name", read={"class": text, "users": text})
    refused(
        r"map=.* 'hit', which is no source of the job; did you mean 'hits'\? .*hits, users", map={**MAP, "hit": f}
    )
    refused("source 'users': .*one of map=, map_split=.*none of them", map={"hits": f})
    refused("source 'hits': .*map and key was given", key="user")
    refused("source 'users': .*'combined' is not a reader", read={"hits": text, "users": "combined"})
    refused("source 'hits': map=.* takes ", map={"hits": lambda *all_of_it: (), "users": g})
    refused("source 'hits': partitions=0", partitions=0)


def test_a_reduce_that_does_not_fit_the_sources_is_refused():
    refused("leave it out of a join", key_order="total")
    refused("combine= out", combine=lambda key, values: ())
    refused(r"function \(key, hits, users\)$", reduce=None)
    refused(r"function \(key, hits, users\); reduce=collect was given", reduce=collect)
    refused(r"function \(key, hits, users\)", reduce={"n": count})
    refused(r"takes \(key, values\); it is called as \(key, hits, users\)", reduce=lambda key, values: ())
    refused("takes users, hits, but read= has them in another order", reduce=lambda key, users, hits: ())


def test_a_join_as_a_later_step_is_refused():
    with pytest.raises(JobError, match="only be the first step"):
        Job(read=text, key="line", reduce=count).then(Job(read=READ, map=MAP, reduce=join))
