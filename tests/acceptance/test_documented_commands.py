"""The commands that README and docs print, run as printed: page by page, in order, by a shell.

Every page has a folder with the files that its commands name, a home and a standing cluster of its own. A command
that cannot run here stands in `NOT_RUN`, with the reason.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_logs"
BIN = Path(sys.executable).parent
PAGES = ["README.md", "joins.md", "reading.md", "saved.md", "storage.md", "cli.md"]
NOT_RUN = {
    "pip install": "test_wheel.py installs the package",
    "mrframe completion": "test_completion.py types into the shells",
    "mrframe doctor": "its exit code depends on the machine",
}
NEW = "cd $(mktemp -d);"  # where `init` writes a job, which would stand beside the ready one
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:\w[\w. ]* \| )?(?:mrframe|make|pip) ")


def text_of(page: str) -> str:
    return (ROOT / page if page == "README.md" else ROOT / "docs" / page).read_text()


def commands_of(page: str) -> list[str]:
    """The commands of a page in order: lines of blocks that begin with one, without their comments."""
    text = text_of(page)
    blocks = [body for kind, body in FENCE.findall(text) if kind in ("", "sh")]
    indented = re.findall(r"^(    .*)$", FENCE.sub("", text), re.MULTILINE)
    lines = [line.strip().removeprefix("$ ") for block in [*blocks, *indented] for line in block.split("\n")]
    ordered = sorted({line for line in lines if COMMAND.match(line)}, key=text.index)
    bare = [re.split(r"\s{2,}(?:#|[a-z])", line)[0] for line in ordered if "[OPTIONS]" not in line]
    return list(dict.fromkeys(bare))


def runs_here(command: str) -> bool:
    return not any(command.startswith(start) for start in NOT_RUN)


@pytest.fixture
def shell(tmp_path):
    """Runs a line in the folder of the page, and fails unless it succeeds."""
    logs = [tmp_path / "logs", tmp_path / "archive", tmp_path / "nginx"]
    for folder in [tmp_path, *logs]:
        folder.mkdir(exist_ok=True)
        for name in ("access.log", "access.log.1", "access.log.2.gz"):
            shutil.copy(SAMPLES / name, folder)
    (tmp_path / "old.gz").write_bytes(gzip.compress((SAMPLES / "access.log.1").read_bytes()))
    (tmp_path / "accounts.jsonl").write_text('{"name": "ann", "plan": "gold"}\n')
    (tmp_path / "timed.log").write_text('192.0.2.1 - - [02/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 12 345\n')
    (tmp_path / "main.log").write_text('192.0.2.1 [02/Mar/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200\n')
    (tmp_path / "app.log").write_text("2026-03-02 10:00:00,123 INFO  [main] web.Server: started\n")
    (tmp_path / "python.log").write_text("2026-03-02 10:00:00,123 INFO [web] started\n")
    shutil.copy(ROOT / "jobs" / "top_urls.py", tmp_path / "my_job.py")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "XDG"))}
    environment |= {"HOME": str(tmp_path / "home"), "PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    (tmp_path / "home").mkdir()

    def run(line):
        done = subprocess.run(
            ["bash", "-c", line.replace("/var/log/nginx/", "nginx/").replace("mrframe init", f"{NEW} mrframe init")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            timeout=100,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout.decode()}{done.stderr.decode()}"
        return done.stdout.decode()

    yield run
    if (tmp_path / "home" / ".local" / "state" / "mrframe" / "cluster").exists():
        run("mrframe cluster stop")


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_printed(shell, tmp_path, page):
    blocks = [body for kind, body in FENCE.findall(text_of(page)) if kind == "python"]
    jobs = [body for body in blocks if re.search(r"^(job =|def job\()", body, re.MULTILINE)]
    for command in filter(runs_here, commands_of(page)):
        for name in re.findall(r"\b\w+\.py\b", command):  # the job that stands above the command
            before = text_of(page).index(command)
            shown = [body for body in jobs if text_of(page).index(body) < before]
            if shown:
                (tmp_path / name).write_text(shown[-1])
        shell(command)


def test_every_page_with_commands_is_run():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    with_commands = {path.name for path in pages if commands_of(path.name)}
    assert with_commands - set(PAGES) == {"plugins.md"}  # needs a package of one's own
