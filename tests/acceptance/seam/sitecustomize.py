"""Python's own hook of a start, in the processes of a run under test: the disk says no, and limits are others.

It is on the path of the runs of a few tests, and nowhere else. The command is forked into all processes of its
cluster, so what is replaced here is replaced in each of them; who is struck is told by the title of the process.

SEAM_DISK    "VICTIM K ERRNO once|on COUNTER FOLDER…": the K-th call that changes a file below a FOLDER, made by a
             process whose title begins with VICTIM, fails with ERRNO; with `on` all after it, too. COUNTER is a file
             as long as there were such calls. A write that fails has written half of its bytes, as a full disk does.
             VICTIM may be "any". With the ERRNO "VANISH" the FOLDERs are deleted before the call, which is then made.
SEAM_JOURNAL "CONTROL FOLDER": the file CONTROL says "K ERRNO once|on", and the K-th call of a master that changes a
             file of FOLDER, by SQLite or at the mark, fails so. CONTROL.calls is as long as there were such calls
             since it was emptied; CONTROL.again is there when a file was synced after a sync of it had failed.
SEAM_LIMITS  JSON {class of mrframe.core.model.limits: {field: value}}: other defaults.
SEAM_PROXY   PORT: nodes connect through links, which are asked for there (`links.py`).
"""

import builtins
import errno
import io
import json
import os
import shutil

CLIENT = os.getpid()
REAL_OPEN, REAL_WRITE = os.open, os.write


class Disk:
    """What fails, and when."""

    def __init__(self, victim, kth, number, how, counter, *folders):
        self.victim, self.kth, self.on = victim.removesuffix("any"), int(kth), how == "on"
        self.errno = getattr(errno, number, 0)
        self.folders = tuple(os.path.join(folder, "") for folder in folders)
        self.counter = REAL_OPEN(counter, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def fails(self, place, dir_fd=None):
        """Whether this call on a path or descriptor is to fail; it is counted when it is one that may."""
        try:
            path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else os.fspath(place)
            if dir_fd is not None:
                path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        except OSError:
            return False
        path = os.path.abspath(os.fsdecode(path))
        if not path.startswith(self.folders) or not self.title().startswith(self.victim):
            return False
        number = REAL_WRITE(self.counter, b".") and os.lseek(self.counter, 0, os.SEEK_CUR)
        strikes = number == self.kth or (self.on and number > self.kth)
        if strikes and not self.errno:
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)
            return False
        return strikes

    def title(self):
        if os.getpid() == CLIENT:
            return "client"
        with REAL_FILE("/proc/self/comm") as comm:
            return comm.read().strip().removeprefix("mrframe ")

    def error(self, place):
        return OSError(self.errno, os.strerror(self.errno), *([] if isinstance(place, int) else [place]))

    def guard(self, real, changes=lambda *_args, **_named: True):
        """`real`, which fails when it is its turn; its first argument is a path or a descriptor."""

        def guarded(place, *args, **named):
            if changes(*args, **named) and self.fails(place, named.get("dir_fd")):
                raise self.error(place)
            return real(place, *args, **named)

        return guarded

    def write(self, fd, data):
        if self.fails(fd):
            REAL_WRITE(fd, memoryview(data).cast("B")[: len(data) // 2])
            raise self.error(fd)
        return REAL_WRITE(fd, data)

    def file(
        self, place, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None
    ):
        """As `open`, with writes that may fail."""
        if not set("wxa+") & set(mode):
            return REAL_FILE(place, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(place, int) and self.fails(place):
            raise self.error(place)
        raw = File(self, place, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        binary = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, encoding, errors, newline)


class File(io.FileIO):
    """A file whose writes may fail."""

    def __init__(self, disk, place, mode, closefd, opener):
        super().__init__(place, mode, closefd, opener)
        self.disk = disk

    def write(self, data):
        if self.disk.fails(self.fileno()):
            super().write(memoryview(data).cast("B")[: memoryview(data).nbytes // 2])
            raise self.disk.error(self.fileno())
        return super().write(data)


REAL_FILE = io.open

if "SEAM_DISK" in os.environ:
    disk = Disk(*os.environ["SEAM_DISK"].split())
    os.open = disk.guard(os.open, lambda flags, *_args, **_named: flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    for name in ("fsync", "rename", "replace", "link", "mkdir", "ftruncate"):
        setattr(os, name, disk.guard(getattr(os, name)))
    os.write = disk.write
    builtins.open = io.open = disk.file


class Journal:
    """Which calls of a master that change its journal fail."""

    def __init__(self, control, folder):
        import sqlite_seam

        self.control, self.folder = control, os.path.join(folder, "")
        sqlite_seam.Guard(self.fails, lambda _path: REAL_FILE(f"{control}.again", "w").close())
        self.pwrite, os.pwrite = os.pwrite, self.mark

    def fails(self, path):
        with REAL_FILE("/proc/self/comm") as comm:
            if comm.read().strip() != "mrframe master" or not path.startswith(self.folder):
                return 0
        try:
            with REAL_FILE(self.control) as file:
                kth, number, how = file.read().split()
        except (FileNotFoundError, ValueError):
            return 0
        with REAL_FILE(f"{self.control}.calls", "ab", 0) as calls:
            calls.write(b".")
            count = calls.tell()
        return getattr(errno, number) if count == int(kth) or (how == "on" and count > int(kth)) else 0

    def mark(self, fd, data, at):
        number = self.fails(os.readlink(f"/proc/self/fd/{fd}"))
        if number:
            raise OSError(number, os.strerror(number))
        return self.pwrite(fd, data, at)


if "SEAM_JOURNAL" in os.environ:
    journal = Journal(*os.environ["SEAM_JOURNAL"].split())

if "SEAM_LIMITS" in os.environ:
    from mrframe.core.model import limits

    for kind, values in json.loads(os.environ["SEAM_LIMITS"]).items():
        defaults = getattr(limits, kind).__init__.__kwdefaults__
        assert values.keys() <= defaults.keys(), values
        defaults.update(values)

if "SEAM_PROXY" in os.environ:
    import socket

    from mrframe.cluster.transport import transport

    real_connect = transport.connect

    def through(address):
        """The address of this node's link to the address; the address itself in other processes."""
        with open("/proc/self/comm") as comm:
            title = comm.read().strip().removeprefix("mrframe ")
        if not title.startswith("node-"):
            return address
        host, _, port = address.rpartition("/")[2].rpartition(":")
        with socket.create_connection(("127.0.0.1", int(os.environ["SEAM_PROXY"]))) as asked:
            asked.sendall(f"{title} {host} {port}\n".encode())
            return f"tcp://127.0.0.1:{int(asked.makefile().readline())}"

    transport.connect = lambda context, keys, address, server: real_connect(context, keys, through(address), server)
