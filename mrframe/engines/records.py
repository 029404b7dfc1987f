"""What is kept of a run when it is over: its record, its job, and the failures that can be run again alone.

Only commands keep runs (`store/runs.py` says where, and how many); runs from Python keep nothing. Keeping is a
service: a folder that cannot be used costs a warning, never the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from mrframe.engines.base import Plan
from mrframe.engines.summary import MalformedSample, Summary
from mrframe.errors import MrframeError, UserCodeError
from mrframe.store.runs import Runs, default_folder
from mrframe.task.capsule import Capsule
from mrframe.task.package import pack
from mrframe.task.rejects import SAMPLE_BYTES_MAX

PACKAGE = "package"
RECORD = "record"
FAILURE = "failure-"


def capsule_of(error: UserCodeError) -> Capsule | None:
    """The record or group that an error is about; None when it is about neither, or neither was kept."""
    if error.record is None and not error.group:
        return None
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
    )


def keep_failure(plan: Plan, error: UserCodeError) -> None:
    """Keep a run that failed on a record or group, and note its id in the error."""
    capsule = capsule_of(error)
    if capsule is not None:
        error.kept, error.not_kept = _keep(plan, {"error": str(error)}, [capsule])


def keep_run(plan: Plan, summary: Summary) -> None:
    """Keep a run that is done, and note its id in the summary."""
    names = {split.source: split.input_name for split in plan.splits}
    capsules = [_of_sample(one, names.get(one.source, "")) for one in summary.failed]
    summary.kept, summary.not_kept = _keep(plan, {"summary": summary.to_plain()}, capsules)


def _of_sample(one: MalformedSample, input_name: str) -> Capsule:
    record = one.text.encode("utf-8", "surrogateescape")
    whole = len(record) < SAMPLE_BYTES_MAX
    return Capsule(one.reason, "", one.source, input_name, one.offset, one.line, record, whole)


def _keep(plan: Plan, outcome: dict[str, Any], capsules: Sequence[Capsule]) -> tuple[str, str]:
    """(id, why there is none), one of them ""."""
    record = {"job": plan.job.name or "job", "ended_s": time.time(), "failures": len(capsules), **outcome}
    files = {RECORD: json.dumps(record).encode()}
    for number, capsule in enumerate(capsules, 1):
        files[f"{FAILURE}{number}"] = capsule.pack()
    try:
        if capsules:
            files[PACKAGE] = pack(plan.job, plan.settings, plan.file, plan.job_options)
        return Runs(default_folder()).add(files), ""
    except (MrframeError, OSError) as error:
        return "", f"nothing of this run is kept: {error}"
