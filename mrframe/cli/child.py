"""A child process of a command, in which a job's code may run; the command itself only prints and waits."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click


def in_child(work: Callable[[], int]) -> int:
    """The exit code of `work`, done in a forked child that shares the terminal; 1 when a signal ended it."""
    sys.stdout.flush()
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
    from mrframe.cli.ending import ReaderLeft

    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        code = 130
    except (BrokenPipeError, ReaderLeft):
        code = 0  # whoever reads has what it wanted
    except Exception as error:  # it would be lost with the child
        from mrframe.cli.failures import show_bug

        show_bug(error, sys.stderr)
    finally:
        os._exit(code)
