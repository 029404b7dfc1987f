"""Records and groups on which a job's code failed, kept so that they can be run again alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import MrframeError, OutputError
from mrframe.store.run_records import RunRecords, default_folder
from mrframe.store.scratch import Scratch
from mrframe.task.debug.capsule import Capsule
from mrframe.task.debug.rerun import job_for, replay, rows_of


@dataclass(frozen=True, slots=True)
class FailureInfo:
    """A failure in a list, counted from 1: its message, and the record (source, line, offset) or key it is about."""

    failure: int
    message: str
    source: str
    line: int
    offset: int
    key: str

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of running a failure again: `traceback_text` if it fails again, else the rows that it yields."""

    traceback_text: str
    rows: list[tuple[object, object]]

    @property
    def fails(self) -> bool:
        """True if it fails again."""
        return bool(self.traceback_text)


class KeptFailures:
    """The failures that were kept of the run or submission `id`, numbered from 1."""

    def __init__(self, id: str, capsules: Sequence[Callable[[], Capsule]], package: Callable[[], bytes]) -> None:  # noqa: A002
        self.id = id
        self._capsules = capsules
        self._package = package

    def __len__(self) -> int:
        return len(self._capsules)

    def capsule(self, number: int) -> Capsule:
        """The failure with this number, and all that is needed to run it again."""
        return self._capsules[number - 1]()

    def package(self) -> bytes:
        """The job that failed, packed."""
        return self._package()

    def listed(self) -> list[FailureInfo]:
        """All of them."""
        found = [(number, self.capsule(number)) for number in range(1, len(self) + 1)]
        return [FailureInfo(n, c.message, c.source, c.line, c.offset, c.key) for n, c in found]

    def replay(
        self, number: int = 1, job: str | None = None, debug: Callable[[TracebackType | None], None] | None = None
    ) -> Replayed:
        """Run a failure again, in this process, without the input and the job file that it came from.

        `job` (the text of JOB) is run on it instead of the job that failed. `debug` is called with the traceback
        where the job's code raises.
        """
        return run_again(self.capsule(number), self.package(), job, debug)

    def __repr__(self) -> str:
        return f"<KeptFailures of {self.id}: {len(self)}>"


def run_again(
    capsule: Capsule, package: bytes, job: str | None, debug: Callable[[TracebackType | None], None] | None
) -> Replayed:
    """Run a failure again, in this process."""
    try:
        with Scratch() as scratch:
            text = replay(capsule, job_for(package, job), scratch.path, debug)
            return Replayed(text, rows_of(scratch.path) if not text else [])
    except OutputError:
        raise  # of the disk, which says nothing about the job
    except MrframeError as error:
        return Replayed(f"{error}\n", [])


def failures_of_run(run: str) -> KeptFailures:
    """The failures of a run that was kept (`run-7`). UsageError when it was not."""
    runs = RunRecords(default_folder())
    name = runs.find(run)
    files = sorted(
        (file for file in runs.names(name) if file.startswith("failure-")),
        key=lambda file: int(file.rpartition("-")[2]),
    )

    def opened(file: str) -> Callable[[], Capsule]:
        return lambda: Capsule.unpack(runs.read(name, file))

    return KeptFailures(name, [opened(file) for file in files], lambda: runs.read(name, "package"))
