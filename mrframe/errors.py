"""The one tree of errors.

The message of every error names the thing, its state and the remedy. Its class holds the party at fault (`blame`),
the exit code of the command (`exit_code`) and the heading of docs/messages.md that explains the condition (`slug`).
`did_you_mean` is the one wording for an unknown name. This module imports nothing of mrframe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal

Blame = Literal["user", "data", "cluster", "mrframe"]


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "", cutoff: float = 0.65) -> str:
    """Return `; did you mean 'nodes'?` to append to the message that `name` is unknown, or "" without a similar name.

    prefix  put before the match, for a `name` and `known` that are only the ends of longer names
    cutoff  minimum similarity, from 0 to 1
    """
    import difflib  # only messages need it

    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return f"; did you mean {prefix + near[0]!r}?" if near else ""


class MrframeError(Exception):
    """Base of all errors that mrframe raises on purpose. Raise a subclass, never this.

    `frames` are mrframe's own frames, which programs do not see (`api/tracebacks.py`).
    """

    slug: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    blame: ClassVar[Blame] = "mrframe"
    frames: TracebackType | None = None


class JobTraceback(Exception):
    """The cause of an error whose exception was raised in another process: its traceback as text."""

    def __init__(self, text: str) -> None:
        super().__init__(f'\n"""\n{text.rstrip()}\n"""')


class UsageError(MrframeError):
    """The request cannot be carried out: an option, a path or a job is at fault."""

    slug = "usage"
    exit_code = 2
    blame = "user"


class JobError(UsageError):
    """The job itself is not a valid job: a wrong field, a missing reduce, a capture that cannot travel."""

    slug = "bad-job"


class UnknownField(JobError):
    """A parameter of map or where, or a declaration, names a field that the reader does not have."""

    slug = "unknown-field"


class CannotTravel(JobError):
    """The job's functions refer to an object that cannot be sent to another process."""

    slug = "cannot-travel"


class InputError(UsageError):
    """An input is missing, empty as a glob, unreadable, or not a regular file."""

    slug = "input"


class InputChanged(MrframeError):
    """An input file was truncated or replaced while it was read."""

    slug = "input-changed"
    blame = "data"


class FormatError(UsageError):
    """A log format is unknown, cannot be compiled, or no format fits the data."""

    slug = "format"


class OutputError(UsageError):
    """The output target exists already, or it or a file fetched for it cannot be written."""

    slug = "output"


class ResultClosed(UsageError):
    """The rows of a result were asked for after it was closed."""

    slug = "result-closed"


class NotRepeatable(MrframeError):
    """A map gave different results for the same input."""

    slug = "not-repeatable"
    blame = "user"


class UserCodeError(MrframeError):
    """The job's own code failed. Carries the user's traceback and the position in the input.

    `traceback_text` starts at the user's own line. `source`, `offset` and `record` name the current record (None if
    the failure belongs to no record, as in a reduce, where `key` is set and `group` holds its values, packed). `hook`
    is the part of the job that failed ("map", "combine", …). `input_name` and `reader` are those of the record's
    split (`core/model/spec.py`). `kept` is the id for replaying the failure, `not_kept` the reason if it cannot be.
    """

    slug = "user-code"
    blame = "user"

    def __init__(
        self,
        message: str,
        *,
        traceback_text: str = "",
        source: str | None = None,
        offset: int | None = None,
        line: int | None = None,
        record: bytes | None = None,
        key: str | None = None,
        group: bytes = b"",
        input_name: str = "",
        reader: Any = None,
        hook: str = "",
    ) -> None:
        super().__init__(message)
        self.traceback_text = traceback_text
        self.source = source
        self.offset = offset
        self.line = line
        self.record = record
        self.key = key
        self.group = group
        self.input_name = input_name
        self.reader = reader
        self.hook = hook
        self.kept = ""
        self.not_kept = ""


class KeyRefused(UserCodeError):
    """A key has no canonical form (a set, NaN, an object), so it cannot be partitioned or ordered."""

    slug = "key-refused"


class ValueRefused(UserCodeError):
    """A value that the job finally yields is not plain data, so it cannot be written out."""

    slug = "value-refused"


class JobFailed(MrframeError):
    """A task failed more often than allowed, for a reason other than the user's code."""

    slug = "job-failed"
    blame = "cluster"


class TooMuchScratch(MrframeError):
    """A task's temporary files exceed --scratch-bytes-max."""

    slug = "too-much-scratch"
    blame = "user"


class TooManyMalformed(MrframeError):
    """More lines do not match the format than --max-bad allows, or none of the first 1,000 does.

    `outcome` is that of the maps (`engines.protocol.Outcome`), from which `--rejects` is written. `lines` are the
    malformed ones (`engines.history.summary.MalformedSample`) of a job that was refused before its maps.
    """

    slug = "too-many-malformed"
    exit_code = 3
    blame = "data"
    outcome: Any = None
    lines: Sequence[Any] = ()


class TooManyFailed(MrframeError):
    """The job's code fails on more records than --max-failed allows. `outcome` as in `TooManyMalformed`."""

    slug = "too-many-failed"
    blame = "user"
    outcome: Any = None


class ClusterUnreachable(MrframeError):
    """The master or the nodes could not be started or do not answer."""

    slug = "cluster-unreachable"
    exit_code = 4
    blame = "cluster"


class TimedOut(MrframeError):
    """The job did not end in time."""

    slug = "timeout"
    exit_code = 5
    blame = "cluster"


class Cancelled(MrframeError):
    """The submission was ended with `mrframe cancel` and has no result."""

    slug = "cancelled"
    blame = "user"


class CorruptData(MrframeError):
    """Bytes that mrframe wrote do not match their checksum, or are not in its format.

    `file` is the path they were read from, if it is known and can be made again.
    """

    slug = "corrupt"

    def __init__(self, message: str, *, file: str = "") -> None:
        super().__init__(message)
        self.file = file


class StoreFull(MrframeError):
    """The disk of a block store has no room for a block. Nothing of the block is kept."""

    slug = "store-full"
    blame = "cluster"


class LedgerUnbalanced(MrframeError):
    """The bytes read do not add up to the bytes accounted for: a bug in mrframe, never ignored."""

    slug = "ledger"


class ShuffleUnbalanced(MrframeError):
    """A reduce has not read each pair of its maps exactly once: a bug in mrframe or of the machine."""

    slug = "shuffle"


class NotPrivate(UsageError):
    """A directory or file for keys, the journal or a cluster's data is not private to this user."""

    slug = "not-private"


class ExtraMissing(UsageError):
    """A feature needs a library that is an optional extra. The message names the extra."""

    slug = "extra-missing"


class PluginBroken(UsageError):
    """An addition by an installed package cannot be imported or does not meet the requirements of its group."""

    slug = "plugin-broken"
