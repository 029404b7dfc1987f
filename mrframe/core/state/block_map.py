"""The block map: which nodes have which blocks, which owners need them, and the requests under way. No decisions.

`reconcile.py`, `puts.py` and `manifest_sync.py` decide. An *owner* needs a block: ("access", 3) is a version,
("", number) a put, and ("?access@3.…", 0) a version that is aside.
"""

from __future__ import annotations

from collections import deque
from dataclasses import field

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.block_messages import LISTED_MAX, Fault, OfferedBlock
from mrframe.core.model.catalog import Version

Owner = tuple[str, int]


@dataclass(slots=True, eq=False)
class PendingPut:
    """A put that is under way: its blocks, those that are pending or have failed, and the last sign of its client."""

    number: int
    replicas: int
    last_contact_s: float
    blocks: dict[str, OfferedBlock] = field(default_factory=dict)
    pending: dict[str, None] = field(default_factory=dict)
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)
    stored: int = 0
    stored_bytes: int = 0


class BlockMap:
    """The replicas and owners of all blocks, and the requests under way."""

    def __init__(self) -> None:
        self.held: dict[str, set[str]] = {}  # node -> the blocks it has
        self.holders: dict[str, set[str]] = {}  # block -> the nodes that have it
        self.needs: dict[str, dict[Owner, int]] = {}  # block -> replicas that each owner wants
        self.lengths: dict[str, int] = {}  # of the blocks that are needed
        self.freed: set[str] = set()  # blocks that lost their last owner
        self.removed: set[str] = set()  # … because their version was removed under this master
        self.provisional: dict[str, set[str]] = {}  # node -> blocks that no version names, stored for a put
        self.unknown: dict[str, dict[str, int]] = {}  # node -> other blocks that no manifest there names -> bytes
        self.manifests: dict[str, set[str]] = {}  # node -> keys of its manifests
        self.aside: dict[str, Version] = {}  # key -> version that is aside
        self.manifest_requests: dict[str, dict[str, float]] = {}  # node -> key -> when the manifest is sent again
        self.manifests_missing = True  # whether a node may lack a manifest
        self.puts: dict[int, PendingPut] = {}
        self.urgent_checks: dict[str, None] = {}  # blocks to check: those that a put waits for …
        self.other_checks: dict[str, None] = {}  # … and all others
        self.store_requests: dict[str, dict[str, float]] = {}  # node -> block -> when it is asked for again
        self.skipped_until_s: dict[str, float] = {}  # node -> until when it is given nothing to store
        self.full_reasons: dict[str, str] = {}  # node -> why it was passed over
        self.absent_since_s: dict[str, float] = {}  # node that was there -> since when it is not
        self.expected: frozenset[str] = frozenset()  # the nodes that the cluster was started with
        self.present: frozenset[str] = frozenset()
        self.reported: dict[str, str] = {}  # node -> its incarnation that has listed its blocks
        self.drained: set[str] = set()
        self.faults: deque[Fault] = deque(maxlen=LISTED_MAX)
        self.verified: dict[str, tuple[int, int]] = {}
        self.started_s: float | None = None

    # ---- owners -------------------------------------------------------------------------------------

    def need(self, owner: Owner, name: str, length: int, replicas: int) -> None:
        """Record that an owner needs `replicas` replicas of a block of `length` bytes."""
        self.needs.setdefault(name, {})[owner] = replicas
        self.lengths[name] = length
        self.freed.discard(name)
        self.removed.discard(name)
        self.schedule_check(name)

    def need_version(self, version: Version, owner: Owner) -> None:
        """Record that a version needs all its blocks."""
        for block in version.blocks():
            self.need(owner, block.name, block.length, version.replicas)

    def release(self, owner: Owner, names: list[str], *, removed: bool = False) -> None:
        """Record that an owner no longer needs these blocks. `removed`: a client asked for it."""
        for name in names:
            owners = self.needs.get(name, {})
            if owners.pop(owner, None) is not None and not owners:
                del self.needs[name], self.lengths[name]
                self.freed.add(name)
                if removed:
                    self.removed.add(name)
            self.schedule_check(name)

    def replicas_wanted(self, name: str) -> int:
        """Return the number of replicas that a block must have, 0 if it has no owner."""
        return max(self.needs.get(name, {}).values(), default=0)

    def is_provisional(self, name: str) -> bool:
        """Return whether no version needs a block, so that its replicas are stored for a put alone."""
        return not any(dataset for dataset, _ in self.needs.get(name, ()))

    def useless_replicas(self, name: str) -> set[str]:
        """Return the nodes on which a block without an owner may be deleted."""
        if name in self.removed:
            return set(self.holders.get(name, ()))
        return self.provisional_on(name)

    def provisional_on(self, name: str) -> set[str]:
        """Return the nodes that have a block as provisional, for a put."""
        return {node for node in self.holders.get(name, ()) if name in self.provisional.get(node, ())}

    # ---- holders ------------------------------------------------------------------------------------

    def add(self, node: str, name: str) -> None:
        """Record that a node has a block."""
        self.held.setdefault(node, set()).add(name)
        self.holders.setdefault(name, set()).add(node)
        self.schedule_check(name)

    def discard(self, node: str, name: str) -> None:
        """Record that a node no longer has a block."""
        self.held.get(node, set()).discard(name)
        self.provisional.get(node, set()).discard(name)
        self.unknown.get(node, {}).pop(name, None)
        nodes = self.holders.get(name, set())
        nodes.discard(node)
        if not nodes:
            self.holders.pop(name, None)
            self.freed.discard(name)
            self.removed.discard(name)
        self.schedule_check(name)

    def forget_node(self, node: str) -> None:
        """Forget the blocks and manifests of a node."""
        for known in (self.provisional, self.unknown, self.manifests, self.manifest_requests):
            known.pop(node, None)
        for name in self.held.pop(node, set()).copy():
            self.holders.get(name, set()).discard(node)
            self.schedule_check(name)

    def schedule_check(self, name: str) -> None:
        """Schedule the check of a block, an urgent one if a put waits for the block."""
        waited_for = any(not dataset for dataset, _ in self.needs.get(name, ()))
        (self.urgent_checks if waited_for else self.other_checks)[name] = None

    def schedule_all_checks(self) -> None:
        """Schedule the check of all blocks."""
        for put in self.puts.values():
            self.urgent_checks.update(put.pending)
        self.other_checks.update(dict.fromkeys(self.needs))
        self.other_checks.update(dict.fromkeys(self.holders))
