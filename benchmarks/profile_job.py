#!/usr/bin/env python3
"""Where does each microsecond of a job go? Its stages, in CPU time per record.

    profile_job.py JOB INPUT… [--functions N]

The job runs in this process (engine `inline`), its answer is written away as JSON lines, and a timer samples the
running code. A sample counts for the CPU time since the one before, so that a long call into C counts in full. The
stage is that of the innermost frame that STAGES knows. Code of the job and shared code belong to the stage that
calls them. Tracing every call would make code of many small calls look slower than it is.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the project beside this file, installed or not

INTERVAL_S = 0.001
STAGES = {  # by module, or function or class in it; all other code belongs to its caller
    "formats.inputs.splits": "read",
    "formats.inputs.compression": "read",
    "formats.readers.convert": "convert",
    "formats.grammar.times": "convert",
    "formats.readers.base": "parse",
    "formats.readers.text": "parse",
    "formats.readers.access": "parse",
    "formats.grammar.patterns": "parse",
    "formats.readers.json_lines": "parse",
    "formats.output.writing": "write",
    "task.map.emit": "map",
    "task.map.calls": "map",
    "task.map.feeds": "map",
    "task.map.map_split": "map",
    "task.map.map_batch": "map",
    "task.columnar.arrow": "map",
    "task.map.kernel_fold": "fold",
    "task.reduce.kernel_reduce": "fold",
    "task.map.kernel_pairs": "fold",
    "shuffle.buffers": "fold",
    "shuffle.reducers": "fold",
    "task.map.map_output:_Runs": "spill",
    "task.map.map_output:Output.seal": "spill",
    "task.map.map_output": "account",
    "task.map.map_task": "account",
    "task.map.map_input": "account",  # the ledger, and the code between the stages
    "task.map.pair_map_task": "map",
    "shuffle.run_file.run_reader": "merge",
    "shuffle.merge": "merge",
    "shuffle.text_merge": "merge",
    "shuffle.text_buffer": "fold",
    "task.reduce.sorted_output": "sort output",
    "task.reduce.merged_states": "reduce",
    "task.reduce.reduce_task": "reduce",
    "shuffle.group": "reduce",
    "api:Result.rows": "write",
}
ORDER = ("start", *dict.fromkeys(STAGES.values()))
AFTER_MAP = {"fold": "reduce"}  # its name in a reduce task
PACKAGE = f"{ROOT}{os.sep}mrframe{os.sep}"


class Sampler:
    """CPU seconds by stage and by function, while it is on."""

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.functions: Counter[tuple[str, str]] = Counter()
        self._last_s = 0.0
        self._known: dict[object, str | None] = {}

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._look)
        self._last_s = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        now_s = time.process_time()
        passed_s, self._last_s = now_s - self._last_s, now_s
        stage = self._stage(frame)
        self.stages[stage] += passed_s
        if frame is not None:
            code = frame.f_code
            self.functions[stage, f"{os.path.basename(code.co_filename)}:{code.co_qualname}"] += passed_s

    def _stage(self, frame: FrameType | None) -> str:
        found = ""
        while frame is not None:
            code = frame.f_code
            if code not in self._known:
                self._known[code] = stage_of(code.co_filename, code.co_qualname)
            own = self._known[code]
            if own and not found:
                found = own
                if found not in AFTER_MAP:
                    return found
            elif own == "reduce":
                return AFTER_MAP[found]
            frame = frame.f_back
        return found or "start"


def stage_of(path: str, name: str) -> str | None:
    """The stage that a function belongs to, None when that is for its caller to say."""
    if not path.startswith(PACKAGE):
        return None
    module = path[len(PACKAGE) : -3].replace(os.sep, ".")
    for part in (f"{module}:{name}", f"{module}:{name.partition('.')[0]}", module):
        if part in STAGES:
            return STAGES[part]
    return None


def profile(job: str, inputs: list[str]) -> tuple[Sampler, int, float]:
    """Run the job. Returns (samples, records, CPU seconds)."""
    import mrframe
    from mrframe.core.settings.options import RunOptions
    from mrframe.formats.output.writing import write_rows

    started_s = time.process_time()
    with (
        Sampler() as sampler,
        mrframe.run(job, inputs, RunOptions(engine="inline", cache="off")) as result,
        open(os.devnull, "wb") as target,
    ):
        write_rows(result.rows(), target, "jsonl")
    return sampler, result.summary.records, time.process_time() - started_s


def table(sampler: Sampler, records: int, cpu_s: float) -> str:
    """The stages in the order in which a record passes them."""
    seen_s = sum(sampler.stages.values()) or 1.0
    lines = ["| stage | µs per record | share |", "|---|---|---|"]
    for stage in ORDER:
        share = sampler.stages[stage] / seen_s
        lines.append(f"| {stage} | {share * cpu_s / max(1, records) * 1e6:.3f} | {share:.0%} |")
    lines.append(f"| all | {cpu_s / max(1, records) * 1e6:.3f} | {records:,} records in {cpu_s:.2f} s of CPU |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("inputs", metavar="INPUT", nargs="+")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="also the N most expensive functions")
    given = parser.parse_args(arguments)
    sampler, records, cpu_s = profile(given.job, given.inputs)
    print(table(sampler, records, cpu_s))
    seen_s = sum(sampler.stages.values()) or 1.0
    for (stage, function), own_s in sampler.functions.most_common(given.functions):
        print(f"{own_s / seen_s:6.1%}  {stage:<12} {function}")


if __name__ == "__main__":
    main()
