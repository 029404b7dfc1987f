"""Questions of the command line: which words are fields, and what a condition may say."""

from __future__ import annotations

import datetime
import pickle
import subprocess
import sys

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.api.questions.count_job import Question, make_job
from mrframe.api.questions.where import compile_where
from mrframe.cli.parse.words import fields_and_inputs
from mrframe.core.job.job import JSON_LINES
from mrframe.core.model.reader import Reader
from mrframe.errors import InputError, UsageError
from mrframe.shuffle import reducers

ACCESS = Reader("access", "auto")


@pytest.mark.parametrize(
    ("words", "fields", "inputs"),
    [
        (["path", "access.log"], ["path"], ["access.log"]),
        (["host", "status", "access.log", "b.log"], ["host", "status"], ["access.log", "b.log"]),
        (["path", "-"], ["path"], ["-"]),
        (["path", "logs/*.gz"], ["path"], ["logs/*.gz"]),
        (["path", "./status"], ["path"], ["./status"]),
        (["path", "day"], ["path"], ["day"]),  # a file called day is there
        (["day", "day"], ["day"], ["day"]),
        (["request.method", "app.jsonl"], ["request.method"], ["app.jsonl"]),
    ],
)
def test_leading_words_are_fields_and_the_rest_inputs(words, fields, inputs):
    there = {"access.log", "day", "b.log", "app.jsonl"}
    assert fields_and_inputs(words, there.__contains__) == (fields, inputs)


def test_no_field_and_no_input_are_errors_that_say_how():
    with pytest.raises(UsageError, match=r"needs a field first.*mrframe count status access\.log"):
        fields_and_inputs(["./access.log"], lambda _: True)
    with pytest.raises(InputError, match=r"^nosuch.log does not exist; check the path"):
        fields_and_inputs(["status", "nosuch.log"], lambda _: False)
    with pytest.raises(UsageError, match="none was given"):
        fields_and_inputs([], lambda _: True)
    with pytest.raises(InputError, match="no file is called path, acces"):
        fields_and_inputs(["path", "acces"], lambda _: False)


def test_the_job_is_a_declaration():
    job = make_job(ACCESS, Question(("path",), where="status >= 500", limit=3))
    assert (job.key, job.value, job.reduce) == ("path", None, reducers.count)
    assert job.projection() == ("path", "status")
    assert job.next is not None and job.next.top is not None and job.next.top.n == 3
    pair = make_job(ACCESS, Question(("day", "host"), value="size"))
    assert (pair.key, pair.value, pair.where) == (("day", "host"), "size", None)


def test_dotted_paths_into_json_get_names():
    job = make_job(JSON_LINES, Question(("request.method",), where="request.status >= 500 and level == 'x'"))
    assert job.key == "request_method"
    assert job.paths()["request_method"] == "request.method"
    assert job.paths()["request_status"] == "request.status"
    assert job.paths()["level"] == "level"


WHEN = datetime.datetime(2026, 11, 23, 18, 5, tzinfo=datetime.UTC)
RECORD = {"status": 503, "size": None, "path": "/api/x?y", "agent": None, "method": "GET", "time": WHEN}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("status >= 500", True),
        ("500 <= status < 503", False),
        ("status in (502, 503)", True),
        ("status not in {502, 503}", False),
        ("path.startswith('/api') and method == 'GET'", True),
        ("'x?' in path", True),
        ('path.lower().endswith("y")', True),
        ("not path.startswith('/api')", False),
        ("status // 100 == 5", True),
        ("-status < 0", True),
        ("len(path) > 3", True),
        ("path[:4] == '/api'", True),
        ("path.split('?')[0] == '/api/x'", True),
        ("time.hour == 18 and time.weekday() == 0", True),
        ("size > 100", False),  # no value: false, not an error
        ("size <= 100", False),
        ("not size > 100", True),
        ("size == None", True),
        ("size is None", True),
        ("size != 5", True),
        ("size + 1 == 5", False),
        ("agent.startswith('curl') or status == 503", True),
        ("'bot' in agent", False),
        ("'bot' not in agent", False),
        ("agent in ('a', None)", True),
        ("agent", False),
        ("(size > 100) == False", False),
    ],
)
def test_a_condition_holds_as_written(condition, holds):
    where, _ = compile_where(condition)
    names = where.__code__.co_varnames[: where.__code__.co_argcount]
    assert bool(where(*(RECORD[name] for name in names))) is holds


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ("__import__('os')", "__import__"),
        ("open(path)", "open()"),
        ("path.__class__", ".__class__"),
        ("path.format(status)", ".format()"),
        ("(lambda: 1)()", "lambda"),
        ("[x for x in path]", "comprehension"),
        ("status ** 9 > 1", "**"),
        ("'x' * status == path", "repeated text"),
        ("f'{path}' == 'x'", "f-string"),
        ("(y := status)", ":="),
        ("path.split(sep='x')", "keyword"),
        ("status if path else 1", "if"),
        ("status = 500", "no Python expression"),
        ("status >=", "no Python expression"),
        ("1 == 1", "names no field"),
        ("", "no Python expression"),
    ],
)
def test_a_condition_with_a_forbidden_expression_is_refused_by_name(condition, named):
    with pytest.raises(UsageError) as caught:
        compile_where(condition)
    assert named in str(caught.value)


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_text_is_either_a_function_of_fields_or_refused(text):
    try:
        assert callable(compile_where(text)[0])
    except UsageError:
        pass


def test_a_condition_travels_to_a_process_that_has_never_seen_it(tmp_path):
    path = tmp_path / "where.pickle"
    path.write_bytes(cloudpickle.dumps(compile_where("status >= 500 and len(path) == int('2')")[0]))
    code = (
        f"import pickle; f = pickle.load(open({str(path)!r}, 'rb')); print(f(500, '/a'), f(499, '/a'), f(None, '/a'))"
    )
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split() == [
        "True",
        "False",
        "False",
    ]
    assert pickle.loads(path.read_bytes())(500, "/a")
