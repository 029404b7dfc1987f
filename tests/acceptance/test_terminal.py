"""Each command on a real terminal, with hostile lines, names, options and exceptions: no control byte arrives raw.

A terminal obeys C0 and C1 control characters, and shows text after a character of direction in another order. Here
they are in log lines, in names of files and folders, in keys, counters, exceptions, docstrings and settings.
"""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest
from terminals import read_to_end

from mrframe.cli.main import COMMANDS

# C0, C1 as a byte and as a character, characters of direction
EVIL = b"\x1b]0;pwned\x07\x1b[35m\x9b31m\xc2\x9b31m\xe2\x80\xae\xe2\x80\xa8\x7f\x08"
NAME = "evil " + os.fsdecode(EVIL)
LINE = b'192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /%b HTTP/1.1" 200 1000\n'
JOB = f'''"""Counts {NAME.encode("unicode_escape", "surrogateescape").decode()}"""
import mrframe
from mrframe import Job, count, logs, main

def by_path(path):
    if "evil" in path and {{fails}}:
        raise ValueError(f"no {{{{path}}}}")
    mrframe.increment(path)
    yield path, 1

def job(phrase: str = {NAME!a}) -> Job:
    return Job(read=logs.access, map=by_path, reduce=count)

if __name__ == "__main__":
    main(job)
'''
# what mrframe itself writes on a terminal: colours, and the line of the progress
COLOURS = re.compile("\x1b\\[(?:0|1|2|31|32|33)m")
LINES = re.compile("\r\x1b\\[K|\x1b\\[K|\r(?=[\n\u2501\u254c])")
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class TerminalFolder:
    """A folder with hostile files, and commands that run on a terminal in it."""

    def __init__(self, folder):
        self.path = folder
        self.log = os.path.join(os.fsencode(folder), b"evil " + EVIL + b".log")
        (folder / "plain.py").write_text(JOB.format(fails="False"))
        (folder / "fails.py").write_text(JOB.format(fails="True"))
        evil = os.path.join(os.fsencode(folder), b"evil " + EVIL + b".py")
        with open(evil, "w") as file:
            file.write(JOB.format(fails="False"))
        with open(self.log, "wb") as file:
            file.write(LINE % b"good" * 50 + LINE % (b"evil" + EVIL) * 3 + b"malformed " + EVIL + b"\n")
        (folder / "home").mkdir()
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("MRFRAME", "NO_COLOR", "PYTHON"))}
        self.environment = {
            **plain,
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "home"),
            "XDG_CACHE_HOME": str(folder / "home"),
            "TERM": "xterm",
            "COLUMNS": "200",
        }

    def run(self, *words, program=("-m", "mrframe"), environment=None) -> str:
        """Run a command on a terminal, and return what arrives there. It fails if a raw control byte is in it."""
        command = [os.fsencode(word) for word in (sys.executable, *program, *words)]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.path)
            os.execve(command[0], command, {**self.environment, **(environment or {})})
        seen = read_to_end(terminal)
        os.waitpid(pid, 0)
        text = LINES.sub("", COLOURS.sub("", seen.decode()))
        assert not RAW.search(text), (words, text)
        return text

    def evil(self, *words, **more) -> str:
        """The same, for a command that shows hostile text, so the test is about something."""
        text = self.run(*words, **more)
        assert re.search(r"\\x1b\]0;|\\u001b\]0;", text), (words, text)
        return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return TerminalFolder(tmp_path_factory.mktemp("terminal"))


@pytest.mark.parametrize("form", ["table", "jsonl", "csv", "tsv", "text"])
def test_results(folder, form):
    folder.evil("run", "plain.py", folder.log, "--format", form, "--text", "bytes")


def test_json_of_a_result_holds_the_same_values(folder):
    text = folder.evil("run", "plain.py", folder.log, "--json", "-q", "--text", "bytes")
    keys = [row["key"] for row in json.loads(text)["answer"]]
    assert keys == ["/evil" + os.fsdecode(EVIL), "/good"]


def test_figures_and_left_out_records(folder):
    text = folder.evil("run", "fails.py", folder.log, "-v", "--max-failed", "5")
    assert "(ValueError: no /evil\\x1b]0;" in text
    folder.evil("run", "fails.py", folder.log, "-v", "--max-failed", "5", "--engine", "local")
    folder.evil("run", "plain.py", folder.log, "--dry-run")
    folder.evil("run", "plain.py", folder.log, "--dry-run", "--json")


@pytest.mark.parametrize("engine", ["inline", pytest.param("local", marks=pytest.mark.slow)])
def test_errors_of_a_job(folder, engine):
    assert "Traceback" in folder.evil("run", "fails.py", folder.log, "--engine", engine)
    folder.evil("run", "fails.py", folder.log, "--engine", engine, "--json")
    folder.evil("replay", "@")
    folder.evil("replay", "@", "--list")
    folder.evil("replay", "@", "--list", "--json")


def test_a_script_and_a_bug(folder):
    folder.evil(folder.log, program=("fails.py",))
    bug = "import click, codecs, functools; from mrframe.cli.show.exit import run_to_exit_code\n"
    bug += f"command = click.Command('x', callback=functools.partial(codecs.lookup, {NAME[:20]!a}))\n"
    assert "a bug in mrframe" in folder.evil(program=("-c", bug + "run_to_exit_code(command, [], 'x')"))
    thread = "from mrframe.cli.show.exit import catch_lost_signals; catch_lost_signals(); import sys\n"
    folder.evil(program=("-c", thread + f"raise ValueError({NAME!a})"))


@pytest.mark.parametrize(
    "words",
    [
        ("run", NAME, "x.log"),
        ("run", "plain.py", NAME),
        ("run", "plain.py", "x.log", f"--{NAME}"),
        ("run", "plain.py", "x.log", "--since", NAME),
        ("run", "plain.py", "x.log", "--log-format", NAME),
        ("run", "plain.py", "x.log", "-o", f"{NAME}/x"),
        ("run", "plain.py", "x.log", "--max-bad", NAME),
        ("run", "plain.py", "x.log", "--json", "--engine", NAME),
        ("run", "plain.py", "--help"),
        ("count", NAME, "x.log"),
        ("count", "status", "x.log", "--where", NAME),
        ("why", NAME, "x"),
        ("replay", NAME),
        ("cache", "ls", "--cache-dir", NAME),
        ("cluster", "status", "--dir", NAME),
        ("submit", NAME, "x.log", "--dir", "nowhere"),
        ("formats", "detect", NAME),
        ("formats", "test", NAME),
        ("completion", NAME),
        (NAME,),
    ],
    ids=lambda words: " ".join("NAME" if "evil" in word else word for word in words),
)
def test_names_and_options(folder, words):
    folder.run(*words)


def test_questions_and_lines(folder):
    folder.evil("count", "path", folder.log)
    folder.evil("count", "path", folder.log, "--where", f"path != {json.dumps('x' + chr(0x9B))}", "--json")
    key = "/evil" + os.fsdecode(EVIL)
    assert folder.evil("why", "@", key).count(".log:") == 3
    folder.evil("why", "@", key, "--json")
    folder.evil("why", "@", NAME)
    folder.evil("select", "path", "host", folder.log)
    folder.evil("select", "path", "line", folder.log, "--json")


def test_formats(folder):
    folder.evil("formats", "detect", folder.log)
    folder.run("formats", "detect", folder.log, "--json")
    folder.evil("formats", "test", "common", folder.log)
    folder.evil("formats", "test", "common", folder.log, "--json")
    folder.run("formats", "list")


def test_settings_folders_and_health(folder):
    evil = {"MRFRAME_LOG_FORMAT": NAME, "MRFRAME_" + NAME: "x"}
    folder.evil("config", "show", "--origin", environment=evil)
    folder.evil("config", "show", "--json", environment=evil)
    folder.evil("run", "plain.py", folder.log, environment={"MRFRAME_" + NAME: "x"})
    cache = ("--cache-dir", NAME)
    folder.evil("run", os.fsencode(NAME) + b".py", folder.log, "--cache", "on", *cache)
    folder.evil("cache", "ls", *cache)
    folder.evil("cache", "ls", "--json", *cache)
    folder.run("cache", "gc", *cache)
    folder.run("cache", "clear", *cache)
    folder.evil("init", f"{NAME}/x")
    folder.run("doctor", environment={"TMPDIR": os.path.join(str(folder.path), NAME)})
    folder.run("completion", "bash")
    folder.evil("demo", NAME)


@pytest.mark.slow
def test_check(folder):
    state = "from mrframe import Job, count, logs\nseen = []\ndef by_path(path):\n    seen.append(1)\n"
    (folder.path / "state.py").write_text(
        state + "    yield path + str(len(seen)), 1\njob = Job(read=logs.access, map=by_path, reduce=count)\n"
    )
    folder.evil("check", "state.py", folder.log)
    folder.evil("check", "state.py", folder.log, "--json")


@pytest.mark.slow
def test_the_standing_cluster(folder):
    home = ("--dir", os.path.join(os.fsencode(folder.path), EVIL))
    try:
        folder.evil("cluster", "start", *home)
        folder.run("submit", os.fsencode(NAME) + b".py", folder.log, *home)
        folder.run("wait", "@", *home)
        folder.evil("result", "@", *home)
        folder.evil("jobs", *home)
        folder.evil("jobs", "--json", *home)
        folder.evil("cluster", "status", *home)
        folder.evil("cluster", "status", "--json", *home)
        folder.run("submit", "fails.py", folder.log, "--max-failed", "5", *home)
        folder.run("wait", "@", *home)
        folder.run("submit", "fails.py", folder.log, *home)
        folder.evil("wait", "@", *home)
        folder.evil("wait", "@", "--json", *home)
        folder.evil("replay", "@", *home)
        folder.run("cancel", "@", *home)
        folder.run("rm", "@", *home)
        folder.run("rm", NAME, *home)
        folder.run("fs", "put", NAME, folder.log, *home)
        folder.run("fs", "put", "logs", folder.log, *home)
        folder.run("fs", "ls", *home)
        folder.evil("fs", "stat", "logs", *home)
        folder.evil("fs", "stat", "logs", "--json", *home)
        folder.evil("fs", "cat", "logs", *home)
        folder.evil("fs", "cat", "logs", NAME, *home)
        folder.run("fs", "fsck", *home)
    finally:
        folder.evil("cluster", "stop", *home)


def test_each_command_is_tried():
    tried = re.findall(r'\.(?:run|evil)\(\s*"(\w+)"', Path(__file__).read_text())
    assert set(tried) == set(COMMANDS)
