"""Whole results in the cache: the same job over the same content, in the same order, needs no engine at all.

A result is identified by the results of its maps in input order (`task/cache/map_results.py` has their identity),
and by the settings that apply after them: the number of partitions, and the limits on malformed lines and failed
records, so that a stricter run is checked anew. Only the result for an unchanged input is found here. For a log that
grew, the cached results of its maps are used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgpack

from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import MIB, Split
from mrframe.engines.history.summary import input_maps
from mrframe.engines.protocol import CommittedAttempt, Feature, OnProgress, Outcome, Plan
from mrframe.store.result_store import ResultStore
from mrframe.task.cache.map_results import identity

VERSION = 1
BYTES_MAX = 64 * MIB
"""A larger result is computed again."""
_PAIRS = Split("pairs", "saved", "", 0, 0, (0, 0))


class WholeResultEngine:
    """See `engines.protocol.Engine`: the outcome of an earlier run, its parts copied to the scratch directory."""

    name = "saved"
    lacks: frozenset[Feature] = frozenset()

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def run(self, plan: Plan, on_progress: OnProgress | None) -> Outcome:  # noqa: ARG002  (the protocol's)
        """Nothing is left to do."""
        return self._outcome


def load_whole_result(plan: Plan, results: ResultStore) -> WholeResultEngine | None:
    """The cached result for a plan, None when there is none. OSError when the scratch directory is full."""
    saving = plan.settings.saving
    if saving is None or saving.verify or not _may_be_saved(plan):
        return None
    splits = sorted(plan.splits, key=lambda split: split.order)
    if not all(split.content for split in splits):
        return None
    key = _key(plan, splits, [split.content for split in splits])
    if results.size_bytes(saving.job, f"{key}-0") is None:
        return None
    folder = os.path.join(plan.scratch.make(), "result")
    os.mkdir(folder, 0o700)
    parts = [os.path.join(folder, f"{number}.mrf") for number in range(plan.steps[-1].partitions)]
    reports = [results.load(saving.job, f"{key}-{number}", path) for number, path in enumerate(parts)]
    if None in reports or reports[0] is None:
        return None
    return WholeResultEngine(Outcome(parts, _done(reports[0], splits)))


def save_whole_result(plan: Plan, outcome: Outcome, results: ResultStore) -> str:
    """Save the result of a run if it can be identified again. Returns the fault of the disk, or ""."""
    saving = plan.settings.saving
    maps = input_maps(outcome.done)
    contents = [done.report.content for done in maps]
    known = saving is not None and _may_be_saved(plan) and all(contents)
    left_out = any(done.report.ledger.quarantined for done in maps)
    effects = any(done.report.effect for done in outcome.done)
    if not known or left_out or effects or sum(map(os.path.getsize, outcome.parts)) > BYTES_MAX:
        return ""
    assert saving is not None
    key = _key(plan, [done.split for done in maps if done.split], contents)
    firsts = {done.attempt for done in maps}
    others = [done for done in outcome.done if done.attempt not in firsts and not _decodes(done)]
    plain = [
        [[done.attempt, done.report.to_plain()] for done in maps],
        [[done.attempt, done.step, done.split is not None, done.report.to_plain()] for done in others],
    ]
    report = msgpack.packb(plain, unicode_errors="surrogateescape")
    for number, part in reversed(list(enumerate(outcome.parts))):  # the first one last: it says that all are there
        data = report if number == 0 else b""
        if fault := results.save(saving.job, f"{key}-{number}", data, [part], {"name": saving.name}):
            return fault
    return ""


def _may_be_saved(plan: Plan) -> bool:
    return plan.feed is None and not plan.settings.keep_rejects and not plan.settings.keep_quarantine


def _decodes(done: CommittedAttempt) -> bool:
    return done.split is not None and done.split.is_compressed


def _key(plan: Plan, splits: Sequence[Split], contents: Sequence[str]) -> str:
    views, partitions = plan.job.sources(), plan.steps[0].partitions
    maps = [
        identity(views[split.input_name], split, partitions, content)
        for split, content in zip(splits, contents, strict=True)
    ]
    steps = [[step.partitions, step.gather, step.max_bad, step.max_failed] for step in plan.steps]
    return sha256(msgpack.packb([VERSION, maps, steps, plan.settings.window])).hexdigest()[:40]


def _done(report: bytes, splits: Sequence[Split]) -> list[CommittedAttempt]:
    firsts, others = msgpack.unpackb(report, unicode_errors="surrogateescape", strict_map_key=False)
    done = [
        CommittedAttempt(attempt, 0, split, _saved(plain))
        for (attempt, plain), split in zip(firsts, splits, strict=True)
    ]
    done += [
        CommittedAttempt(attempt, step, _PAIRS if maps else None, _saved(plain))
        for attempt, step, maps, plain in others
    ]
    return done


def _saved(plain: dict[str, Any]) -> TaskReport:
    report = TaskReport.from_plain(plain)
    report.saved = True
    report.seconds, report.memory_peak_bytes, report.prints_cut_bytes = 0.0, 0, 0
    return report
