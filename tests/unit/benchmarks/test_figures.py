"""From fake timings to the table; what is measured of a real process; the scripts that look into stages."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contestants import YARDSTICKS
from inputs import ready
from measuring import measure
from table import Run, rows_of, shown

MIB = 1 << 20
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def run(name, number, wall_s, verdict="right"):
    return Run("status_counts", name, number, wall_s, 2 * wall_s, number * MIB, verdict)


RUNS = [
    *(run("pool-tuned", 0, 2.0), run("quick", 0, 1.0), run("slow", 0, 9.0)),
    *(run("quick", 1, 3.0), run("pool-tuned", 1, 4.0)),  # a busy moment: the ratio hardly moves
    *(run("pool-tuned", 2, 2.0), run("quick", 2, 1.2, "wrong: off by 3 lines")),
    run("broken", 0, 0.1, "failed: exit 1, no such file"),
]


def test_a_ratio_is_taken_within_a_round():
    quick, yardstick, slow, broken = rows_of(RUNS, "pool-tuned")
    assert (quick.name, quick.wall_s, quick.ratio) == ("quick", 1.2, (0.6, 0.5, 0.75))
    assert (yardstick.ratio, yardstick.rounds) == ((1.0, 1.0, 1.0), 3)
    assert (slow.ratio, slow.rounds) == ((4.5, 4.5, 4.5), 1)
    assert (broken.name, quick.memory_bytes, quick.cpu_s) == ("broken", 2 * MIB, 2.4)


def test_one_wrong_answer_is_enough_to_be_wrong():
    assert rows_of(RUNS, "pool-tuned")[0].verdict == "wrong: off by 3 lines"


def test_without_a_yardstick_there_is_no_ratio():
    assert all(row.ratio is None for row in rows_of(RUNS, "somebody else"))


def test_the_table_shows_ratios_and_hides_the_times_of_failures():
    text = shown("status_counts", rows_of(RUNS, "pool-tuned"), "pool-tuned", 3 * MIB)
    lines = text.splitlines()
    assert lines[0] == "### status_counts, 3 MiB"
    assert len({len(line) for line in lines[2:]}) == 1
    assert "| quick" in lines[4]
    assert "0.60 (0.50–0.75)" in lines[4]
    assert "0.10" not in lines[-1]
    assert "failed: exit 1" in lines[-1]


def test_a_run_is_measured_from_outside():
    code = (
        "import os, sys, time; x = b'x' * (40 << 20)\n"
        "while time.process_time() < 0.8: pass\n"  # long enough to be looked at, however slowly
        "sys.stderr.write('last words'); os._exit(3)"
    )
    got = measure([sys.executable, "-c", code])
    assert (got.code, got.errors) == (3, "last words")
    assert 0 < got.cpu_s < 5
    assert got.wall_s > 0.02
    assert got.memory_bytes > 30 * MIB


def test_a_run_that_does_not_end_is_ended():
    assert measure([sys.executable, "-c", "import signal; signal.pause()"], limit_s=0.2).code == -9


def test_rounds_are_run_judged_and_kept(data):
    ready("lines", "tiny", data)
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--job", "latency", "--peer", "plain", "--sizes", "tiny"]
    done = subprocess.run([*command, "--data", data, "--rounds", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| mrframe: inline" in done.stdout
    runs = json.loads((data / "results-tiny.json").read_text())
    assert [run["name"] for run in runs[:4]] == [run["name"] for run in reversed(runs[4:])]
    assert {run["verdict"] for run in runs} == {"right"}
    assert "| mrframe: inline" in (data / "results-tiny.md").read_text()


def test_every_job_has_a_yardstick_that_takes_part():
    from contestants import PEERS

    assert all(job in PEERS[YARDSTICKS[job]][3] for job in YARDSTICKS)


@pytest.mark.parametrize("job", ["status_counts.py:record", "top_urls.py:own_combiner", "visitors.py:declared"])
def test_a_profile_accounts_for_the_time_of_a_job(data, job, tmp_path):
    from profile_job import AFTER_MAP, ORDER, profile, table

    given = ready("logs", "tiny", data)
    copies = [
        str(shutil.copy(path, tmp_path / f"{copy}-{at}")) for copy in range(20) for at, path in enumerate(given.files)
    ]
    sampler, records, cpu_s = profile(str(BENCHMARKS / "jobs" / job), copies)
    assert records == 20 * (given.truth["lines"] - given.truth["malformed"])
    assert set(sampler.stages) <= set(ORDER)
    assert set(AFTER_MAP.values()) <= set(ORDER)
    assert sampler.stages["parse"] > 0
    assert sum(sampler.stages.values()) == pytest.approx(cpu_s, rel=0.5)
    assert f"{records:,} records" in table(sampler, records, cpu_s)


def test_every_function_that_the_profile_names_exists():
    """A stage whose code has moved would silently be counted as its caller's."""
    import importlib

    from profile_job import STAGES

    for place in STAGES:
        module, _, name = place.partition(":")
        found = importlib.import_module(f"mrframe.{module}")
        for part in filter(None, name.split(".")):
            found = getattr(found, part)


def test_stages_are_measured_beside_the_yardstick(data):
    import stages

    some = stages.all_stages(1 / 64, "tiny", data)
    assert {"read blocks", "fold words to count", "write rows as tsv"} <= {name for name, _, _ in some}
    found = stages.measured(some, 2)
    text = stages.table(found)
    assert f"| {stages.YARDSTICK} | " in text
    assert len(found) == len(some) == len(text.splitlines()) - 2
    assert all(len(ns) == 2 and min(ns) >= 0 for ns in found.values())
