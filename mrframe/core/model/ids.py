"""The one text form of every id: `job-7`, `job-7/m0003`, `job-7/m0003.2.1`, `node-2`.

Logs, file names, messages and tests show ids in this form. Attempt ids are used once, ever:
the epoch counts the starts of the master, the number counts the attempts of the task within the job.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from mrframe.core.fast_dataclass import dataclass

Kind = Literal["map", "reduce", "decode"]
_LETTERS: dict[Kind, str] = {"map": "m", "reduce": "r", "decode": "d"}
_KINDS: dict[str, Kind] = {letter: kind for kind, letter in _LETTERS.items()}
_ATTEMPT = re.compile(
    r"(?P<job>[a-z]+-[0-9]+)/(?P<kind>[mrd])(?P<index>[0-9]{4,})\.(?P<epoch>[0-9]+)\.(?P<number>[0-9]+)"
)


def task_id(job: str, kind: Kind, index: int) -> str:
    """`job-7/m0003` for map task 3 of job-7."""
    return f"{job}/{_LETTERS[kind]}{index:04d}"


def attempt_id(task: str, epoch: int, number: int) -> str:
    """`job-7/m0003.2.1` for attempt 1 in epoch 2 of a task."""
    return f"{task}.{epoch}.{number}"


@dataclass(frozen=True, slots=True)
class AttemptName:
    """The parts of an attempt id."""

    job: str
    kind: Kind
    index: int
    epoch: int
    number: int

    @property
    def task(self) -> str:
        """The id of its task."""
        return task_id(self.job, self.kind, self.index)


@lru_cache(maxsize=4096)  # the same few names pass again and again
def parse_attempt(text: str) -> AttemptName:
    """Split an attempt id into its parts. Raises ValueError for any other text, which may come from a peer."""
    match = _ATTEMPT.fullmatch(text)
    if match is None:
        raise ValueError(f"not an attempt id: {text!r}")
    return AttemptName(
        match["job"], _KINDS[match["kind"]], int(match["index"]), int(match["epoch"]), int(match["number"])
    )
