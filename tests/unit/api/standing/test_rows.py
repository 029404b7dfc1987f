"""A submission as a row: how it ended, in a few words."""

from datetime import UTC, datetime, timedelta

import pytest

from mrframe.api.standing.rows import SubmissionInfo, short_inputs

AT = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


def row(**changes):
    parts = {"id": "job-1", "name": "paths", "state": "done", "stage": "reduce", "tasks_done": 1, "tasks_total": 1}
    return SubmissionInfo(**{**parts, **changes})


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ((), "-"),
        (("/var/log/access.log",), "access.log"),
        (("logs/",), "logs"),
        (("logs/access.log*", "mrfs:calls", "x"), "access.log* and 2 more"),
        (("hits=/var/log/access.log", "users=people.jsonl"), "hits=access.log and 1 more"),
        (("mrfs:access@3",), "mrfs:access@3"),
    ],
)
def test_inputs_in_short(inputs, text):
    assert short_inputs(inputs) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"state": "running", "stage": "map", "tasks_total": 7}, "map 1 of 7 tasks"),
        ({"rows": 1}, "1 row"),
        ({"state": "failed", "error_slug": "user-code", "error_message": "E: a\nb"}, "user-code: E: a"),
        ({"state": "cancelled", "error_slug": "cancelled", "error_message": "job-1 was cancelled"}, ""),
    ],
)
def test_the_outcome_in_a_few_words(changes, text):
    assert row(**changes).outcome() == text


def test_the_time_it_took_is_from_its_submission_to_its_end():
    one = row(submitted=AT, ended=AT + timedelta(seconds=80))
    assert (one.seconds, one.cells()["took"]) == (80.0, "1 min 20 s")
    assert (row(submitted=AT).seconds, row(submitted=AT).cells()["took"]) == (None, "-")
    assert row(submitted=AT, ended=AT - timedelta(seconds=1)).seconds == 0.0, "the clock was set back"
