"""With real processes: an attempt that has got stuck costs a second or two, and not the answer or ten minutes.

The job is stuck the first time that it meets a certain line: it sleeps, or stops its process, so that no progress and
no failure is heard of it. Without a second attempt only `--stall-s` would end it. A folder that can be made but once
tells the attempts apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUCK_S = 100
JOB = """
import os, time
from mrframe import Job, count, text

def by_length(line):
    if line == {stuck!r}:
        try:
            os.mkdir({mark!r})
        except FileExistsError:
            pass
        else:
            {how}
    yield len(line), 1

job = Job(read=text, map=by_length, reduce=count)
"""
WAYS = {"it sleeps": f"time.sleep({STUCK_S})", "it is stopped": "os.kill(os.getpid(), 19)"}


def run(folder: Path, how: str, *words: str) -> tuple[subprocess.CompletedProcess, dict, float]:
    lines = [f"{'x' * (number % 40)}{number}" for number in range(20_000)]
    (folder / "log").write_text("\n".join(lines) + "\n")
    job = folder / "job.py"
    job.write_text(JOB.format(stuck=lines[-100], mark=str(folder / "mark"), how=how))
    summary = folder / "summary.json"
    summary.unlink(missing_ok=True)
    command = [sys.executable, "-m", "mrframe", "run", str(job), str(folder / "log"), "-q", "--engine", "local"]
    begun_s = time.monotonic()
    done = subprocess.run(
        [*command, "--nodes", "2", "--slots", "1", "--splits", "8", "--summary", str(summary), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=STUCK_S,
        check=False,
    )
    seconds = time.monotonic() - begun_s
    return done, json.loads(summary.read_text()) if summary.exists() else {}, seconds


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_is_stuck_is_tried_on_another_node_and_the_answer_is_the_same(way, tmp_path):
    done, summary, seconds = run(tmp_path, WAYS[way])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mark").is_dir(), "nothing was stuck"
    assert seconds < 30, "the bound is generous: about three seconds are usual"
    assert summary["records"] == 20_000
    again, _, _ = run(tmp_path, "pass")
    assert again.stdout == done.stdout != ""


def test_no_second_attempt_is_made_where_it_is_not_wanted(tmp_path):
    done, _, _ = run(tmp_path, WAYS["it sleeps"], "--speculate", "off", "--timeout-s", "4")
    assert done.returncode == 5, "it is still stuck when its time is over"
