"""Which nodes keep the replicas of a block: weighted rendezvous hashing.

Each node has a score for each block, from the hash of both names and the node's weight; the nodes with the highest
scores keep the replicas. So a block's homes are known from the names alone, a node that comes takes its share from
all others and nothing else moves, and one that goes leaves its share to all others.

What it is not: `core/state/ready_queue.py` says on which node a *task* runs. It knows no free space and no faults: a
node that should get nothing has weight 0.

Rules.
- The score is -weight / ln(u) with u in (0, 1) from the hash: shares are then proportional to the weights, and a
  change of one weight moves only blocks to or from that node.
- Scores depend on nothing but names and weight, in every process and for ever: blocks are found again by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from heapq import nsmallest
from math import log

_BITS = 52  # so that the half added below is exact, and u neither 0 nor 1
_SCALE = float(1 << _BITS)


def score(block: str, node: str, weight: float) -> float:
    """How much this node is a home of this block; above 0 for a weight above 0, never infinite for a finite one."""
    hashed = blake2b(f"{block}\0{node}".encode(), digest_size=8, person=b"mrframe-home").digest()
    drawn = (int.from_bytes(hashed) >> (64 - _BITS)) + 0.5
    return -weight / log(drawn / _SCALE)


def replica_nodes(block: str, weights: Mapping[str, float], count: int) -> tuple[str, ...]:
    """The `count` nodes that keep the block, the best first; fewer when fewer have a weight above 0."""
    scored = ((-score(block, node, weight), node) for node, weight in weights.items() if weight > 0)
    return tuple(node for _, node in nsmallest(count, scored))
