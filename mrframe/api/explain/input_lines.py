"""Finds the input lines behind a key of a kept run's result. Runs the job's code in the calling process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from mrframe.api.questions.count_job import job_of_question
from mrframe.core.fast_dataclass import dataclass
from mrframe.engines.history.kept_runs import KeptMaps, SubmittedMaps, kept_maps
from mrframe.store.run_records import RunRecords, default_folder
from mrframe.store.scratch import Scratch
from mrframe.task.debug.provenance import lines_behind


@dataclass(frozen=True, slots=True)
class InputLine:
    """A line that yields the key: its file, number from 1, offset in bytes, and text.

    Bytes that are not UTF-8 are lone surrogates in the text (`surrogateescape`).
    """

    file: str
    line: int
    offset: int
    text: str

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"file": self.file, "line": self.line, "offset": self.offset, "text": self.text}


class InputLines:
    """The inputs of a run or submission, in which the lines behind a key are found. A context manager.

    `name` is its id. `changed` lists files that have changed since: their lines are given as they are now.
    """

    def __init__(self, name: str, maps: KeptMaps | SubmittedMaps, close: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.changed = maps.changed()
        self._maps = maps
        self._close = close

    def lines(self, key: str) -> Iterator[InputLine]:
        """The lines with records that yield the key, in input order. `key` is as the result writes it, or JSON.

        In a job of several steps it is a key of the first. Splits are skipped if their cached results lack it.
        """
        for block in self.blocks(key):
            yield from block

    def blocks(self, key: str) -> Iterator[list[InputLine]]:
        """The same lines, one list for each block of the input."""
        job = self._maps.job(job_of_question)
        with Scratch() as scratch:
            for found in lines_behind(self._maps.traced, job, key, scratch.path):
                yield [
                    InputLine(line.source, line.line, line.offset, line.data.decode("utf-8", "surrogateescape"))
                    for line in found
                ]

    def close(self) -> None:
        """Delete the copies that were fetched for it."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<InputLines of {self.name}>"


def lines_of_run(run: str) -> InputLines:
    """The inputs of a run that was kept (`run-7`). UsageError when it was not, CorruptData when it is damaged."""
    runs = RunRecords(default_folder())
    name = runs.find(run)
    return InputLines(name, kept_maps(runs, name))
