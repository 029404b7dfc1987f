"""Rendezvous hashing keeps its two promises: equal shares, and no block that moves needlessly."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.core.replication.rendezvous import replica_nodes, score

BLOCKS = [blake2b(str(number).encode()).hexdigest()[:64] for number in range(10_000)]


def nodes(count: int) -> dict[str, float]:
    return {f"node-{number}": 1.0 for number in range(1, count + 1)}


@pytest.fixture(scope="module")
def ten() -> list[tuple[str, ...]]:
    return [replica_nodes(block, nodes(10), 2) for block in BLOCKS]


def moved(before: list[tuple[str, ...]], after: list[tuple[str, ...]]) -> list[tuple[set[str], set[str]]]:
    """(left, taken) of each block whose homes changed."""
    changes = [(set(old) - set(new), set(new) - set(old)) for old, new in zip(before, after, strict=True)]
    return [change for change in changes if change != (set(), set())]


def test_an_eleventh_node_takes_its_share_and_nothing_else_moves(ten):
    after = [replica_nodes(block, nodes(11), 2) for block in BLOCKS]
    changes = moved(ten, after)
    assert all(taken == {"node-11"} and len(left) == 1 for left, taken in changes)
    assert abs(len(changes) / (2 * len(BLOCKS)) - 1 / 11) <= 0.01


def test_a_node_that_goes_leaves_its_share_to_all_and_nothing_else_moves(ten):
    weights = nodes(10)
    weights["node-3"] = 0.0
    changes = moved(ten, [replica_nodes(block, weights, 2) for block in BLOCKS])
    assert len(changes) == sum("node-3" in kept for kept in ten)
    assert all(left == {"node-3"} for left, _ in changes)
    assert {node for _, taken in changes for node in taken} == set(nodes(10)) - {"node-3"}


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_busiest_of_ten_nodes_has_at_most_a_tenth_over_the_mean(ten, replicas):
    counts = Counter(node for kept in ten for node in kept[:replicas])
    assert max(counts.values()) <= 1.1 * replicas * len(BLOCKS) / 10


@pytest.mark.slow
def test_one_more_than_a_thousand_nodes_moves_its_share_and_nothing_else():
    before = [replica_nodes(block, nodes(1_000), 2) for block in BLOCKS]
    changes = moved(before, [replica_nodes(block, nodes(1_001), 2) for block in BLOCKS])
    assert all(taken == {"node-1001"} and len(left) == 1 for left, taken in changes)
    assert 0.5 / 1_001 <= len(changes) / (2 * len(BLOCKS)) <= 2 / 1_001


def test_shares_follow_the_weights():
    counts = Counter(replica_nodes(block, {"a": 1.0, "b": 3.0}, 1)[0] for block in BLOCKS)
    assert abs(counts["b"] / len(BLOCKS) - 0.75) <= 0.02


def test_scores_are_the_same_for_ever():
    """Blocks of older clusters are looked for where this says."""
    assert replica_nodes(BLOCKS[0], nodes(5), 5) == ("node-5", "node-3", "node-4", "node-2", "node-1")


WEIGHTS = st.dictionaries(st.text(max_size=8), st.floats(0, 1e6), max_size=12)


@given(st.text(max_size=64), WEIGHTS, st.integers(1, 4), st.text(max_size=8), st.floats(1e-3, 1e6))
def test_one_node_more_displaces_at_most_one_and_only_itself_is_new(block, weights, count, name, weight):
    weights.pop(name, None)
    before = replica_nodes(block, weights, count)
    after = replica_nodes(block, {**weights, name: weight}, count)
    assert len(before) == len(set(before)) == min(count, sum(value > 0 for value in weights.values()))
    assert set(after) - set(before) <= {name}
    assert len(set(before) - set(after)) <= 1
    assert [node for node in after if node != name] == list(before[: len(after) - (name in after)])
    assert 0 < score(block, name, weight) < float("inf")
