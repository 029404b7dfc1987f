"""What a person sees of some commands in terminals of 40, 80 and 120 cells is what `terminal/` has.

`make captures` writes these files again. Look at the difference before you commit it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import takewhile

import pytest
from terminal_captures import COMMANDS, FOLDER, SLOW, WIDTHS, screen

from mrframe.core.display_width import display_width


def compare(names):
    script = [sys.executable, FOLDER.parent / "terminal_captures.py", *names]
    done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=300)
    pages = json.loads(done.stdout)
    for name in names:
        assert pages[name] == (FOLDER / f"{name}.txt").read_text(encoding="utf-8"), name


def test_commands_look_as_expected():
    compare(list(COMMANDS))


@pytest.mark.slow
def test_slow_commands_look_as_expected():
    compare(list(SLOW))


def test_no_screen_is_left_over():
    assert {file.stem for file in FOLDER.iterdir()} == COMMANDS.keys() | SLOW.keys()


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"detect", "grep"}))
def test_no_table_is_wrapped(name):
    """Each row ends with its number, as the header ends with its name: nothing of it went to the next line."""
    page = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    for width, text in zip(WIDTHS, page.split("\n---- ")[1:], strict=True):
        header, *rows = text.partition("\n")[2].splitlines()
        table = list(takewhile(lambda line: not re.match(r"[\d,]+ records", line), rows))
        assert table and display_width(header) <= width
        assert {display_width(row) for row in table} == {display_width(header)}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("abc\r\nde\r\n", "abc\nde\n"),
        ("bar 1\x1b[K\r\x1b[Krow\r\n", "row\n"),
        ("\x1b[32mabcdef\x1b[0m\r\n", "abcde\nf\n"),
        ("\u65e5\u672c\u8a9e", "\u65e5\u672c\n\u8a9e\n"),
    ],
)
def test_a_screen_is_what_a_terminal_shows(text, lines):
    assert screen(text, 5) == lines


def test_seconds_are_made_equal():
    assert screen("46 rows  f85510dd2ee7   1.25 s  same\r\n", 80) == "46 rows  f85510dd2ee7   0.00 s  same\n"
