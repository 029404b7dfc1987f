"""A listener under a flood of connections that never say a word."""

import contextlib
import gc
import resource
import socket
import time

import pytest
import zmq

from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Doorkeeper, make_keys
from mrframe.errors import ClusterUnreachable
from mrframe.store import open_files
from mrframe.wire.messages import Member

WITHIN_S = 20.0


@pytest.fixture
def limit():
    """Let this process have 300 open files more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files.set_soft_limit(open_files.lowest_free() + 300)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class House:
    """A listener with a doorkeeper, and a peer that is connected to it."""

    def __init__(self):
        self.context = transport.make_context()
        self.peers = []
        self.server, self.client = make_keys(), make_keys()
        self.doorkeeper = Doorkeeper(self.context, [Member("client", self.client.public)])
        self.router, self.door = transport.listen(self.context, self.server)
        self.peer = self.connect()
        self.hear(self.peer)

    def connect(self):
        peer = transport.connect(self.context, self.client, self.door.address, self.server.public)
        self.peers.append(peer)
        return peer

    def until(self, condition):
        deadline_s = time.monotonic() + WITHIN_S
        while not condition():
            self.doorkeeper.reply()
            self.door.check()
            self.router.poll(10)
            assert time.monotonic() < deadline_s

    def hear(self, peer):
        """Let a peer say something, and wait for it."""
        outbox = transport.Outbox(peer)
        outbox.send(b"x")

        def heard():
            outbox.flush()
            return transport.receive(self.router) is not None

        self.until(heard)

    def close(self):
        self.door.close()
        transport.end_context(self.context)


@pytest.fixture
def house(limit):
    with contextlib.closing(House()) as one:
        yield one


def strangers(address, count):
    host, _, port = address.rpartition("/")[2].rpartition(":")
    made = []
    for _ in range(count):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((host, int(port)))
        made.append(one)
    return made


def test_the_door_shuts_before_descriptors_run_out_and_opens_when_strangers_have_gone(house):
    made = []

    def shut():
        if len(made) < 120:
            made.extend(strangers(house.door.address, 10))
        return not house.door.is_open

    house.until(shut)
    files = [open_files.patiently(lambda: open(__file__)) for _ in range(20)]  # noqa: SIM115 -- closed below
    house.hear(house.peer)  # a connection that exists goes on
    for one in [*made, *files]:
        one.close()
    house.until(lambda: house.door.is_open)
    house.hear(house.connect())


def test_a_shut_door_takes_no_connection(house):
    house.door.shut()
    late = house.connect()
    assert not late.poll(300, zmq.POLLOUT)
    house.hear(house.peer)
    house.until(lambda: house.door.is_open)
    house.hear(late)


def test_a_later_process_listens_at_the_same_address(house):
    address = house.door.address
    house.router.close(0)
    house.door.close()

    deadline_s = time.monotonic() + WITHIN_S
    while house.router.closed:  # until ZeroMQ has closed the socket in its own time
        with contextlib.suppress(ClusterUnreachable):
            house.router, house.door = transport.listen(house.context, house.server, address)
        assert time.monotonic() < deadline_s
    assert house.door.address == address
    house.hear(house.connect())


def test_a_listener_whose_address_is_taken_leaves_no_socket_open(house):
    with pytest.raises(ClusterUnreachable, match=r"cannot listen at .* again: Address already in use"):
        transport.listen(house.context, house.server, house.door.address)
    gc.collect()  # an open socket warns when it is deleted, which fails the test
