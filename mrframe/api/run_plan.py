"""A dry run: the plan of a run, made from no more than the first bytes of its inputs. Nothing is run or written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mrframe.api.found_job import JobLike, resolve
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.settings.options import RunOptions
from mrframe.engines.cache.run_cache import open_cache
from mrframe.engines.history.summary import format_of
from mrframe.engines.named_engines import engine_name
from mrframe.engines.plan.job_inputs import GivenInputs, find_inputs
from mrframe.engines.plan.planning import make_plan
from mrframe.errors import UsageError
from mrframe.store.scratch import Scratch


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One input: its bytes on the disk, its compression ("" for none), the splits it is cut into, and its format.

    The format of an empty input is "".
    """

    name: str
    bytes: int
    compression: str
    splits: int
    format: str = ""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The plan of a run. `fields` are those that the map asks for, `notes` are about the inputs, for people.

    A compressed file counts as one map task here, and gets one more for each block of it once it is decoded.
    """

    job: str
    steps: int
    format: str
    fields: list[str]
    engine: str
    map_tasks: int
    reduce_tasks: int
    bytes: int
    notes: list[str]
    files: list[PlannedFile]

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)


def plan_run(
    job: JobLike, inputs: GivenInputs, options: RunOptions, *, job_options: Mapping[str, Any] | None = None
) -> RunPlan:
    """Plan a run. Raises the errors of a run that come before it starts, and UsageError for standard input."""
    _, made = resolve(job, job_options or {})
    found = find_inputs(made, inputs)
    if any(file.is_stdin for file in found.files):
        raise UsageError("--dry-run cannot look into standard input without using it up; name files")
    cache = open_cache(options, found.files, found.estimated_bytes)
    scratch = Scratch(options.scratch_dir, later=True)
    plan = cache.consult(make_plan(made, found, cache.cut_as_before(options), scratch=scratch))
    cache.close()
    splits = Counter(split.order[0] for split in plan.splits)
    formats = {split.order[0]: plan.settings.reader_of(split).label for split in plan.splits}
    return RunPlan(
        job=made.name or "job",
        steps=len(plan.steps),
        format=format_of(plan.settings.reader, plan.splits),
        fields=[f"{name}.{f}" if name else f for name, view in made.sources().items() for f in view.projection()],
        engine=engine_name(plan),
        map_tasks=len(plan.splits),
        reduce_tasks=sum(step.partitions for step in plan.steps),
        bytes=sum(file.bytes for file in found.files),
        notes=list(plan.notes),
        files=[
            PlannedFile(file.name, file.bytes, file.compression, splits[number], formats.get(number, ""))
            for number, file in enumerate(found.files)
        ],
    )
