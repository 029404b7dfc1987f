"""Saves map results, and loads one instead of repeating an attempt.

The identity of a result is the content of its whole split (a digest of the decoded bytes, never a path, an inode or a
beginning), the fingerprint of the job (`fingerprint.py`), and all else that the map can see: whether the split begins
its source (a byte order mark is expected only there), its own reader if it has one, and the source's name and the
place in it if the job asks for `file` or `offset`. So work is shared wherever the same bytes are read again, after a
log was appended to, renamed, compressed or copied. Data never is: every split counts each time it is an input.

A saved result is the sealed output: the run file, the digests of its slots, and the report. A result that left out
records is not saved. `verify` repeats some attempts and compares them byte for byte.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgpack

from mrframe.core.job.job import Job
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MapOrder, Split
from mrframe.errors import CorruptData, NotRepeatable
from mrframe.formats.inputs.digest import new_digest
from mrframe.formats.inputs.open_input import LongLine
from mrframe.formats.inputs.splits import read_split
from mrframe.formats.readers.time_window import INSIDE, OUTSIDE, Window
from mrframe.formats.registry import code_of
from mrframe.shuffle.partition import slots_for
from mrframe.shuffle.run_file.run_writer import RunReader
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.time_spans import Spans
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.isolation import effects
from mrframe.task.map.map_output import MAP_FILE, report_partitions

VERSION = 3
HASH_BYTES = 1 << 20
_KNOWN = "known"  # in the attempt's directory: the saved run file under comparison

Digests = dict[int, int]  # by slot
Map = Callable[[Any, MapOrder], tuple[TaskReport, Digests]]
"""Runs the map. Takes a hash to feed with the input as it is read, or None, and the order."""


def map_or_load(job: Job, order: MapOrder, settings: TaskSettings, run: Map) -> TaskReport:
    """Return the report of a sealed attempt: loaded if it is saved, otherwise made by `run` and saved.

    Raises the errors of `run`, and NotRepeatable if a repeated map gave a different result.
    """
    assert settings.saving is not None
    return _SavedMap(job, order, settings, settings.saving).outcome(run)


class _SavedMap:
    """One attempt that may have a saved result."""

    def __init__(self, job: Job, order: MapOrder, settings: TaskSettings, saving: Saving) -> None:
        self._job = job
        self._order = order
        self._settings = settings
        self._saving = saving
        self._results = ResultStore(saving.path)
        self._run_path = os.path.join(order.out_dir, MAP_FILE)
        self._spans = spans_of(order.split, settings, self._results) if saving.windowed else None

    def outcome(self, run: Map) -> TaskReport:
        split = self._order.split
        os.makedirs(self._order.out_dir, 0o700, exist_ok=True)  # a saved result always has a run file
        content = split.content or (content_digest(split) if self._saving.known else "")
        report: TaskReport | None = None
        relation = INSIDE if self._spans is None or not content else self._spans.relation(split, content)
        if content and relation == OUTSIDE:
            report = self._left_out(content, run)
        elif content and relation == INSIDE:
            if self._is_sampled():
                return self._verified(content, run)
            report = self._load(content, self._run_path)
        if report is None and split.is_saved:
            raise CorruptData(
                f"the cached result for {split.source} from byte {split.order[1]:,} was there when the job was "
                "planned, and is gone or damaged; run the job again"
            )
        return self._made(content, run) if report is None else report

    def _is_sampled(self) -> bool:
        saving = self._saving
        return saving.known and not self._order.split.is_saved and random.random() < saving.verify

    def _made(self, content: str, run: Map) -> TaskReport:
        """Run the attempt, and save its result if allowed."""
        digest = None if content else Digest()
        report, digests = run(digest, self._order)
        report.content = content or (digest.whole(self._order.split.length) if digest else "")
        if report.content:
            if self._spans is not None:
                self._spans.save(self._order.split, report)
            self._save(report, digests)
        return report

    def _left_out(self, content: str, run: Map) -> TaskReport | None:
        """Return the report of a split with all records outside the window, unread, or None if it must be read."""
        split = self._order.split
        span = self._spans.load(split, content) if self._spans is not None else None
        batches = self._job.map_batch is not None  # map_batch may be called with an empty batch
        if span is None or batches or (self._settings.keep_rejects and span.ledger.malformed):
            return None
        nothing = replace(split, length=0, crc32=-1)
        if split.is_saved:
            nothing = replace(nothing, kind="file")
        made, _ = run(None, replace(self._order, split=nothing))
        samples = span.samples_at(split.order[1])
        return replace(made, ledger=replace(span.ledger), samples=samples, content=content, saved=True)

    def _verified(self, content: str, run: Map) -> TaskReport:
        """Load the result and run the attempt. If they differ, drop the saved result and raise NotRepeatable."""
        known_path = os.path.join(self._order.out_dir, _KNOWN)
        known = self._load(content, known_path)
        report = self._made(content, run)
        if known is None:
            return report
        same = _bytes(known_path) == _bytes(self._run_path) and _comparable(known) == _comparable(report)
        os.unlink(known_path)
        if not same:
            self._results.drop(self._saving.job, self._key(content))
            split = self._order.split
            raise NotRepeatable(
                f"the map result for {split.source} from byte {split.order[1]:,} differs from the cached one: the "
                "map does not depend on its input alone. Do not trust results of this job from the cache: run it "
                "with --no-cache, or write pure=False in the Job"
            )
        return report

    def _key(self, content: str) -> str:
        return identity(self._job, self._order.split, self._order.partitions, content)

    def _load(self, content: str, run_path: str) -> TaskReport | None:
        """Load a saved report as this run's, with its run file at `run_path`. Returns None if nothing is saved."""
        data = self._results.load(self._saving.job, self._key(content), run_path)
        if data is None:
            return None
        plain, digests = msgpack.unpackb(data, unicode_errors="surrogateescape", strict_map_key=False)
        report = TaskReport.from_plain(plain)
        if self._settings.keep_rejects and report.ledger.malformed:
            os.unlink(run_path)
            return None  # the lines themselves are wanted, but not saved
        begins = self._order.split.order[1]
        report.samples = [replace(one, offset=one.offset + begins) for one in report.samples]
        with open(run_path, "rb") as file:
            reader = RunReader(file, run_path, unpickle=False)
            report_partitions(report, reader.sizes(), digests, reader.slots, self._order.partitions)
        report.saved = True
        return report

    def _save(self, report: TaskReport, digests: Digests) -> None:
        """Save a sealed attempt, unless it left out records or had side effects."""
        ledger = report.ledger
        if self._saving.watched and effects.noted():
            return
        if ledger.quarantined or report.failed or ledger.outside_time or ledger.without_time:
            return
        begins = self._order.split.order[1]
        samples = [replace(one, offset=one.offset - begins) for one in report.samples]
        # cannot be compared later: other settings, such as less memory, cut the same pairs into other blocks
        own = replace(report, samples=samples, partitions={}, digests={}, fixed=False)
        plain = replace(own, seconds=0.0, memory_peak_bytes=0, span=("", "")).to_plain()
        data = msgpack.packb([plain, digests], unicode_errors="surrogateescape")
        about = {"name": self._saving.name}
        key = self._key(report.content)
        report.save_fault = self._results.save(self._saving.job, key, data, [self._run_path], about)


def spans_of(split: Split, settings: TaskSettings, results: ResultStore) -> Spans:
    """Return the saved spans of splits like this one, for the window of these settings."""
    assert settings.window is not None
    return Spans(results, settings.reader_of(split), Window.from_plain(settings.window))


def _comparable(report: TaskReport) -> tuple[Any, ...]:
    return report.ledger, report.records_out, report.counters, report.bad_fields, report.samples


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


# ---- the identity -----------------------------------------------------------------------------------


class Digest:
    """Hashes the content of a split as it is read. Bytes skipped unread are not in it."""

    def __init__(self) -> None:
        self._hash = new_digest()
        self._length = 0

    def update(self, data: bytes) -> None:
        """Add the next bytes."""
        self._hash.update(data)
        self._length += len(data)

    def whole(self, length: int) -> str:
        """Return the digest in hex if `length` bytes were seen, otherwise ""."""
        return self._hash.hexdigest() if self._length == length else ""


def content_digest(split: Split) -> str:
    """Read a split and return the digest of its bytes, or "" if it has a line above the length limit.

    Raises the errors of reading.
    """
    digest = Digest()

    def pass_over(_line: LongLine) -> None:
        pass  # bytes are missing, so the digest is incomplete

    for _, data in read_split(split, block_bytes=HASH_BYTES, on_long=pass_over):
        digest.update(data)
    return digest.whole(split.length)


def identity(job: Job, split: Split, partitions: int, content: str) -> str:
    """Return the name of this map's result for a split with this content, unique within the job, in hex."""
    wanted = job.projection()
    seen = [
        VERSION,
        content,
        split.length,
        split.first,
        split.input_name,
        slots_for(partitions),
        partitions if job.partition is not None else 0,
        split.source if "file" in wanted else None,
        split.order[1] if "offset" in wanted else None,
    ]
    if split.reader is not None:  # else that of the job, which is in its fingerprint
        seen.append([split.reader.kind, split.reader.format, code_of(split.reader)])
    return sha256(msgpack.packb(seen, unicode_errors="surrogateescape")).hexdigest()[:40]
