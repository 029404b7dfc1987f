"""Making the sources of an attempt local: read where they lie, fetched, or reported by name when one is gone."""

import os

import pytest

from mrframe.cluster.node.fetching import FetchResult
from mrframe.cluster.node.local_inputs import LocalInputs
from mrframe.cluster.node.node_dir import NodeDir
from mrframe.core.model.actions import Fetch
from mrframe.core.model.events import Fetched, FetchFailed
from mrframe.wire.messages import NodeAddress

OWN, OTHERS = "job-1/m0000.1.1", "job-1/m0001.1.1"
FETCH = Fetch("job-1/r0000.1.1", ((OWN, "node-1", "map.mrf"), (OTHERS, "node-2", "map.mrf")), 0)


class Peers:
    """Stands for the fetcher: where the other node is, and what was asked of it."""

    def __init__(self, address=None):
        self.known = address
        self.requests = []

    def address(self, node):
        return self.known if self.known is not None and self.known.node == node else None

    def fetch(self, request, now_s):
        self.requests.append(request)


def sealed(folder, attempt):
    path = folder.file(attempt, "map.mrf")
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(b"x")
    return path


@pytest.fixture
def folders(tmp_path):
    return NodeDir(str(tmp_path / "node-1")), NodeDir(str(tmp_path / "node-2"))


def test_sealed_files_of_this_host_are_read_in_place(folders):
    told = []
    paths = tuple(sealed(folder, attempt) for folder, attempt in zip(folders, (OWN, OTHERS), strict=True))
    peers = Peers(NodeAddress("node-2", "node-2#1", "tcp://127.0.0.1:1", folders[1].path))
    LocalInputs("node-1", folders[0], by_path=True, report=told.append).gather(FETCH, None, peers, 0.0)
    assert told == [Fetched(FETCH.attempt, paths)]
    assert not peers.requests


def test_a_file_that_is_gone_when_all_others_have_arrived_is_named_with_its_holder(folders):
    told = []
    own = sealed(folders[0], OWN)
    peers = Peers()
    inputs = LocalInputs("node-1", folders[0], by_path=False, report=told.append)
    inputs.gather(FETCH, None, peers, 0.0)
    (request,) = peers.requests
    assert not told
    os.makedirs(os.path.dirname(request.path))
    with open(request.path, "wb") as file:
        file.write(b"x")
    os.unlink(own)
    inputs.result(FetchResult(request, ""))
    assert told == [FetchFailed(FETCH.attempt, OWN, "node-1", "map.mrf is not there")]
