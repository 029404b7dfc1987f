"""What a run on this machine tells of where its map tasks ran: what is read by path counts as local."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import mrframe
from mrframe.core.settings.options import RunOptions

LOG = Path(__file__).parents[2] / "sample_logs" / "access.log"


@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_decoded_blocks_that_another_node_reads_by_path_are_local(shuffle, tmp_path):
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(LOG.read_bytes() * 100))
    options = RunOptions(engine="local", nodes=2, slots=1, split_bytes=256 << 10, shuffle=shuffle, cache="off")
    with mrframe.run("status_codes", [str(packed)], options) as result:
        local, other = result.summary.data_local, result.summary.other_map
    assert local + other > 20
    if shuffle == "auto":
        assert other == 0, "nothing was moved"
