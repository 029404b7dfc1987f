"""The health of this machine for mrframe: libraries, cores, memory, disk, processes, and a small cluster.

Each check is a function that gives one `Finding`. None of them changes anything but a temporary folder of its own.
A fault comes with its remedy. zmq is asked for its version in a process of its own, because only `cluster/` imports
it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Literal

from mrframe.api.units import bytes_text, counted, seconds_text
from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import FormatError, MrframeError
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.line_cutter import cutter_for
from mrframe.kernel import VARIABLE, compiled
from mrframe.store.disk import fault_text

PYTHON_MIN = (3, 11)
FREE_BYTES_MIN = 1 << 30
MEMORY_BYTES_MIN = 512 << 20
OPEN_FILES_MIN = 256
CLUSTER_SLOW_S = 3.0
STARTS_S_MAX = 20
_PR_SET_PDEATHSIG = 1

State = Literal["good", "poor", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of one check: good, poor (works, but read the text), or wrong (the command exits with 1)."""

    name: str
    state: State
    text: str

    def to_plain(self) -> dict[str, str]:
        """As plain values for JSON."""
        return asdict(self)


def examine() -> Iterator[Finding]:
    """All findings, one by one as they are made."""
    checks: list[Callable[[], Finding]] = [
        python,
        msgpack,
        zeromq,
        kernel,
        cores,
        memory,
        open_files,
        scratch,
        leftovers,
        processes,
    ]
    for check in checks:
        yield check()
    yield cluster()


# ── libraries ──


def python() -> Finding:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        return Finding("python", "wrong", f"{version}: mrframe needs {PYTHON_MIN[0]}.{PYTHON_MIN[1]} or newer")
    return Finding("python", "good", f"{version}, {sys.executable}")


def msgpack() -> Finding:
    """msgpack, and whether its C part is there."""
    found = _asked("import msgpack; print(*msgpack.version, sep='.', end=' '); print(msgpack.Packer.__module__)")
    if found is None:
        return Finding("msgpack", "wrong", "cannot be imported; install it: pip install msgpack")
    version, module = found.split()
    if "fallback" in module:
        return Finding(
            "msgpack", "poor", f"{version} in pure Python, which is slow; install a wheel: pip install -U msgpack"
        )
    return Finding("msgpack", "good", version)


def zeromq() -> Finding:
    """pyzmq, libzmq and CURVE, without which the local engine has no keys."""
    found = _asked("import zmq; print(zmq.pyzmq_version(), zmq.zmq_version(), zmq.has('curve'), zmq.has('ipc'))")
    if found is None:
        return Finding("zeromq", "wrong", "pyzmq cannot be imported; install it: pip install pyzmq")
    pyzmq, libzmq, curve, ipc = found.split()
    missing = [name for name, there in (("CURVE", curve), ("ipc", ipc)) if there != "True"]
    if missing:
        return Finding(
            "zeromq",
            "wrong",
            f"libzmq {libzmq} has no {' and no '.join(missing)}; install the wheel: pip install -U pyzmq",
        )
    return Finding("zeromq", "good", f"pyzmq {pyzmq}, libzmq {libzmq}, CURVE")


def kernel() -> Finding:
    """The compiled kernel that reads lines and folds keys."""
    module = compiled()
    if module is not None:
        return Finding("kernel", "good", f"compiled, vector instructions: {module.VECTORS}")
    if os.environ.get(VARIABLE) == "off":
        return Finding("kernel", "poor", f"turned off by {VARIABLE}: lines are read by Python, with the same result")
    return Finding(
        "kernel",
        "poor",
        "not compiled: lines are read by Python, slower and with the same result; install a C compiler, then mrframe "
        "again",
    )


def reader_text(log_format: str) -> str:
    """Say what cuts the lines of an access log's format into values, "" for other formats."""
    try:
        cutter = cutter_for(grammar_of(log_format), ())
    except FormatError:
        return ""
    return "the compiled kernel" if cutter.uses_kernel else "Python, without the compiled kernel"


def _asked(code: str) -> str | None:
    """Run a line of Python in a process of its own and return its output, None when it fails."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603 -- our own text
    return done.stdout.strip() if done.returncode == 0 else None


# ── the machine ──


def cores() -> Finding:
    """The cores that this process may use."""
    usable, all_cores = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    text = f"{usable} of {all_cores}" if usable < all_cores else str(usable)
    if usable == 1:
        return Finding("cores", "poor", f"{text}: the local engine works, but is no faster than inline")
    return Finding("cores", "good", text)


def memory() -> Finding:
    """The memory that is available."""
    free = available_memory_bytes("/proc/meminfo")
    if free is None:
        return Finding("memory", "poor", "cannot be found out (no /proc/meminfo)")
    if free < MEMORY_BYTES_MIN:
        return Finding(
            "memory", "poor", f"{bytes_text(free)} available: set --memory-bytes lower, or use fewer --slots"
        )
    return Finding("memory", "good", f"{bytes_text(free)} available")


def available_memory_bytes(path: str) -> int | None:
    """MemAvailable of a file like /proc/meminfo. None when it is not there."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def open_files() -> Finding:
    """The limit of open files for a process: a merge reads many at once."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < OPEN_FILES_MIN:
        return Finding("open files", "wrong", f"{limit} for each process; raise it: ulimit -n {OPEN_FILES_MIN * 4}")
    return Finding("open files", "good", f"{limit} for each process")


def scratch() -> Finding:
    """The folder for intermediate files: writable, private, and large enough."""
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix="mrframe-doctor-") as own:
            mode = os.stat(own).st_mode & 0o777
            with open(os.path.join(own, "probe"), "wb") as file:
                file.write(bytes(1 << 16))
                file.flush()
                os.fsync(file.fileno())
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "scratch",
            "wrong",
            f"{folder} cannot be written: {fault_text(error, folder)} (set TMPDIR or --scratch-dir)",
        )
    if mode & 0o077:
        return Finding("scratch", "wrong", f"{folder} makes folders that others may read (mode {mode:o}); set TMPDIR")
    if free < FREE_BYTES_MIN:
        return Finding("scratch", "poor", f"{folder}: only {bytes_text(free)} free; set TMPDIR or --scratch-dir")
    return Finding("scratch", "good", f"{folder}: {bytes_text(free)} free")


def processes() -> Finding:
    """A child can be forked, and dies with its parent (PR_SET_PDEATHSIG)."""
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        _child_with_grandchild(reader, writer)
    os.close(writer)
    try:
        os.waitpid(parent, 0)
        started = os.read(reader, 1) == b"s"
        ended = os.read(reader, 1) == b""  # the grandchild held the pipe's last end, and has gone
    finally:
        os.close(reader)
    if not started:
        return Finding(
            "processes", "wrong", "a forked process cannot ask to die with its parent (prctl); is this Linux?"
        )
    if not ended:
        return Finding("processes", "wrong", "a forked process outlives its parent in spite of PR_SET_PDEATHSIG")
    return Finding("processes", "good", "fork, and children that die with their parent")


def _child_with_grandchild(reader: int, writer: int) -> None:
    """In the forked child: leave behind a process that lives only if its parent's death does not end it."""
    os.close(reader)
    ready, ready_end = os.pipe()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        libc = ctypes.CDLL(None)
        good = hasattr(libc, "prctl") and libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0
        if good:
            os.write(writer, b"s")
        os.write(ready_end, b"r")
        signal.alarm(2)  # a grandchild that is not killed ends all the same, and says so first
        signal.signal(signal.SIGALRM, lambda *_: (os.write(writer, b"x"), os._exit(0)))
        if good:
            signal.pause()
        os._exit(0)
    os.close(writer)
    os.read(ready, 1)
    os._exit(0)


# ── mrframe itself ──


def leftovers() -> Finding:
    """Scratch folders of runs that were killed: found and removed, as the next run would do."""
    from mrframe.store.scratch import sweep_stale

    found = sweep_stale()
    if not found:
        return Finding("leftovers", "good", "no scratch folders of dead runs")
    return Finding("leftovers", "poor", f"removed scratch folders of dead runs: {counted(len(found), 'folder')}")


def cluster() -> Finding:
    """A small cluster that is started, runs one job, and is stopped, with the time that it took."""
    from mrframe.api.job_run import run
    from mrframe.core.job.job import WORDS, Job
    from mrframe.core.settings.options import RunOptions
    from mrframe.shuffle.reducers import count

    job = Job(read=WORDS, key="word", reduce=count, name="doctor")
    try:
        with tempfile.TemporaryDirectory(prefix="mrframe-doctor-") as folder:
            path = os.path.join(folder, "words.txt")
            with open(path, "w", encoding="ascii") as file:
                file.write("one two two\n" * 10)
            options = RunOptions(engine="local", nodes=2, slots=1, shuffle="zmq", splits=2, timeout_s=STARTS_S_MAX)
            started = time.monotonic()
            with run(job, [path], options, keep=False) as result:
                rows = list(result.rows())
            seconds = time.monotonic() - started
    except (MrframeError, OSError) as error:
        return Finding("cluster", "wrong", f"two nodes do not run a job: {error}")
    if rows != [("one", 10), ("two", 20)]:
        return Finding("cluster", "wrong", f"two nodes give a wrong result: {rows}; please report it")
    if seconds > CLUSTER_SLOW_S:
        return Finding("cluster", "poor", f"a job on two nodes took {seconds_text(seconds)}: is the machine busy?")
    return Finding("cluster", "good", f"a job on two nodes over ZeroMQ took {seconds_text(seconds)}")
