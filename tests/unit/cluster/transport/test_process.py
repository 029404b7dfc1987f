"""Processes: the name that ps shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from mrframe.cluster.transport import process
process.prepare()
child = os.fork()
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
process.set_title(sys.argv[1])
os.system(f"ps -ww -o comm= -o args= -p {os.getpid()}")
assert sys.argv[1:] == [sys.argv[1], "arguments that ps no longer shows"]
os._exit(0)
"""


@pytest.mark.parametrize(
    ("title", "short"),
    [("mrframe node-1", "mrframe node-1"), ("mrframe " + "x" * 500, "mrframe xxxxxxx")],
    ids=["short", "longer than the name of a process"],
)
def test_ps_shows_the_title_of_a_forked_process(title, short):
    words = [sys.executable, "-c", SCRIPT, title, "arguments that ps no longer shows"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.rstrip("\n")
    name, arguments = shown[: len(short)], shown[len(short) :].strip()
    assert name == short
    assert arguments == title
