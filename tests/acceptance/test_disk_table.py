"""Each command while each folder that it writes to is full, read-only, vanishing or another user's: docs/disk.md."""

from __future__ import annotations

import disk_states
import pytest
from disk_states import INTRO, ROOT, ROWS, STATES, Skipped, outcome

PAGE = ROOT / "docs" / "disk.md"
QUICK = [("run, standard input", "full"), ("run, inline", "vanishing"), ("replay", "full"), ("init", "another's")]


def cells() -> dict[tuple[str, str], list[str]]:
    """Return the cells of the page by command and folder."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return {(row[0].strip("`"), row[1]): row[2:] for row in rows}


def check(row: disk_states.Row, state: str) -> None:
    try:
        found = outcome(row, state)
    except Skipped as why:
        pytest.skip(str(why))
    assert found == cells()[row.command, row.folder][list(STATES).index(state)], (row.command, row.folder, state)


def test_the_page_has_a_row_for_each_command_and_folder():
    assert list(cells()) == [(row.command, row.folder) for row in ROWS]
    assert PAGE.read_text().startswith(INTRO)
    for found in cells().values():
        assert len(found) == len(STATES)
        assert set(found) <= {"right", "warning", "error"}


@pytest.mark.parametrize(("command", "state"), QUICK)
def test_a_result_is_right_or_an_error_names_the_folder(command, state):
    check(next(row for row in ROWS if row.command == command), state)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command}, {row.folder}")
def test_the_page_says_what_happens(row, state):
    check(row, state)
