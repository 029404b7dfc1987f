"""`tests/unit` mirrors `mrframe`: the same folders, and files that are named after the modules they test.

A file that tests a behaviour of several modules is listed in `BEHAVIOURS` with what it tests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "tests" / "unit"
PACKAGE = ROOT / "mrframe"
HELPERS = {"conftest.py", "store_world.py"}
NOT_OF_THE_PACKAGE = {"benchmarks", "jobs"}  # they mirror the folders of those names beside `mrframe`
BEHAVIOURS = {
    "shuffle/test_formats_doc.py": "docs/formats.md shows the bytes that are written",
    "store/test_journal_faults.py": "each system call of the journal fails in turn",
    "testing/differential/test_differential_mutants.py": "bugs planted in mrframe are found by the differential run",
}

ROOMS = sorted(folder.name for folder in UNIT.iterdir() if folder.is_dir() and any(folder.rglob("test_*.py")))
MIRRORED = [room for room in ROOMS if room not in NOT_OF_THE_PACKAGE]


def modules_of(folder: Path) -> set[str]:
    """Names of the modules in a folder of the package, and of its folders, which a test may be about as a whole."""
    return {entry.stem for entry in folder.iterdir() if entry.suffix in {".py", ".c"} or entry.is_dir()}


def misplaced(room: str) -> list[str]:
    """The test files of a room that no module of the mirrored folder answers to."""
    found = []
    for path in sorted((UNIT / room).rglob("*.py")):
        name = path.relative_to(UNIT).as_posix()
        if path.name in HELPERS or name in BEHAVIOURS:
            continue
        folder = PACKAGE / path.parent.relative_to(UNIT)
        if not folder.is_dir() or path.stem.removeprefix("test_") not in modules_of(folder):
            found.append(name)
    return found


@pytest.mark.parametrize("room", MIRRORED)
def test_each_test_file_is_named_after_the_module_that_it_tests(room):
    assert misplaced(room) == []


@pytest.mark.parametrize("name", sorted(BEHAVIOURS))
def test_each_file_that_is_excepted_exists(name):
    assert (UNIT / name).is_file()


def test_the_rules_see_the_tests():
    assert {"core", "testing", "wire"} <= set(MIRRORED)
