"""A child process of a command, in which a job's code may run. The command itself only prints and waits."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from mrframe.cli.show.exit import ReaderLeft, flush_stdout
from mrframe.errors import OutputError


def in_child(work: Callable[[], int]) -> int:
    """Run `work` in a forked child that shares the terminal. Returns its exit code, or 1 if a signal ended it."""
    flush_stdout()
    sys.stderr.flush()
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
        click.echo(f"the job's code does not survive it: killed by {signal.Signals(-code).name}", err=True)
        return 1
    return code


def _work_and_leave(work: Callable[[], int]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = work()
        flush_stdout()
        sys.stderr.flush()
    except OutputError as error:
        if not code:  # else the error has been shown
            from mrframe.cli.show.failures import show

            show(error, sys.stderr, verbose=False)
        code = code or error.exit_code
    except KeyboardInterrupt:
        code = 130
    except (BrokenPipeError, ReaderLeft):
        code = 0  # the reader has all that it wanted
    except BaseException as error:  # it would be lost with the child
        from mrframe.cli.show.failures import show_unexpected

        show_unexpected(error, sys.stderr)
    finally:
        os._exit(code)
