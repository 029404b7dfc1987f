"""Makes the inputs of attempts readable on their node: fetches those that no path leads to.

An attempt's sources are reported together: with all paths, in order, or with the first failure. On the same host, if
the run allows it, a peer's sealed file is read where it is. The reader verifies its checksums as always.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mrframe.cluster.node.fetching import Fetcher, FetchRequest, FetchResult
from mrframe.cluster.node.node_dir import NodeDir, file_in
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.actions import Fetch
from mrframe.core.model.events import Fetched, FetchFailed


@dataclass(slots=True, eq=False)
class PendingInputs:
    """The sources of one attempt. `missing` of the `paths` are not there yet."""

    fetch: Fetch
    paths: list[str]
    missing: int = 0


class LocalInputs:
    """The inputs of a node's attempts. `report` gets `Fetched` or `FetchFailed`, once per attempt."""

    def __init__(
        self, node: str, node_dir: NodeDir, *, by_path: bool, report: Callable[[Fetched | FetchFailed], None]
    ) -> None:
        self._node = node
        self._dir = node_dir
        self._by_path = by_path
        self._report = report
        self._pending: dict[str, PendingInputs] = {}

    def gather(self, fetch: Fetch, slots: range | None, fetcher: Fetcher, now_s: float) -> None:
        """Make the sources of an attempt readable here. `slots` limits run files to these slots."""
        pending = self._pending[fetch.attempt] = PendingInputs(fetch, [])
        absent: list[FetchRequest] = []
        for position, (attempt, node, name) in enumerate(fetch.sources):
            path = self._here(fetcher, attempt, node, name)
            if path is None:
                path = os.path.join(self._dir.fetched(fetch.attempt), f"{position:05d}")
                absent.append(FetchRequest((fetch.attempt, position), node, attempt, name, slots, path))
            pending.paths.append(path)
        pending.missing = len(absent)
        if not absent:
            self._finish(pending)
        for request in absent:
            if fetch.attempt in self._pending:
                fetcher.fetch(request, now_s)

    def _here(self, fetcher: Fetcher, attempt: str, node: str, name: str) -> str | None:
        """Return the path at which a source can be read without fetching it, or None."""
        if node == self._node:
            return self._dir.file(attempt, name)
        address = fetcher.address(node)
        if not self._by_path or address is None:
            return None
        path = file_in(address.directory, attempt, name, address.storage)
        return path if os.path.exists(path) else None

    def result(self, result: FetchResult) -> None:
        """Take the result of a transfer."""
        attempt, _ = result.request.key
        pending = self._pending.get(attempt)
        if pending is None:
            return
        if result.reason:
            del self._pending[attempt]
            request = result.request
            self._report(FetchFailed(attempt, request.attempt, request.node, result.reason, result.here, result.full))
            return
        pending.missing -= 1
        if not pending.missing:
            self._finish(pending)

    def _finish(self, pending: PendingInputs) -> None:
        fetch = pending.fetch
        del self._pending[fetch.attempt]
        for path, (attempt, node, name) in zip(pending.paths, fetch.sources, strict=True):
            if not os.path.exists(path):
                self._report(FetchFailed(fetch.attempt, attempt, node, f"{name} is not there"))
                return
        self._report(Fetched(fetch.attempt, tuple(pending.paths)))

    def cancel(self, fetcher: Fetcher, of: str) -> None:
        """Stop gathering for an attempt (`job-1/m0000.1.1`) or for all of a job (`job-1`)."""

        def unwanted(attempt: str) -> bool:
            return attempt == of or attempt.partition("/")[0] == of

        for attempt in [name for name in self._pending if unwanted(name)]:
            del self._pending[attempt]
        fetcher.cancel(lambda request: unwanted(request.key[0]))
