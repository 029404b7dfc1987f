"""What JOB names, and how a job and its local modules travel to another process."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, api, count, text
from mrframe.errors import CannotTravel, JobError, UserCodeError
from mrframe.formats.registry import TEXT
from mrframe.paths import PROJECT_DIR
from mrframe.task.code import job_file
from mrframe.task.code.job_file import find, ready_jobs, ready_names
from mrframe.task.code.package import pack, unpack
from mrframe.task.code.settings import TaskSettings

SETTINGS = TaskSettings(TEXT)

PLAIN = """
    from mrframe import Job, count, text

    def each(line):
        yield line, 1

    job = Job(read=text, map=each, reduce=count)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
        return str(path)

    return write


def elsewhere(package):
    """Unpack in a fresh process, in another folder, and say what the first step's map yields for "x"."""
    script = (
        "import sys; from mrframe.task.code.package import unpack; job = unpack(sys.stdin.buffer.read());"
        "print(list(job.steps[0].map('x')))"
    )
    run = subprocess.run([sys.executable, "-c", script], input=package, capture_output=True, cwd="/", check=False)
    return run.stdout.decode().strip() or run.stderr.decode()


def test_a_job_is_found_by_path_name_in_a_file_module_and_ready_name(write):
    path = write("a.py", PLAIN + "\n    other = Job(read=text, key='line', reduce=count)\n")
    write("pkg/sub/b.py", PLAIN)
    assert find(path).make({}).map is not None
    assert find("a.py:other").make({}).key == "line"
    assert find("pkg.sub.b").make({}).map is not None
    assert "status_codes" in ready_names()
    assert find("status_codes").make({}).reduce is not None


def test_ready_jobs_are_found_in_folders_too(write, tmp_path, monkeypatch):
    for name in ("plain.py", "web/bots.py", "web/deeper/paths.py", "_own.py", "_parts/no.py", "web/__init__.py"):
        write(f"ready/{name}", PLAIN)
    write("ready/web/__pycache__/old.py", PLAIN)
    monkeypatch.setattr(job_file, "ready_folder", lambda: str(tmp_path / "ready"))
    assert ready_names() == ["bots", "paths", "plain"]
    assert find("paths").path == str(tmp_path / "ready" / "web" / "deeper" / "paths.py")
    assert find("bots:job").make({}).map is not None
    with pytest.raises(JobError, match="did you mean 'bots'"):
        find("bot")
    write("bots.py", PLAIN)
    with pytest.raises(JobError, match=r"bots is a ready job, and there is \./bots\.py as well"):
        find("bots")


def test_each_ready_job_has_a_name_of_its_own():
    files = [path for path in Path(PROJECT_DIR, "jobs").rglob("*.py") if not path.name.startswith("_")]
    assert sorted(path.stem for path in files) == ready_names()
    assert sorted(map(str, files)) == sorted(ready_jobs().values())


def test_a_job_that_does_not_exist_is_named_with_the_nearest_one(write):
    write("status.py", PLAIN)
    with pytest.raises(JobError, match=r"did you mean 'status\.py'"):
        find("statsu.py")
    with pytest.raises(JobError, match="did you mean 'top_urls'"):
        find("top_url")
    with pytest.raises(JobError, match="did you mean 'job'"):
        find("status.py:jobb").make({})
    write("none.py", "x = 1")
    with pytest.raises(JobError, match="has no job"):
        find("none.py").make({})
    write("two.py", PLAIN.replace("job =", "a = b ="))
    with pytest.raises(JobError, match=r"several jobs \(a, b\)"):
        find("two.py").make({})


def test_a_job_file_that_fails_shows_the_users_line(write):
    path = write("bad.py", "import mrframe\n\n1 / 0\n")
    with pytest.raises(UserCodeError) as caught:
        find(path).make({})
    assert "ZeroDivisionError" in str(caught.value)
    assert "line 3" in caught.value.traceback_text
    write("worse.py", "def x(:\n")
    with pytest.raises(UserCodeError, match="SyntaxError") as caught:
        find("worse.py").make({})
    assert 'worse.py", line 1\n    def x(:\n' in caught.value.traceback_text


def test_a_mistake_in_a_job_is_told_with_its_line(write):
    path = write("sums.py", "from mrframe import Job, text\n\n\njob = Job(read=text, key='line', reduce=sum)\n")
    with pytest.raises(JobError, match=rf"^reduce=sum .*\({re.escape(str(path))}:4\)$"):
        find("sums.py").make({})


def test_an_input_in_place_of_the_job_is_recognised(write, tmp_path):
    write("access.log", "")
    with pytest.raises(JobError, match=r"^access.log is no job, but an input; the job goes before the inputs"):
        find("access.log")
    (tmp_path / "access.log").write_bytes(b"\xff\n")
    with pytest.raises(JobError, match="if this is a log, the job goes before it"):
        find("./access.log")
    write("access.log", "192.0.2.1 - -\n")
    with pytest.raises(UserCodeError, match="if this is a log, the job goes before it"):
        find("./access.log").make({})


def test_frames_of_a_library_below_the_users_line_are_left_out(write):
    write(
        "bad.py", "import re\nfrom mrframe import Job\n\n\ndef job(pattern: str) -> Job:\n    re.compile(pattern)\n"
    )
    with pytest.raises(UserCodeError, match=r"with pattern='\[': error: unterminated") as caught:
        find("bad.py").make({"pattern": "["})
    assert caught.value.traceback_text.count("  File ") == 1
    assert "re.compile(pattern)" in caught.value.traceback_text


def test_a_function_gets_its_options(write):
    write(
        "f.py",
        """
        from mrframe import Job, count, text

        def job(word: str = "a") -> Job:
            def each(line):
                yield word + line, 1
            return Job(read=text, map=each, reduce=count)
        """,
    )
    file = find("f.py")
    assert [p.name for p in api.find_job("f.py").parameters()] == ["word"]
    package = pack(file.make({"word": "b"}), SETTINGS, file, {"word": "b"})
    assert elsewhere(package) == "[('bx', 1)]"
    with pytest.raises(JobError, match="wrod"):
        file.make({"wrod": "b"})


def test_local_modules_travel_as_source_and_are_fresh_each_time(write):
    write(
        "helper.py",
        "import deeper\nseen = []\ndef mark(line):\n    seen.append(line)\n    return deeper.name(line), len(seen)\n",
    )
    write("deeper/__init__.py", "from .inner import name\n")
    write("deeper/inner.py", "def name(line):\n    return 'n' + line\n")
    path = write(
        "uses.py",
        """
        from mrframe import Job, count, text

        def each(line):
            from helper import mark          # imported only when it runs
            yield mark(line)

        job = Job(read=text, map=each, reduce=count)
        """,
    )
    file = find(path)
    package = pack(file.make({}), SETTINGS, file, {})
    assert elsewhere(package) == "[('nx', 1)]"
    for _ in range(2):
        loaded = unpack(package)
        assert list(loaded.steps[0].map("x")) == [("nx", 1)], "state leaked from one attempt to the next"
        loaded.close()
    assert "helper" not in sys.modules


def test_a_dotted_module_with_relative_imports_travels(write):
    write("pkg/__init__.py", "")
    write("pkg/common.py", "def name(line):\n    return line * 2\n")
    write(
        "pkg/jobs.py",
        """
        from mrframe import Job, count, text
        from .common import name

        def each(line):
            yield name(line), 1

        job = Job(read=text, map=each, reduce=count)
        """,
    )
    file = find("pkg.jobs")
    assert elsewhere(pack(file.make({}), SETTINGS, file, {})) == "[('xx', 1)]"


def test_closures_travel_by_value():
    prefix = "p"

    def each(line):
        yield prefix + line, 1

    package = pack(Job(read=text, map=each, reduce=count), SETTINGS, None, {})
    assert elsewhere(package) == "[('px', 1)]"


def test_a_value_that_cannot_be_pickled_is_named():
    lock = threading.Lock()

    def each(line):
        with lock:
            yield line, 1

    with pytest.raises(CannotTravel, match=r"closure variable 'lock', a lock"):
        pack(Job(read=text, map=each, reduce=count), SETTINGS, None, {})


def test_tracebacks_show_the_lines_that_were_shipped(write, tmp_path):
    path = write("late.py", PLAIN.replace("yield line, 1", "yield int(line), 1  # here"))
    data = write("in.txt", "x\n")
    with pytest.raises(UserCodeError) as caught:
        mrframe.run(path, [data], RunOptions(engine="inline"))
    assert "# here" in caught.value.traceback_text
    assert path in caught.value.traceback_text
