"""Completion in the real shells: what is on the line after Tab, in bash, zsh and fish.

A shell that is not installed is skipped by name. bash and zsh are asked on a terminal, as a person does. fish has a
command for it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECONDS_MAX = 60

CASES = {
    "a command": ("mrframe ru", "mrframe run"),
    "an option": ("mrframe run --rej", "mrframe run --rejects"),
    "an option of the job": ("mrframe run top_urls --lim", "mrframe run top_urls --limit"),
    "a choice": ("mrframe run --engine inl", "mrframe run --engine inline"),
    "a ready job": ("mrframe run top_u", "mrframe run top_urls"),
    "a job file": ("mrframe run my_j", "mrframe run my_job.py"),
    "an input": ("mrframe run top_urls zeb", "mrframe run top_urls zebra.log"),
    "an input of count": ("mrframe count status zeb", "mrframe count status zebra.log"),
    "a field": ("mrframe count refe", "mrframe count referer"),
    "a format": ("mrframe run --log-format trae", "mrframe run --log-format traefik"),
    "an output file": ("mrframe run top_urls -o zeb", "mrframe run top_urls -o zebra.log"),
    "a folder": ("mrframe jobs --dir fold", "mrframe jobs --dir folder"),
    "a run": ("mrframe why run-", "mrframe why run-1"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log, a job, a folder, and one run that was kept."""
    home = tmp_path_factory.mktemp("completion")
    shutil.copy(ROOT / "sample_logs" / "access.log", home / "zebra.log")
    shutil.copy(ROOT / "jobs" / "top_urls.py", home / "my_job.py")
    (home / "folder").mkdir()
    mrframe(home, "count", "status", "zebra.log", "-q")
    return home


def environment(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "XDG", "ZDOTDIR"))}
    return {**kept, "HOME": str(home), "PATH": f"{BIN}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def need(shell):
    """Skip by name without this shell. CI installs all of them, so there it is a failure."""
    if not shutil.which(shell):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{shell} is not installed")


def mrframe(home, *words):
    """The output of a command."""
    return subprocess.run(
        [BIN / "mrframe", *words], cwd=home, env=environment(home), check=True, stdout=subprocess.PIPE
    ).stdout


def script_of(shell, home):
    path = home / f"completion.{shell}"
    if not path.exists():
        path.write_bytes(mrframe(home, "completion", shell))
    return path


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, words, home):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\x28\x00\xa0\x00\0\0\0\0")
        self._process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, cwd=home, env=environment(home), start_new_session=True
        )
        os.close(slave)
        self._text = ""

    def type(self, text):
        os.write(self._master, text.encode())

    def read_until(self, pattern):
        """The match of a pattern in all that the shell has written since the last one."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            found = re.search(pattern, self._text)
            if found:
                self._text = self._text[found.end() :]
                return found
            assert select.select([self._master], [], [], deadline - time.monotonic())[0], repr(self._text)
            self._text += os.read(self._master, 4096).decode("utf-8", "replace")

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._master)


SHOW = {
    "bash": 'bind -x \'"\\C-o": echo "<$READLINE_LINE>"\'\n',
    "zsh": "show() { print; print -r -- \"<$BUFFER>\" }; zle -N show; bindkey '^O' show\n",
}
"""Ctrl-O writes the line as it stands. Its marks are put together by the shell, so that no echo matches."""


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(request, folder):
    need(request.param)
    words = {"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[request.param]
    terminal = Terminal(words, folder)
    load = f". {script_of(request.param, folder)}\n"
    if request.param == "zsh":
        load = "autoload -U compinit; compinit -u -D; setopt no_beep\n" + load
    terminal.type(load + SHOW[request.param] + "echo rea''dy\n")
    terminal.read_until("ready")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(("typed", "completed"), CASES.values(), ids=CASES)
def test_tab_completes_on_a_terminal(shell, typed, completed):
    shell.type(f"\x15{typed}\t\x0f")
    line = shell.read_until(r"<([^<>\r\n]*)>")[1]
    assert line.rstrip(" /").replace("-- ", "") == completed


@pytest.mark.parametrize(("typed", "completed"), CASES.values(), ids=CASES)
def test_fish_completes(folder, typed, completed):
    need("fish")
    asked = subprocess.run(
        ["fish", "--no-config", "-c", f'source {script_of("fish", folder)}; complete -C "{typed}"'],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS_MAX,
    )
    found = [line.partition("\t")[0].rstrip("/") for line in asked.stdout.splitlines()]
    assert found == [completed.split()[-1]], asked
