"""The tables of states: complete, and nothing moves but by them; docs/scheduler.md shows them as they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mrframe.core.model.states import ATTEMPT, JOB, NODE, TASK, IllegalMove, JobStatus, TaskState, markdown

ROOT = Path(__file__).parents[4]
MACHINES = {machine.name: machine for machine in (JOB, TASK, NODE, ATTEMPT)}
ILLEGAL = [
    (machine, state, cause)
    for machine in MACHINES.values()
    for state in type(machine.start)
    for cause in machine.causes
    if (state, cause) not in machine.moves
]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_table_is_complete(machine):
    assert set(machine.meanings) == set(type(machine.start))
    assert {cause for _, cause in machine.moves} == set(machine.causes)
    reached, fresh = set(), {machine.start}
    while fresh:
        reached |= fresh
        fresh = {to for (state, _), to in machine.moves.items() if state in reached} - reached
    assert reached == set(type(machine.start)), "a state that nothing leads to"


@pytest.mark.parametrize(("machine", "state", "cause"), ILLEGAL)
def test_a_move_that_is_not_in_the_table_is_refused(machine, state, cause):
    with pytest.raises(IllegalMove, match=f"a {machine.name} that is {state.value} cannot '{cause}'"):
        machine.move(state, cause)


def test_a_move_in_the_table_gives_the_state_of_the_table():
    assert TASK.move(TaskState.READY, "start") is TaskState.RUNNING
    assert JOB.move(JobStatus.DONE, "reopen") is JobStatus.RUNNING


def test_the_page_shows_the_tables_as_they_are():
    """When this fails: python docs/make_scheduler.py."""
    spec = importlib.util.spec_from_file_location("make_scheduler", ROOT / "docs" / "make_scheduler.py")
    make_scheduler = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_scheduler)
    text = (ROOT / "docs" / "scheduler.md").read_text()
    assert make_scheduler.page() == text
    assert markdown() in text
