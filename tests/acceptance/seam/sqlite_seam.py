"""SQLite's own calls that change the disk, made to fail: its functions of an open file are replaced, by ctypes.

SQLite does its input and output in C, where nothing that Python replaces is seen. But it reaches files by a table of
functions that `xOpen` gives to each, so that a table with other functions in it sees every write, sync, truncation
and deletion. A write that fails has written half of its bytes. It is not a test and not part of mrframe.
"""

import _sqlite3
import ctypes
import errno
import os

FULL, CANTOPEN = 13, 14
WRITE, FSYNC, TRUNCATE, DELETE = (10 | kind << 8 for kind in (3, 4, 6, 10))  # kinds of SQLITE_IOERR

POINTER, INT, INT64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
ON_WRITE = ctypes.CFUNCTYPE(INT, POINTER, POINTER, INT, INT64)
ON_TRUNCATE = ctypes.CFUNCTYPE(INT, POINTER, INT64)
ON_SYNC = ctypes.CFUNCTYPE(INT, POINTER, INT)
ON_OPEN = ctypes.CFUNCTYPE(INT, POINTER, ctypes.c_char_p, POINTER, INT, POINTER)
ON_DELETE = ctypes.CFUNCTYPE(INT, POINTER, ctypes.c_char_p, INT)


GUARDS = []  # what C calls must not be collected


class Methods(ctypes.Structure):
    """`sqlite3_io_methods`: what is not replaced is copied as it is."""

    _fields_ = [
        ("version", INT),
        ("close", POINTER),
        ("read", POINTER),
        ("write", POINTER),
        ("truncate", POINTER),
        ("sync", POINTER),
        ("others", POINTER * 13),
    ]


class System(ctypes.Structure):
    """`sqlite3_vfs`, as far as it is used here."""

    _fields_ = [
        ("version", INT),
        ("file_bytes", INT),
        ("path_max", INT),
        ("next", POINTER),
        ("name", ctypes.c_char_p),
        ("data", POINTER),
        ("open", POINTER),
        ("delete", POINTER),
    ]


def system():
    """The system that SQLite uses, or None where it cannot be reached."""
    try:
        find = ctypes.CDLL(_sqlite3.__file__).sqlite3_vfs_find
    except (AttributeError, OSError):
        return None
    find.restype, find.argtypes = ctypes.POINTER(System), [ctypes.c_char_p]
    return find(None).contents


class Guard:
    """From now on `fails(path)`, which gives an errno or 0, is asked before each call of SQLite that changes a file.

    `after_sync_failed(path)` is called for every later sync of a file of which one has failed, and `done("write",
    path)` or `done("sync", path)` after each of these that went well.
    """

    def __init__(self, fails, after_sync_failed, done=lambda _what, _path: None):
        self.fails, self.after_sync_failed, self.done = fails, after_sync_failed, done
        self.paths, self.kept, self.failed = {}, {}, set()
        GUARDS.append(self)
        found = system()
        real_open, real_delete = ON_OPEN(found.open), ON_DELETE(found.delete)

        def on_open(vfs, name, file, flags, out):
            path = os.fsdecode(name or b"")
            if path and not os.path.exists(path) and self.fails(path):
                return CANTOPEN
            code = real_open(vfs, name, file, flags, out)
            if code == 0:
                self.replace(file, path)
            return code

        def on_delete(vfs, name, sync):
            if os.path.exists(name) and self.fails(os.fsdecode(name)):
                return DELETE
            return real_delete(vfs, name, sync)

        self.calls = [ON_OPEN(on_open), ON_DELETE(on_delete), real_open, real_delete]
        found.open = ctypes.cast(self.calls[0], POINTER).value
        found.delete = ctypes.cast(self.calls[1], POINTER).value

    def replace(self, file, path):
        """Give an open file the table in which writes, truncations and syncs are ours."""
        self.paths[file] = path
        place = POINTER.from_address(file)
        if place.value is None:
            return
        if place.value not in self.kept:
            self.kept[place.value] = self.table(Methods.from_address(place.value))
        place.value = ctypes.addressof(self.kept[place.value][0])

    def table(self, real):
        """A table like this one, and what must not be collected."""
        write, truncate, sync = ON_WRITE(real.write), ON_TRUNCATE(real.truncate), ON_SYNC(real.sync)

        def on_write(file, data, count, at):
            number = self.fails(self.paths[file])
            if not number:
                code = write(file, data, count, at)
                self.done("write", self.paths[file])
                return code
            write(file, data, count // 2, at)
            return FULL if number == errno.ENOSPC else WRITE

        def on_truncate(file, size):
            return TRUNCATE if self.fails(self.paths[file]) else truncate(file, size)

        def on_sync(file, flags):
            path = self.paths[file]
            if path in self.failed:
                self.after_sync_failed(path)
            if self.fails(path):
                self.failed.add(path)
                return FSYNC
            code = sync(file, flags)
            self.done("sync", path)
            return code

        ours = Methods.from_buffer_copy(real)
        calls = [ON_WRITE(on_write), ON_TRUNCATE(on_truncate), ON_SYNC(on_sync)]
        ours.write, ours.truncate, ours.sync = (ctypes.cast(call, POINTER).value for call in calls)
        return ours, calls, (write, truncate, sync)
