"""Watches the side effects of a job's code: files, sockets, processes and any other event of a Python audit hook.

`purity.py` judges by names. This module sees what the code did, also through names missing from the lists. Within
`watched`, it inspects each audit event of this thread. An event counts if the job's code caused it, not if mrframe
did (it reads the split and loads its own modules), nor if Python imports a module. The first one is kept until
`forget`, since the job may remember data that it read once. A hook cannot be removed, so it stays from the first
`watched` on, and outside of `watched` it only compares a number.

Not seen: clocks, random numbers, environment variables and `os.stat`, for which Python raises no event, the effects
of libraries in C, and those of other threads. Names cover these.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident  # `threading` is more than is needed
from functools import lru_cache
from types import FrameType
from typing import Any

from mrframe.task.report.failures import is_own

HARMLESS = frozenset(
    (
        *("import", "compile", "exec", "code.__new__", "function.__new__", "array.__new__", "time.sleep"),
        *("sys._getframe", "sys._getframemodulename", "sys.unraisablehook", "sys.excepthook", "sys.addaudithook"),
        *("sys.settrace", "sys.setprofile", "sys.monitoring.register_callback"),
        *("sys.set_asyncgen_hooks_firstiter", "sys.set_asyncgen_hooks_finalizer"),
        *("object.__getattr__", "object.__setattr__", "object.__delattr__", "builtins.id"),
        *("marshal.loads", "marshal.load", "marshal.dumps", "pickle.find_class"),
        *("gc.get_objects", "gc.get_referrers", "gc.get_referents"),
    )
)
"""Events without meaning here: code that only computes raises them, too."""
_IMPORTS = "<frozen importlib"

_thread = 0  # the watched thread, 0: none
_noted = ""
_package = b""
_installed = False


class watched:  # noqa: N801  (it is used as a function)
    """A context manager: note side effects of the job's code in this thread."""

    def __enter__(self) -> None:
        global _thread, _installed  # noqa: PLW0603  (a hook has no other place to look)
        if not _installed:
            _installed = True
            sys.addaudithook(_hook)
        self._before = _thread
        _thread = get_ident()

    def __exit__(self, *_: object) -> None:
        global _thread  # noqa: PLW0603
        _thread = self._before


def noted() -> str:
    """Return the first effect since `forget`, with its place in the code, or ""."""
    return _noted


def forget() -> None:
    """Clear the note for another job."""
    global _noted  # noqa: PLW0603
    _noted = ""


def begin(package: bytes) -> None:
    """Clear the note, unless the packed job is that of the previous call, which may remember data in this process."""
    global _package  # noqa: PLW0603
    if package != _package:
        _package = package
        forget()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _thread == 0 or _noted or event in HARMLESS or get_ident() != _thread:
        return
    _audit(event, args, sys._getframe(1))  # noqa: SLF001  (`inspect` calls it, too)


def _audit(event: str, args: tuple[Any, ...], frame: FrameType | None) -> None:
    global _thread, _noted  # noqa: PLW0603
    watched_thread, _thread = _thread, 0  # the code below raises events, too
    try:
        culprit = _culprit(frame)
        if culprit is not None and not (event == "open" and _is_zone(args[0])):
            code = culprit.f_code
            what = f"opens {args[0]!r}" if event == "open" else f"does {event}"
            _noted = f"{code.co_filename}:{culprit.f_lineno} ({code.co_name}) {what}"
    except Exception:  # must not reach the watched code
        _noted = f"the job's code does {event}"
    finally:
        _thread = watched_thread


def _culprit(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the job's code behind an event, or None if Python's import or mrframe comes first."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(_IMPORTS) or (not name.startswith("<") and is_own(name)):
            return None
        if not name.startswith("<frozen ") and not _is_installed(name):
            return frame
        frame = frame.f_back
    return None


@lru_cache(maxsize=256)
def _is_installed(filename: str) -> bool:
    """Return whether this is a file of Python or of an installed package."""
    import sysconfig

    path = os.path.abspath(filename)
    if {"site-packages", "dist-packages"} & set(path.split(os.sep)):
        return True
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return any(path.startswith(os.path.join(folder, "")) for folder in folders if folder)


def _is_zone(path: object) -> bool:
    """Return whether this file belongs to the time zone database, which the fingerprint covers."""
    from mrframe.task.isolation.surroundings import zone_folders

    return isinstance(path, str) and any(path.startswith(os.path.join(folder, "")) for folder in zone_folders())
