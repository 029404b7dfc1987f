"""`--dry-run`: the plan of a run, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrframe.api.units import bytes_text, counted
from mrframe.cli.show.streams import print_json, say
from mrframe.cli.show.terminal import columns_text

if TYPE_CHECKING:
    from mrframe.api import RunPlan

FILES_SHOWN = 20
_ENGINES = {"inline": "in this process", "local": "on a cluster of processes"}


def show_plan(plan: RunPlan, *, as_json: bool) -> None:
    """Print the plan of a run on standard output."""
    if as_json:
        print_json({"plan": plan.to_plain()})
        return
    say(*plan_lines(plan))


def plan_lines(plan: RunPlan) -> list[str]:
    """The plan for people."""
    tasks = f"{counted(plan.map_tasks, 'map task')}, {counted(plan.reduce_tasks, 'reduce task')}"
    if any(file.compression for file in plan.files):
        tasks += "; of a compressed file, also one for each block of it once it is decoded"
    rows = [
        ["job", plan.job + (f", {plan.steps} steps" if plan.steps > 1 else "")],
        ["format", plan.format],
        ["fields", ", ".join(plan.fields)],
        ["engine", ", ".join(filter(None, (plan.engine, _ENGINES.get(plan.engine))))],
        ["tasks", tasks],
        ["inputs", f"{counted(len(plan.files), 'file')}, {bytes_text(plan.bytes)}"],
    ]
    rows += [["note", note] for note in plan.notes]
    files, several = [], len({file.format for file in plan.files if file.format}) > 1
    for file in plan.files[:FILES_SHOWN]:
        how = f"{file.compression}, decoded first" if file.compression else counted(file.splits, "split")
        files.append([file.name, bytes_text(file.bytes), how, *([file.format] if several else [])])
    lines = columns_text(rows) + columns_text(files, "  ")
    if len(plan.files) > FILES_SHOWN:
        lines.append(f"  and {len(plan.files) - FILES_SHOWN} more")
    return lines
