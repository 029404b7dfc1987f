"""A child process of a command, in which a job's code may run. The command itself only prints and waits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from mrframe.cli.show.streams import ReaderLeft, flush_all, report, stderr
from mrframe.errors import OutputError


def in_child(work: Callable[[], int]) -> int:
    """Run `work` in a forked child that shares the terminal. Returns its exit code, or 1 if a signal ended it."""
    flush_all()
    child = os.fork()
    if child == 0:
        _work_and_leave(work)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the child's, which may be in a debugger
    try:
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGINT, before)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        report(f"the job's code does not survive it: killed by {signal.Signals(-code).name}")
        return 1
    return code


def _work_and_leave(work: Callable[[], int]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 0
    try:
        code = work()
        flush_all()
    except OutputError as error:
        if not code:  # else the error has been shown
            from mrframe.cli.show.failures import show

            show(error, stderr(), verbose=False)
        code = code or error.exit_code
    except KeyboardInterrupt:
        code = 130
    except (BrokenPipeError, ReaderLeft):
        code = 0  # the reader has all that it wanted
    except BaseException as error:  # it would be lost with the child
        from mrframe.cli.show.failures import show_unexpected

        show_unexpected(error, stderr())
        code = 1
    finally:
        os._exit(code)
