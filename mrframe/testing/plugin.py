"""A pytest plugin for tests of one's own jobs: the fixtures `mr_run` and `mr_cluster`.

`mr_run(job, data)` runs a job in the test's process, `mr_cluster(job, data)` on a real cluster of processes
that lives for the call. Both return the rows. A test fails if a process of its cluster outlives it. The
plugin is loaded by every pytest run where mrframe is installed, so at import it needs pytest and nothing else.
It mocks nothing: both fixtures run a job as `mrframe run` does.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from mrframe.api import Summary
    from mrframe.core.job.job import Job

Data = str | bytes | Path | Sequence[str | Path] | Mapping[str, Any]
MARK = "PYTEST_MRFRAME_CLUSTER"  # in the environment of a cluster's processes, so that they can be found again
LEAVE_S = 5.0  # how long a process may take to end after its cluster was closed


class Rows(list[tuple[Any, Any]]):
    """The rows of a job as a list of (key, value), in output order, with the figures of the run."""

    def __init__(self, rows: Iterator[tuple[Any, Any]], summary: Summary) -> None:
        super().__init__(rows)
        self.summary = summary


class Runner(Protocol):
    """The type of the fixtures: a function that runs a job."""

    def __call__(
        self,
        job: Job | Callable[..., Any] | str,
        data: Data,
        *,
        job_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> Rows:
        """Return the rows of `job` over `data`. Raises the errors of `mrframe.run`.

        job          a Job, a function that returns one, or a name or path as for `mrframe run` (`jobs/top_urls.py`)
        data         the text of a log (str or bytes), a list of its lines, {file name: text}, a Path or a list
                     of Paths. Text is never taken for the name of a file. For a join {source: such data}
        job_options  arguments for a job that is a function
        options      settings by name, such as `partitions=3` (`mrframe.RunOptions` lists them)
        """
        ...


@pytest.fixture
def mr_run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run a job in this process: `assert mr_run(job, "a b\\na\\n") == [("a", 2), ("b", 1)]`."""
    return _runner(tmp_path_factory, {"engine": "inline"})


@pytest.fixture
def mr_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Run a job on a cluster of two nodes started for the call. A process left behind fails the test."""
    mark = secrets.token_hex(8)
    run = _runner(tmp_path_factory, {"engine": "local", "nodes": 2})
    children: set[int] = set()

    def marked(job: Any, data: Data, *, job_options: dict[str, Any] | None = None, **options: Any) -> Rows:
        __tracebackhide__ = True
        before = _children()
        os.environ[MARK] = mark
        try:
            return run(job, data, job_options=job_options, **options)
        finally:
            del os.environ[MARK]
            children.update(_children() - before)

    yield marked
    left = _outliving(_marked(mark) | (children & _children()), LEAVE_S)
    if left:
        listed = ", ".join(f"{pid} ({_command_line(pid)})" for pid in sorted(left))
        for pid in left:
            _kill(pid)
        pytest.fail(
            f"the cluster of this test left processes that still ran {LEAVE_S:g} s after it was closed, and were "
            f"killed now: {listed}",
            pytrace=False,
        )


def _runner(factory: pytest.TempPathFactory, preset: dict[str, Any]) -> Runner:
    def run(job: Any, data: Data, *, job_options: dict[str, Any] | None = None, **options: Any) -> Rows:
        __tracebackhide__ = True
        from mrframe import api

        chosen = api.RunOptions(**{**preset, **options})
        inputs: Any = None
        if isinstance(data, Mapping) and api.load_job(job, job_options or {}).is_join:
            inputs = {source: _as_files(some, factory) for source, some in data.items()}
        else:
            inputs = _as_files(data, factory)
        with api.run(job, inputs, chosen, job_options=job_options, keep=False) as result:
            return Rows(result.rows(), result.summary)

    return run


def _as_files(data: Data, factory: pytest.TempPathFactory) -> list[str]:
    """Paths of files that hold the data."""
    if isinstance(data, Path):
        return [str(data)]
    if isinstance(data, (str, bytes)):
        files: Mapping[str, str | bytes] = {"input.log": data}
    elif isinstance(data, Mapping):
        files = data
    elif data and all(isinstance(item, Path) for item in data):
        return [str(item) for item in data]
    else:
        files = {"input.log": "".join(f"{line}\n" for line in data)}
    folder = factory.mktemp("mrframe")
    for name, text in files.items():
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    return [str(folder / name) for name in files]


# ── processes: found in /proc on Linux; elsewhere no process is found or checked ────────────────


def _children() -> set[int]:
    """Processes that this one has started and that live."""
    found: set[int] = set()
    for task in _listed("/proc/self/task"):
        found.update(int(pid) for pid in _read(f"/proc/self/task/{task}/children").split())
    return found


def _marked(mark: str) -> set[int]:
    """Return other processes that were started with the mark in their environment, under any parent."""
    wanted = f"{MARK}={mark}".encode()
    pids = {int(name) for name in _listed("/proc") if name.isdecimal()} - {os.getpid()}
    return {pid for pid in pids if wanted in _read(f"/proc/{pid}/environ").split(b"\0")}


def _outliving(pids: set[int], wait_s: float) -> set[int]:
    """Return the processes that outlive the time. Returns early once all have ended."""
    handles: dict[int, int] = {}
    poller = select.poll()
    try:
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except OSError:
                continue  # it has ended
            handles[handle] = pid
            poller.register(handle, select.POLLIN)
        alive, deadline = dict(handles), time.monotonic() + wait_s
        while alive and (left_s := deadline - time.monotonic()) > 0:
            for handle, _ in poller.poll(left_s * 1000):
                poller.unregister(handle)
                del alive[handle]
        return set(alive.values())
    finally:
        for handle in handles:
            os.close(handle)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself in the meantime


def _command_line(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip() or "?"


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # it has ended, or belongs to another user
