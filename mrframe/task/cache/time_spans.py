"""Saved results and windows of time: which splits a window leaves out whole, and which it does not touch.

A split that lies wholly within a window has the same map result as without a window. So that result is saved and
loaded under the identity of the whole split, whatever the window. Of a split that lies wholly outside only the ledger
is wanted. Both are known from the split's *span*, the times of its first and last record, which is saved with the
ledger by any attempt that reads a split within a window: by content and reader, for all jobs. A split that a window
cuts through is read, and its result not saved.

A span may be a little wider than the times it stands for (`formats/readers/time_window.py` judges times by tens of
minutes), never narrower. Of a split with records without a usable time there is none. Where a log's times have no
zone and the job asks for them, a window changes the values that the job sees, and nothing of this applies (`shares`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job, Reader
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
    """The times of a split, and its ledger with all records outside, for the report when it is left out."""

    first: datetime
    last: datetime
    ledger: Ledger
    samples: list[Malformed]

    def relation(self, window: Window) -> int:
        """INSIDE, OUTSIDE, or EDGE when the window cuts through."""
        first, last = window.side(self.first), window.side(self.last)
        if first != last:
            return EDGE
        return OUTSIDE if first else INSIDE

    def samples_at(self, begins: int) -> list[Malformed]:
        """The malformed lines that are kept, with their places in the source, in which the split begins there."""
        return [replace(one, offset=one.offset + begins) for one in self.samples]


def shares(job: Job, settings: TaskSettings) -> bool:
    """Whether the results of this job are the same with a window and without, for splits wholly within."""
    if settings.window is None:
        return False
    window = Window.from_plain(settings.window)
    readers = settings.reader if isinstance(settings.reader, Mapping) else {"": settings.reader}
    made = [
        make_reader(readers[name], view.projection(), view.paths(), window) for name, view in job.sources().items()
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
        """The span of a split with this content. None when it is not known."""
        data = self._results.load(self._job, self._key(split, content), None)
        if data is None:
            return None
        first, last, ledger, samples = msgpack.unpackb(data)
        ends = datetime.fromisoformat(first), datetime.fromisoformat(last)
        return Span(*ends, Ledger(**ledger), [Malformed(**one) for one in samples])

    def save(self, split: Split, report: TaskReport) -> None:
        """Save the span of a split that was read within a window, when all its records say their time."""
        ledger = report.ledger
        if not report.span[0] or ledger.without_time:
            return
        begins = split.order[1]
        samples = [asdict(replace(one, offset=one.offset - begins)) for one in report.samples]
        plain = [*report.span, asdict(_all_outside(ledger)), samples]
        self._results.save(self._job, self._key(split, report.content), msgpack.packb(plain), [], {"name": NAME})

    def relation(self, split: Split, content: str) -> int:
        """INSIDE, OUTSIDE, or EDGE when the window cuts through or it is not known."""
        span = self.load(split, content)
        return EDGE if span is None else span.relation(self._window)


def _all_outside(ledger: Ledger) -> Ledger:
    """A ledger as it is when the window leaves out all records."""
    plain: dict[str, Any] = {field.name: getattr(ledger, field.name) for field in fields(ledger)}
    plain["outside_time"] += plain.pop("records")
    plain["outside_time_bytes"] += plain.pop("parsed_bytes")
    return Ledger(**plain)
