"""Who may talk to a master: real sockets in one process, the real scheduler behind."""

import socket
import struct
import time

import pytest
import zmq

from mrframe.cluster.master.client_sessions import REQUEST
from mrframe.cluster.master.master import make
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Doorkeeper, Keys, make_keys
from mrframe.core.model import events
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.spec import StepSpec
from mrframe.wire import channels, messages
from mrframe.wire.framing import apart
from mrframe.wire.messages import Member

NAMES = ("client", "master", "node-1", "node-2")


def numbers(number, base=0, session=1):
    return REQUEST.pack(session, number, base)


class House:
    """A master in this process, and connections to it with any keys."""

    def __init__(self, folder):
        self.keys = {name: make_keys() for name in NAMES}
        members = [Member(name, keys.public) for name, keys in self.keys.items()]
        mine = self.keys["master"]
        journal = str(folder / "journal")
        self.master = make(messages.MasterSetup(mine.public, mine.secret, tuple(members), SchedulerLimits(), journal))
        self.told = []
        handle = self.master._scheduler.handle
        self.master._scheduler.handle = lambda event, *more: (self.told.append(event), handle(event, *more))[1]
        self.context = zmq.Context()
        self.sessions = 100
        self.dealers = []
        self.heard = {}  # by dealer: messages that came together and were not asked for yet

    def connect(self, name, server=None):
        keys = self.keys.get(name) or make_keys()
        server = server or self.keys["master"].public
        self.dealers.append(transport.connect(self.context, keys, self.master.address, server))
        return self.dealers[-1]

    def turn_until(self, condition, within_s=5.0):
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.master.turn()

    def say(self, dealer, *frames):
        def said():
            try:
                dealer.send_multipart(frames, zmq.NOBLOCK)
            except zmq.Again:
                return False
            return True

        self.turn_until(said)

    def answer(self, dealer, words):
        if not self.heard.get(dealer):
            self.turn_until(lambda: dealer.poll(0))
            frames = dealer.recv_multipart(zmq.NOBLOCK)
            self.heard[dealer] = [part for frame in frames for part in apart(memoryview(frame))]
        return words.decode(self.heard[dealer].pop(0))

    def events(self):
        return [event for event in self.told if not isinstance(event, events.Tick)]

    def still_works(self):
        """A real client is served, whatever has happened."""
        dealer = self.connect("client")
        self.sessions += 1
        job = f"job-{self.sessions}"
        request = channels.FROM_CLIENT.encode(events.JobSubmitted(job, (StepSpec(1),)))
        self.say(dealer, numbers(1, session=self.sessions), request)
        self.turn_until(lambda: any(getattr(event, "job", "") == job for event in self.told))


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.context.destroy(0)
    house.master._door.close()
    house.master._router.context.destroy(0)


def node_words(node, name="node-1", incarnation="i"):
    where = messages.NodeAddress(name, incarnation, "tcp://127.0.0.1:1", "/nowhere")
    return channels.FROM_NODE.encode(where), channels.FROM_NODE.encode(events.NodeJoined(name, incarnation, 1))


def test_a_message_of_a_node_is_answered(house):
    dealer = house.connect("node-1")
    for words in node_words("node-1"):
        house.say(dealer, words)
    assert isinstance(house.answer(dealer, channels.TO_NODE), messages.Peers)
    assert isinstance(house.answer(dealer, channels.TO_NODE), events.Welcome)


def test_messages_of_a_node_may_travel_together(house):
    dealer = house.connect("node-1")
    house.say(dealer, *node_words("node-1"))
    assert isinstance(house.answer(dealer, channels.TO_NODE), messages.Peers)
    assert isinstance(house.answer(dealer, channels.TO_NODE), events.Welcome)
    assert house.master.counts["bad"] == 0


def test_each_of_several_messages_together_is_checked(house):
    where, _ = node_words("node-1")
    house.say(house.connect("node-1"), where, node_words("node-2", "node-2")[1])
    house.turn_until(lambda: house.master.counts["bad"] == 1)
    assert house.events() == []
    house.still_works()


def test_a_late_client_gets_the_addresses_of_the_nodes(house):
    node = house.connect("node-1")
    for words in node_words("node-1"):
        house.say(node, words)
    assert isinstance(house.answer(node, channels.TO_NODE), messages.Peers)
    client = house.connect("client")
    house.say(client, numbers(1), channels.FROM_CLIENT.encode(events.JobSubmitted("job-1", (StepSpec(1),))))
    heard = [house.answer(client, channels.TO_CLIENT) for _ in range(2)]
    peers = [message for message in heard if isinstance(message, messages.Peers)]
    assert [address.node for address in peers[0].nodes] == ["node-1"]


def test_a_connection_with_an_unknown_key_is_refused(house):
    stranger = house.connect("stranger")
    house.turn_until(lambda: house.master.doorkeeper.refused > 0)
    with pytest.raises(zmq.Again):
        stranger.send(b"hello", zmq.NOBLOCK)  # the handshake never completes, so there is nobody to send to
    assert house.events() == []
    house.still_works()


def test_a_connection_without_the_masters_key_gets_nothing(house):
    wrong = house.connect("node-1", server=make_keys().public)
    plain = house.context.socket(zmq.DEALER)
    plain.setsockopt(zmq.LINGER, 0)
    plain.setsockopt(zmq.IMMEDIATE, 1)
    plain.connect(house.master.address)
    house.still_works()
    for dealer in (wrong, plain):
        with pytest.raises(zmq.Again):
            dealer.send(b"hello", zmq.NOBLOCK)
    assert [type(event) for event in house.events()] == [events.JobSubmitted]
    plain.close(0)


@pytest.mark.parametrize(
    "data", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096, b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL"]
)
def test_garbage_connections_do_not_disturb_others(house, data):
    host, _, port = house.master.address.rpartition("/")[2].rpartition(":")
    assert host == "127.0.0.1"
    connections = [socket.create_connection((host, int(port))) for _ in range(20)]
    for connection in connections:
        connection.sendall(data)
    house.still_works()
    assert [type(event) for event in house.events()] == [events.JobSubmitted]
    for connection in connections:
        connection.close()


def test_without_a_doorkeeper_every_connection_is_refused():
    """ZAP_ENFORCE_DOMAIN: a process that forgot its doorkeeper is closed, not open."""
    context = zmq.Context()
    server, client = make_keys(), make_keys()
    router, door = transport.listen(context, server)
    dealer = transport.connect(context, client, door.address, server.public)
    assert not dealer.poll(300, zmq.POLLOUT)
    doorkeeper = Doorkeeper(context, [Member("node-1", client.public)])
    deadline = time.monotonic() + 5
    while not dealer.poll(10, zmq.POLLOUT):
        doorkeeper.reply()
        assert time.monotonic() < deadline
    dealer.close(0)
    router.close(0)
    door.close()
    doorkeeper.socket.close(0)
    context.term()


def test_a_node_cannot_speak_for_another(house):
    good, bad = house.connect("node-1"), house.connect("node-2")
    for words in node_words("node-1"):
        house.say(good, words)
    house.answer(good, channels.TO_NODE)
    house.told.clear()
    house.say(bad, channels.FROM_NODE.encode(events.NodeBeat("node-1", "i")))
    refused = house.answer(bad, channels.TO_NODE)
    assert isinstance(refused, messages.Refused)
    assert "may not speak for 'node-1'" in refused.reason
    assert house.events() == []
    assert house.master.counts["bad"] == 1


def test_a_node_cannot_take_another_nodes_messages(house):
    """Without handover, a connection that claims the routing id of another is not taken, and changes nothing."""
    good = house.connect("node-1")
    for words in node_words("node-1"):
        house.say(good, words)
    house.answer(good, channels.TO_NODE)
    house.answer(good, channels.TO_NODE)
    route = house.master._nodes["node-1"].route
    thief = house.context.socket(zmq.DEALER)
    transport._secure(thief, house.keys["node-2"])
    thief.setsockopt(zmq.CURVE_SERVERKEY, house.keys["master"].public)
    thief.setsockopt(zmq.ROUTING_ID, route)
    thief.connect(house.master.address)
    house.dealers.append(thief)
    house.say(thief, channels.FROM_NODE.encode(events.NodeBeat("node-1", "i")))
    house.still_works()
    assert house.master._nodes["node-1"].route == route
    house.say(good, channels.FROM_NODE.encode(events.NodeBeat("node-1", "i", ("job-9/m0000.1.1",))))
    while isinstance(answer := house.answer(good, channels.TO_NODE), events.Welcome):
        pass
    assert answer == events.DiscardAttempt("job-9/m0000.1.1")
    assert not thief.poll(100)
    assert [type(event) for event in house.events()].count(events.NodeBeat) == 1


@pytest.mark.parametrize(
    "message",
    [events.JobSubmitted("job-1", (StepSpec(1),)), events.CancelRequested("job-1"), events.NodeGone("n", "i")],
)
def test_a_node_cannot_do_what_clients_do(house, message):
    node = house.connect("node-1")
    house.say(node, channels.FROM_CLIENT.encode(message))
    assert isinstance(house.answer(node, channels.TO_NODE), messages.Refused)
    house.say(node, numbers(1), channels.FROM_CLIENT.encode(message))
    assert isinstance(house.answer(node, channels.TO_NODE), messages.Refused)
    assert house.events() == []


def test_a_client_cannot_be_a_node(house):
    client = house.connect("client")
    house.say(client, numbers(1), channels.FROM_NODE.encode(events.NodeJoined("node-1", "i", 1)))
    assert isinstance(house.answer(client, channels.TO_CLIENT), messages.Refused)
    assert house.events() == []


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"\x01garbage",),
        (b"\x02",),
        (numbers(1),),
        (numbers(1), b"\x01\x92\xa7Welcome\x90"),
        (b"12345", b"x"),
        (b"x",) * 4,
        (b"x",) * transport.FRAMES_MAX,
        (b"x",) * 500,
    ],
)
def test_bad_messages_are_counted_and_dropped(house, frames):
    for name in ("client", "node-1"):
        house.say(house.connect(name), *frames)
    house.turn_until(lambda: house.master.counts["bad"] == 2)
    assert house.events() == []
    house.still_works()


def test_a_frame_over_the_limit_closes_its_connection_only(house):
    node = house.connect("node-1")
    house.say(node, b"\x01" + b"x" * transport.FRAME_BYTES_MAX)
    house.still_works()
    assert house.master.counts["bad"] == 0


def test_requests_are_taken_in_order_and_once(house):
    client = house.connect("client")
    requests = [
        channels.FROM_CLIENT.encode(event)
        for event in (events.JobSubmitted("job-1", (StepSpec(1),)), events.InputsClosed("job-1", 5))
    ]
    assert tell(house, client, requests, (2, 1, 1, 2, 2)) == [0, 1, 1, 2, 2]
    assert [type(event) for event in house.events()] == [events.JobSubmitted, events.InputsClosed]


def tell(house, client, requests, sent, base=0):
    """What is accepted after each of these requests was sent."""
    accepted = []
    for number in sent:
        house.say(client, numbers(number, base), requests[number - 1 - base])
        while not isinstance(answer := house.answer(client, channels.TO_CLIENT), messages.Accepted):
            pass
        accepted.append(answer.number)
    return accepted


def test_a_master_that_does_not_know_a_session_goes_on_where_the_last_one_was(house):
    """The client's requests up to 7 were accepted by an earlier process."""
    client = house.connect("client")
    requests = [channels.FROM_CLIENT.encode(events.CancelRequested(f"job-{number}")) for number in (8, 9)]
    assert tell(house, client, requests, (9, 8, 9), base=7) == [7, 8, 9]
    assert [event.job for event in house.events()] == ["job-8", "job-9"]


def test_sessions_do_not_disturb_each_other(house):
    client, other = house.connect("client"), house.connect("client")
    cancel = channels.FROM_CLIENT.encode(events.CancelRequested("job-1"))
    house.say(client, numbers(1, session=1), cancel)
    house.say(other, numbers(1, session=2), cancel)
    house.turn_until(lambda: len(house.events()) == 2)


def test_keys_are_not_shown():
    keys = Keys(b"public", b"hidden")
    assert "hidden" not in repr(keys)


def test_half_open_connections_are_closed(house):
    """An idle connection that never shakes hands does not stay."""
    host, _, port = house.master.address.rpartition("/")[2].rpartition(":")
    connection = socket.create_connection((host, int(port)))
    connection.settimeout(8)
    while (data := connection.recv(4096)) != b"":
        assert len(data) <= 64  # the greeting
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_context_with_a_hidden_socket_ends_in_time(monkeypatch):
    """An interrupt within the making of a socket leaves one that the context waits for."""
    monkeypatch.setattr(transport, "END_CONTEXT_S", 0.2)
    context = transport.make_context()
    lost = context.socket(zmq.DEALER)
    context._rm_socket(lost)
    began_s = time.monotonic()
    transport.end_context(context)
    assert time.monotonic() - began_s < 5
    lost.close(linger=0)
    deadline_s = time.monotonic() + 10
    while not context.closed and time.monotonic() < deadline_s:
        pass
    assert context.closed
