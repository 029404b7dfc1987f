"""Records of finished runs: the figures, the job, and the failures that can be run again alone.

Only commands keep such records (`store/run_records.py` has their place and number). Runs from Python keep none unless
asked to. A folder that cannot be used costs a warning, never the run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgpack

from mrframe.core.job.job import Job
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import Split
from mrframe.engines.history.summary import MalformedSample, Summary, input_maps
from mrframe.engines.protocol import Outcome, Plan
from mrframe.errors import MrframeError, UsageError, UserCodeError
from mrframe.store.run_records import RunRecords, default_folder
from mrframe.task.code.package import LoadedJob, loaded, pack, unpack
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.report.rejects import SAMPLE_BYTES_MAX

if TYPE_CHECKING:
    from mrframe.task.debug.capsule import Capsule

PACKAGE = "package"
RECORD = "record"
MAPS = "maps"
FAILURE = "failure-"


def capsule_of(error: UserCodeError) -> Capsule | None:
    """The record or group that an error is about. None when it is about neither, or neither was kept."""
    if error.record is None and not error.group:
        return None
    from mrframe.task.debug.capsule import Capsule

    return Capsule(
        str(error),
        error.traceback_text,
        error.source or "",
        error.input_name,
        -1 if error.offset is None else error.offset,
        error.line or -1,
        error.record or b"",
        key=error.key or "",
        group=error.group,
        reader=error.reader,
    )


def keep_failure(plan: Plan, error: UserCodeError) -> None:
    """Keep a run that failed on a record or group, and note its id in the error."""
    capsule = capsule_of(error)
    if capsule is not None:
        error.kept, error.not_kept = _guarded(lambda: _keep(plan, {"error": str(error)}, [capsule]))


def keep_run(plan: Plan, outcome: Outcome, summary: Summary, question: Mapping[str, Any]) -> None:
    """Keep a run that is done, and note its id in the summary. `question` is that of `mrframe count`, or empty."""

    def keep() -> str:
        splits = {done.split.source: done.split for done in input_maps(outcome.done) if done.split}
        capsules = [_of_sample(one, splits[one.source]) for one in summary.failed]
        record = {"summary": summary.to_plain(), "question": dict(question)}
        return _keep(plan, record, capsules, _maps(plan, outcome))

    summary.kept, summary.not_kept = _guarded(keep)


def _guarded(keep: Callable[[], str]) -> tuple[str, str]:
    """(id, why there is none), one of them "": whatever goes wrong, the result or the error is there already."""
    try:
        return keep(), ""
    except Exception as error:  # also a bug of mrframe costs no more than the record
        named = "" if isinstance(error, (MrframeError, OSError)) else f"{type(error).__name__}: "
        return "", f"nothing of this run is kept: {named}{error}"


def _maps(plan: Plan, outcome: Outcome) -> bytes:
    """The map tasks, for `mrframe why`: splits in input order, the lines of each, and the state of the files."""
    packed = {split.order[0]: split.path for split in plan.splits if split.is_compressed}
    maps = input_maps(outcome.done)
    splits = []
    for done in maps:
        split = done.split
        assert split is not None
        path = os.path.abspath(packed.get(split.order[0], split.path))
        known = replace(split, path=path, held_by=(), locations=(), content=done.report.content, crc32=-1, state=())
        splits.append(_row(known))
    saving, reader = plan.settings.saving, plan.settings.reader
    readers = {"": reader} if isinstance(reader, Reader) else reader
    plain = {
        "splits": splits,
        "lines": [done.report.ledger.lines for done in maps],
        "partitions": plan.steps[0].partitions,
        "block_bytes": plan.steps[0].block_bytes,
        "saving": saving and astuple(saving),
        "readers": [[name, one.kind, one.format] for name, one in readers.items()],
        "window": plan.settings.window,
        "files": stamps(split[2] for split in splits),
    }
    return bytes(msgpack.packb(plain, unicode_errors="surrogateescape"))


def stamps(paths: Iterable[str]) -> dict[str, list[int]]:
    """The state of each file, by which a change shows."""
    return {path: _stamp(path) for path in sorted(set(paths))}


def _stamp(path: str) -> list[int]:
    """The state of a file, by which a change shows, or [] when the file does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]


_NAMES = [part.name for part in fields(Split)]
_parts = attrgetter(*_NAMES)
_READER = _NAMES.index("reader")


def _row(split: Split) -> list[Any]:
    """The split as plain values."""
    row = list(_parts(split))
    row[_READER] = split.reader and astuple(split.reader)
    return row


def _split(row: list[Any]) -> Split:
    parts: list[Any] = [tuple(part) if isinstance(part, list) else part for part in row]
    split = Split(*parts)
    return split if split.reader is None else replace(split, reader=Reader(*row[_READER]))


class KeptMaps:
    """The splits that were mapped in a run that was kept, and the job."""

    def __init__(self, plain: dict[str, Any], package: bytes, question: dict[str, Any]) -> None:
        from mrframe.task.debug.provenance import Traced

        splits = [_split(row) for row in plain["splits"]]
        saving = plain["saving"] and Saving(*plain["saving"])
        lines, partitions, block_bytes = tuple(plain["lines"]), plain["partitions"], plain["block_bytes"]
        self.traced = Traced(tuple(splits), lines, partitions, block_bytes, saving)
        self._files = plain["files"]
        readers = {name: Reader(kind, text) for name, kind, text in plain["readers"]}
        window = plain["window"] and tuple(plain["window"])
        self._settings = TaskSettings(readers.get("", readers), window=window)
        self._package = package
        self._question = question

    def changed(self) -> list[str]:
        """The files that have changed since."""
        return [path for path, stamp in self._files.items() if _stamp(path) != stamp]

    def job(self, of_question: Callable[[dict[str, Any]], Job]) -> LoadedJob:
        """The job. Call this only where its code may run."""
        return loaded(of_question(self._question), self._settings) if self._question else unpack(self._package)


class SubmittedMaps:
    """The splits that were mapped for a submission that is done: see `KeptMaps`.

    `replica` gives the path of a stored block. The place of saved results is in the package, so they are only used
    once that is opened.
    """

    def __init__(
        self, reports: Iterable[tuple[Any, ...]], record: bytes, package: bytes, replica: Callable[[Split], str]
    ) -> None:
        from mrframe.task.debug.provenance import Traced

        plain = json.loads(record)
        splits: list[tuple[Split, int]] = []
        packed: dict[int, str] = {}
        for attempt, step, _node, split, report in reports:
            if parse_attempt(attempt).kind == "decode":
                packed[split.order[0]] = split.path
            elif step == 0 and split is not None:
                splits.append((replace(split, content=report.content, crc32=-1, state=()), report.ledger.lines))
        splits.sort(key=lambda one: one[0].order)
        self.traced = Traced(
            tuple(self._local(split, packed, replica) for split, _ in splits),
            tuple(lines for _, lines in splits),
            plain["partitions"][0],
            plain["block_bytes"],
            None,
        )
        self._files = plain["files"]
        self._package = package

    def _local(self, split: Split, packed: Mapping[int, str], replica: Callable[[Split], str]) -> Split:
        """The split with a path that can be read: that of the compressed file it is a block of, or of a replica."""
        path = replica(split) if split.is_stored else packed.get(split.order[0], split.path)
        return replace(split, path=path, held_by=(), locations=())

    def changed(self) -> list[str]:
        """The files that have changed since."""
        return [path for path, stamp in self._files.items() if _stamp(path) != stamp]

    def job(self, _of_question: object) -> LoadedJob:
        """The job. Call this only where its code may run."""
        job = unpack(self._package)
        self.traced = replace(self.traced, saving=job.settings.saving)
        return job


def kept_maps(runs: RunRecords, run: str) -> KeptMaps:
    """The map tasks of this run. UsageError when they are not kept, CorruptData when the record is damaged."""
    names = runs.names(run)
    record = json.loads(runs.read(run, RECORD))
    question = record.get("question", {})
    if MAPS not in names or not (question or PACKAGE in names):
        raise UsageError(f"{run} did not end well, or its job has no file, so its lines cannot be found again")
    plain = msgpack.unpackb(runs.read(run, MAPS), unicode_errors="surrogateescape")
    if any(row[1] == "-" for row in plain["splits"]):
        raise UsageError(f"{run} read standard input, which is not kept")
    return KeptMaps(plain, b"" if question else runs.read(run, PACKAGE), question)


def _of_sample(one: MalformedSample, split: Split) -> Capsule:
    from mrframe.task.debug.capsule import Capsule

    record = one.text.encode("utf-8", "surrogateescape")
    whole = len(record) < SAMPLE_BYTES_MAX
    whence = one.source, split.input_name, one.offset, one.line
    return Capsule(one.reason, "", *whence, record, whole, reader=split.reader)


def _keep(plan: Plan, outcome: dict[str, Any], capsules: Sequence[Capsule], maps: bytes = b"") -> str:
    """Keep a run. Returns its id."""
    record = {"job": plan.job.name or "job", "ended_s": time.time(), "failures": len(capsules), **outcome}
    files = {RECORD: json.dumps(record).encode()}
    for number, capsule in enumerate(capsules, 1):
        files[f"{FAILURE}{number}"] = capsule.pack()
    if maps:
        files[MAPS] = maps
    if capsules or plan.file is not None:  # a job without a file is slow to pack
        files[PACKAGE] = pack(plan.job, plan.settings, plan.file, plan.job_options)
    return RunRecords(default_folder()).add(files)
