"""Failures as people are shown them: the traceback first, then the input, then how to repeat it."""

from __future__ import annotations

import io

from mrframe.cli.show import failures
from mrframe.cli.show.streams import Screen
from mrframe.errors import InputError, UserCodeError


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
