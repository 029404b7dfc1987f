"""Results saved by other code of mrframe are not used, in whichever folder of the package it was changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from mrframe.paths import PACKAGE_DIR, PROJECT_DIR


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, with a folder in a room that no module imports."""
    package = tmp_path / "copy" / "mrframe"
    shutil.copytree(PACKAGE_DIR, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "formats" / "deeper").mkdir(exist_ok=True)
    (package / "formats" / "deeper" / "added.py").write_text("X = 1\n")
    return package


@pytest.fixture
def run(copy, tmp_path):
    """Run a job with the copied package; the rows and the number of maps that were loaded."""
    job = shutil.copy(os.path.join(PROJECT_DIR, "jobs", "word_count.py"), tmp_path)
    (tmp_path / "in.txt").write_text("one two\n" * 200)
    summary = tmp_path / "summary.json"
    given = ["--cache", "on", "--cache-dir", tmp_path / "cache", "--engine", "inline", "--partitions"]

    def run(partitions: int):  # another number each time, or the answer as a whole is known
        command = [sys.executable, "-m", "mrframe", "run", job, "in.txt", *given, str(partitions)]
        done = subprocess.run(
            [*command, "-q", "--overwrite", "--summary", summary],
            env={**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout, json.loads(summary.read_text())["saved_maps"]

    return run


def test_no_saved_result_is_used_after_a_nested_file_was_edited(copy, run):
    rows, loaded = run(1)
    assert (rows.count(b"\n"), loaded) == (2, 0)
    assert run(2) == (rows, 1)
    (copy / "formats" / "deeper" / "added.py").write_text("X = 22\n")
    assert run(3) == (rows, 0)
    assert run(4) == (rows, 1)
