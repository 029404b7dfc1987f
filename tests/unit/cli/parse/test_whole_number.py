"""Options that take a whole number: their bounds are in words, in help and in refusals."""

from __future__ import annotations

import re

import click
import pytest

from mrframe.cli.main import group


def commands(command, words=()):
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*words, name))


def test_no_help_shows_a_formula():
    seen = ""
    for words, command in commands(group):
        text = command.get_help(click.Context(command, info_name=" ".join(words)))
        assert not re.search(r"\[[^\]]*\bx[<>]=?", text), words
        seen += text
    assert "[at least 0]" in seen
    assert "[1 to 64]" in seen


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("why", "run-1", "x", "--lines", "-3"), "'-3': a whole number, at least 0, is needed"),
        (("cluster", "start", "--nodes", "65"), "'65': a whole number, 1 to 64, is needed"),
        (("count", "status", "x.log", "--top", "few"), "'few': a whole number, at least 1, is needed"),
    ],
)
def test_a_number_out_of_bounds_is_refused_in_words(mrframe, words, said):
    done = mrframe(*words)
    assert (done.exit_code, said in done.stderr) == (2, True)
