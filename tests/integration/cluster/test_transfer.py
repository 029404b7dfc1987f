"""Files over ZeroMQ between two nodes: real sockets, both sides in one process and one loop."""

import os
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from mrframe.cluster.node import fetching, serving
from mrframe.cluster.node.fetching import Fetcher, FetchRequest
from mrframe.cluster.node.node_dir import NodeDir
from mrframe.cluster.node.serving import FileServer
from mrframe.cluster.transport import transport
from mrframe.cluster.transport.auth import Doorkeeper, make_keys
from mrframe.cluster.transport.transport import Loop
from mrframe.shuffle.partition import slot_range, slots_for
from mrframe.shuffle.run_file.run_reader import RunReader
from mrframe.shuffle.run_file.run_writer import RunWriter
from mrframe.wire.messages import Member, NodeAddress

ATTEMPT = "job-1/m0000.1.1"


class Pair:
    """A node that serves and a node that fetches."""

    def __init__(self, folder):
        self.context = transport.make_context()
        self.loop = Loop()
        self.server_keys, self.fetcher_keys = make_keys(), make_keys()
        self.doorkeeper = Doorkeeper(self.context, [Member("node-2", self.fetcher_keys.public)])
        self.loop.watch(self.doorkeeper.socket, self.doorkeeper.reply)
        self.folder = NodeDir(str(folder / "node-1"))
        self.results = []
        self.now_s = 0.0
        self.sent = []
        self.serve()
        keys = {"node-1": self.server_keys.public}
        self.fetcher = Fetcher(self.context, self.fetcher_keys, keys, self.loop, self.results.append)
        self.fetcher.know([self.address])
        self.to = folder / "here"
        self.number = 0

    def serve(self):
        self.router, self.door = transport.listen(self.context, self.server_keys)
        self.server = FileServer(self.router, self.folder.file)
        self.loop.watch(self.router, lambda: self.server.receive(self.now_s))
        self.address = NodeAddress("node-1", os.urandom(4).hex(), self.door.address, self.folder.path)

    def stop_serving(self):
        self.loop.forget(self.router)
        for key in list(self.server._uploads):
            self.server._drop(key)
        self.router.close(0)
        self.door.close()

    def put(self, name, data):
        os.makedirs(self.folder.attempt(ATTEMPT), exist_ok=True)
        path = self.folder.file(ATTEMPT, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def fetch(self, name="map.mrf", slots=None, attempt=ATTEMPT, node="node-1"):
        self.number += 1
        path = str(self.to / f"{self.number:05d}")
        self.fetcher.fetch(FetchRequest(self.number, node, attempt, name, slots, path), self.now_s)
        return path

    def turn_until(self, condition):
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.loop.turn(0.0 if self.server.busy else 0.01)
            self.server.turn(self.now_s)

    def wait(self, count=1):
        self.turn_until(lambda: len(self.results) >= count)
        return [result.reason for result in self.results]


@pytest.fixture
def pair(tmp_path):
    made = Pair(tmp_path)
    yield made
    made.fetcher.know([])
    made.stop_serving()
    made.context.destroy(0)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 21 << 20])
def test_a_whole_file_arrives_as_it_is(pair, size):
    data = os.urandom(min(size, 4096)) * (size // 4096 + 1)
    pair.put("block-00000", data[:size])
    path = pair.fetch("block-00000")
    assert pair.wait() == [""]
    assert Path(path).read_bytes() == data[:size]
    assert os.listdir(pair.to) == [os.path.basename(path)]


def test_of_a_run_file_only_the_wanted_sections_arrive(pair):
    partitions = 3
    slots = slots_for(partitions)
    source = pair.put("map.mrf", b"")
    keys = [f"key {i}" for i in range(2000)]
    with open(source, "wb") as file:
        writer = RunWriter(file, slots=slots)
        writer.add_run(list(keys), list(range(2000)))
        writer.close()
    paths = [pair.fetch(slots=slot_range(p, slots, partitions)) for p in range(partitions)]
    assert pair.wait(partitions) == [""] * partitions
    seen = {}
    for p, path in enumerate(paths):
        assert os.path.getsize(path) < os.path.getsize(source)
        with open(path, "rb") as file:
            reader = RunReader(file, path, unpickle=False)
            assert set(reader.slots_present()) <= set(slot_range(p, slots, partitions))
            for slot in reader.slots_present():
                for stream in reader.streams(slot):
                    for _, some, values in stream:
                        seen.update(zip(some, values, strict=True))
    assert seen == {key: i for i, key in enumerate(keys)}


def test_many_files_at_once(pair):
    for i in range(60):
        pair.put(f"block-{i:05d}", b"%d" % i * 1000)
    paths = [pair.fetch(f"block-{i:05d}") for i in range(60)]
    assert pair.wait(60) == [""] * 60
    assert [Path(path).read_bytes() for path in paths] == [b"%d" % i * 1000 for i in range(60)]


@pytest.mark.parametrize(
    ("attempt", "name"),
    [
        (ATTEMPT, "part.mrf"),
        (ATTEMPT, "../m0000.1.1/map.mrf"),
        (ATTEMPT, "/etc/passwd"),
        (ATTEMPT, ".sealed"),
        (ATTEMPT, ".."),
        (ATTEMPT, "map.mrf\0"),
        ("../../etc", "passwd"),
        ("job-1/m0000.1.1/..", "map.mrf"),
        ("job-1", "package"),
        ("", ""),
    ],
)
def test_a_missing_or_foreign_file_is_refused(pair, attempt, name):
    pair.put("map.mrf", b"secret")
    pair.folder.store_package("job-1", b"code")
    pair.fetch(name, attempt=attempt)
    (reason,) = pair.wait()
    assert "is not here" in reason
    assert os.listdir(pair.to) == []


def test_a_damaged_run_file_is_refused_by_its_node(pair):
    pair.put("map.mrf", b"no run file at all" * 100)
    pair.fetch(slots=range(3))
    (reason,) = pair.wait()
    assert "map.mrf" in reason


def test_pieces_wait_for_credits(pair, monkeypatch):
    """A receiver that grants nothing more is sent no more than it granted."""
    monkeypatch.setattr(fetching.Fetcher, "_piece", lambda *args: pair.sent.append(args[3].number))
    pair.put("block-00000", b"x" * (30 << 20))
    pair.fetch("block-00000")
    pair.turn_until(lambda: len(pair.sent) == fetching.CREDITS)
    for _ in range(20):
        pair.loop.turn(0.005)
        pair.server.turn(pair.now_s)
    assert pair.sent == list(range(fetching.CREDITS))
    assert not pair.server.busy


def test_a_changed_piece_is_noticed_and_asked_for_again(pair, monkeypatch):
    real, changed = zlib.crc32, []

    def once(data, crc):
        if not changed:
            changed.append(1)
            return 123
        return real(data, crc)

    monkeypatch.setattr(serving.zlib, "crc32", once)
    pair.put("block-00000", b"x" * (3 << 20))
    path = pair.fetch("block-00000")
    assert pair.wait() == [""]
    assert changed
    assert Path(path).read_bytes() == b"x" * (3 << 20)


def test_a_piece_that_does_not_match_its_own_checksum_is_not_written(pair, monkeypatch):
    """Also where the end would match: what is checked is the piece, when it comes."""
    real, written = fetching.Fetcher._piece, []

    def changed(self, peer, incoming, head, frames):
        if head.number == 1:
            head = replace(head, crc=head.crc ^ 1)
        real(self, peer, incoming, head, frames)
        written.append(incoming.pieces)

    monkeypatch.setattr(fetching.Fetcher, "_piece", changed)
    pair.put("block-00000", b"x" * (3 << 20))
    pair.fetch("block-00000")
    assert pair.wait() == ["piece 1 does not match its checksum"]
    assert max(written) == 1
    assert os.listdir(pair.to) == []


def test_a_file_that_never_matches_fails(pair, monkeypatch):
    monkeypatch.setattr(serving.FileServer, "_send_piece", _send_wrong_end)
    pair.put("block-00000", b"x")
    pair.fetch("block-00000")
    assert pair.wait() == ["its end does not match what arrived"]


def _send_wrong_end(self, upload):
    from mrframe.wire import channels, messages

    end = messages.FileEnd(upload.request, 0, 5, 0)
    transport.send(self._router, upload.route, channels.FETCH_REPLY.encode(end))
    return False


def test_a_transfer_that_stalls_is_tried_twice(pair, monkeypatch):
    monkeypatch.setattr(serving.FileServer, "turn", lambda *_: None)
    pair.put("block-00000", b"x")
    pair.fetch("block-00000")
    for expected in (0, 1):
        pair.turn_until(lambda: pair.server._uploads)
        for key in list(pair.server._uploads):
            pair.server._drop(key)
        pair.now_s += fetching.STALL_S + 1
        pair.fetcher.tick(pair.now_s)
        assert len(pair.results) == expected
    assert "nothing was heard" in pair.results[0].reason


def test_when_a_node_restarts_its_next_process_is_asked(pair, monkeypatch):
    pair.put("block-00000", b"x" * (30 << 20))
    path = pair.fetch("block-00000")
    pair.turn_until(lambda: pair.server._uploads)
    pair.stop_serving()
    pair.serve()
    pair.fetcher.know([pair.address])
    assert pair.wait() == [""]
    assert os.path.getsize(path) == 30 << 20


def test_when_a_node_is_gone_its_transfers_fail_at_once(pair):
    pair.put("block-00000", b"x" * (30 << 20))
    pair.fetch("block-00000")
    pair.fetch("block-00000")
    pair.turn_until(lambda: pair.server._uploads)
    pair.fetcher.know([])
    assert [result.reason for result in pair.results] == ["node-1 is not there"] * 2
    pair.fetch("block-00000")
    assert len(pair.results) == 3
    assert os.listdir(pair.to) == []


def test_a_cancelled_transfer_has_no_result(pair):
    pair.put("block-00000", b"x" * (30 << 20))
    for _ in range(10):
        pair.fetch("block-00000")
    pair.turn_until(lambda: pair.server._uploads)
    pair.fetcher.cancel(lambda request: request.key != 7)
    assert pair.wait() == [""]
    assert pair.results[0].request.key == 7
    pair.turn_until(lambda: not pair.server._uploads)
    assert os.listdir(pair.to) == ["00007"]


def test_a_full_disk_of_the_receiver_is_reported(pair):
    pair.to.write_bytes(b"a file where a directory should be")
    pair.put("block-00000", b"x")
    pair.fetch("block-00000")
    (reason,) = pair.wait()
    assert "cannot be written" in reason
