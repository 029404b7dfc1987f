"""The one place where a command writes to standard output and standard error.

Text may come from logs, file names, options, job names and exceptions, so this module escapes everything that a
terminal would obey. Callers pass plain text, and mark colours as `Painted` pieces, which are drawn only where colours
are wanted. `tests/test_tidy.py` finds any other place that prints.

Standard output may lose its reader, or be full, or be closed: then ReaderLeft or OutputError is raised. A fault of
standard error is ignored, since nobody is left to be told. Not here: the text itself, and output files.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

from mrframe import api
from mrframe.api import stdout
from mrframe.core.safe_text import escaped, escaped_json
from mrframe.errors import OutputError

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

    from mrframe.core.display_width import Terminal

SCHEMA_VERSION = 1  # of every JSON object that a command prints
WIDTH_UNKNOWN = 80
_IN_ASCII = str.maketrans({"━": "#", "╌": "-", "·": "-", "…": "~"})
_COLOURS = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}


class ReaderLeft(Exception):
    """Standard output has no reader any more: the rest is not wanted."""


class Painted(NamedTuple):
    """A piece of a line in a colour: "red", "yellow", "green", "bold", "dim", or "" for none."""

    text: str
    colour: str


Line = str | Sequence[str | Painted]
"""Text, or its pieces. It may hold newlines."""


def is_terminal(stream: IO[Any] | None) -> bool:
    """Return whether a person sees this stream as it is written."""
    return stream is not None and not stream.closed and stream.isatty()


def may_colour(stream: IO[Any] | None) -> bool:
    """Return whether colours are wanted: on a terminal that is not dumb, without NO_COLOR (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)


def terminal_of(stream: IO[Any] | None) -> Terminal | None:
    """Return the terminal that a stream is written to, None if it is none."""
    if stream is None or not is_terminal(stream):
        return None
    from mrframe.core.display_width import Terminal

    return Terminal(_columns(stream), is_ascii_only(stream))


def _columns(stream: IO[Any]) -> int:
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH_UNKNOWN
    except (OSError, ValueError):
        return WIDTH_UNKNOWN


def is_ascii_only(stream: IO[Any]) -> bool:
    """Return whether a stream takes no more than ASCII: by its encoding, or since the locale is said to be C.

    Python writes UTF-8 in the locale C, but whoever asked for it by name wants ASCII.
    """
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return named in ("C", "POSIX") or not encoding.lower().replace("_", "-").startswith("utf")


def _encodable(text: str, stream: IO[Any]) -> str:
    """The text in characters that the stream takes."""
    if text.isascii():
        return text
    if is_ascii_only(stream):
        return text.translate(_IN_ASCII).encode("ascii", "backslashreplace").decode()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _drawn(line: Line, *, colour: bool) -> str:
    """The line as it is written: escaped, and its painted pieces in colour."""
    if isinstance(line, str):
        return escaped(line)
    return "".join([_piece(piece, colour=colour) for piece in line])


def _piece(piece: str | Painted, *, colour: bool) -> str:
    if isinstance(piece, str):
        return escaped(piece)
    text = escaped(piece.text)
    return f"\x1b[{_COLOURS[piece.colour]}m{text}\x1b[0m" if colour and piece.colour else text


# ---- standard error -------------------------------------------------------------------------------


class Screen:
    """A stream for people. A stream that fails is left alone from then on."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._colour = may_colour(stream)
        self.is_animated = is_terminal(stream) and os.environ.get("TERM") != "dumb"

    @property
    def is_open(self) -> bool:
        """Return whether anything that is written may be seen."""
        return self._stream is not None

    @property
    def terminal(self) -> Terminal | None:
        """The terminal that it is now, None if it is none. A window may change its size."""
        return terminal_of(self._stream)

    def report(self, *lines: Line) -> None:
        """Write lines."""
        self._put("".join([_drawn(line, colour=self._colour) + "\n" for line in lines]))

    def redraw(self, line: Line) -> None:
        """Write a line over the present one, which is not ended. For an animated screen."""
        self._put("\r" + _drawn(line, colour=self._colour).replace("\n", " ") + "\x1b[K")

    def erase(self) -> None:
        """Take the present line away."""
        self._put("\r\x1b[K")

    def _put(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(_encodable(text, self._stream))
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def stderr() -> Screen:
    """Standard error."""
    return Screen(sys.stderr)


def report(*lines: Line) -> None:
    """Write lines to standard error, for people."""
    stderr().report(*lines)


# ---- standard output ------------------------------------------------------------------------------


def on_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return is_terminal(stdout.stream())


def terminal_of_stdout() -> Terminal | None:
    """Return the terminal that standard output is, None if it is none."""
    return terminal_of(stdout.stream())


def say(*lines: Line) -> None:
    """Write lines to standard output."""
    colour = may_colour(stdout.stream())
    _print("\n".join([_drawn(line, colour=colour) for line in lines]))


def say_data(text: str) -> None:
    """Write text and a newline to standard output: escaped on a terminal, else as it is."""
    _print(escaped(text) if on_terminal() else text)


def json_text(value: Any, text: Any = "escape") -> str:
    """Return JSON in ASCII. `text` as in `formats.output.value_text.Text`."""
    import json

    return escaped_json(json.dumps(api.plain_as_utf8(value, text), ensure_ascii=True))


def print_json(value: dict[str, Any], text: Any = "escape") -> None:
    """Write one JSON object with its schema version to standard output."""
    _print(json_text({"schema_version": SCHEMA_VERSION, **value}, text))


def _print(text: str) -> None:
    out = stdout.stream()
    if out is None:
        raise OutputError("standard output is closed; open it, or send it to a file")
    with _faults():
        out.write(_encodable(text, out) + "\n")
        out.flush()


class StandardOutput:
    """Standard output for bytes. On a terminal they are text, and are escaped."""

    def __init__(self, stream: BinaryIO, *, escapes: bool) -> None:
        self._stream = stream
        self._decoder = _decoder() if escapes else None

    def write(self, data: bytes) -> None:
        """Take all of the data."""
        if self._decoder is not None:
            data = escaped(self._decoder.decode(data)).encode()
        with _faults():
            self._stream.write(data)

    def flush(self) -> None:
        """Hand everything to the system."""
        rest = self._decoder.decode(b"", final=True) if self._decoder is not None else ""
        with _faults():
            self._stream.write(escaped(rest).encode())
            self._stream.flush()


def _decoder() -> IncrementalDecoder:
    from codecs import getincrementaldecoder

    return getincrementaldecoder("utf-8")("surrogateescape")


@contextlib.contextmanager
def standard_output() -> Iterator[StandardOutput]:
    """Standard output for bytes, flushed at the end of the block."""
    out = stdout.stream()
    if out is None:
        raise OutputError("standard output is closed; open it, or name a file with -o FILE")
    with _faults():
        out.flush()
    guarded = StandardOutput(out.buffer, escapes=is_terminal(out))
    yield guarded
    guarded.flush()


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Around the system's calls alone, never around the reading of rows, which may fail for other reasons."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderLeft from None
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror}; name a file with -o FILE") from None


# ---- both -----------------------------------------------------------------------------------------


def flush_stdout() -> None:
    """Flush buffered output. ReaderLeft when nobody reads it."""
    out = stdout.stream()
    if sys.stdout is not out:
        api.flush_prints()
    if out is not None:
        with _faults():
            out.flush()


def flush_all() -> None:
    """Flush buffered output before a fork, or before the process ends."""
    flush_stdout()
    api.flush_prints()


def reader_has_left() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    poller = select.poll()
    for fd in stdout.descriptors():
        poller.register(fd, 0)
    return any(event & select.POLLERR for _, event in poller.poll(0))


def abandon_stdout(code: int) -> int:
    """Point standard output at nothing, so that the interpreter's last flush cannot fail. Gives the code back."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        for fd in stdout.descriptors():
            os.dup2(null, fd)
        os.close(null)
    except OSError:
        pass  # without /dev/null the exit code is still right
    return code
