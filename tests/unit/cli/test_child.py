"""A child in which a job's code runs: how it ended, and why, is not lost with it."""

from __future__ import annotations

import os
import signal

from mrframe.cli.child import in_child
from mrframe.errors import OutputError


def test_a_child_gives_its_exit_code_and_says_what_ended_it(capfd):
    def raise_it() -> int:
        raise LookupError("nobody expected this")

    assert in_child(lambda: 3) == 3
    assert capfd.readouterr().err == ""
    assert in_child(raise_it) == 1
    assert "LookupError: nobody expected this" in capfd.readouterr().err
    assert in_child(lambda: os.kill(os.getpid(), signal.SIGKILL)) == 1
    assert "killed by SIGKILL" in capfd.readouterr().err


def test_an_error_of_the_disk_is_shown_with_its_exit_code(capfd):
    def refuse() -> int:
        raise OutputError("the scratch directory /x cannot be written")

    assert in_child(refuse) == 2
    assert capfd.readouterr().err == "error: the scratch directory /x cannot be written\n"
