"""From the reports of committed attempts to an `Outcome`: the one way, for every engine and for submissions.

An engine says which attempts were committed, on which node, and how to get at their files. Here the files that make
up the result, the rejects and the quarantine are chosen and fetched, and the bytes moved are counted. Not here: the
figures for people (`history/summary.py`), and how files travel (each engine's `fetch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split
from mrframe.engines.history.summary import input_maps, samples_of
from mrframe.engines.plan.mismatches import evidence, forced_format, origin_of
from mrframe.engines.protocol import CommittedAttempt, Outcome, Plan, raise_failure
from mrframe.errors import MrframeError, TooManyFailed, TooManyMalformed
from mrframe.formats.inputs.head import stream_head
from mrframe.task.code.pickled import functions_of
from mrframe.task.reduce.sorted_output import PART_FILE
from mrframe.task.report.pickled_frames import with_files
from mrframe.task.report.rejects import QUARANTINE_FILE, REJECTS_FILE

FAILED_SHOWN = 3
Reported = tuple[str, int, str, Split | None, TaskReport]
"""(attempt, step, node, split, report) of a committed attempt, as in `JobEnded.reports`. The node is "" for an
attempt in the caller's own process, of which nothing travels. The split of a reduce is ignored."""

Fetch = Callable[[str, str, str], str]
"""(node, attempt, name) -> a path at which this file of an attempt can be read until the outcome is closed."""


def outcome_of(
    reports: Sequence[Reported],
    outputs: Iterable[tuple[str, str]],
    fetch: Fetch,
    *,
    keep_rejects: bool = False,
    keep_quarantine: bool = False,
) -> Outcome:
    """Fetch the output of a job that is done. Raises what `fetch` raises.

    reports   of all committed attempts, in any order
    outputs   (attempt, node) of the reduces of the last step, in partition order
    keep_…    fetch malformed lines, or records on which the job's code failed, from the maps that have some
    """
    parts = [fetch(node, attempt, PART_FILE) for attempt, node in outputs]
    outcome = Outcome(parts, [])
    for attempt, step, node, split, report in reports:
        kind = parse_attempt(attempt).kind
        outcome.done.append(CommittedAttempt(attempt, step, split if kind != "reduce" else None, report))
        if kind != "map":
            continue
        if node:
            outcome.shuffled_bytes += sum(size for _, size in report.partitions.values())
        if step == 0 and split is not None and keep_rejects and report.ledger.malformed:
            outcome.rejects.append((split, fetch(node, attempt, REJECTS_FILE)))
        if step == 0 and split is not None and keep_quarantine and report.ledger.quarantined:
            outcome.quarantine.append((split, fetch(node, attempt, QUARANTINE_FILE)))
    for kept in outcome.rejects, outcome.quarantine:
        kept.sort(key=lambda item: item[0].order)
    if on_nodes := [report for report in reports if report[2]]:
        from mrframe.core.state.ready_queue import locality  # which a run in this process need not load

        near = locality(on_nodes)
        outcome.data_local = near.data_local + near.anywhere
        outcome.other_map = near.other
    return outcome


def raise_end(
    failure: Failure,
    reports: Sequence[Reported],
    fetch: Fetch,
    readers: Reader | Mapping[str, Reader],
    plan: Plan | None = None,
) -> NoReturn:
    """Raise the error of a job that failed. One over a limit shows the first lines or records that were left out.

    readers  of the inputs, by source for a join
    plan     where it is known: then the error also has the outcome of the maps, for `--rejects` and `--quarantine`
    """
    __tracebackhide__ = True  # of pytest
    if plan is not None and plan.file is None:
        functions = (function for _, function in functions_of(plan.job))
        failure = replace(failure, traceback_text=with_files(failure.traceback_text, functions))
    try:
        raise_failure(failure)
    except (TooManyMalformed, TooManyFailed) as error:
        keep = plan.settings if plan is not None else None
        outcome = outcome_of(
            reports,
            (),
            fetch,
            keep_rejects=keep is not None and keep.keep_rejects,
            keep_quarantine=keep is not None and keep.keep_quarantine,
        )
        over = type(error)("\n".join([str(error), *_details(error, outcome, readers, plan)]))
        over.outcome = outcome
        raise over from None


def _details(
    error: MrframeError, outcome: Outcome, readers: Reader | Mapping[str, Reader], plan: Plan | None
) -> list[str]:
    maps = input_maps(outcome.done)
    if isinstance(error, TooManyFailed):
        shown = [f"{one.source}:{one.line}: {one.reason}" for one in samples_of(maps, "failed")[:FAILED_SHOWN]]
        return [*shown, "leave --max-failed out to see the first of them with its traceback, or allow more"]
    limit = ""
    if plan is not None and not plan.options.is_asked_for("max_bad"):
        limit = f", which is {plan.options.max_bad} by {plan.options.origin_of('max_bad')}"
    lines = []
    by_format: dict[tuple[str, Reader], list[CommittedAttempt]] = {}
    for done in maps:
        if done.split is not None and done.report.ledger.malformed:
            name = done.split.input_name
            reader = done.split.reader or (readers if isinstance(readers, Reader) else readers[name])
            by_format.setdefault((name, reader), []).append(done)
    for (name, reader), own in by_format.items():
        number = sum(done.report.ledger.malformed for done in own)
        origin = _origin(name, plan) if plan is not None else ""
        lines += evidence(samples_of(own, "samples"), number, reader, origin, _head(own))
    return [*lines, f"give the right format with --log-format, or allow more with --max-bad{limit}"]


def _origin(name: str, plan: Plan) -> str:
    read = plan.job.sources()[name].read
    assert isinstance(read, Reader)
    return origin_of(read, forced_format(read, plan.options, in_join=bool(name)), plan.options)


def _head(maps: Sequence[CommittedAttempt]) -> bytes:
    """Return the first bytes of the input of the first malformed line, b"" if they cannot be read again."""
    split = next(done.split for done in maps if done.report.ledger.malformed)
    assert split is not None
    try:
        with open(split.packed or split.path, "rb") as stream:  # a saved result may be of the compressed file
            return stream_head(stream, split.source)
    except (OSError, MrframeError):
        return b""
