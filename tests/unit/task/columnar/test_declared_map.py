"""Which maps only pick columns, and that picking gives what calling them would have given; not how fast that is."""

from __future__ import annotations

from functools import wraps

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, logs, total
from mrframe.task.columnar.declared_map import Constant, picks_of
from mrframe.task.map import emit, kernel_fold
from mrframe.task.map.emit import Emitter

LOG = (
    '192.0.2.{n} - - [17/May/2015:1{n}:05:03 +0000] "GET /{n} HTTP/1.1" {status} {n} "-" "-"\n'
    'not a line\n192.0.2.1 - - [31/Feb/2015:10:05:03 +0000] "GET /a HTTP/1.1" - - "-" "\\"x\\""\n'
)


def fields(hour, host):
    yield hour, host


def with_words(hour, host):
    """It has a docstring."""
    yield (
        host,
        (1, (hour, "x")),
    )


def twice(host, hour):
    yield (host, host), (hour, -0.0)


def one(status):
    yield status, 1


def true(status):
    yield status, True


def nothing(status):
    yield None, status


@pytest.mark.parametrize(
    ("function", "picks"),
    [
        (fields, (0, 1)),
        (with_words, (1, (Constant(1), (0, Constant("x"))))),
        (twice, ((0, 0), (1, Constant(-0.0)))),
        (one, (0, Constant(1))),
        (true, (0, Constant(value=True))),
        (nothing, (Constant(None), 0)),
        (lambda status: (yield status, b"x"), None),  # it returns what it is sent: not quite the same
    ],
)
def test_maps_that_only_pick_are_known_and_give_the_same(function, picks):
    names = function.__code__.co_varnames
    assert picks_of(function, len(names)) == picks
    columns = [["a", None, "b"], [1, "2", (3,)]][: len(names)]
    emitter = Emitter(Job(read=logs.combined, map=function, reduce=collect))
    called = [pair for row in zip(*columns, strict=True) for pair in function(*row)]
    assert repr(list(zip(*emitter.emit(columns, 3), strict=True))) == repr(called)


def yields_more(a):
    yield a, 1
    yield a, 2


def works_after(a):
    yield a, 1
    mrframe.increment("seen")


def looks_at_what_is_sent(a):
    sent = yield a, 1
    print(sent)


def decides(a):
    if a:
        yield a, 1


def calls(a):
    yield a, len(a)


def makes_anew(a):
    yield a, [1]


def has_a_default(a, b=1):
    yield a, b


def only_by_name(*, a):
    yield a, 1


def takes_many(*a):
    yield a, 1


def changes(a):
    a = 1
    yield a, 1


def gives_back(a):
    return ((a, 1),)


def yields_one(a):
    yield a


async def waits(a):
    yield a, 1


@wraps(fields)
def wrapped(a, b):
    yield b, a


class Called:
    def __call__(self, a):
        yield a, 1


CAPTURED = 3


def of_the_module(a):
    yield a, CAPTURED


def enclosing():
    inner = 2

    def captured(a):
        yield a, inner

    return captured


@pytest.mark.parametrize(
    "function",
    [
        yields_more,
        works_after,
        looks_at_what_is_sent,
        decides,
        calls,
        makes_anew,
        only_by_name,
        takes_many,
        changes,
        gives_back,
        yields_one,
        waits,
        wrapped,
        Called(),
        of_the_module,
        enclosing(),
        Called().__call__,
    ],
)
def test_a_map_that_does_anything_else_is_called(function):
    assert all(picks_of(function, given) is None for given in (1, 2))


def test_a_parameter_with_a_default_is_no_field():
    assert picks_of(has_a_default, 1) is None


def plainly(job: Job, path: str, monkeypatch: pytest.MonkeyPatch):
    """The answer where no map is known to pick."""
    for module in (emit, kernel_fold):
        monkeypatch.setattr(module, "declared_picks", lambda _: None)
    found = answer(job, path)
    monkeypatch.undo()
    return found


def answer(job: Job, path: str):
    with mrframe.run(
        job, [path], RunOptions(engine="inline", partitions=3, split_bytes=400, max_bad="50%")
    ) as result:
        summary = result.summary
        return list(result), summary.records, summary.malformed, summary.bad_fields


@pytest.mark.parametrize("function", [fields, with_words, twice, one, true, nothing])
@pytest.mark.parametrize("reduce", [total, count, collect], ids=repr)
@pytest.mark.parametrize("where", [None, lambda status: status != 404], ids=["all", "where"])
def test_the_answer_is_that_of_calling_the_map(function, reduce, where, tmp_path, monkeypatch):
    if reduce is total and function not in (one, true):
        pytest.skip("these values cannot be added")
    path = str(tmp_path / "a.log")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(LOG.format(n=n % 5, status=(200, "007", "-", 404)[n % 4]) for n in range(20))
    job = Job(read=logs.combined, map=function, reduce=reduce, where=where)
    assert repr(answer(job, path)) == repr(plainly(job, path, monkeypatch))
