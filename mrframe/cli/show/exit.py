"""Ends a command: exit codes, signals, closed pipes.

0 done · 1 job failed · 2 usage · 3 too many malformed · 4 cluster unreachable · 5 timeout ·
129 hung up (SIGHUP) · 130 interrupted (SIGINT) · 143 terminated (SIGTERM). A reader of standard output that leaves
early (`| head`) ends the command quietly with 0: it has read all that it wanted.

Rules: signals become exceptions, so that every `with` on the way out cleans up. Nothing is printed twice.
The interpreter never gets to flush a broken stream at exit.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from mrframe import api
from mrframe.cli.show.streams import (
    ReaderLeft,
    abandon_stdout,
    flush_all,
    flush_stdout,
    print_json,
    reader_has_left,
    report,
    stderr,
)
from mrframe.core.safe_text import safe_repr
from mrframe.errors import MrframeError, OutputError

if TYPE_CHECKING:
    from types import TracebackType

    import click

EXIT_HUNG_UP = 129
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
INPUTS = "mrframe.inputs"  # in the context's meta: the inputs of the run, for commands to copy
_end_process = os._exit
RAISE_AGAIN_S = 0.02


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Like Ctrl-C it is not the job's fault, and everything on the way out treats it so."""


class HungUp(KeyboardInterrupt):
    """SIGHUP arrived: the terminal was closed."""


_STOPS: dict[type[KeyboardInterrupt], tuple[str, int]] = {
    HungUp: ("hung up", EXIT_HUNG_UP),
    Terminated: ("terminated", EXIT_TERMINATED),
}


def run_to_exit_code(command: click.Command, args: Sequence[str], name: str) -> int:
    """Run a click command and return its exit code. Errors are shown on stderr."""
    shown = _Shown([name, *args])
    try:
        signal.signal(signal.SIGTERM, _terminate)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # not where `nohup` has it ignored
            signal.signal(signal.SIGHUP, _hang_up)
        import click

        with command.make_context(name, list(args)) as context:
            shown.meta = context.meta
            command.invoke(context)
        flush_stdout()
        return 0
    except KeyboardInterrupt as stopped:  # before those of click, which may not be there yet
        return shown.stop(stopped)
    except ReaderLeft:
        return abandon_stdout(0)
    except click.exceptions.Exit as ended:
        return _flushed(ended.exit_code)
    except click.Abort:
        return shown.stop(KeyboardInterrupt())
    except click.ClickException as error:
        return shown.usage(error)
    except MrframeError as error:
        return shown.failure(error)
    except BrokenPipeError as error:  # click's own help ends here when nobody reads it
        return abandon_stdout(0) if reader_has_left() else shown.bug(error)
    except BaseException as error:  # the boundary: an unexpected error is a bug, unless the job's code raised it
        if isinstance(error.__cause__, KeyboardInterrupt):  # it came while a class was made, as Python 3.11 tells it
            return shown.stop(error.__cause__)
        return shown.bug(error)


def leave(code: int) -> NoReturn:
    """End the process with this exit code.

    From here on Ctrl-C ends it at once, since Python's own shutdown prints tracebacks when it is interrupted. A
    command that was interrupted exits directly, since Python changes the exit code after an interrupted import.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not api.stdout.is_claimed():
        gc.freeze()  # no job's code has run here, so a collection at exit would find nothing to end
    if code not in (EXIT_HUNG_UP, EXIT_INTERRUPTED, EXIT_TERMINATED):
        sys.exit(code)
    flush_all()
    _end_process(code)


def refuse_exit() -> None:
    """Have `os._exit` raise SystemExit in this process, which a job's code could end with 0 and without a result."""
    command = os.getpid()

    def leave_or_raise(status: int) -> NoReturn:
        if os.getpid() != command:
            _end_process(status)
        raise SystemExit(status)

    os._exit = leave_or_raise


class _Shown:
    """The report at the end, for the user. With --json it is also one object on standard output."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.meta: dict[str, Any] = {}
        self.verbose = bool({"-v", "--verbose"} & set(words)) or bool(os.environ.get("MRFRAME_DEBUG"))
        self.json = "--json" in words

    def stop(self, signalled: KeyboardInterrupt) -> int:
        word, code = _STOPS.get(type(signalled), ("interrupted", EXIT_INTERRUPTED))
        report(word)
        return abandon_stdout(code)

    def usage(self, error: click.ClickException) -> int:
        from mrframe.cli.show import failures

        failures.show_usage(error, stderr())
        return self._print_json(_error_json("usage", error.format_message(), 2), 2)

    def failure(self, error: MrframeError) -> int:
        from mrframe.cli.show import failures

        failures.show(error, stderr(), verbose=self.verbose, words=self.words, inputs=self.meta.get(INPUTS, ()))
        return self._print_json(error_json(error), error.exit_code)

    def bug(self, error: BaseException) -> int:
        from mrframe.cli.show import failures

        slug = failures.show_unexpected(error, stderr())
        return self._print_json(_error_json(slug, api.exception_text(error), 1), 1)

    def _print_json(self, shown: dict[str, Any], code: int) -> int:
        if self.json:
            try:
                print_json(shown)
            except (ReaderLeft, OutputError):
                return abandon_stdout(code)
        return _flushed(code)


def error_json(error: MrframeError) -> dict[str, Any]:
    """Return an error as `--json` prints it, with the place in the input where there is one."""
    where = {
        name: getattr(error, name)
        for name in ("source", "line", "offset", "key", "traceback_text", "kept")
        if getattr(error, name, None) is not None
    }
    return _error_json(error.slug, str(error), error.exit_code, **where)


def _error_json(slug: str, message: str, code: int, **where: Any) -> dict[str, Any]:
    return {"error": {"slug": slug, "message": message, "exit_code": code, **where}}


def _terminate(_signal: int, _frame: Any) -> None:
    raise Terminated


def _hang_up(_signal: int, _frame: Any) -> None:
    raise HungUp


def catch_lost_signals() -> None:
    """Have a signal end the command, and print nothing, also where Python can raise nothing."""
    sys.excepthook = _show_uncaught
    sys.unraisablehook = _raise_again


def _show_uncaught(kind: type[BaseException], error: BaseException, _at: TracebackType | None) -> None:
    """Do not print a KeyboardInterrupt that a Cython function (pyzmq) cannot raise: `_raise_again` gets it next."""
    if not issubclass(kind, KeyboardInterrupt):
        _report_exception(error)


def _report_exception(error: BaseException | None) -> None:
    import traceback

    report("".join(traceback.format_exception(error)).rstrip("\n"))


def _raise_again(lost: Any) -> None:
    """Raise a signal a moment later if it arrived where Python cannot raise (a callback of its importer).

    Otherwise Python would print that it ignores the exception, and the command would go on.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        report(f"{lost.err_msg or 'Exception ignored in'}: {safe_repr(lost.object)}")
        _report_exception(lost.exc_value)
        return
    handler = {HungUp: _hang_up, Terminated: _terminate}.get(lost.exc_type, signal.default_int_handler)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_S)  # not now: this function could raise nothing either


def _flushed(code: int) -> int:
    try:
        flush_stdout()
    except (ReaderLeft, OutputError):  # the error has been shown
        return abandon_stdout(code)
    return code
