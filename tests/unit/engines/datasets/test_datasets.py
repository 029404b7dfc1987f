"""A dataset of a cluster whose nodes have not all said what they have."""

from __future__ import annotations

import pytest

from mrframe.core.model.block_messages import StorageState, StorageWanted, VersionState
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version
from mrframe.engines.datasets.datasets import find

VERSION = Version("access", 1, 1, 1, (DatasetFile("x.log", (DatasetBlock("b" * 64, 10),)),))


class Starting:
    """A cluster that has the block after so many rests, and has heard all its nodes after as many, too."""

    def __init__(self, rests, *, lost=False):
        self.rests, self.lost = rests, lost

    def ask(self, question, timeout_s):
        there = self.rests <= 0
        if isinstance(question, StorageWanted):
            return StorageState(there, (), (), 0, 0, (), ())
        return VersionState("access", 1, VERSION, (("node-1",) if there and not self.lost else (),))

    def rest(self, seconds):
        self.rests -= 1
        assert self.rests > -3, "it waits for what will not come"


@pytest.mark.parametrize("rests", [0, 1, 5])
def test_blocks_are_known_once_the_nodes_have_said_what_they_have(rests):
    assert find(Starting(rests), "access").holders == (("node-1",),)


def test_a_block_that_is_lost_is_not_waited_for():
    cluster = Starting(2, lost=True)
    assert find(cluster, "access").holders == ((),)
    assert cluster.rests == 0
