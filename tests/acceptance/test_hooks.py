"""What a job's hooks raise, with the real command: both engines say the same, with exit code 1 and no second try."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

JOB = """
import os, sys
from mrframe import Job, text

class Value:
    def __init__(self, number):
        self.number = number
    def __reduce__(self):
        raised("value")
        return Value, (self.number,)

class Truth:
    def __init__(self, line):
        self.line = line
    def __bool__(self):
        raised("truth", self.line)
        return True

class Unprintable(Exception):
    def __str__(self):
        sys.exit(0)

RAISED = {{
    "exit": lambda: sys.exit(0),
    "stop": lambda: next(iter(())),
    "interrupt": KeyboardInterrupt,
    "unprintable": Unprintable,
    "long": lambda: ValueError("x" * 50_000_000),
}}
tries = open({tries!r}, "a")

def raised(hook, what="bad"):
    if (hook, what) == ({hook!r}, "bad"):
        tries.write("once\\n")
        tries.flush()
        error = RAISED[{raised!r}]()
        if error is not None:
            raise error

def where(line):
    raised("where", line)
    return Truth(line)

def pairs(line):
    raised("map", line)
    return [(line, Value(1) if {hook!r} == "value" else 1)]

def totalled(hook):
    def fold(key, values):
        raised(hook, key)
        return [(key, sum(values))]
    return fold

def partition(key, partitions):
    raised("partition", key)
    return 0

job = Job(read=text, map=pairs, where=where, combine={combine}, reduce=totalled("reduce"),
          partition=partition)
"""
COMMAND = [sys.executable, "-m", "mrframe"]


@pytest.mark.parametrize(
    ("hook", "raised", "tries"),
    [
        ("map", "stop", 2),  # once more to have its traceback
        ("truth", "long", 1),
        ("combine", "exit", 1),
        ("partition", "unprintable", 1),
        ("value", "interrupt", None),
    ],
)
def test_both_engines_say_the_same_of_a_hook_that_raises(tmp_path, hook, raised, tries):
    noted, combine = tmp_path / "tries", 'totalled("combine")' if hook != "value" else None
    (tmp_path / "job.py").write_text(JOB.format(hook=hook, raised=raised, tries=str(noted), combine=combine))
    (tmp_path / "lines.txt").write_text("k1\nk2\n" * 150 + "bad\nbad\n" + "k3\n")
    said = {}
    for engine in ("inline", "local"):
        noted.write_text("")
        words = [*COMMAND, "run", "job.py", "lines.txt", "-o", "answer.jsonl", "--engine", engine]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert not (tmp_path / "answer.jsonl").exists()
        assert tries is None or noted.read_text().count("once") == tries
        said[engine] = re.sub(r"run-\d+|--engine \w+", "…", done.stderr)
    assert said["inline"] == said["local"]
    assert len(said["local"]) < 50_000
    assert 'File "' + os.path.join(os.path.realpath(tmp_path), "job.py") in said["local"]
    assert "bug in mrframe" not in said["local"]
    place = (
        "  in      lines.txt:301 (byte 900)\n  record  bad\n"
        if hook in ("map", "truth")
        else "  key     'k1'\n"
        if hook == "value"
        else "  key     'bad'\n"
    )
    assert place in said["local"]
    if hook in ("combine", "partition"):
        again = subprocess.run([*COMMAND, "replay", "@"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (again.returncode, again.stdout) == (1, ""), again.stderr
        assert again.stderr.endswith("it fails again\n")
        assert 'job.py", line' in again.stderr
