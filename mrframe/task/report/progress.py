"""How a running attempt reports its progress, to its node or to the process that watches it."""

from __future__ import annotations

from typing import Protocol

from mrframe.core.model.spec import Split


class Progress(Protocol):
    """Is told how far an attempt is, which shows that it lives."""

    def beat(self, records: int, bytes_done: int) -> None:
        """Note the progress so far. Called for every block, so it must cost little."""


class Reporter(Progress, Protocol):
    """The same for any attempt, decode attempts among them."""

    def block_sealed(self, split: Split) -> None:
        """Note that a decode attempt has sealed a block. `split.path` is relative to the attempt's directory."""
