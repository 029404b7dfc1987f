"""Saved results under a time window: finds splits that lie wholly inside or outside the window.

A split wholly inside a window has the same map result as without one, so the result is saved and loaded under the
identity of the whole split. A split wholly outside needs only its ledger. Both follow from the split's *span*, the
times of its first and last record. Each run with a window saves the spans of the splits that it reads, with the
ledger, by content and reader, for all jobs. A split that a window cuts through is read, and its result not saved.

A span may be a little wider than the times it stands for (`formats/readers/time_window.py` judges times by tens of
minutes), never narrower. A split with a record without a usable time has no span. If a log's times have no zone and
the job asks for them, a window changes the job's input, and none of this applies (`shares`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import Ledger, Malformed, TaskReport
from mrframe.core.model.spec import Split
from mrframe.formats.factory import make_reader
from mrframe.formats.readers.time_window import EDGE, INSIDE, OUTSIDE, Window, WindowReader
from mrframe.formats.registry import code_of
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.fingerprint import own_code
from mrframe.task.code.settings import TaskSettings

VERSION = 1
NAME = "(spans of time)"
"""The name of the spans among the jobs with saved results."""


@dataclass(frozen=True, slots=True)
class Span:
    """The times of a split, and its ledger with all records outside, for the report if it is left out."""

    first: datetime
    last: datetime
    ledger: Ledger
    samples: list[Malformed]

    def relation(self, window: Window) -> int:
        """Return INSIDE, OUTSIDE, or EDGE if the window cuts through."""
        first, last = window.side(self.first), window.side(self.last)
        if first != last:
            return EDGE
        return OUTSIDE if first else INSIDE

    def samples_at(self, begins: int) -> list[Malformed]:
        """Return the malformed samples of a split that begins at byte `begins`, with their offsets in the source."""
        return [replace(one, offset=one.offset + begins) for one in self.samples]


def shares(job: Job, settings: TaskSettings, readers: Mapping[str, Iterable[Reader]]) -> bool:
    """Return whether splits wholly inside a window have the same results as without one, for this job.

    `readers` are those of the inputs of each source.
    """
    if settings.window is None:
        return False
    window = Window.from_plain(settings.window)
    made = [
        make_reader(reader, view.projection(), view.paths(), window)
        for name, view in job.sources().items()
        for reader in readers[name]
    ]
    return all(isinstance(one, WindowReader) and one.only_leaves_out for one in made)


class Spans:
    """The saved spans of splits, for one reader."""

    def __init__(self, results: ResultStore, reader: Reader, window: Window) -> None:
        self._results = results
        self._window = window
        plain = [VERSION, own_code(), code_of(reader), reader.kind, reader.format, window.zone]
        self._job = sha256(msgpack.packb(plain)).hexdigest()[:40]

    def _key(self, split: Split, content: str) -> str:
        return sha256(f"{content} {split.first}".encode()).hexdigest()[:40]

    def load(self, split: Split, content: str) -> Span | None:
        """Load the span of a split with this content. Returns None if it is not known."""
        data = self._results.load(self._job, self._key(split, content), None)
        if data is None:
            return None
        first, last, ledger, samples = msgpack.unpackb(data)
        ends = datetime.fromisoformat(first), datetime.fromisoformat(last)
        return Span(*ends, Ledger(**ledger), [Malformed(**one) for one in samples])

    def save(self, split: Split, report: TaskReport) -> None:
        """Save the span of a split that was read with a window, if all its records have a time."""
        ledger = report.ledger
        if not report.span[0] or ledger.without_time:
            return
        begins = split.order[1]
        samples = [asdict(replace(one, offset=one.offset - begins)) for one in report.samples]
        plain = [*report.span, asdict(_all_outside(ledger)), samples]
        self._results.save(self._job, self._key(split, report.content), msgpack.packb(plain), [], {"name": NAME})

    def relation(self, split: Split, content: str) -> int:
        """Return INSIDE, OUTSIDE, or EDGE if the window cuts through or the span is not known."""
        span = self.load(split, content)
        return EDGE if span is None else span.relation(self._window)


def _all_outside(ledger: Ledger) -> Ledger:
    """Return a ledger as if the window left out all records."""
    plain: dict[str, Any] = {field.name: getattr(ledger, field.name) for field in fields(ledger)}
    plain["outside_time"] += plain.pop("records")
    plain["outside_time_bytes"] += plain.pop("parsed_bytes")
    return Ledger(**plain)
