"""The progress of a submission: its pace is that since the wait began, wherever the work was then."""

import pytest

from mrframe.api.standing.session_calls import Pace
from mrframe.core.model.reports import JobProgress


def seconds(*seen, total=1000):
    """The seconds of each progress, given as (time, step, bytes done)."""
    shown = []
    pace = Pace(total, shown.append)
    for at_s, step, done in seen:
        pace(JobProgress("job-1", step, 1, "map", 0, 2, done, done, 0), at_s)
    assert [one.bytes_total for one in shown] == [total if step == 0 else 0 for _, step, _ in seen]
    return [one.seconds for one in shown]


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        pytest.param([(10.0, 0, 0), (12.0, 0, 200)], [0.0, 2.0], id="from the beginning"),
        pytest.param([(10.0, 0, 0), (70.0, 0, 0), (72.0, 0, 200)], [0.0, 0.0, 2.0], id="after it had waited"),
        pytest.param([(10.0, 0, 400), (12.0, 0, 600)], [0.0, 6.0], id="from the middle"),
        pytest.param([(10.0, 0, 400), (12.0, 0, 100), (13.0, 0, 200)], [0.0, 0.0, 2.0], id="output was lost"),
        pytest.param([(10.0, 0, 400), (12.0, 1, 100), (13.0, 1, 200)], [0.0, 0.0, 2.0], id="another step"),
    ],
)
def test_seconds_are_those_of_the_whole_work_at_this_pace(seen, wanted):
    assert seconds(*seen) == wanted
