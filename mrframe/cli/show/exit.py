"""Ends a command: exit codes, signals, closed pipes.

0 done · 1 job failed · 2 usage · 3 too many malformed · 4 cluster unreachable · 5 timeout ·
130 interrupted (SIGINT) · 143 terminated (SIGTERM). A reader of standard output that leaves early
(`| head`) ends the command quietly with 0: it has read all that it wanted.

Rules: signals become exceptions, so that every `with` on the way out cleans up. Nothing is printed twice.
The interpreter never gets to flush a broken stream at exit.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from mrframe import api
from mrframe.api import stdout
from mrframe.errors import MrframeError, OutputError

if TYPE_CHECKING:
    from types import TracebackType

    import click

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
INPUTS = "mrframe.inputs"  # in the context's meta: the inputs of the run, for commands to copy
_end_process = os._exit
RAISE_AGAIN_S = 0.02
SCHEMA_VERSION = 1  # of every JSON object that a command prints


class ReaderLeft(Exception):
    """Standard output has no reader any more: the rest is not wanted."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Like Ctrl-C it is not the job's fault, and everything on the way out treats it so."""


def run_to_exit_code(command: click.Command, args: Sequence[str], name: str) -> int:
    """Run a click command and return its exit code. Errors are shown on stderr."""
    shown = _Shown([name, *args])
    try:
        signal.signal(signal.SIGTERM, _terminate)
        import click

        with command.make_context(name, list(args)) as context:
            shown.meta = context.meta
            command.invoke(context)
        flush_stdout()
        return 0
    except KeyboardInterrupt as stopped:  # before those of click, which may not be there yet
        return shown.stop(stopped)
    except ReaderLeft:
        return _abandon_stdout(0)
    except click.exceptions.Exit as ended:
        return _flushed(ended.exit_code)
    except click.Abort:
        return shown.stop(KeyboardInterrupt())
    except click.ClickException as error:
        return shown.usage(error)
    except MrframeError as error:
        return shown.failure(error)
    except BrokenPipeError as error:  # click's own help ends here when nobody reads it
        return _abandon_stdout(0) if _reader_has_left() else shown.bug(error)
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
    if code not in (EXIT_INTERRUPTED, EXIT_TERMINATED):
        sys.exit(code)
    try:
        _stderr().flush()
    except (OSError, ValueError):
        pass  # nobody reads it
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
        terminated = isinstance(signalled, Terminated)
        try:
            _stderr().write("terminated\n" if terminated else "interrupted\n")
        except OSError:
            pass  # nobody reads it
        return _abandon_stdout(EXIT_TERMINATED if terminated else EXIT_INTERRUPTED)

    def usage(self, error: click.ClickException) -> int:
        from mrframe.cli.show import failures

        failures.show_usage(error, _stderr())
        return self._as_json("usage", error.format_message(), 2)

    def failure(self, error: MrframeError) -> int:
        from mrframe.cli.show import failures

        failures.show(error, _stderr(), verbose=self.verbose, words=self.words, inputs=self.meta.get(INPUTS, ()))
        where = {
            name: getattr(error, name)
            for name in ("source", "line", "offset", "key", "traceback_text", "kept")
            if getattr(error, name, None) is not None
        }
        return self._as_json(error.slug, str(error), error.exit_code, **where)

    def bug(self, error: BaseException) -> int:
        from mrframe.cli.show import failures

        slug = failures.show_unexpected(error, _stderr())
        return self._as_json(slug, api.exception_text(error), 1)

    def _as_json(self, slug: str, message: str, code: int, **where: Any) -> int:
        if self.json:
            try:
                print_json({"error": {"slug": slug, "message": message, "exit_code": code, **where}})
            except (ReaderLeft, OutputError):
                return _abandon_stdout(code)
        return _flushed(code)


def _terminate(_signal: int, _frame: Any) -> None:
    raise Terminated


def catch_lost_signals() -> None:
    """Have a signal end the command, and print nothing, also where Python can raise nothing."""
    sys.excepthook = _show_uncaught
    sys.unraisablehook = _raise_again


def _show_uncaught(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Do not print a KeyboardInterrupt that a Cython function (pyzmq) cannot raise: `_raise_again` gets it next."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, at)


def _raise_again(lost: Any) -> None:
    """Raise a signal a moment later if it arrived where Python cannot raise (a callback of its importer).

    Otherwise Python would print that it ignores the exception, and the command would go on.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    handler = _terminate if issubclass(lost.exc_type, Terminated) else signal.default_int_handler
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_S)  # not now: this function could raise nothing either


def _stderr() -> TextIO:
    return sys.stderr if sys.stderr is not None else open(os.devnull, "w", encoding="utf-8")


def print_json(value: dict[str, Any], text: Any = "escape") -> None:
    """One JSON object with its schema version on standard output. `text` as in `formats.output.value_text.Text`."""
    import json

    say(json.dumps(api.plain_as_utf8({"schema_version": SCHEMA_VERSION, **value}, text), ensure_ascii=True))


def say(text: str) -> None:
    """One text and a newline on standard output. ReaderLeft when nobody reads it, OutputError when it is full."""
    out = stdout.stream()
    if out is None:
        raise OutputError("standard output is closed; open it, or send it to a file")
    encoding = out.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=out, flush=True)
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from None


def flush_stdout() -> None:
    """Flush buffered output. ReaderLeft when nobody reads it."""
    out = stdout.stream()
    if sys.stdout is not out:
        _flush_prints()
    try:
        if out is not None:
            out.flush()
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}") from None


def _flush_prints() -> None:
    """Show the output that the job's code printed."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass  # it has closed it, or put something else there


def _reader_has_left() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    poller = select.poll()
    for fd in stdout.descriptors():
        poller.register(fd, 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))


def _flushed(code: int) -> int:
    try:
        flush_stdout()
    except (ReaderLeft, OutputError):  # the error has been shown
        return _abandon_stdout(code)
    return code


def _abandon_stdout(code: int) -> int:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail. Gives the code back."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        for fd in stdout.descriptors():
            os.dup2(null, fd)
        os.close(null)
    except OSError:
        pass  # without /dev/null the exit code is still right
    return code
