"""Watch a job's code for effects: files, sockets, processes, everything that Python reports to an audit hook.

Names show the effects that code may have (`purity.py`). The hook sees those it had, through any name. While
`watched` is entered, each audit event of this thread is looked at: it counts when the code of the job stands behind
it, not when mrframe does (it reads the split, loads its own modules), nor when Python imports a module. The first is
kept until `forget`, since the job may remember anything that it has read. A hook cannot be removed, so it is there
from the first `watched` on, and looks at nothing but a number when nobody watches.

It does not see clocks, chance, environment variables and `os.stat`, which Python does not report, effects
by libraries in C, and by other threads. Those are for the names.
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
"""Events that say nothing about the world outside: pure computation raises them, too."""
_IMPORTS = "<frozen importlib"

_thread = 0  # that is watched; 0: none
_noted = ""
_package = b""
_installed = False


class watched:  # noqa: N801  (it is used as a function)
    """A context manager: note the effects of the job's code in this thread until it is left."""

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
    """The first effect noted since `forget`, with its place in the code. "" when there was none."""
    return _noted


def forget() -> None:
    """Begin anew: another job comes."""
    global _noted  # noqa: PLW0603
    _noted = ""


def begin(package: bytes) -> None:
    """Begin anew, unless it is the packed job of the call before, of which something may be remembered here."""
    global _package  # noqa: PLW0603
    if package != _package:
        _package = package
        forget()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _thread == 0 or _noted or event in HARMLESS or get_ident() != _thread:
        return
    _audit(event, args, sys._getframe(1))  # noqa: SLF001  (as `inspect` does)


def _audit(event: str, args: tuple[Any, ...], frame: FrameType | None) -> None:
    global _thread, _noted  # noqa: PLW0603
    watched_thread, _thread = _thread, 0  # the checks below raise events, too
    try:
        culprit = _culprit(frame)
        if culprit is not None and not (event == "open" and _is_zone(args[0])):
            code = culprit.f_code
            what = f"opens {args[0]!r}" if event == "open" else f"does {event}"
            _noted = f"{code.co_filename}:{culprit.f_lineno} ({code.co_name}) {what}"
    except Exception:  # it must not be raised in the code that is watched
        _noted = f"the job's code does {event}"
    finally:
        _thread = watched_thread


def _culprit(frame: FrameType | None) -> FrameType | None:
    """The frame of the job's code behind an event. None when Python's import or mrframe comes first."""
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
    """Whether this is a file of Python or of an installed package."""
    import sysconfig

    path = os.path.abspath(filename)
    if {"site-packages", "dist-packages"} & set(path.split(os.sep)):
        return True
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return any(path.startswith(os.path.join(folder, "")) for folder in folders if folder)


def _is_zone(path: object) -> bool:
    """Whether this file is of the database of time zones, which the fingerprint covers."""
    from mrframe.task.isolation.surroundings import zone_folders

    return isinstance(path, str) and any(path.startswith(os.path.join(folder, "")) for folder in zone_folders())
