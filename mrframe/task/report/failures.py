"""Turns an exception of the job's own code into a `Failure`: the traceback, the hook, the record or key.

Only plain text crosses processes, never an exception object. Not here: deciding whether an exception is the job's
(`hook_guard.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mrframe.core.fast_dataclass import GENERATED, dataclass
from mrframe.core.model.spec import Failure
from mrframe.core.safe_text import MESSAGE_CHARS_MAX, safe_repr, safe_str
from mrframe.errors import UserCodeError
from mrframe.paths import PACKAGE_DIR

if TYPE_CHECKING:
    import traceback

_PACKAGE = os.path.join(PACKAGE_DIR, "")
_READY = os.path.join(_PACKAGE, "jobs", "")
_STDLIB = os.path.join(os.path.dirname(os.__file__), "")
_LIBRARIES = ("click", "cloudpickle", "msgpack", "numpy", "pyarrow", "zmq")
RECORD_BYTES_MAX = 1 << 20  # of a record that travels with a failure, for a capsule
TEXT_CHARS_MAX = 64 << 10  # of a traceback
KEY_CHARS_MAX = 1000
NO_KEY: Any = object()  # None is a key
_SITE = ("sitecustomize", "usercustomize")


@dataclass(frozen=True, slots=True)
class RecordLocation:
    """A record: its source, its offset in bytes, its line number from 1 (-1: not known), and its bytes."""

    source: str
    offset: int
    line: int
    record: bytes


class HookFailed(Exception):
    """A hook of the job failed: its name ("map", "combine", …), with the original as `__cause__`."""

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook


class RecordFailed(HookFailed):
    """A hook failed on a record. `location` is None if the record is not known."""

    def __init__(self, location: RecordLocation | None, hook: str = "map") -> None:
        super().__init__(hook)
        self.location = location


class GroupFailed(HookFailed):
    """A hook failed on a key, or on no key in particular (NO_KEY).

    `values` are the values passed to a combiner, `partitions` the number passed to a partitioner.
    """

    def __init__(self, key: Any, hook: str, values: Sequence[Any] | None = None, partitions: int = 0) -> None:
        super().__init__(hook)
        self.key = key
        self.values = values
        self.partitions = partitions

    @property
    def key_text(self) -> str:
        """Return the key for people, or "" if it is not known."""
        return "" if self.key is NO_KEY else safe_repr(self.key, KEY_CHARS_MAX)


def user_traceback(error: BaseException) -> str:
    """Return the traceback from the user's first line on, without mrframe's lines, or "" without a user's line."""
    import traceback  # only a failure needs it

    if isinstance(error, SyntaxError) and error.filename and not is_own(error.filename):
        return "".join(map(_cut, traceback.TracebackException.from_exception(error).format_exception_only()))
    if not _has_user_frame(error):
        return ""
    try:
        report = traceback.TracebackException.from_exception(error)
    except Exception:  # Python asks a method of the user's for a suggestion
        return "".join(traceback.format_tb(error.__traceback__)) + exception_text(error)
    _trim(report)
    return "".join(_cut(line) for line in report.format())[-TEXT_CHARS_MAX:]


def from_the_job(error: BaseException) -> BaseException | None:
    """Return the exception with its traceback from the user's first line on, or None without such a line."""
    return error.with_traceback(_users_part(error)) if _has_user_frame(error) else None


def users_line(error: BaseException) -> str:
    """Return `FILE:LINE` of the innermost line of the user's code that an exception passed through, "" for none."""
    line, tb = "", error.__traceback__
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not (is_own(file) or is_library(file)):
            line = f"{file}:{tb.tb_lineno}"
        tb = tb.tb_next
    return line


def _cut(line: str) -> str:
    """Shorten a line of a traceback. An exception's text may have megabytes, and the frames stand before it."""
    return line if len(line) <= MESSAGE_CHARS_MAX else line[:MESSAGE_CHARS_MAX] + "…"


def is_own(filename: str) -> bool:
    """Return whether this file is mrframe's, and not a job's."""
    if filename == GENERATED:
        return True
    path = os.path.abspath(filename)
    return (path.startswith(_PACKAGE) and not path.startswith(_READY)) or filename.startswith("<frozen importlib")


def is_library(filename: str) -> bool:
    """Return whether this file is Python's own, its site's customization, or a library that mrframe calls."""
    if any(filename == getattr(sys.modules.get(name), "__file__", None) for name in _SITE):
        return True
    _, packages, name = filename.rpartition(f"{os.sep}site-packages{os.sep}")
    if packages:
        return name.partition(os.sep)[0] in _LIBRARIES
    in_cython = filename.partition(os.sep)[0] in _LIBRARIES  # file names begin at the library's folder
    return in_cython or filename.startswith((_STDLIB, "<frozen "))


def _has_user_frame(error: BaseException) -> bool:
    """Return whether the exception, or one in its chain, has passed through the user's code.

    A generator that raises StopIteration leaves a RuntimeError without a frame, chained to an exception with frames.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if _users_part(one) is not None:
            return True
        waiting += [one.__cause__, one.__context__]
    return False


def _users_part(error: BaseException) -> TracebackType | None:
    tb = error.__traceback__
    while tb is not None and is_own(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _trim(report: traceback.TracebackException) -> None:
    """Remove mrframe's frames from a report and its chain."""
    import traceback

    waiting = [report]
    while waiting:
        one = waiting.pop()
        stack = [f for f in one.stack if not is_own(f.filename)]
        users = [number for number, f in enumerate(stack) if not is_library(f.filename)]
        if users:  # not the frames that pickle a value of the job, nor those within the library that it called
            stack = stack[users[0] : users[-1] + 1]
        one.stack = traceback.StackSummary.from_list(stack)
        waiting += [chained for chained in (one.__cause__, one.__context__) if chained is not None]
        waiting += getattr(one, "exceptions", None) or ()


def exception_text(error: BaseException) -> str:
    """Return an exception as in the last line of a traceback."""
    text = safe_str(error)
    return _cut(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def failure_of(error: BaseException, location: RecordLocation | None, key: str = "", hook: str = "") -> Failure:
    """Return the failure for an exception of the job's code or data. It is never retried."""
    message, slug, text = exception_text(error), UserCodeError.slug, user_traceback(error)
    if isinstance(error, UserCodeError):
        message, slug, text = safe_str(error), error.slug, text or error.traceback_text
    elif hook and not text:
        message = f"the job's {hook} raised {message}"
    return Failure(
        "raised",
        message,
        traceback_text=text,
        error_slug=slug,
        source=location.source if location else "",
        offset=location.offset if location else -1,
        line=location.line if location else -1,
        record=location.record[:RECORD_BYTES_MAX] if location else b"",
        key=key,
        hook=hook,
    )
