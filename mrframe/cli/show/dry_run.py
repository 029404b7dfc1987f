"""`--dry-run`: what a run would do, found out without reading more than the first bytes of the inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import bytes_text, columns_text, counted, escaped
from mrframe.core.job.job import Job
from mrframe.core.model.options import RunOptions
from mrframe.engines.cache.run_cache import open_cache
from mrframe.engines.history.summary import format_of
from mrframe.engines.named_engines import engine_name
from mrframe.engines.plan.job_inputs import find_inputs
from mrframe.engines.plan.planning import make_plan
from mrframe.errors import UsageError
from mrframe.store.scratch import Scratch

FILES_SHOWN = 20
_PLACES = {"inline": "in this process", "local": "on a cluster of processes"}


def show_plan(
    job: Job | Callable[..., Job] | str,
    inputs: Sequence[str],
    options: RunOptions,
    job_options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print the plan of a run on standard output; raises what the run itself would raise before it starts."""
    plan = plain_plan(_loaded(job, job_options), inputs, options)
    if as_json:
        print_json({"plan": plan})
        return
    for line in plan_lines(plan):
        say(line)


def _loaded(job: Job | Callable[..., Job] | str, job_options: dict[str, Any]) -> Job:
    if isinstance(job, str):
        from mrframe import api

        return api.load_job(job, job_options)
    return job if isinstance(job, Job) else job(**job_options)


def plain_plan(job: Job, inputs: Sequence[str], options: RunOptions) -> dict[str, Any]:
    """The plan as plain values; UsageError for standard input, which a dry run would use up."""
    found = find_inputs(job, inputs)
    files = found.files
    if any(file.is_stdin for file in files):
        raise UsageError("--dry-run cannot look into standard input without using it up; name files")
    cache = open_cache(options, files, found.estimated_bytes)
    plan = make_plan(job, found, cache.cut_as_before(options), scratch=Scratch(options.scratch_dir, later=True))
    plan = cache.consult(plan)
    splits = Counter(split.order[0] for split in plan.splits)
    fields = [f"{name}.{f}" if name else f for name, view in job.sources().items() for f in view.projection()]
    return {
        "job": job.name or "job",
        "steps": len(plan.steps),
        "format": format_of(plan),
        "fields": fields,
        "engine": engine_name(plan),
        "map_tasks": len(plan.splits),
        "reduce_tasks": sum(step.partitions for step in plan.steps),
        "bytes": sum(file.bytes for file in files),
        "notes": list(plan.notes),
        "files": [
            {"name": file.name, "bytes": file.bytes, "compression": file.compression, "splits": splits[number]}
            for number, file in enumerate(files)
        ],
    }


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan for people."""
    tasks = f"{counted(plan['map_tasks'], 'map task')}, {counted(plan['reduce_tasks'], 'reduce task')}"
    if any(file["compression"] for file in plan["files"]):
        tasks += "; of a compressed file, also one for each block of it once it is decoded"
    rows = [
        ["job", plan["job"] + (f", {plan['steps']} steps" if plan["steps"] > 1 else "")],
        ["format", plan["format"]],
        ["fields", ", ".join(plan["fields"])],
        ["engine", ", ".join(filter(None, (plan["engine"], _PLACES.get(plan["engine"]))))],
        ["tasks", tasks],
        ["inputs", f"{counted(len(plan['files']), 'file')}, {bytes_text(plan['bytes'])}"],
    ]
    rows += [["note", note] for note in plan["notes"]]
    files = []
    for file in plan["files"][:FILES_SHOWN]:
        how = f"{file['compression']}, decoded first" if file["compression"] else counted(file["splits"], "split")
        files.append([escaped(file["name"]), bytes_text(file["bytes"]), how])
    lines = [escaped(line) for line in columns_text(rows)] + columns_text(files, "  ")
    if len(plan["files"]) > FILES_SHOWN:
        lines.append(f"  and {len(plan['files']) - FILES_SHOWN} more")
    return lines
