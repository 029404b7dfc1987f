"""What a command writes: colours where they are wanted, nothing that a terminal obeys, faults told or ignored."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.api import stdout
from mrframe.cli.show import streams
from mrframe.cli.show.streams import Painted, ReaderLeft, Screen, StandardOutput
from mrframe.errors import OutputError

HOSTILE = "a\x1b]0;x\x07\x9b31m\u202eb\udc9b\r\nc\td"
SHOWN = "a\\x1b]0;x\\x07\\x9b31m\\u202eb\\x9b\\r\nc\td"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal that remembers."""
    out = Terminal()
    monkeypatch.setattr(stdout, "stream", lambda: out)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return out


def test_colours_follow_the_terminal_and_no_color(monkeypatch):
    stream = SimpleNamespace(isatty=lambda: True, closed=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert streams.may_colour(stream)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not streams.may_colour(stream)
    monkeypatch.setenv("NO_COLOR", "")  # no-color.org: an empty one does not count
    assert streams.may_colour(stream)
    monkeypatch.setenv("TERM", "dumb")
    assert not streams.may_colour(stream)
    assert not streams.may_colour(io.StringIO())


def test_text_is_escaped_and_only_painted_pieces_are_coloured(terminal):
    streams.say(HOSTILE, [Painted(HOSTILE, "red"), " ", HOSTILE, Painted("x", "")])
    assert terminal.getvalue() == f"{SHOWN}\n\x1b[31m{SHOWN}\x1b[0m {SHOWN}x\n"


def test_a_line_for_the_screen_is_escaped(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    screen = Screen(out)
    screen.report(HOSTILE, [Painted(HOSTILE, "red")])
    screen.redraw(["\x1b", "\n", Painted("\x9b", "green")])
    assert out.getvalue() == f"{SHOWN}\n{SHOWN}\n\r\\x1b \\x9b\x1b[K"


def test_data_is_escaped_on_a_terminal_and_as_it_is_elsewhere(terminal, monkeypatch):
    streams.say_data(HOSTILE)
    assert terminal.getvalue() == f"{SHOWN}\n"
    pipe = io.StringIO()
    monkeypatch.setattr(stdout, "stream", lambda: pipe)
    streams.say_data("a\x1b\u202e")
    assert pipe.getvalue() == "a\x1b\u202e\n"


@given(st.text(), st.text())
def test_json_on_a_terminal_holds_the_same_values(name, value):
    text = streams.json_text({name: [value]}, "bytes")
    assert json.loads(text) == {name: [value]}
    assert text.isascii()
    assert text.isprintable()


def test_bytes_on_a_terminal_are_text_in_whichever_pieces_they_come():
    for size in range(1, 8):
        sink = io.BytesIO()
        out = StandardOutput(sink, escapes=True)
        data = HOSTILE.encode("utf-8", "surrogateescape") + b"\xc3"  # cut off in a character
        for at in range(0, len(data), size):
            out.write(data[at : at + size])
        out.flush()
        assert sink.getvalue().decode() == SHOWN + "\\xc3"


def test_bytes_elsewhere_are_as_they_are():
    sink = io.BytesIO()
    out = StandardOutput(sink, escapes=False)
    out.write(b"\x1b\x9b\xff")
    out.flush()
    assert sink.getvalue() == b"\x1b\x9b\xff"


class Broken(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self.error, self.tries = error, 0

    def write(self, _text):
        self.tries += 1
        raise self.error


def test_a_screen_that_fails_is_left_alone():
    broken = Broken(BrokenPipeError())
    screen = Screen(broken)
    screen.report("a")
    screen.report("b")
    assert broken.tries == 1
    Screen(None).report("nobody sees it")


def test_faults_of_standard_output_are_told(monkeypatch):
    for error, wanted in [(BrokenPipeError(), ReaderLeft), (OSError(28, "No space left"), OutputError)]:
        broken = SimpleNamespace(encoding="utf-8", write=Broken(error).write, isatty=bool, closed=False)
        monkeypatch.setattr(stdout, "stream", lambda broken=broken: broken)
        with pytest.raises(wanted):
            streams.say("x")
    monkeypatch.setattr(stdout, "stream", lambda: None)
    with pytest.raises(OutputError, match="standard output is closed"):
        streams.say("x")


def test_text_that_the_encoding_lacks_is_spelled():
    class Ascii(io.StringIO):
        encoding = "ascii"

    out = Ascii()
    Screen(out).report("caf\u00e9")
    assert out.getvalue() == "caf\\xe9\n"


# ---- the width of a terminal, and ASCII -----------------------------------------------------------

LOCALES = ("LC_ALL", "LC_CTYPE", "LANG")


@pytest.fixture
def locale(monkeypatch):
    """Set variables of the locale; all others are unset."""

    def set_to(**variables):
        for name in LOCALES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    set_to()
    return set_to


@pytest.mark.parametrize(
    ("encoding", "variables", "is_ascii"),
    [
        ("utf-8", {}, False),
        ("UTF-8", {"LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "C"}, True),
        ("utf-8", {"LC_ALL": "C.UTF-8", "LANG": "C"}, False),
        ("utf-8", {"LC_ALL": "", "LANG": "POSIX"}, True),
        ("ascii", {"LANG": "de_DE.UTF-8"}, True),
        ("iso8859-1", {}, True),
        ("ANSI_X3.4-1968", {"LC_ALL": "C"}, True),
    ],
)
def test_ascii_is_asked_for_by_the_encoding_or_the_locale(locale, encoding, variables, is_ascii):
    locale(**variables)
    assert streams.is_ascii_only(SimpleNamespace(encoding=encoding)) is is_ascii


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-1", "utf-8"])
def test_an_ascii_stream_gets_ascii_and_never_an_error(locale, encoding):
    locale(LC_ALL="C")
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding, errors="strict", line_buffering=True)
    Screen(stream).report("\u2501\u2501\u254c 3 rows \u00b7 caf\u00e9 \u65e5\u2026")
    assert written.getvalue() == b"##- 3 rows - caf\\xe9 \\u65e5~\n"


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("57", 57), ("0", 80), ("wide", 80)])
def test_the_width_is_that_of_columns_or_of_the_terminal(locale, terminal, monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert streams.terminal_of(terminal).width == width
    assert streams.terminal_of(terminal).mark == "\u2026"
    assert streams.terminal_of(io.StringIO()) is None
