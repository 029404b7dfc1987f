"""Interface for the progress of a running attempt, reported to its node or to the process that watches it."""

from __future__ import annotations

from typing import Protocol

from mrframe.core.model.spec import Split


class TaskProgress(Protocol):
    """Receives the progress of an attempt, which shows that it is alive."""

    def beat(self, records: int, bytes_done: int) -> None:
        """Note the records and bytes done so far. Called for every block, so it must be cheap."""


class Reporter(TaskProgress, Protocol):
    """The same for any attempt, decode attempts among them."""

    def block_sealed(self, split: Split) -> None:
        """Note that a decode attempt has sealed a block. `split.path` is relative to the attempt's directory."""
