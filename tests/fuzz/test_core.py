"""The core of the kernel holds the rules of `play.c` under sanitizers, on first inputs of the fuzzer and mutations.

`make fuzz` looks further, guided by the code that an input reaches.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import core_fuzz
import seeds

MUTATIONS = 10_000


def can_sanitize(folder: Path) -> bool:
    """Whether the compiler has the sanitizers, which some systems keep in packages of their own."""
    (folder / "probe.c").write_text("int main(void) { return 0; }\n")
    command = ("gcc", core_fuzz.SANITIZERS, str(folder / "probe.c"), "-o", str(folder / "probe"))
    return (
        shutil.which("gcc") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def test_the_core_holds_its_rules_on_seeds_and_mutations(tmp_path):
    if not can_sanitize(tmp_path):
        pytest.skip("no gcc with sanitizers")
    program = core_fuzz.build(tmp_path, "gcc", ("-Wall", "-Wextra"))
    seeds.write_seeds(tmp_path / "seeds")
    done = subprocess.run(
        (program, str(MUTATIONS), tmp_path / "seeds"), capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, done.stderr[:3000]
    assert f"{MUTATIONS} mutations, 0 reports" in done.stdout
