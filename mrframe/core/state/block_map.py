"""The block map: which nodes have which blocks, which owners need them, and the requests under way. No decisions.

`reconcile.py`, `puts.py` and `manifest_sync.py` decide. An *owner* needs a block: ("access", 3) is a version,
("", number) a put, and ("?access@3.…", 0) a version that a node has a manifest of and the catalog does not know.
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
    """A put that is under way: what was offered, what failed of it, and when its client was last heard."""

    number: int
    replicas: int
    last_contact_s: float
    blocks: dict[str, OfferedBlock] = field(default_factory=dict)
    pending: dict[str, None] = field(default_factory=dict)
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)
    stored: int = 0
    stored_bytes: int = 0


class BlockMap:
    """What is known of all blocks."""

    def __init__(self) -> None:
        self.held: dict[str, set[str]] = {}  # node -> the blocks it has
        self.holders: dict[str, set[str]] = {}  # block -> the nodes that have it
        self.needs: dict[str, dict[Owner, int]] = {}  # block -> replicas that each owner wants
        self.lengths: dict[str, int] = {}  # of the blocks that are needed
        self.freed: set[str] = set()  # blocks that were needed, and are no more
        self.removed: set[str] = set()  # … since their version was removed, by this master
        self.provisional: dict[str, set[str]] = {}  # node -> blocks that no version names, stored for a put
        self.unknown: dict[str, dict[str, int]] = {}  # node -> other blocks that no manifest there names -> bytes
        self.manifests: dict[str, set[str]] = {}  # node -> keys of the versions whose manifests it has
        self.aside: dict[str, Version] = {}  # key -> version that a node has a manifest of, and the catalog not
        self.manifest_requests: dict[
            str, dict[str, float]
        ] = {}  # node -> key -> when it is asked again to keep a manifest
        self.manifests_missing = True  # whether a node may lack a manifest
        self.puts: dict[int, PendingPut] = {}
        self.urgent_checks: dict[str, None] = {}  # blocks to look at: those that a put waits for …
        self.other_checks: dict[str, None] = {}  # … and all others
        self.store_requests: dict[str, dict[str, float]] = {}  # node -> block -> when it is asked for again
        self.skipped_until_s: dict[str, float] = {}  # node -> until when it is given nothing to store
        self.full_reasons: dict[str, str] = {}  # node -> why it was passed over
        self.absent_since_s: dict[str, float] = {}  # node that was there -> since when it is not
        self.expected: frozenset[str] = frozenset()  # the nodes that the cluster was started with
        self.present: frozenset[str] = frozenset()
        self.reported: dict[str, str] = {}  # node -> its incarnation that has said what it has
        self.drained: set[str] = set()
        self.faults: deque[Fault] = deque(maxlen=LISTED_MAX)
        self.verified: dict[str, tuple[int, int]] = {}
        self.started_s: float | None = None

    # ---- who needs what -----------------------------------------------------------------------------

    def need(self, owner: Owner, name: str, length: int, replicas: int) -> None:
        """This owner wants so many replicas of a block."""
        self.needs.setdefault(name, {})[owner] = replicas
        self.lengths[name] = length
        self.freed.discard(name)
        self.removed.discard(name)
        self.schedule_check(name)

    def need_version(self, version: Version, owner: Owner) -> None:
        """A version wants all its blocks."""
        for block in version.blocks():
            self.need(owner, block.name, block.length, version.replicas)

    def release(self, owner: Owner, names: list[str], *, removed: bool = False) -> None:
        """An owner wants these blocks no more; `removed`: somebody has asked for that."""
        for name in names:
            owners = self.needs.get(name, {})
            if owners.pop(owner, None) is not None and not owners:
                del self.needs[name], self.lengths[name]
                self.freed.add(name)
                if removed:
                    self.removed.add(name)
            self.schedule_check(name)

    def replicas_wanted(self, name: str) -> int:
        """The replicas that a block is to have; 0 when nobody needs it."""
        return max(self.needs.get(name, {}).values(), default=0)

    def is_provisional(self, name: str) -> bool:
        """Whether no version needs a block: what is stored of it now is stored for a put."""
        return not any(dataset for dataset, _ in self.needs.get(name, ()))

    def useless_replicas(self, name: str) -> set[str]:
        """The nodes whose replica of a block that nobody needs is known to be of no use to anybody."""
        if name in self.removed:
            return set(self.holders.get(name, ()))
        return self.provisional_on(name)

    def provisional_on(self, name: str) -> set[str]:
        """The nodes that have a block for a put, as far as they know."""
        return {node for node in self.holders.get(name, ()) if name in self.provisional.get(node, ())}

    # ---- who has what -------------------------------------------------------------------------------

    def add(self, node: str, name: str) -> None:
        """A node has a block."""
        self.held.setdefault(node, set()).add(name)
        self.holders.setdefault(name, set()).add(node)
        self.schedule_check(name)

    def discard(self, node: str, name: str) -> None:
        """A node has a block no more."""
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
        """What a node has is not known any more."""
        for known in (self.provisional, self.unknown, self.manifests, self.manifest_requests):
            known.pop(node, None)
        for name in self.held.pop(node, set()).copy():
            self.holders.get(name, set()).discard(node)
            self.schedule_check(name)

    def schedule_check(self, name: str) -> None:
        """Have a block looked at: soon, when a put waits for it."""
        waited_for = any(not dataset for dataset, _ in self.needs.get(name, ()))
        (self.urgent_checks if waited_for else self.other_checks)[name] = None

    def schedule_all_checks(self) -> None:
        """Have all blocks looked at."""
        for put in self.puts.values():
            self.urgent_checks.update(put.pending)
        self.other_checks.update(dict.fromkeys(self.needs))
        self.other_checks.update(dict.fromkeys(self.holders))
