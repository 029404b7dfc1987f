"""What a job's code does is noted, wherever it is hidden; what mrframe and Python do on its behalf is not."""

from __future__ import annotations

import gzip
import sys
import threading

import pytest

from mrframe.core.model.spec import Split
from mrframe.formats.inputs.splits import read_split
from mrframe.task.isolation import effects


@pytest.fixture(autouse=True)
def afresh():
    effects.forget()
    yield
    effects.forget()


def did(code: str, **names) -> str:
    """What is noted while this code runs as that of a job."""
    effects.forget()
    with effects.watched():
        exec(compile(code, "/logs/job.py", "exec", dont_inherit=True), names)
    return effects.noted()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import gzip\ngzip.open(path).close()", "opens"),
        ("import codecs\ncodecs.open(path, 'rb').close()", "opens"),
        ("import configparser\nconfigparser.ConfigParser().read(path)", "opens"),
        ("import pathlib\npathlib.Path(path).read_bytes()", "opens"),
        ("import os\nos.close(os.open(path, os.O_RDONLY))", "opens"),
        ("vars(__import__('builtins'))['op' + 'en'](path).close()", "opens"),
        ("import numpy\nnumpy.fromfile(path)", "opens"),
        ("import sqlite3\nsqlite3.connect(':memory:').close()", "sqlite3.connect"),
        ("import os\nos.listdir('/')", "os.listdir"),
        ("import os\nlist(os.scandir('/'))", "os.scandir"),
        ("import os\nos.putenv('MRFRAME_NO', '1')\nos.unsetenv('MRFRAME_NO')", "os.putenv"),
        ("import socket\nsocket.socket().close()", "socket.__new__"),
        ("import socket\nsocket.gethostname()", "socket.gethostname"),
        ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
        ("import os\nos.system('true')", "os.system"),
        ("import tempfile\ntempfile.TemporaryFile().close()", "opens"),
        ("import ctypes\nctypes.CDLL(None)", "ctypes.dlopen"),
        ("def f():\n    yield open(path)\nnext(f()).close()", "opens"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_effect_is_noted_with_its_place_in_the_code(tmp_path, code, said):
    path = tmp_path / "table"
    path.write_bytes(b"")
    noted = did(code, path=str(path))
    assert noted.startswith("/logs/job.py:")
    assert said in noted


def test_the_function_and_the_line_are_named(tmp_path):
    code = "import gzip\ndef load(path):\n    return gzip.open(path)\nload(path).close()"
    with gzip.open(tmp_path / "t.gz", "wb"):
        pass
    path = str(tmp_path / "t.gz")
    assert did(code, path=path) == f"/logs/job.py:3 (load) opens {path!r}"


@pytest.mark.parametrize(
    "code",
    [
        "import json, re, math\nre.compile('a+b').match('aab')\njson.loads('[1]')",
        "from datetime import datetime\ndatetime.strptime('2026', '%Y')",
        "from collections import namedtuple\nnamedtuple('Point', 'x y')(1, 2)",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1)",
        "import zoneinfo\nzoneinfo.ZoneInfo.no_cache('Europe/Berlin')",
        "import colorsys",
        "b'x'.decode('cp037')\n'x'.encode('idna')",
        "import hashlib\nhashlib.new('sha3_256', b'x').hexdigest()",
        "from decimal import Decimal\nDecimal(1) / 3",
    ],
)
def test_pure_computation_is_not_noted(code):
    for name in ("colorsys", "encodings.cp037", "_strptime"):
        sys.modules.pop(name, None)
    assert did(code) == ""


def test_effects_of_mrframe_itself_are_not_noted(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\n")
    split = Split("file", str(path), str(path), 0, 8, (0, 0))
    code = "blocks = list(read(split, block_bytes=1 << 20, on_long=None))\nassert blocks"
    assert did(code, read=read_split, split=split) == ""


def test_effects_outside_a_watch_or_in_another_thread_are_not_noted(tmp_path):
    path = str(tmp_path / "x")
    code = compile("open(path, 'w').close()", "/logs/job.py", "exec")
    exec(code, {"path": path})
    assert effects.noted() == ""
    ready, go = threading.Event(), threading.Event()

    def other():
        ready.set()
        go.wait(30)
        exec(code, {"path": path})

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait(30)
    with effects.watched():
        go.set()
        thread.join()
    assert effects.noted() == ""


def test_a_noted_effect_stays_until_another_job_begins():
    effects.begin(b"one job")
    assert did("import os\nos.listdir('/')") != ""
    effects.begin(b"one job")
    assert effects.noted() != ""
    effects.begin(b"another")
    assert effects.noted() == ""
    effects.begin(b"")


def test_a_watch_within_a_watch_ends_alone():
    with effects.watched():
        with effects.watched():
            pass
        exec(compile("import os\nos.listdir('/')", "/logs/job.py", "exec"), {})
    assert "os.listdir" in effects.noted()


def test_a_watch_that_fails_is_not_raised_in_the_code_that_is_watched(monkeypatch):
    monkeypatch.setattr(effects, "_culprit", None)
    assert did("import os\nos.listdir('/')") == "the job's code does os.listdir"
