"""From the reports of committed attempts to an `Outcome`: the one way, for every engine and for submissions.

An engine says which attempts were committed, on which node, and how to get at their files. Here the files that make
up the result, the rejects and the quarantine are chosen and fetched, and the bytes moved are counted. Not here: the
figures for people (`history/summary.py`), and how files travel (each engine's `fetch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Split
from mrframe.engines.protocol import CommittedAttempt, Outcome
from mrframe.task.reduce.sorted_output import PART_FILE
from mrframe.task.report.rejects import QUARANTINE_FILE, REJECTS_FILE

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
