"""What people are shown: text made safe, progress at its pace, failures in their order."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.api import units
from mrframe.api.explain.trial import first_difference
from mrframe.cli.show import failures, terminal
from mrframe.cli.show.progress import LINE_EVERY_S, QUIET_FIRST_S, REDRAW_S, ProgressLine, text_of
from mrframe.cli.show.streams import Screen
from mrframe.errors import InputError, UserCodeError


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


@given(st.text())
def test_a_sample_is_one_safe_line_of_bounded_length(text):
    shown = terminal.sample(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert len(shown) <= terminal.SAMPLE_CHARACTERS_MAX


def test_columns_are_aligned_by_what_is_shown():
    assert terminal.columns_text([["a\x1b\n", "b"], ["c", "d"]]) == ["a\\x1b\\n  b", "c        d"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (2_400_000, "2.4 MB"), (123_456_789, "123 MB"), (5e12, "5.0 TB")]
)
def test_a_size_is_shown_with_its_unit(count, text):
    assert units.bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.307, "0.31 s"), (42.4, "42 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_a_time_is_shown_with_its_unit(seconds, text):
    assert units.seconds_text(seconds) == text


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


def shown(error, **more):
    stream = io.StringIO()
    failures.show(error, Screen(stream), verbose=False, **more)
    return stream.getvalue()


def test_the_users_traceback_comes_first_then_the_place_then_how_to_repeat_it():
    error = UserCodeError(
        "ValueError: no",
        traceback_text="Traceback …\n  File job.py\nValueError: no\n",
        source="my log.gz",
        offset=70,
        line=3,
        record=b"a \x1b[2J\xff",
    )
    assert shown(
        error, words=["mrframe", "run", "jobs/x.py", "my log.gz", "--limit", "3", "-o", "x"], inputs=["my log.gz"]
    ) == (
        "Traceback …\n  File job.py\nValueError: no\n\n"
        "error: the job's own code raised ValueError (above)\n"
        "  in      my log.gz:3 (byte 70)\n"
        "  record  a \\x1b[2J\\xff\n"
        "  again   zcat 'my log.gz' | sed -n 3p | mrframe run jobs/x.py --limit 3 -\n"
    )


def test_a_script_is_repeated_with_python():
    error = UserCodeError("no", source="x.log", line=3, record=b"a")
    again = "again   sed -n 3p x.log | python jobs/x.py -q -\n"
    assert shown(error, words=["jobs/x.py", "-q", "x.log", "y.log"], inputs=["x.log", "y.log"]).endswith(again)


def test_a_failure_in_a_reduce_names_its_key():
    text = shown(UserCodeError("reduce gave no pair", traceback_text="Traceback …\nX\n", key="'/a'"))
    assert text.endswith("error: reduce gave no pair\n  key     '/a'\n")


def test_other_errors_are_one_message_with_its_further_lines_indented():
    assert shown(InputError("x.log\x1b does not exist\nlook there")) == (
        "error: x.log\\x1b does not exist\n       look there\n"
    )


def test_the_first_difference_of_two_answers_is_shown():
    assert first_difference((b"a", b"b"), (b"a", b"c")) == (b"b", b"c")
    assert first_difference((b"a",), (b"a", b"c")) == (None, b"c")
    assert first_difference((b"a",), (b"a",)) == (None, None)


def test_a_failing_line_of_a_join_is_repeated_with_the_other_sources():
    error = UserCodeError("no", source="b.log", line=3, record=b"a")
    inputs = ["hits=a.log", "users=u=1.json", "hits=b.log"]
    words = ["mrframe", "run", "j", *inputs, "-q"]
    assert shown(error, words=words, inputs=inputs).endswith(
        "  again   sed -n 3p b.log | mrframe run j users=u=1.json -q hits=-\n"
    )
    of_a_pattern = ["hits=*.log", "users=u=1.json"]
    assert "again" not in shown(error, words=["mrframe", "run", "j", *of_a_pattern], inputs=of_a_pattern)
    parts = UserCodeError("no", source="day=1/b.log", line=3, record=b"a")
    assert shown(parts, words=["mrframe", "run", "j", "day=*/b.log"], inputs=["day=*/b.log"]).endswith(
        "  again   sed -n 3p day=1/b.log | mrframe run j -\n"
    )
