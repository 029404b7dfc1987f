"""The record of a submission: what `result`, asked later by another process, must know of its plan.

Plain values as JSON, kept in the cluster's directory beside the submission. The summary is made of them; neither the
job nor its inputs are needed for that. Not here: planning, submitting and fetching (`submissions.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.result_columns import result_columns
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import Split, StepSpec
from mrframe.engines.history.kept_runs import stamps
from mrframe.engines.protocol import Plan
from mrframe.errors import CorruptData


@dataclass(frozen=True, slots=True)
class RecordedJob:
    """What a record says of the job: enough of a `Job` for the summary.

    ranked   its last step is a `top`
    columns  of its result: see `core/job/result_columns.py`
    """

    name: str
    is_join: bool
    source_names: tuple[str, ...]
    ranked: bool
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedSettings:
    """What a record says of the settings of tasks."""

    reader: Reader | dict[str, Reader]
    window: tuple[str, str, str] | None = None
    hash_seed: int = 0


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """What a record says of the plan: enough of a `Plan` for the summary; one split stands for all plain files.

    inputs       as the submitter named them. In older records the paths of the files
    bytes_total  of the inputs, 0 when not known
    """

    job: RecordedJob
    settings: RecordedSettings
    steps: tuple[StepSpec, ...]
    splits: tuple[Split, ...]
    notes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    bytes_total: int = 0


def record_of(plan: Plan, inputs: Sequence[str]) -> bytes:
    """The record of a planned job, as JSON. `inputs` are as its submitter named them."""
    reader = plan.settings.reader
    readers = {"": reader} if isinstance(reader, Reader) else reader
    return json.dumps(
        {
            "name": plan.job.name,
            "is_join": plan.job.is_join,
            "source_names": list(plan.job.source_names),
            "ranked": plan.job.steps()[-1].top is not None,
            "columns": result_columns(plan.job),
            "readers": [[name, one.kind, one.format] for name, one in readers.items()],
            "partitions": [step.partitions for step in plan.steps],
            "window": plan.settings.window,
            "hash_seed": plan.settings.hash_seed,
            "block_bytes": plan.steps[0].block_bytes,
            "files": stamps(os.path.abspath(split.path) for split in plan.splits if not split.is_stored),
            "notes": list(plan.notes),
            "inputs": list(inputs),
            "bytes_total": plan.bytes_total,
            "planned_bytes": sum(split.length for split in plan.splits if split.is_planned_range),
        }
    ).encode()


def recorded_plan(record: bytes) -> RecordedPlan:
    """The plan that a record is of, as far as it says. CorruptData when it is damaged."""
    try:
        plain = json.loads(record)
        columns = tuple(plain.get("columns", ()))  # there were none once
        job = RecordedJob(plain["name"], plain["is_join"], tuple(plain["source_names"]), plain["ranked"], columns)
        readers = {name: Reader(kind, text) for name, kind, text in plain["readers"]}
        settings = RecordedSettings(
            readers if job.is_join else readers[""],
            plain["window"] and tuple(plain["window"]),
            plain.get("hash_seed", 0),  # nor this
        )
        steps = tuple(StepSpec(partitions) for partitions in plain["partitions"])
        splits = (Split("file", "", "", 0, plain["planned_bytes"], (0, 0)),)
        notes = tuple(plain.get("notes", ()))  # nor these
        inputs = tuple(map(str, plain.get("inputs", plain["files"])))  # once the files alone, without datasets
        bytes_total = int(plain.get("bytes_total", 0))
    except (ValueError, KeyError, TypeError):
        raise CorruptData("the record of the submission is damaged, so its result cannot be checked") from None
    return RecordedPlan(job, settings, steps, splits, notes, inputs, bytes_total)
