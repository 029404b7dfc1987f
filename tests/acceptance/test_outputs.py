"""Output that is what it says, whole, or an error: the real command and the real API, no fakes."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, each, text
from mrframe.errors import JobError, OutputError, ResultClosed
from mrframe.sinks.named_sinks import form_for
from mrframe.store.output import whole_file, whole_folder
from mrframe.store.publish import STAGED_TRIES, new_staged

LINE = '1.2.3.4 - - [10/Oct/2024:13:55:36 +0000] "GET /caf{} HTTP/1.1" 200 5 "-" "-"\n'


@pytest.fixture
def run_cli(tmp_path, monkeypatch):
    """A folder with a log, the current one; gives what runs the command in it."""
    monkeypatch.chdir(tmp_path)
    data = (LINE.format("e") * 2).encode() + LINE.format("\0").encode().replace(b"\0", b"\xe9") + b"torn \xff\n"
    Path("access.log").write_bytes(data)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}

    def run(*words: str, code: int = 0, **how) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "mrframe", *words]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False, **how)
        assert done.returncode == code, done.stderr
        return done

    return run


ASK = ("count", "path", "access.log", "--max-bad", "9")


def test_an_output_that_cannot_be_made_is_an_error_at_once(run_cli):
    done = run_cli(*ASK, "-o", "/proc/x.csv", code=2)
    assert b"the output /proc/x.csv cannot be written" in done.stderr
    assert b"records" not in done.stderr  # the job did not run for it


def test_staging_gives_up_after_some_tries(tmp_path):
    tried = []

    def vanishing(path: str) -> int:
        tried.append(path)
        raise FileNotFoundError(2, "swept")

    with pytest.raises(FileNotFoundError):
        new_staged(str(tmp_path / "x"), vanishing)
    assert len(tried) == STAGED_TRIES
    tried.clear()

    def late(path: str) -> int:
        if len(tried) < 3:
            vanishing(path)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    staged, fd = new_staged(str(tmp_path / "x"), late)
    os.close(fd)
    assert os.path.exists(staged)


@pytest.mark.parametrize("how", [("--engine", "inline"), ("--engine", "local", "--nodes", "1")])
def test_a_timeout_ends_a_run_whose_standard_input_does_not_come(run_cli, how):
    reader, writer = os.pipe()
    os.write(writer, LINE.format("a").encode())
    started_s = time.monotonic()
    with open(reader, "rb") as stdin:
        done = run_cli("count", "path", "-", "--timeout-s", "1", *how, code=5, stdin=stdin)
    os.close(writer)
    assert b"within 1 s" in done.stderr
    assert time.monotonic() - started_s < 30


@pytest.mark.parametrize("name", ["x.orc", "x.xlsx", "x.html", "x.json", "x.csv.gz", "x.2024", "a/b.XML"])
def test_an_unknown_file_ending_is_refused_unless_a_format_is_named(name):
    with pytest.raises(OutputError, match=rf"the ending {os.path.splitext(name)[1].lower()}.*\.csv.*--format"):
        form_for(name, None, terminal=True)
    assert form_for(name, "csv", terminal=True) == "csv"


def test_an_unknown_file_ending_is_refused_before_the_job_runs(run_cli):
    done = run_cli(*ASK, "-o", "x.orc", code=2)
    assert b"the ending .orc" in done.stderr
    assert b"records" not in done.stderr
    assert not os.path.exists("x.orc")


def test_file_endings_choose_the_output_format(run_cli):
    forms = {"a.CSV": "csv", "a.tsv": "tsv", "a.log": "text", "a.txt": "text", "a": "jsonl", "a.ndjson": "jsonl"}
    for name, form in {**forms, "out.d/": "jsonl", "/dev/null": "jsonl", "-": "table"}.items():
        assert form_for(name, None, terminal=True) == form
    run_cli(*ASK, "-o", "x.orc", "--format", "csv")
    assert Path("x.orc").read_bytes().startswith(b"path,count\n")


@pytest.mark.parametrize(
    ("how", "spelled"),
    [((), "/caf\\xe9"), (("--text", "replace"), "/caf\ufffd"), (("--text", "bytes"), "/caf\udce9")],
)
def test_every_output_is_valid_utf8_unless_bytes_are_asked_for(run_cli, how, spelled):
    torn = spelled.replace("/caf", "torn ").replace("e9", "ff").replace("\udce9", "\udcff")
    run_cli(*ASK, *how, "-o", "a.jsonl", "--rejects", "r.jsonl", "--summary", "s.json")
    run_cli(*ASK, *how, "-o", "a/", "--format", "csv")
    stdout = run_cli(*ASK, *how, "--json").stdout
    read = [json.loads(line)["key"] for line in Path("a.jsonl").read_text("utf-8").splitlines()]
    assert spelled in read
    assert spelled in [row["key"] for row in json.loads(stdout)["answer"]]
    assert json.loads(Path("r.jsonl").read_text("utf-8"))["text"] == torn
    cells = Path("a/part-00000.csv").read_text("utf-8", errors="surrogateescape" if "bytes" in how else "strict")
    assert spelled in [row[0] for row in csv.reader(io.StringIO(cells, newline=""))]
    if "bytes" not in how:
        assert "\\ud" not in (Path("s.json").read_text() + Path("r.jsonl").read_text() + stdout.decode())
    back = run_cli("count", "key", "a.jsonl", "--read", "json", "--format", "text", *how).stdout
    assert spelled.encode("utf-8", "surrogateescape") in back  # its own output, read back


def test_text_output_keeps_the_bytes_of_lines(run_cli):
    whole = run_cli("run", "sort", "access.log", "--format", "text").stdout
    assert sorted(whole.splitlines()) == sorted(Path("access.log").read_bytes().splitlines())
    assert b"caf\\xe9" in run_cli("run", "sort", "access.log", "--format", "text", "--text", "escape").stdout


@pytest.mark.parametrize(
    ("flag", "target"),
    [
        *(("-o", "access.log"), ("--rejects", "./link.log"), ("--summary", "access.log")),
        *(("-o", "hard.csv"), ("--quarantine", "hard.csv")),
    ],
)
def test_an_input_file_is_not_replaced_by_an_output(run_cli, flag, target):
    before = Path("access.log").read_bytes()
    os.symlink("access.log", "link.log")
    os.link("access.log", "hard.csv")
    done = run_cli("count", "path", "acc*.log", flag, target, "--overwrite", code=2)
    assert b"would replace the input" in done.stderr
    assert Path("access.log").read_bytes() == before


def test_an_input_folder_is_not_replaced_by_an_output(run_cli):
    run_cli(*ASK, "-o", "parts/")
    done = run_cli("count", "key", "parts", "--read", "json", "-o", "parts/", "--overwrite", code=2)
    assert b"would replace the input" in done.stderr


@pytest.mark.parametrize("how", [(), ("--overwrite",)], ids=["plain", "overwrite"])
def test_a_dangling_link_is_refused_as_output(run_cli, how):
    os.symlink("nowhere.csv", "link.csv")
    assert b"is a link to" in run_cli(*ASK, "-o", "link.csv", *how, code=2).stderr
    assert not os.path.exists("nowhere.csv")


def test_a_job_name_that_is_both_ready_job_and_local_file_is_refused(run_cli):
    """Else the ready one would run, while the user edits his own."""
    ready = os.path.join(os.path.dirname(os.path.dirname(mrframe.__file__)), "jobs", "status_codes.py")
    run_cli("run", "status_codes", "access.log", "--max-bad", "9")
    Path("status_codes.py").write_text(
        "from mrframe import Job, count, logs\njob = Job(read=logs.access, key='path', reduce=count)\n"
    )
    done = run_cli("run", "status_codes", "access.log", code=2)
    assert b"./status_codes.py" in done.stderr
    assert ready.encode() in done.stderr
    with pytest.raises(JobError, match=r"\./status_codes\.py"):
        mrframe.run("status_codes", ["access.log"])
    mine = run_cli("run", "./status_codes.py", "access.log", "--max-bad", "9").stdout
    assert b"caf" in mine
    assert b"200" in run_cli("run", ready, "access.log", "--max-bad", "9").stdout


def result(lines: int = 3) -> mrframe.Result:
    Path("in.txt").write_text("".join(f"{n:07}\n" for n in range(lines)))
    return mrframe.run(Job(read=text, key="line", reduce=each), ["in.txt"], RunOptions(engine="inline", splits=3))


def test_a_closed_result_raises_instead_of_being_empty(run_cli):
    with result() as closed:
        taken, later = list(closed), closed.rows()
        assert "3 rows>" in repr(closed)
    assert len(taken) == 3
    assert closed.summary.rows == 3
    assert "closed" in repr(closed)
    closed.close()  # again is nothing
    for use in (
        closed.rows,
        closed.blocks,
        closed.__iter__,
        closed.__enter__,
        lambda: list(closed),
        lambda: list(later),
    ):
        with pytest.raises(ResultClosed, match="is closed"):
            use()
    for form in ("jsonl", "csv", "text", "table"):
        with pytest.raises(ResultClosed):
            closed.write(io.BytesIO(), form)


def test_rows_that_are_being_read_while_a_result_is_closed_end_whole_or_with_an_error(run_cli):
    closed = result(20_000)
    rows = closed.rows()
    next(rows)
    closed.close()
    with pytest.raises(ResultClosed):
        list(rows)


# ---- delivery -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("run_cli")
@pytest.mark.parametrize("form", ["jsonl", "text"])
def test_a_full_device_as_standard_output_is_reported(form):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mrframe", *ASK, "--format", form, "-q"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert b"No space left" in done.stderr


def test_a_full_device_as_output_is_reported(run_cli):
    assert b"No space left" in run_cli(*ASK, "-o", "/dev/full", code=2).stderr


def test_a_late_value_that_cannot_be_written_leaves_no_output(run_cli):
    Path("late.py").write_text(
        "from mrframe import Job, text, each\n"
        "def pairs(line):\n    n = int(line)\n    yield n, (10 ** 5000 if n == 29_999 else n)\n"
        "job = Job(read=text, map=pairs, reduce=each)\n"
    )
    Path("in.txt").write_text("".join(f"{n}\n" for n in range(30_000)))
    for target in ("a.csv", "folder/"):
        done = run_cli("run", "late.py", "in.txt", "-o", target, code=1)
        assert b"cannot be written" in done.stderr
    assert b"cannot be written" in run_cli("run", "late.py", "in.txt", "--json", code=1).stderr
    assert sorted(os.listdir()) == sorted([".local", "access.log", "in.txt", "late.py"])


def test_a_disk_that_is_full_at_the_last_byte_leaves_nothing(tmp_path):
    """RLIMIT_FSIZE stands for the disk: the last write is cut short, and the next one fails."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (99_999, before[1]))
        with pytest.raises(OutputError), whole_file(str(tmp_path / "a.csv")) as sink:
            sink.write(b"x" * 100_000)
        with pytest.raises(OutputError), whole_folder(str(tmp_path / "a"), {}) as folder:
            folder.add_part("csv", lambda sink: sink.write(b"x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []


def test_a_reader_that_leaves_ends_the_command_quietly_and_a_closed_output_does_not(run_cli):
    Path("in.txt").write_text("".join(f"{n}\n" for n in range(200_000)))
    command = f"{sys.executable} -m mrframe run sort in.txt --format text -q"
    shell = f"{command} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run([shutil.which("bash") or "bash", "-c", shell], check=False, timeout=60).returncode == 0
    closed = f"{command} >&-"
    assert subprocess.run([shutil.which("bash") or "bash", "-c", closed], check=False, timeout=60).returncode == 2
