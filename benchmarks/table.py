"""From runs to a table: medians over the rounds, and ratios to the yardstick of the same round.

On a busy machine seconds move from round to round and ratios hardly do, so quote the ratio. It is taken
within a round, and its median, smallest and largest over the rounds are shown. Nothing is measured here.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from answers import OK


@dataclass(frozen=True)
class Run:
    """One contestant in one round of one job."""

    job: str
    name: str
    round: int
    wall_s: float
    cpu_s: float
    memory_bytes: int
    verdict: str
    others_s: float = 0.0


@dataclass(frozen=True)
class Row:
    """One contestant in one job. `ratio` is (median, smallest, largest) of wall times, `cpu_ratio` the median of CPU.

    Both are None if no yardstick ran beside it.
    """

    name: str
    wall_s: float
    ratio: tuple[float, float, float] | None
    cpu_s: float
    cpu_ratio: float | None
    memory_bytes: int
    rounds: int
    verdict: str


def rows_of(runs: list[Run], yardstick: str) -> list[Row]:
    """Return the rows of one job, the fastest first. Those that failed in any round come last, without figures."""
    measure = {run.round: run for run in runs if run.name == yardstick}
    found = []
    for name in dict.fromkeys(run.name for run in runs):
        own = [run for run in runs if run.name == name]
        ratios = [run.wall_s / measure[run.round].wall_s for run in own if run.round in measure]
        cpu_ratios = [run.cpu_s / measure[run.round].cpu_s for run in own if run.round in measure]
        found.append(
            Row(
                name,
                statistics.median(run.wall_s for run in own),
                (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None,
                statistics.median(run.cpu_s for run in own),
                statistics.median(cpu_ratios) if cpu_ratios else None,
                max(run.memory_bytes for run in own),
                len(own),
                next((run.verdict for run in own if run.verdict != OK), OK),
            )
        )
    return sorted(found, key=lambda row: (row.verdict.startswith("failed"), row.wall_s))


def shown(job: str, rows: list[Row], yardstick: str, input_bytes: int) -> str:
    """The table of a job, in Markdown that is aligned for a terminal too."""
    cells = [["contestant", "seconds", f"ratio to {yardstick}", "CPU s", "CPU ratio", "peak MiB", "rounds", "answer"]]
    for row in rows:
        ratio = "–" if row.ratio is None else "{:.2f} ({:.2f}–{:.2f})".format(*row.ratio)
        cpu_ratio = "–" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
        figures = [f"{row.wall_s:.2f}", ratio, f"{row.cpu_s:.2f}", cpu_ratio, f"{row.memory_bytes / (1 << 20):.0f}"]
        if row.verdict.startswith("failed"):
            figures = ["–"] * 5
        cells.append([row.name, *figures, str(row.rounds), row.verdict])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    size = f"{input_bytes / (1 << 20):.0f} MiB" if input_bytes >= 1 << 20 else f"{input_bytes / 1024:.0f} KiB"
    return f"### {job}, {size}\n\n" + "\n".join(lines) + "\n"
