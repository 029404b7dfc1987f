"""From an exception of the user's code to a `Failure`: their traceback, the record, and where it lies.

What crosses processes is plain text: an exception object never travels.
"""

from __future__ import annotations

import os
import traceback
from types import TracebackType

from mrframe.core.quick import dataclass
from mrframe.core.spec import Failure
from mrframe.errors import UserCodeError

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_READY = os.path.join(_PACKAGE, "jobs", "")
RECORD_BYTES_MAX = 1 << 20  # of a record that travels with a failure: what a capsule keeps
TEXT_CHARS_MAX = 64 << 10  # of a traceback


@dataclass(frozen=True, slots=True)
class Place:
    """A record: its source, offset in bytes and line number from 1 (or -1), and its bytes."""

    source: str
    offset: int
    line: int
    record: bytes


class RecordFailed(Exception):
    """The user's code failed on a record; carries the original as `__cause__` and the place of the record."""

    def __init__(self, place: Place | None) -> None:
        super().__init__()
        self.place = place


class GroupFailed(Exception):
    """The user's code failed on a key; carries the original as `__cause__`."""

    def __init__(self, key: object, step: str) -> None:
        super().__init__()
        self.key = key
        self.step = step


def user_traceback(error: BaseException) -> str:
    """The traceback from the first line of the user's, without the lines of mrframe; "" when there is none."""
    if not _has_user_frame(error.__traceback__):
        return ""
    report = traceback.TracebackException.from_exception(error)
    _trim(report)
    return "".join(report.format())[-TEXT_CHARS_MAX:]


def is_own(filename: str) -> bool:
    """Whether this file is mrframe's, and not a job's."""
    path = os.path.abspath(filename)
    return (path.startswith(_PACKAGE) and not path.startswith(_READY)) or filename.startswith("<frozen importlib")


def _has_user_frame(tb: TracebackType | None) -> bool:
    while tb is not None:
        if not is_own(tb.tb_frame.f_code.co_filename):
            return True
        tb = tb.tb_next
    return False


def _trim(report: traceback.TracebackException | None) -> None:
    if report is None:
        return
    report.stack = traceback.StackSummary.from_list([f for f in report.stack if not is_own(f.filename)])
    _trim(report.__cause__)
    _trim(report.__context__)


def said(error: BaseException) -> str:
    """An exception as the last line of a traceback has it."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def failure_of(error: BaseException, place: Place | None, key: str = "") -> Failure:
    """The failure that an exception of the job's code or data amounts to; never retried."""
    slug = error.slug if isinstance(error, UserCodeError) else UserCodeError.slug
    text = user_traceback(error)
    message = str(error) if isinstance(error, UserCodeError) else said(error)
    return Failure(
        "raised",
        message,
        traceback_text=text or (error.traceback_text if isinstance(error, UserCodeError) else ""),
        error_slug=slug,
        source=place.source if place else "",
        offset=place.offset if place else -1,
        line=place.line if place else -1,
        record=place.record[:RECORD_BYTES_MAX] if place else b"",
        key=key,
    )
