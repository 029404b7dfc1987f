"""The kernel as plain C, without vectors and without use of the order of bytes in memory, passes its own tests.

Such a build is what a machine without SSE2 or with the other order of bytes gets. No such machine is needed: where
plain C asks for the order of bytes, it would give other results on one of the two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMPILER = (sysconfig.get_config_var("CC") or "cc").split()
HEADERS = Path(sysconfig.get_path("include"))
TESTS = ("tests/unit/kernel", "tests/unit/formats/readers/test_line_cutter.py")


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="no compiler")
@pytest.mark.skipif(not (HEADERS / "Python.h").exists(), reason="no headers of Python")
def test_plain_c_passes_the_tests_of_the_kernel(tmp_path):
    with (ROOT / "pyproject.toml").open("rb") as file:
        [kernel] = tomllib.load(file)["tool"]["setuptools"]["ext-modules"]
    built = tmp_path / "_kernel.abi3.so"
    flags = ("-O1", "-shared", "-fPIC", "-DMRFRAME_PLAIN_C", f"-I{HEADERS}")
    subprocess.run((*COMPILER, *flags, *kernel["sources"], "-o", str(built)), cwd=ROOT, check=True)
    env = {**os.environ, "MRFRAME_TEST_KERNEL": str(built), "PYTHONPATH": str(HERE)}
    env.pop("MRFRAME_KERNEL", None)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "other_kernel",
        "-p",
        "no:xdist",
        "-x",
        "--hypothesis-profile=few",
        *TESTS,
    )
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "skipped" not in done.stdout
