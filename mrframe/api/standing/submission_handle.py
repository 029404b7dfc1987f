"""A handle on one submission: its id, and the calls of its client about it.

Not here: the client itself (`connection.py`), of which a handle knows the calls in `Calls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from mrframe.api.standing.rows import CancelledSubmission, SubmissionInfo

if TYPE_CHECKING:
    from mrframe.api.explain.input_lines import InputLine
    from mrframe.api.result import Result


class Calls(Protocol):
    """The calls of a client that a handle passes its id to."""

    @property
    def directory(self) -> str: ...  # noqa: D102
    def jobs(self) -> Sequence[SubmissionInfo]: ...  # noqa: D102
    def wait(self, id: str, timeout_s: float | None = None) -> SubmissionInfo: ...  # noqa: A002, D102
    def result(self, id: str, timeout_s: float = 0.0) -> Result: ...  # noqa: A002, D102
    def why(self, id: str, key: str) -> Iterator[InputLine]: ...  # noqa: A002, D102
    def cancel(self, id: str) -> CancelledSubmission: ...  # noqa: A002, D102
    def rm(self, id: str) -> None: ...  # noqa: A002, D102


class Submission:
    """A job that was submitted to a standing cluster: `Client.submit` and `Client.submission` give one.

        >>> submission = client.submit("word_count", ["sample_logs/harbour.txt"])
        >>> submission.wait(timeout_s=60).state
        'done'
        >>> [line.line for line in submission.why("ferry")][:2]
        [1, 7]

    It is as alive as its client. Another client can make a handle of its `id`.
    """

    def __init__(self, client: Calls, id: str, notes: tuple[str, ...] = ()) -> None:  # noqa: A002
        self._client = client
        self.id = id
        self.notes = notes
        """About the inputs, for people: what was given twice, or left out."""

    @property
    def state(self) -> str:
        """ "running", "done", "failed", "cancelled", or "removed"."""
        return next((one.state for one in self._client.jobs() if one.id == self.id), "removed")

    def wait(self, timeout_s: float | None = None) -> Submission:
        """Wait until it has ended. Raises its failure, TimedOut when it goes on for longer."""
        self._client.wait(self.id, timeout_s)
        return self

    def result(self, timeout_s: float = 0.0) -> Result:
        """Its result, waiting at most so long for its end."""
        return self._client.result(self.id, timeout_s)

    def why(self, key: str) -> Iterator[InputLine]:
        """The input lines behind a key of its result."""
        return self._client.why(self.id, key)

    def cancel(self) -> CancelledSubmission:
        """End it now."""
        return self._client.cancel(self.id)

    def rm(self) -> None:
        """Remove it, when it has ended."""
        self._client.rm(self.id)

    def __repr__(self) -> str:
        return f"<Submission {self.id} to the cluster in {self._client.directory}>"
