"""`--dry-run`: what a run would do, found out without reading more than the first bytes of the inputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click

from mrframe.cli.ending import print_json
from mrframe.cli.terminal import bytes_text, columns_text, counted, escaped
from mrframe.core.job import Job
from mrframe.core.options import RunOptions
from mrframe.formats.inputs import InputFile, expand
from mrframe.formats.splitting import default_partitions, estimated_bytes, plan_splits

FILES_SHOWN = 20


def show_plan(
    job: Job | Callable[..., Job] | str,
    inputs: Sequence[str],
    options: RunOptions,
    job_options: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print the plan of a run on standard output; raises what the run itself would raise before it starts."""
    plan = make_plan(_loaded(job, job_options), inputs, options)
    if as_json:
        print_json({"plan": plan})
        return
    for line in plan_lines(plan):
        click.echo(line)


def _loaded(job: Job | Callable[..., Job] | str, job_options: dict[str, Any]) -> Job:
    if isinstance(job, Job):
        return job
    if isinstance(job, str):
        from mrframe import api  # noqa: PLC0415 -- only a dry run by name needs it here

        return api.load_job(job, job_options)
    return job(**job_options)


def make_plan(job: Job, inputs: Sequence[str], options: RunOptions) -> dict[str, Any]:
    """The plan as plain values."""
    files = expand(inputs)
    splits = Counter(
        split.source for split in plan_splits(files, split_bytes=options.split_bytes, splits=options.splits)
    )
    total = estimated_bytes(files)
    steps = job.steps()
    partitions = options.partitions or job.partitions or default_partitions(total)
    inline = options.engine == "inline" or (
        options.engine == "auto" and total <= options.inline_bytes_max and not any(f.is_stdin for f in files)
    )
    nodes = options.nodes or (2 if (os.cpu_count() or 1) > 1 else 1)
    return {
        "job": job.name or "job",
        "steps": len(steps),
        "format": _format(job, files, options),
        "fields": list(job.projection()),
        "files": [
            {"name": f.name, "bytes": f.bytes, "compression": f.compression, "splits": splits[f.name]} for f in files
        ],
        "bytes": sum(f.bytes for f in files),
        "engine": "inline" if inline else "local",
        "nodes": 0 if inline else nodes,
        "map_tasks": sum(splits.values()),
        "reduce_tasks": partitions,
    }


def _format(job: Job, files: Sequence[InputFile], options: RunOptions) -> str:
    """What the records would be read as, and why."""
    if options.log_format is not None:
        return f"{options.log_format} (--log-format)"
    if job.read.kind != "access":
        return job.read.kind
    if job.read.format != "auto":
        return f"{job.read.format} (the job says so)"
    named = [f.path for f in files if not f.is_stdin]
    if not named:
        return "found from the data"
    from mrframe.cli.peek import first_bytes  # noqa: PLC0415 -- not for jobs that name their format
    from mrframe.formats.detect import detect  # noqa: PLC0415

    name, sample = first_bytes(named)
    return f"{detect(sample, name).why}, in {name}"


def plan_lines(plan: dict[str, Any]) -> list[str]:
    """The plan for people."""
    engine = "inline, in this process" if plan["engine"] == "inline" else f"local, {counted(plan['nodes'], 'node')}"
    tasks = f"{counted(plan['map_tasks'], 'map task')}, {counted(plan['reduce_tasks'], 'reduce task')}"
    if any(f["compression"] or f["name"] == "-" for f in plan["files"]):
        tasks += " (and a map task for each 64 MiB of what is decoded or piped in)"
    rows = [
        ["job", plan["job"] + (f", {plan['steps']} steps" if plan["steps"] > 1 else "")],
        ["format", plan["format"]],
        ["fields", ", ".join(plan["fields"])],
        ["engine", engine],
        ["tasks", tasks],
        ["inputs", f"{counted(len(plan['files']), 'file')}, {bytes_text(plan['bytes'])}"],
    ]
    files = []
    for f in plan["files"][:FILES_SHOWN]:
        how = f"{f['compression']}, decoded first" if f["compression"] else counted(f["splits"], "split")
        files.append([escaped(f["name"]), bytes_text(f["bytes"]), "standard input" if f["name"] == "-" else how])
    lines = [escaped(line) for line in columns_text(rows)] + columns_text(files, "  ")
    if len(plan["files"]) > FILES_SHOWN:
        lines.append(f"  and {len(plan['files']) - FILES_SHOWN} more")
    return lines
