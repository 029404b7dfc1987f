"""When a node reads the reports of its executors, with a loop and a fork server that the test plays."""

from __future__ import annotations

import socket
import time

import pytest

from mrframe.cluster.node.pool import TOGETHER_S, Pool
from mrframe.cluster.transport.pipes import Pipe, make_pair
from mrframe.core.model.events import ExecutorDied, ExecutorFailed, ExecutorSealed
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, MapOrder, Split
from mrframe.wire import channels, messages

FAR_S = 1e12
SPLIT = Split("file", "s", "p", 0, 1, (0, 0))


class PlayedLoop:
    """Remembers what is watched, and makes the calls when the test says so."""

    def __init__(self):
        self.calls = {}

    def watch(self, source, call, sender=None):
        assert sender is not None
        self.calls[source] = call

    def forget(self, source):
        self.calls.pop(source, None)

    def turn(self):
        for call in list(self.calls.values()):
            call()


class Played:
    """A pool with one executor, whose end of the pipe the test holds."""

    def __init__(self):
        self.loop = PlayedLoop()
        self.events = []
        here, there = make_pair()
        self.server = Pipe(there, receives=channels.TO_WARM_PARENT, sends=channels.FROM_PARENT)
        warm = Pipe(here, receives=channels.FROM_PARENT, sends=channels.TO_WARM_PARENT)
        self.pool = Pool(self.loop, warm, self.events.append, lambda: None)
        self.warm = warm
        self.pool.spawn(1)
        assert self.server.receive() == [messages.ForkExecutor(1)]
        end = socket.socket(fileno=self.server.fds.popleft())
        self.executor = Pipe(end, receives=channels.TO_EXECUTOR, sends=channels.FROM_EXECUTOR)

    @property
    def is_watched(self):
        return len(self.loop.calls) > 1

    def execute(self, *names):
        self.pool.execute(1, "package", [MapOrder(name, 0, SPLIT, 1, "out") for name in names])

    def close(self):
        if self.is_watched or self.pool.due_s(FAR_S) < FAR_S:  # it has not died
            self.server.send(messages.ChildEnded("executor-1", 7, "killed"))
            self.loop.calls[self.warm.fileno()]()
        for pipe in (self.server, self.warm, self.executor):
            pipe.close()

    def seal(self, *names):
        for name in names:
            self.executor.send(ExecutorSealed(1, name, TaskReport()))

    def took(self):
        """The attempts of the events so far, which are forgotten."""
        names = [event.attempt for event in self.events]
        self.events.clear()
        return names


@pytest.fixture
def played():
    made = Played()
    yield made
    made.close()


def test_reports_of_several_orders_are_read_together_and_the_last_as_it_arrives(played):
    played.execute("a", "b", "c", "d")
    played.seal("a")
    played.loop.turn()
    assert played.took() == ["a"], "the first says that the batch has begun"
    assert not played.is_watched
    due_s = played.pool.due_s(FAR_S)
    assert time.monotonic() < due_s + TOGETHER_S
    assert due_s <= time.monotonic() + TOGETHER_S
    assert played.pool.due_s(due_s - 1) == due_s - 1
    played.seal("b", "c")
    played.loop.turn()
    played.pool.read_due(due_s - 0.001)
    assert played.took() == []
    played.pool.read_due(due_s)
    assert played.took() == ["b", "c"]
    assert played.is_watched, "one is left, and nothing else to wait for"
    assert played.pool.due_s(FAR_S) == FAR_S
    played.seal("d")
    played.loop.turn()
    assert played.took() == ["d"]


def test_an_executor_with_one_order_is_never_waited_for(played):
    for name in ("a", "b"):
        played.execute(name)
        played.seal(name)
        played.loop.turn()
        assert played.took() == [name]
        assert played.is_watched


def test_orders_that_follow_are_counted_with_those_that_are_left(played):
    played.execute("a")
    played.execute("b", "c")
    played.seal("a")
    played.loop.turn()
    assert not played.is_watched
    played.executor.send(ExecutorFailed(1, "b", Failure("io", "a disk")))
    played.pool.read_due(FAR_S)
    assert played.took() == ["a", "b"]
    assert played.is_watched


def test_the_reports_before_a_death_are_read_before_it_is_reported(played):
    played.execute("a", "b", "c", "d")
    played.seal("a")
    played.loop.turn()
    played.seal("b", "c")
    played.server.send(messages.ChildEnded("executor-1", 7, "killed"))
    played.loop.calls[played.warm.fileno()]()
    *reports, death = played.events
    assert [event.attempt for event in reports] == ["a", "b", "c"]
    assert death == ExecutorDied(1, "killed", None)
    assert played.pool.due_s(FAR_S) == FAR_S
    assert not played.is_watched
