"""The command as a process: streams, exit codes, signals, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import read_to_end

LINE = '192.0.2.{} - - [17/May/2026:10:05:03 +0000] "GET /{} HTTP/1.1" {} 1000\n'
COMMAND = [sys.executable, "-m", "mrframe"]
COUNT = """
from mrframe import Job, count, logs, main
job = Job(read=logs.access, key="path", reduce=count)
if __name__ == "__main__":
    main(job)
"""
# says over a pipe that it is at work, and goes on only when told to over another: no test waits for time
BLOCKED = """
from mrframe import Job, count, logs
def by_path(path):
    with open({started!r}, "w") as told:
        told.write("started")
    with open({go_on!r}) as waiting:
        waiting.read()
    yield path, 1
job = Job(read=logs.access, map=by_path, reduce=count)
"""

PRINTS = """
import atexit, os, subprocess, sys
from mrframe import Job, count, logs, main

def noise(where):
    print(where, "by print")
    sys.__stdout__.write(where + " to the first stream\\n")
    os.write(1, where.encode() + b" to the descriptor\\n")
    subprocess.run(["echo", where, "by a process"], check=False)

noise("import")
atexit.register(print, "exit handler by print")
said = []

def by_path(path):
    if not said:
        noise("map")
        said.append(path)
    return [(path, 1)]

def totalled(key, values):
    print("reduce by print")
    return [(key, sum(values))]

def job(limit: int = 3):
    noise("factory")
    return Job(read=logs.access, map=by_path, reduce=totalled, combine=totalled)

if __name__ == "__main__":
    main(Job(read=logs.access, map=by_path, reduce=totalled))
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a log, a job, and a scratch folder of its own."""
    (tmp_path / "access.log").write_text("".join(LINE.format(n % 250, n % 7, 200) for n in range(100)))
    (tmp_path / "paths.py").write_text(COUNT)
    (tmp_path / "scratch").mkdir()
    return tmp_path


@pytest.fixture
def environment(folder):
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MRFRAME", "NO_COLOR", "PYTHON"))}
    return {**plain, "TMPDIR": str(folder / "scratch"), "XDG_CONFIG_HOME": str(folder / "none"), "TERM": "xterm"}


@pytest.fixture
def mrframe(folder, environment):
    """Run the command to its end."""

    def run(*args: str, **more) -> subprocess.CompletedProcess[bytes]:
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        environment.update(given.pop("env", {}))
        return subprocess.run([*COMMAND, *args], cwd=folder, env=environment, check=False, timeout=60, **given)

    return run


def nothing_is_left(folder: Path) -> bool:
    return os.listdir(folder / "scratch") == []


def test_only_data_goes_to_standard_output(mrframe, folder):
    done = mrframe("run", "paths.py", "access.log")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0] == {"key": "/0", "value": 15}
    assert sum(row["value"] for row in rows) == 100
    assert done.stderr.decode().startswith("100 records · 0 malformed · 7 rows")
    assert b"\x1b" not in done.stdout + done.stderr
    assert done.returncode == 0
    assert nothing_is_left(folder)


ROWS = [{"key": f"/{n}", "value": 15 if n < 2 else 14} for n in range(7)]
WAYS = ["by print", "to the first stream", "to the descriptor", "by a process"]


def rows_of(text: bytes) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_prints_of_a_job_go_to_standard_error(mrframe, folder, engine):
    (folder / "prints.py").write_text(PRINTS)
    done = mrframe("run", "prints.py", "access.log", "--engine", engine, "--limit", "2")
    assert (rows_of(done.stdout), done.returncode) == (ROWS, 0), done.stderr
    said = done.stderr.decode()
    for where in ("import", "factory", "map"):
        assert [way for way in WAYS if f"{where} {way}" not in said] == []
    assert "reduce by print" in said
    assert "exit handler by print" in said


def test_prints_of_a_job_stay_out_of_the_output_of_other_commands(mrframe, folder):
    (folder / "prints.py").write_text(PRINTS)
    as_json = json.loads(mrframe("run", "prints.py", "access.log", "--json").stdout)
    assert as_json["answer"] == ROWS
    assert json.loads(mrframe("run", "prints.py", "access.log", "--dry-run", "--json").stdout)
    assert mrframe("why", "@", "/3", "--lines", "1").stdout.startswith(b"access.log:4: 192.0.2.3 ")
    script = [sys.executable, "prints.py", "access.log"]
    done = subprocess.run(script, cwd=folder, capture_output=True, check=True, timeout=60)
    before, _, answer = done.stdout.partition(b'{"key"')
    assert rows_of(b'{"key"' + answer) == ROWS
    assert b"import by print" in before  # the script's own, before it calls main
    assert b"map" not in before
    shown = mrframe("run", "prints.py", "--help").stdout
    assert shown.startswith(b"Usage: ")
    assert b"--limit" in shown


def test_prints_of_a_job_stay_out_of_the_output_of_check_and_replay(mrframe, folder):
    (folder / "prints.py").write_text(PRINTS.replace("return [(path, 1)]", "return [(path, 1 / (path != '/6'))]"))
    assert mrframe("run", "prints.py", "access.log").returncode == 1
    again = mrframe("replay", "@")
    assert (again.stdout, again.returncode) == (b"", 1)
    assert b"ZeroDivisionError" in again.stderr
    (folder / "prints.py").write_text(PRINTS)
    checked = json.loads(mrframe("check", "prints.py", "access.log", "--json").stdout)
    assert checked["safe"]


@pytest.mark.parametrize(
    "statement",
    ["sys.stdout = open(os.devnull, 'w')", "sys.stdout.close()", "sys.stdout = None", "os.closerange(1, 2)"],
)
def test_the_answer_is_written_even_if_the_job_closes_standard_output(mrframe, folder, statement):
    (folder / "taken.py").write_text("import os, sys\n" + COUNT + statement + "\n")
    done = mrframe("run", "taken.py", "access.log", "-q")
    assert (rows_of(done.stdout), done.returncode) == (ROWS, 0), done.stderr


def test_unread_prints_do_not_fail_the_job(mrframe, folder):
    (folder / "prints.py").write_text(COUNT.replace("job =", "print('import')\njob ="))
    with open("/dev/full", "w") as full:
        done = mrframe("run", "prints.py", "access.log", "-q", stderr=full)
    assert (rows_of(done.stdout), done.returncode) == (ROWS, 0)


@pytest.mark.parametrize(
    "args",
    [
        ["run", "paths.py", "access.log"],
        ["run", "paths.py", "access.log", "--json"],
        ["check", "paths.py", "access.log"],
        ["why", "@", "/3"],
        ["cache", "ls"],
        ["--version"],
        ["run", "--help"],
    ],
)
@pytest.mark.parametrize("redirected", [">&-", "> /dev/full"], ids=["closed", "full"])
def test_an_answer_that_cannot_be_delivered_is_an_error(mrframe, folder, environment, args, redirected):
    if args[0] == "why":
        mrframe("run", "paths.py", "access.log")
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *COMMAND, *args]
    done = subprocess.run(command, cwd=folder, env=environment, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, b"standard output" in done.stderr) == (2, True), done.stderr
    assert b"a bug in mrframe" not in done.stderr


def test_the_folder_of_an_answer_can_be_an_input(mrframe, folder):
    written = mrframe("run", "paths.py", "access.log", "-o", "out/")
    assert written.returncode == 0, written.stderr
    lines = sum(len(part.read_bytes().splitlines()) for part in (folder / "out").glob("part-*"))
    read = mrframe("count", "key", "out", "--read", "json")
    assert read.returncode == 0, read.stderr
    assert sum(json.loads(row)["value"] for row in read.stdout.splitlines()) == lines > 0


def test_records_outside_a_window_are_counted(mrframe, folder):
    done = mrframe("count", "path", "access.log", "--since", "2026-05-17", "--until", "2026-05-18")
    assert done.returncode == 0, done.stderr
    assert b"0 records outside" in done.stderr
    none = mrframe("count", "path", "access.log", "--until", "2026-05-17T12:00", "--timezone", "Europe/Berlin")
    assert none.stdout == b"", "10:00 in UTC is before any record"
    assert b"100 records outside" in none.stderr


@pytest.mark.parametrize(
    ("field", "since", "said"),
    [
        pytest.param("path", "soon", b"is no time", id="no time"),
        pytest.param("path", "2027-01-01T25:00", b"is no time", id="no hour"),
        pytest.param("word", "1h", b"", id="records without times"),
    ],
)
def test_a_window_that_cannot_be_is_refused(mrframe, folder, field, since, said):
    refused = mrframe("count", field, "access.log", "--since", since)
    assert (refused.returncode, said in refused.stderr) == (2, True)


def test_a_script_is_a_command_of_its_own(folder, environment):
    script = [sys.executable, "paths.py", "access.log", "--format", "csv", "-q"]
    done = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[:2] == ["path,count", "/0,15"], done.stderr
    wrong = subprocess.run([*script, "--nodez"], cwd=folder, env=environment, capture_output=True, check=False)
    assert wrong.returncode == 2
    assert b"--nodes" in wrong.stderr


def test_standard_input_gives_the_answer_of_the_file(mrframe, folder):
    done = mrframe("run", "paths.py", "-", "--engine", "inline", input=(folder / "access.log").read_bytes())
    assert done.stdout == mrframe("run", "paths.py", "access.log").stdout


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["run", "paths.py", "access.log"], 0, b"100 records"),
        (["run", "raises.py", "access.log"], 1, b"ZeroDivisionError"),
        (["run", "paths.py", "none.log"], 2, b"none.log does not exist"),
        (["run", "paths.py", "access.log", "--nodez", "1"], 2, b"--nodes"),
        (["run", "nobody.py", "access.log"], 2, b"no job file nobody.py"),
        (["runn", "paths.py", "access.log"], 2, b"did you mean 'run'?"),
        (["run", "fields.py", "access.log"], 2, b"'path'"),
        (["run", "paths.py", "bad.log"], 3, b"2 of 10 lines do not match"),
        (["run", "paths.py", "access.log", "--nodes", "many"], 2, b"--nodes many: a whole number"),
    ],
)
def test_each_failure_has_its_exit_code_and_leaves_nothing(mrframe, folder, args, code, said):
    (folder / "raises.py").write_text(COUNT.replace('key="path"', "map=lambda path: [(path, 1 / 0)]"))
    (folder / "fields.py").write_text(COUNT.replace('key="path"', 'key="pth"'))
    (folder / "bad.log").write_text(LINE.format(1, 2, 200) * 8 + "not a log line\n" * 2)
    done = mrframe(*args)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert nothing_is_left(folder)
    assert b"mrframe/" not in done.stderr  # none of our own frames


def test_the_first_thing_shown_is_the_users_own_line_then_the_record(mrframe, folder):
    (folder / "raises.py").write_text(
        "from mrframe import Job, count, logs\n"
        "def by_path(path, status):\n"
        "    if path == '/3':\n"
        "        raise ValueError('three')\n"
        "    yield path, 1\n"
        "job = Job(read=logs.access, map=by_path, reduce=count)\n"
    )
    lines = mrframe("run", "raises.py", "access.log").stderr.decode().splitlines()
    assert lines[0].startswith("Traceback")
    assert re.search(r'raises\.py", line 4, in by_path', lines[1])
    assert "ValueError: three" in lines
    text = "\n".join(lines)
    assert text.index("ValueError: three") < text.index("error:") < text.index("in      access.log:4")
    assert 'record  192.0.2.3 - - [17/May/2026:10:05:03 +0000] "GET /3' in text
    again = re.search(r"again   (.*)", text)
    assert again is not None
    alone = subprocess.run(
        again[1].replace("mrframe run", f"{sys.executable} -m mrframe run --engine inline"),
        shell=True,
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert b"ValueError: three" in alone.stderr


def test_verbose_shows_the_frames_of_mrframe_too(mrframe, folder):
    (folder / "fields.py").write_text(COUNT.replace('key="path"', 'key="pth"'))
    assert b"mrframe's own frames" in mrframe("run", "fields.py", "access.log", "-v").stderr
    assert b"mrframe's own frames" in mrframe("run", "fields.py", "access.log", env={"MRFRAME_DEBUG": "1"}).stderr


def test_errors_as_json(mrframe, folder):
    done = mrframe("run", "paths.py", "none.log", "--json")
    error = json.loads(done.stdout)["error"]
    assert (error["slug"], error["exit_code"], done.returncode) == ("input", 2, 2)


def test_a_reader_that_leaves_ends_the_command_quietly(folder, environment):
    (folder / "many.log").write_text("".join(LINE.format(1, f"{n:090}", 200) for n in range(30_000)))
    command = [*COMMAND, "run", "paths.py", "many.log", "-q"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"key": "/000')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0
    assert nothing_is_left(folder)


@pytest.mark.parametrize("words", [["formats", "list"], ["run", "--help"], ["config", "show"]])
def test_every_command_ends_quietly_when_its_reader_leaves(folder, environment, words):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_standard_output_that_cannot_be_written_is_an_error(mrframe, folder):
    with open("/dev/full", "wb") as full:
        done = mrframe("run", "paths.py", "access.log", stdout=full)
    assert done.returncode == 2
    assert b"standard output cannot be written: No space left" in done.stderr
    closed = subprocess.run(
        f"{sys.executable} -m mrframe run paths.py access.log >&-",
        shell=True,
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert closed.returncode == 2
    assert b"standard output is closed" in closed.stderr


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes whose scratch folder is this test's."""
    mark = f"TMPDIR={folder / 'scratch'}".encode()
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile, or is another user's
    return found


@pytest.fixture
def blocked(folder, environment):
    """Starts a run and gives its process when its map is at work."""
    started, go_on = folder / "started", folder / "go_on"
    os.mkfifo(started)
    os.mkfifo(go_on)
    (folder / "blocked.py").write_text(BLOCKED.format(started=str(started), go_on=str(go_on)))

    def start(*more: str) -> subprocess.Popen[bytes]:
        command = [*COMMAND, "run", "blocked.py", "access.log", "-o", "answer.jsonl", *more]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
        )
        assert started.read_text() == "started"
        return process

    return start


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_closed_standard_input_is_named(folder, engine):
    words = shlex.join([*COMMAND, "run", "word_count", "-", "--engine", engine])
    done = subprocess.run(["sh", "-c", f"{words} <&-"], cwd=folder, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: standard input (-) is closed; pipe a log")


@pytest.mark.parametrize("engine", ["inline", "local"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_clean_up_and_exit_as_shells_do(blocked, folder, engine, number, code):
    with blocked("--engine", engine) as process:
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does on Ctrl-C: to all in the foreground
        else:
            process.send_signal(number)
        out, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert out == b""
    assert said == {130: b"interrupted\n", 143: b"terminated\n", 129: b"hung up\n"}[code]
    assert nothing_is_left(folder)
    assert not (folder / "answer.jsonl").exists()
    assert processes_of(folder) == []


def test_a_job_that_takes_too_long_ends_with_5(blocked, folder):
    with blocked("--engine", "local", "--timeout-s", "1.5s") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 5, said
    assert b"error:" in said
    assert nothing_is_left(folder)


def on_terminal(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[str, int]:
    """What a person sees on a terminal, and the exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(command[0], command, environment)
    seen = read_to_end(terminal)
    return seen.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_terminal_gets_a_table_with_control_bytes_escaped(folder, environment):
    with open(folder / "access.log", "ab") as log:
        log.write(b"\x1b[2Jevil \xff\n")
    seen, code = on_terminal([*COMMAND, "run", "paths.py", "access.log", "-v"], folder, environment)
    assert code == 0
    assert re.search(r"path +count\r\n/0 +15\r\n", seen)
    assert "\\x1b[2Jevil \\xff" in seen
    assert "\x1b[2J" not in seen
    assert "\x1b[33m1 malformed\x1b[0m" in seen
    plain, _ = on_terminal([*COMMAND, "run", "paths.py", "access.log"], folder, {**environment, "NO_COLOR": "1"})
    assert "\x1b[3" not in plain


def test_progress_is_redrawn_on_a_terminal_and_cleared_at_the_end(folder, environment):
    (folder / "long.py").write_text(
        "import time\nfrom mrframe import Job, count, logs\n"
        "def by_path(path):\n"
        "    end = time.monotonic() + 0.006\n"
        "    while time.monotonic() < end: pass\n"
        "    yield path, 1\n"
        "job = Job(read=logs.access, map=by_path, reduce=count)\n"
    )
    command = [*COMMAND, "run", "long.py", "access.log", "--engine", "inline", "--splits", "20"]
    seen, _ = on_terminal(command, folder, environment)
    assert re.search(r"\r[^\r]*map \d+/\d+ · \d+ records", seen)
    assert re.search(r"\r\x1b\[K(?!.*━)", seen, re.DOTALL)  # the line is gone before the answer
    quiet, _ = on_terminal([*command, "-q"], folder, environment)
    assert "map" not in quiet


def test_without_a_terminal_progress_is_lines_and_only_with_verbose(mrframe):
    assert b"map" not in mrframe("run", "paths.py", "access.log").stderr
    said = mrframe("run", "paths.py", "access.log", "-v").stderr
    assert re.search(rb"^map", said, re.MULTILINE)
    assert b"\r" not in said
