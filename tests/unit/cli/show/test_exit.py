"""An interrupt ends a command as an interrupt, wherever Python was when it came."""

import signal
import subprocess
import sys

import click
import pytest

from mrframe.cli.show.exit import HungUp, Terminated, run_to_exit_code


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Told:
    """It is told its name, as fields of dataclasses are: Python 3.11 says RuntimeError for what comes of that."""

    def __init__(self, stopped):
        self.stopped = stopped

    def __set_name__(self, owner, name):
        raise self.stopped


@pytest.mark.parametrize(
    ("stopped", "code", "word"),
    [(KeyboardInterrupt, 130, "interrupted"), (Terminated, 143, "terminated"), (HungUp, 129, "hung up")],
)
def test_an_interrupt_while_a_class_is_made_is_no_bug(capfd, stopped, code, word):
    @click.command()
    def command():
        type("Made", (), {"field": Told(stopped)})

    assert run_to_exit_code(command, [], "mrframe") == code
    assert capfd.readouterr().err == f"{word}\n"


LOST = """
import sys, weakref
import click
from mrframe.cli.show.exit import HungUp, Terminated, catch_lost_signals, run_to_exit_code

class Thing:
    pass

def callback(_ref):
    if {printed}:
        sys.excepthook({name}, {name}(), None)
    raise {name}

@click.command()
def command():
    thing = Thing()
    ref = weakref.ref(thing, callback)
    del thing
    while True:
        pass  # until the signal is raised again

catch_lost_signals()
sys.exit(run_to_exit_code(command, [], "lost"))
"""


@pytest.mark.parametrize(("name", "code"), [("KeyboardInterrupt", 130), ("Terminated", 143), ("HungUp", 129)])
@pytest.mark.parametrize("printed", [False, True])  # as Cython does
def test_a_signal_that_arrives_where_nothing_can_be_raised_still_ends_the_command(name, code, printed):
    words = [sys.executable, "-c", LOST.format(name=name, printed=printed)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code
    assert "ignored" not in done.stderr
    assert "Traceback" not in done.stderr
