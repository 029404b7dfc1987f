"""Lines between parent and child: messages and descriptors survive any cut; nothing blocks; ends are seen."""

import os
import socket

import pytest

from mrframe.cluster.transport.pipes import Pipe, make_pair
from mrframe.wire import channels, messages
from mrframe.wire.codec import BadMessage


@pytest.fixture
def ends():
    here, there = make_pair()
    client = Pipe(here, receives=channels.FROM_PARENT, sends=channels.TO_KEEPER)
    keeper = Pipe(there, receives=channels.TO_KEEPER, sends=channels.FROM_PARENT)
    yield client, keeper
    client.close()
    keeper.close()


def test_messages_arrive_in_order(ends):
    client, keeper = ends
    said = [messages.ForkChildren((f"node-{i}",)) for i in range(50)]
    for message in said:
        client.send(message)
    assert keeper.receive() == said
    assert keeper.receive() == []
    assert not keeper.ended


def test_descriptors_come_with_their_message(ends):
    client, keeper = ends
    for round_ in range(3):
        read, write = os.pipe()
        client.send(messages.ForkChildren(("master",)), [write])
        os.close(write)
        assert keeper.receive() == [messages.ForkChildren(("master",))]
        got = keeper.fds.popleft()
        assert not os.get_inheritable(got)
        os.write(got, b"%d" % round_)
        os.close(got)
        assert os.read(read, 10) == b"%d" % round_
        os.close(read)


def test_many_descriptors_come_with_one_message_in_their_order(ends):
    client, keeper = ends
    fds = [os.memfd_create(str(number)) for number in range(200)]
    wanted = [os.fstat(fd).st_ino for fd in fds]
    message = messages.ForkChildren(tuple(f"node-{number}" for number in range(200)))
    client.send(message, fds)
    client.send(messages.EndAll())
    heard = []
    while len(heard) < 2:
        heard += keeper.receive()
    assert heard == [message, messages.EndAll()]
    assert [os.fstat(fd).st_ino for fd in keeper.fds] == wanted
    for fd in fds:
        os.close(fd)


def test_sending_never_blocks_and_nothing_is_lost(ends):
    client, keeper = ends
    said = [messages.ForkChildren((str(i) * 5000,)) for i in range(200)]
    for message in said:
        client.send(message)
    assert client.pending
    heard = []
    while len(heard) < len(said):
        heard += keeper.receive()
        client.flush()
    assert heard == said
    assert not client.pending


def test_the_end_is_seen_after_all_messages(ends):
    client, keeper = ends
    client.send(messages.EndAll())
    client.close()
    assert keeper.receive() == [messages.EndAll()]
    keeper.receive()
    assert keeper.ended
    keeper.send(messages.ChildEnded("master", 1, "x"))  # nobody hears it, and nothing is raised
    assert not keeper.pending


def test_malformed_bytes_raise_bad_message(ends):
    client, keeper = ends
    client.socket.send(b"\0\0\0\1\xff")
    with pytest.raises(BadMessage):
        keeper.receive()


def test_a_blocking_pipe_waits_and_keeps_messages_that_came_together():
    here, there = socket.socketpair()
    client = Pipe(here, receives=channels.FROM_PARENT, sends=channels.TO_KEEPER)
    keeper = Pipe(there, receives=channels.TO_KEEPER, sends=channels.FROM_PARENT, blocking=True)
    client.send(messages.ForkChildren(("master",)))
    client.send(messages.EndAll())
    assert keeper.wait() == messages.ForkChildren(("master",))
    assert keeper.buffered
    assert keeper.receive() == [messages.EndAll()]
    client.close()
    assert keeper.wait() is None
    keeper.close()
