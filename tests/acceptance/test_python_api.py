"""The door for programs: the examples of public docstrings and the programs of docs/api.md are run as they stand."""

from __future__ import annotations

import doctest
import os
import re
from pathlib import Path

import pytest

import mrframe
from mrframe import api, errors

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
WITH_EXAMPLE = (
    *("Client", "Job", "Progress", "Result", "RunOptions", "Submission", "Summary", "connect", "run"),
    *("start_cluster", "cluster_status"),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where a standing cluster lives while these tests run."""
    path = str(tmp_path_factory.mktemp("cluster") / "home")
    mrframe.start_cluster(path, nodes=2, slots=1)
    yield path
    mrframe.stop_cluster(path)


@pytest.fixture(autouse=True)
def in_the_project(tmp_path, monkeypatch):
    """The working directory has the sample logs, and the user's state is empty."""
    (tmp_path / "sample_logs").symlink_to(ROOT / "sample_logs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def client(directory):
    with mrframe.connect(directory) as client:
        yield client
        for job in client.jobs():
            client.cancel(job.id)
            client.rm(job.id)


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_example_of_a_public_name_gives_what_it_shows(name, directory, client, tmp_path):
    value = getattr(mrframe, name)
    names = {"mrframe": mrframe, "directory": directory, "client": client, "elsewhere": f"{tmp_path}/c"}
    example = doctest.DocTestParser().get_doctest(value.__doc__, names, name, None, None)
    assert example.examples
    shown: list[str] = []
    assert doctest.DocTestRunner().run(example, out=shown.append).failed == 0, "".join(shown)


def by_line(line):
    yield line, 1


def test_the_reprs_of_public_values_show_what_was_given():
    assert repr(mrframe.RunOptions(partitions=3)) == "RunOptions(partitions=3)"
    job = mrframe.Job(read=mrframe.text, map=by_line, reduce=mrframe.count, name="lines")
    assert repr(job) == f"Job(read={mrframe.text!r}, map=by_line, reduce={mrframe.count!r}, name='lines')"
    result = mrframe.run(job, ["sample_logs/harbour.txt"])
    assert repr(result) == "<Result of 'lines': 120 rows>"
    assert repr(result.summary) == "<Summary of 'lines': 120 records, 0 malformed, 120 rows>"


def test_a_day_of_a_standing_cluster(capsys, tmp_path):
    """The program of docs/api.md: start, submit three jobs, wait, result, put, why, cancel, rm, stop."""
    (program,) = (program for program in PROGRAMS if "start_cluster" in program)
    assert program.startswith("import mrframe\n")
    exec(compile(program, "day", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("{200: ")
    assert " 404 " in lines[1]
    assert lines[2] == "done"
    assert [line.split() for line in lines[3:]] == [
        ["job-1", "status_codes", "done"],
        ["job-2", "top_urls", "done"],
        ["job-3", "word_count", "done"],
    ]
    assert (tmp_path / "codes.csv").read_text().startswith("status,requests\n200,")
    with pytest.raises(errors.ClusterUnreachable):
        mrframe.connect()
    assert "run" not in os.listdir(tmp_path / "state" / "mrframe" / "cluster")


def test_the_other_program_of_the_page_runs(capsys):
    (program,) = (program for program in PROGRAMS if "start_cluster" not in program)
    exec(compile(program, "run", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "3 malformed lines"


def test_every_method_of_the_client_is_on_the_page():
    methods = {name for name in dir(mrframe.Client) if not name.startswith("_")} - {"close", "directory"}
    named = set(re.findall(r"`(\w+)\(", PAGE))
    assert methods <= named


def test_names_of_the_api_are_there():
    assert all(getattr(api, name) is not None for name in api.__all__)
    assert set(api.__all__) <= set(dir(api))


def test_a_submission_is_waited_for_and_asked_as_often_as_one_likes(client):
    submission = client.submit("status_codes", ["sample_logs/access.log"])
    other = client.submit("word_count", ["sample_logs/harbour.txt"])
    assert repr(submission) == f"<Submission {submission.id} to the cluster in {client.directory}>"
    assert other.wait(timeout_s=60).state == "done"
    for _ in range(2):
        assert submission.wait(timeout_s=60).id == submission.id
        with client.submission(submission.id).result() as result:
            assert dict(result)[404] == 7
    assert [line.line for line in submission.why("500")] == [line.line for line in client.why(submission.id, "500")]


def test_an_answer_outlives_its_client(directory, client):
    with mrframe.connect(directory) as other:
        result = other.submit("status_codes", ["sample_logs/access.log"]).result(timeout_s=60)
    assert dict(result)[404] == 7


def test_a_job_without_a_file_is_submitted_by_value(client):
    job = mrframe.Job(read=mrframe.words, key="word", reduce=mrframe.count, name="words")
    submission = client.submit(job, ["sample_logs/harbour.txt"])
    with submission.result(timeout_s=60) as result:
        rows = dict(result)
    assert rows["The"] > 0
    assert [one.name for one in client.jobs() if one.id == submission.id] == ["words"]


def test_an_unknown_submission_is_refused_and_the_session_goes_on(client):
    for ask in (client.wait, client.result, client.cancel, client.rm):
        with pytest.raises(errors.UsageError, match="has no submission job-99"):
            ask("job-99")
    with pytest.raises(errors.UsageError, match="not the id of a submission"):
        client.submission("seven")
    client.jobs()


def test_the_failure_of_a_submission_is_raised(client, tmp_path):
    (tmp_path / "fails.py").write_text(
        "from mrframe import Job, count, text\n"
        "def each(line):\n    raise ValueError('no')\n    yield line, 1\n"
        "job = Job(read=text, map=each, reduce=count)\n"
    )
    submission = client.submit("fails.py", ["sample_logs/harbour.txt"])
    for ask in (submission.wait, submission.result):
        with pytest.raises(errors.UserCodeError, match="no"):
            ask(timeout_s=60)
    assert submission.state == "failed"
    submission.rm()
    assert submission.state == "removed"
