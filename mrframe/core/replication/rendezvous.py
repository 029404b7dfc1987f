"""Choose the nodes that store the replicas of a block, by weighted rendezvous hashing.

Theory (highest random weight: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
Transactions on Networking 1998; the weighted form is the logarithmic method of Schindelhauer and Schomaker, "Weighted
Distributed Hash Tables", SPAA 2005). Each node has a score for each block, from the hash of both names and the
node's weight. The nodes with the highest scores store the replicas. So the replica nodes follow from the names alone,
without a table. A node that joins wins some blocks from each of the others, and no block moves between those. A node
that leaves passes each of its blocks to the next best node.

Not here: `core/state/ready_queue.py` decides on which node a *task* runs. Rendezvous hashing knows no free
space and no faults: a node that should get nothing has weight 0.

Rules.
- The score is -weight / ln(u) with u in (0, 1) from the hash. Shares are then proportional to the weights, and a
  change of one weight moves only blocks to or from that node.
- Scores depend on nothing but names and weight, in every process and for ever, because blocks are found again by
  them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from heapq import nsmallest
from math import log

_BITS = 52  # so that the half added below is exact, and u neither 0 nor 1
_SCALE = float(1 << _BITS)


def score(block: str, node: str, weight: float) -> float:
    """Return the score of a node for a block: above 0 for a weight above 0, and finite for a finite one."""
    hashed = blake2b(f"{block}\0{node}".encode(), digest_size=8, person=b"mrframe-home").digest()
    drawn = (int.from_bytes(hashed) >> (64 - _BITS)) + 0.5
    return -weight / log(drawn / _SCALE)


def replica_nodes(block: str, weights: Mapping[str, float], count: int) -> tuple[str, ...]:
    """Return the `count` nodes that store the block, the best first. Fewer if fewer have a weight above 0."""
    scored = ((-score(block, node, weight), node) for node, weight in weights.items() if weight > 0)
    return tuple(node for _, node in nsmallest(count, scored))
