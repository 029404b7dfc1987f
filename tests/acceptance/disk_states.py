"""Folders in bad states, and the commands of mrframe that write to them: the cells of the table in docs/disk.md.

`outcome(row, state)` runs a command while one folder that it writes to is full, on a read-only disk, deleted at the
first write, or another user's, and gives the cell. `python tests/acceptance/disk_states.py` prints the page. A cell
that is neither a right result nor an error that names the folder is a fault, which an assertion reports.

A disk of its own needs root. Without it these states are skipped by name, and "another user's" is a folder that may
not be written.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOG = ROOT / "sample_logs" / "access.log"
STATES = {"full": "full", "read-only": "read-only", "vanishing": "vanishing", "another's": "another user's"}
NOBODY = 65534
CLUSTER_BYTES = 64 << 20
JOB = """
from mrframe import Job, logs, count

def by_path(path, status):
    if status == 404:
        raise ValueError(path)
    yield path, None

job = Job(read=logs.access, map=by_path, reduce=count, pure=True)
"""
INTRO = """# Folders that cannot be written

What each command does while a folder that it writes to is *full*, on a *read-only* disk, *vanishing* (deleted at the
first write to it), or *another user's*. The page is made by running them: `python tests/acceptance/disk_states.py`,
and `tests/acceptance/test_disk_table.py` compares it with what they do now.

| cell | meaning |
|---|---|
| right | exit code 0, and the result of a sound disk |
| warning | the same, and a warning that names the folder |
| error | an error names the folder, and on a full disk the free bytes. There is no result and no partial file |

"""


@dataclass(frozen=True)
class Row:
    """A command, and the folder that is in a bad state. `words` has {folder} for it.

    variable  the variable that names the folder
    before    commands that run while the disk is sound
    stdin     a log is piped into the command
    cluster   the folder is `within` the directory of a standing cluster, which runs
    code      the exit code of the command on a sound disk
    """

    command: str
    folder: str
    words: str
    variable: str = ""
    before: tuple[str, ...] = ()
    stdin: bool = False
    cluster: bool = False
    within: str = ""
    code: int = 0


RUN = "run status_codes {log} -q --engine inline"
KEPT = ("run {job} {log} -q --max-failed 50",)
ROWS = [
    Row("run, inline", "scratch", f"{RUN} --scratch-dir {{folder}}"),
    Row("run, local", "scratch", "run status_codes {log} -q --engine local --nodes 1 --scratch-dir {folder}"),
    Row("run, standard input", "scratch", "run status_codes - -q --scratch-dir {folder}", stdin=True),
    Row("run, compressed", "scratch", "run status_codes {packed} -q --engine local --scratch-dir {folder}"),
    Row("run, total order", "scratch", "run sort {log} -q --engine inline --partitions 2 --scratch-dir {folder}"),
    Row("run", "cache", "run status_codes {log} --engine inline --cache on --cache-dir {folder}"),
    Row("run", "kept runs", RUN.replace(" -q", ""), variable="XDG_STATE_HOME"),
    Row("run -o FILE", "the output's", f"{RUN} -o {{folder}}/out.jsonl"),
    Row("run -o FOLDER/", "the output's", f"{RUN} -o {{folder}}/out/ --format jsonl"),
    Row("run --summary", "the file's", f"{RUN} --summary {{folder}}/summary"),
    Row("run --rejects", "the file's", f"{RUN} --rejects {{folder}}/rejects"),
    Row("run --quarantine", "the file's", "run {job} {log} -q --max-failed 50 --quarantine {folder}/left-out"),
    Row("count", "cache", "count status {log} --cache on --cache-dir {folder}"),
    Row("count", "scratch", "count status {log} -q --scratch-dir {folder}"),
    Row("init", "the job's", "init {folder}/mine"),
    Row("init", "$TMPDIR", "init {work}/mine_{number}", variable="TMPDIR"),
    Row("check", "$TMPDIR", "check status_codes {log}", variable="TMPDIR"),
    Row("why", "$TMPDIR", "why @ 404", variable="TMPDIR", before=("run status_codes {log} -q",)),
    Row("replay", "$TMPDIR", "replay @", variable="TMPDIR", before=KEPT, code=1),
    Row("cache ls", "cache", "cache ls --cache-dir {folder}"),
    Row("cache gc", "cache", "cache gc --cache-dir {folder}"),
    Row("cache clear", "cache", "cache clear --cache-dir {folder}"),
    Row("doctor", "$TMPDIR", "doctor", variable="TMPDIR"),
    Row("cluster start", "cluster directory", "cluster start --nodes 1 --slots 1 --dir {folder}/cluster"),
    Row("submit", "submissions", "submit status_codes {log} --dir {cluster}", cluster=True, within="submissions"),
    Row("submit, total order", "$TMPDIR", "submit sort {log} --partitions 2 --dir {cluster}", variable="TMPDIR"),
    Row("result -o FILE", "the output's", "result job-1 -q --dir {cluster} -o {folder}/out.jsonl"),
    Row("result", "$TMPDIR", "result job-1 -q --dir {cluster}", variable="TMPDIR"),
    Row("rm", "submissions", "rm job-1 --dir {cluster}", cluster=True, within="submissions"),
    Row("fs put", "block store", "fs put access {log} --dir {cluster}", cluster=True, within="blocks/node-1"),
    Row("fs put, compressed", "$TMPDIR", "fs put access {packed} --dir {cluster}", variable="TMPDIR"),
    Row("cluster stop", "cluster directory", "cluster stop --dir {cluster}", cluster=True),
]


class Skipped(Exception):
    """A state that cannot be made here."""


class Bench:
    """A working directory for one cell, with commands that use it. A context manager."""

    def __init__(self, folder: Path) -> None:
        self.work = folder
        self.mounts: list[Path] = []
        self.packed = folder / "packed.log.gz"
        self.packed.write_bytes(gzip.compress(LOG.read_bytes()))
        (folder / "job.py").write_text(JOB)
        (folder / "tmp").mkdir()
        self.cluster = folder / "cluster"
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON"))}
        homes = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}
        self.environment = {
            **plain,
            **{name: str(folder / value) for name, value in homes.items()},
            "PYTHONPATH": f"{HERE / 'seam'}{os.pathsep}{ROOT}",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.cluster.exists():
            self.run(f"cluster stop --dir {self.cluster}")
        self.run(f"cluster stop --dir {self.work / 'folder' / 'cluster'}")
        for mount in self.mounts:
            subprocess.run(["umount", "-l", str(mount)], check=True)

    def words(self, text: str, folder: Path | str = "") -> list[str]:
        places = {"log": LOG, "packed": self.packed, "job": self.work / "job.py", "work": self.work}
        return text.format(folder=folder, cluster=self.cluster, number=os.getpid(), **places).split()

    def run(self, text: str, folder: Path | str = "", *, dropped: bool = False, stdin: bool = False, **variables):
        """Run a command. `dropped`: as root without root's right to write everywhere."""
        drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if dropped and not os.geteuid() else []
        return subprocess.run(
            [*drop, sys.executable, "-m", "mrframe", *self.words(text, folder)],
            env={**self.environment, **variables},
            cwd=self.work,
            input=LOG.read_bytes() if stdin else None,
            stdin=None if stdin else subprocess.DEVNULL,
            capture_output=True,
            timeout=100,
            check=False,
        )

    def mount(self, folder: Path, size: int) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Skipped("only root may mount a disk of its own")
        self.mounts.insert(0, folder)


# ---- states ---------------------------------------------------------------------------------------------


def fill(folder: Path) -> None:
    with open(folder / "filler", "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass


def of_nobody(folder: Path) -> None:
    """Give it to another user, or forbid writing where only root may do that."""
    if os.geteuid():
        folder.chmod(0o500)
    else:
        os.chown(folder, NOBODY, NOBODY)
        folder.chmod(0o755)


def apart(bench: Bench, row: Row, state: str) -> tuple[Path, dict[str, str]]:
    """Make a folder beside everything else, in this state. Returns it, and variables for the command."""
    folder = bench.work / "folder"
    if state in ("full", "read-only"):
        bench.mount(folder, 256 << 10)
        if state == "full":
            fill(folder)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    else:
        folder.mkdir(mode=0o700)
    if state == "another's":
        of_nobody(folder)
    if state == "vanishing":
        return folder, {"SEAM_DISK": f"any 1 VANISH once {bench.work / 'calls'} {folder}"}
    return folder, {}


def within_cluster(bench: Bench, row: Row, state: str) -> Path:
    """Bring a folder of a running cluster into this state."""
    folder = bench.cluster / row.within if row.within else bench.cluster
    if state == "full":
        fill(folder)
    elif state == "read-only":
        for words in (["--bind", str(folder), str(folder)], ["-o", "remount,bind,ro", str(folder)]):
            if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
                raise Skipped("only root may mount a disk of its own")
        bench.mounts.insert(0, folder)
    elif state == "vanishing" and folder == bench.cluster:
        for one in folder.iterdir():
            if one.is_dir():
                shutil.rmtree(one)
            else:
                one.unlink()
    elif state == "vanishing":
        shutil.rmtree(folder)
    else:
        of_nobody(folder)
    return folder


def start_cluster(bench: Bench, row: Row) -> None:
    if row.cluster:
        bench.mount(bench.cluster, CLUSTER_BYTES)
    for words in (
        "cluster start --nodes 1 --slots 1 --dir {cluster}",
        "submit status_codes {log} --dir {cluster}",
        "wait job-1 --dir {cluster}",
    ):
        done = bench.run(words)
        assert done.returncode == 0, done.stderr.decode()


# ---- cells ----------------------------------------------------------------------------------------------


def outcome(row: Row, state: str) -> str:
    """Run the command of a row in a state. Returns the cell. AssertionError for a fault, Skipped."""
    with tempfile.TemporaryDirectory(prefix="disk-") as folder, Bench(Path(folder)) as bench:
        if "{cluster}" in row.words:
            start_cluster(bench, row)
        for words in row.before:
            assert bench.run(words).returncode == 0
        sound = None
        if not row.cluster and row.command.startswith(("run", "count", "result", "why", "replay")):
            given = bench.work / "sound"
            given.mkdir(mode=0o700)
            sound = bench.run(
                row.words, given, stdin=row.stdin, **({row.variable: str(given)} if row.variable else {})
            )
        where, variables = (within_cluster(bench, row, state), {}) if row.cluster else apart(bench, row, state)
        if row.variable:
            variables[row.variable] = str(where)
        done = bench.run(row.words, where, dropped=state == "another's", stdin=row.stdin, **variables)
        return judged(row, state, where, done, sound)


def judged(row: Row, state: str, folder: Path, done, sound) -> str:
    said = (done.stderr + (done.stdout if row.command == "doctor" else b"")).decode()
    about = f"{row.command} / {row.folder} / {state}: exit code {done.returncode}: {said}"
    assert row.command == "replay" or "Traceback" not in said, about  # it shows that of the job
    assert "bug in mrframe" not in said, about
    if done.returncode == row.code:
        if sound is not None:
            assert (done.returncode, done.stdout) == (sound.returncode, sound.stdout), about
            assert row.command != "replay" or done.stderr == sound.stderr, about
        return "warning" if str(folder) in said and "warning" in said else "right"
    assert done.returncode in (1, 2, 4), about
    assert str(folder) in said, about
    if state == "full":
        assert re.search(r"(No space left on device|disk is full|no room).*[\d,]+ bytes (are )?free", said), about
    left = [name for name in os.listdir(folder) if name not in ("filler", "cluster")] if folder.exists() else []
    assert row.cluster or not left, f"{about}: {left}"
    return "error"


def page() -> str:
    """The text of docs/disk.md. Needs root."""
    lines = [f"| command | folder | {' | '.join(STATES.values())} |", f"|---|---|{'---|' * len(STATES)}"]
    for row in ROWS:
        cells = []
        for state in STATES:
            cells.append(outcome(row, state))
            print(row.command, row.folder, state, cells[-1], file=sys.stderr, flush=True)
        lines.append(f"| `{row.command}` | {row.folder} | {' | '.join(cells)} |")
    return INTRO + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
