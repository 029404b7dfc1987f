"""Progress: its line, and how often it is drawn."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from mrframe.cli.show.progress import LINE_EVERY_S, QUIET_FIRST_S, REDRAW_S, ProgressLine, text_of
from mrframe.cli.show.streams import Screen


def progress(**changes):
    plain = {
        "stage": "map",
        "step": 0,
        "tasks_done": 1,
        "tasks_total": 4,
        "records": 1000,
        "bytes_done": 10_000_000,
        "bytes_total": 40_000_000,
        "malformed": 0,
        "seconds": 2.0,
    }
    return SimpleNamespace(**{**plain, **changes})


def test_a_line_says_stage_tasks_records_pace_malformed_and_time_left():
    assert text_of(progress(malformed=3)) == "map 1/4 · 1,000 records · 5.0 MB/s · 3 malformed · 6 s left"
    assert text_of(progress(bytes_total=0)) == "map 1/4 · 1,000 records · 5.0 MB/s"
    assert text_of(progress(stage="reduce", step=1)) == "step 2 reduce 1/4 · 1,000 records"
    assert text_of(progress(stage="start", tasks_total=0, records=0, bytes_done=0)) == "starting"


def test_it_draws_at_most_ten_times_a_second_and_takes_its_line_away():
    now, stream = [0.0], io.StringIO()
    line = ProgressLine(Screen(stream), animated=True, clock=lambda: now[0])
    for tick in range(1000):
        now[0] = tick / 1000
        line(progress())
    drawn = stream.getvalue().count("\r")
    assert drawn == pytest.approx((1 - QUIET_FIRST_S) / REDRAW_S, abs=1.5)
    assert "\n" not in stream.getvalue()
    line.close()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_job_that_is_done_at_once_draws_nothing():
    stream = io.StringIO()
    line = ProgressLine(Screen(stream), animated=True, clock=lambda: 0.0)
    line(progress())
    line.close()
    assert stream.getvalue() == ""


def test_plain_lines_come_with_each_stage_and_now_and_then():
    now, stream = [0.0], io.StringIO()
    line = ProgressLine(Screen(stream), animated=False, clock=lambda: now[0])
    for second, stage in enumerate(["map"] * 15 + ["shuffle"] * 2 + ["reduce"]):
        now[0] = float(second)
        line(progress(stage=stage))
    stages = [text.split()[0] for text in stream.getvalue().splitlines()]
    assert stages == ["map", "map", "shuffle", "reduce"]
    assert LINE_EVERY_S == 10


def test_a_terminal_that_has_gone_does_not_end_the_job():
    class Gone(io.StringIO):
        def write(self, _text):
            raise BrokenPipeError

    now = [0.0]
    line = ProgressLine(Screen(Gone()), animated=True, clock=lambda: now[0])
    now[0] = 5.0
    line(progress())
    line.close()
