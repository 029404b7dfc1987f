"""Datasets as facts: versions are written once, numbers never given again, and the journal brings all of it back."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.cluster.master.fact_journal import DiskJournal
from mrframe.core.model.actions import Persist
from mrframe.core.model.block_messages import BlocksHeld
from mrframe.core.model.catalog import DatasetBlock, DatasetFile, Version, parse_reference
from mrframe.core.model.events import DatasetPut, DatasetRemoved, NodeJoined
from mrframe.core.model.facts import VersionRemoved
from mrframe.core.scheduling.scheduler import Scheduler

A, B = "a" * 64, "b" * 64


def version(number: int, block: str = A, *, put: int = 1, dataset: str = "access", length: int = 10) -> Version:
    return Version(dataset, number, put, 1, (DatasetFile("access.log", (DatasetBlock(block, length),)),))


def master() -> Scheduler:
    """A scheduler with one node, which has both blocks."""
    scheduler = Scheduler(1)
    scheduler.handle(NodeJoined("node-1", "x", 1, ()), 0.0)
    scheduler.handle(BlocksHeld("node-1", "x", "", "", (A, B)), 0.0)
    return scheduler


def handle(scheduler: Scheduler, *told) -> list:
    """The facts that come of it."""
    actions = [action for event in told for action in scheduler.handle(event, 0.0)]
    return [action.fact for action in actions if isinstance(action, Persist)]


def test_the_first_to_put_a_number_has_it_and_a_repeat_changes_nothing():
    scheduler = master()
    mine, other = DatasetPut(version(1, A, put=7)), DatasetPut(version(1, B, put=8))
    assert handle(scheduler, mine, mine, other) == [mine]
    assert scheduler.state.datasets.find("access") == mine.version
    second = DatasetPut(version(2, B, put=8))
    assert handle(scheduler, second) == [second]
    assert scheduler.state.datasets.find("access") == second.version
    assert scheduler.state.datasets.find("access", 1) == mine.version


def test_the_number_of_a_removed_version_is_never_given_again():
    scheduler = master()
    handle(scheduler, DatasetPut(version(1)), DatasetPut(version(2, B)))
    gone = DatasetRemoved("access", 2)
    removed = handle(scheduler, gone, gone, DatasetRemoved("access", 0), DatasetRemoved("other", 1))
    assert removed == [VersionRemoved("access", 2, 1)]
    assert handle(scheduler, DatasetPut(version(2, B))) == []
    assert scheduler.state.datasets.find("access").number == 1
    assert scheduler.state.block_map.needs.keys() == {A}
    assert len(handle(scheduler, DatasetPut(version(3, B)))) == 1


def test_the_number_of_a_removed_version_is_not_given_again_by_the_next_master(tmp_path):
    first = master()
    journal = DiskJournal(str(tmp_path / "journal"))
    for event in (DatasetPut(version(1)), DatasetPut(version(2, B)), DatasetRemoved("access", 2)):
        journal.append(handle(first, event))
    first = recovered(journal)
    assert first.state.datasets.last("access") == 2
    assert handle(first, DatasetPut(version(2, B))) == []
    journal.append(handle(first, DatasetRemoved("access", 1)))
    second = recovered(journal)
    assert second.state.datasets.last("access") == 2
    assert handle(second, DatasetPut(version(1)), DatasetPut(version(2, B))) == []
    assert len(handle(second, DatasetPut(version(3, B)))) == 1
    journal.close()


def recovered(journal: DiskJournal) -> Scheduler:
    """The next master of a journal, with the node of `master`."""
    directory = os.path.dirname(journal._file.path)
    journal.close()
    journal.__init__(directory)
    scheduler = master()
    scheduler.recover(journal.recall()[0])
    return scheduler


def test_a_removal_in_an_older_journal_is_read_without_its_put():
    scheduler = master()
    scheduler.recover([DatasetPut(version(1, put=5)), DatasetRemoved("access", 1), DatasetRemoved("access", 2)])
    assert (scheduler.state.datasets.last("access"), scheduler.state.datasets.removed()) == (2, set())
    assert list(scheduler.state.datasets.versions()) == []


@pytest.mark.parametrize(
    "bad",
    [
        version(1, "../lock"),
        version(1, A.upper()),
        version(1, A + "\n"),
        version(1, length=0),
        version(1, length=-5),
        version(1, dataset=""),
        version(1, dataset="a/b"),
        version(1, dataset="a@1"),
        version(1, dataset="a" * 101),
        version(0),
        version(2),
        version(1, "c" * 64),  # which no node has
    ],
)
def test_an_invalid_version_is_not_recorded(bad):
    scheduler = master()
    assert handle(scheduler, DatasetPut(bad)) == []
    assert scheduler.state.datasets.find(bad.dataset) is None


def test_references_are_a_name_and_perhaps_a_version():
    assert parse_reference("mrfs:access") == ("access", 0)
    assert parse_reference("mrfs:access-2026.log@12") == ("access-2026.log", 12)


@pytest.mark.parametrize(
    "text", ["access", "mrfs:", "mrfs:a@", "mrfs:a@0", "mrfs:a@x", "mrfs:a/b", "mrfs:../x", "mrfs:.x", "mrfs:a\n"]
)
def test_a_text_in_another_form_is_not_a_reference(text):
    with pytest.raises(ValueError, match="names no dataset"):
        parse_reference(text)


NAMES = st.sampled_from(["access", "error"])
NUMBERS = st.integers(1, 4)
TOLD = st.lists(
    st.one_of(
        st.builds(
            lambda n, d, b, p: DatasetPut(version(n, b, put=p, dataset=d)),
            NUMBERS,
            NAMES,
            st.sampled_from([A, B]),
            NUMBERS,
        ),
        st.builds(DatasetRemoved, NAMES, NUMBERS),
    ),
    max_size=15,
)


@settings(max_examples=25, deadline=None)
@given(TOLD)
def test_the_next_master_knows_all_versions_from_the_journal_and_gives_no_number_twice(tmp_path_factory, told):
    folder = str(tmp_path_factory.mktemp("any") / "journal")
    first = master()
    journal = DiskJournal(folder)
    journal._file._database.execute("PRAGMA synchronous = OFF")
    for event in told:
        facts = handle(first, event)
        if facts:
            journal.append(facts)
    journal.close()
    journal = DiskJournal(folder)
    facts, _ = journal.recall()
    journal.close()
    second = Scheduler(2)
    second.recover(facts)
    assert second.snapshot() == first.snapshot()
    for name in ("access", "error"):
        assert second.state.datasets.last(name) == first.state.datasets.last(name)
    assert len(facts) <= sum(
        first.state.datasets.last(name) for name in ("access", "error")
    )  # one row for each number
