"""The world beside a job's input: files, variables, chance, the local zone. How to look at it and set it.

A job that looks at it may give another answer tomorrow, so mrframe must not save the results of its map. A `Glimpse`
is one way to look. These worlds are set for one process only, so the jobs that look at them run inline.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

SIDE = "@SIDE@"
"""Stands in a job's text for the path of its side file, which is known when the case is played."""
VARIABLE = "DIFFERENTIAL_WORLD"
ZONES = ("Etc/GMT-14", "Etc/GMT+12")  # never at the same date


@dataclass(frozen=True)
class Glimpse:
    """A way of looking at the world: import lines, and an expression that gives a text or a number."""

    kind: str
    imports: str
    expression: str


@dataclass(frozen=True)
class OuterWorld:
    """The state of the world. `more` is appended to the first input."""

    number: int = 0
    more: bytes = b""


def _glimpses(kind: str, *some: tuple[str, str]) -> tuple[Glimpse, ...]:
    return tuple(Glimpse(kind, imports, expression) for imports, expression in some)


GLIMPSES = (
    *_glimpses(
        "side",
        ("", "open(PATH).read()"),
        ("import io", "io.open(PATH).read()"),
        ("import os", "os.stat(PATH).st_size"),
        ("import codecs", "codecs.open(PATH, encoding='utf-8').read()"),
        ("from codecs import open as opened", "opened(PATH, encoding='utf-8').read()"),
        ("from pathlib import Path", "Path(PATH).read_text()"),
        ("from configparser import ConfigParser", "(lambda c: c.read(PATH) and c['side']['value'])(ConfigParser())"),
        ("import tokenize", "tokenize.open(PATH).read()"),
        ("import urllib.request", "urllib.request.urlopen('file://' + PATH).read().decode()"),
        ("from urllib.request import urlopen", "urlopen('file://' + PATH).read().decode()"),
        ("import runpy", "runpy.run_path(PATH + '.py')['value']"),
        ("read = open", "read(PATH).read()"),
        ("import builtins", "builtins.open(PATH).read()"),
        ("import numpy as np", "int(np.fromfile(PATH, dtype='u1').sum())"),
    ),
    *_glimpses("gz", ("import gzip", "gzip.open(PATH, 'rt').read()"), ("from gzip import open", "open(PATH).read()")),
    *_glimpses(
        "bz2", ("import bz2", "bz2.open(PATH, 'rt').read()"), ("from bz2 import BZ2File", "BZ2File(PATH).read()")
    ),
    *_glimpses("xz", ("import lzma", "lzma.open(PATH, 'rt').read()")),
    *_glimpses("numbers", ("import numpy", "int(numpy.loadtxt(PATH))"), ("import json", "json.load(open(PATH))")),
    *_glimpses(
        "variable",
        ("import os", f"os.environ[{VARIABLE!r}]"),
        ("import os", f"os.getenv({VARIABLE!r})"),
        ("from os import environ as e", f"e.get({VARIABLE!r})"),
        ("import os", f"os.path.expandvars('${VARIABLE}')"),
        ("from os.path import expandvars", f"expandvars('${VARIABLE}')"),
        ("import posixpath", f"posixpath.expandvars('${VARIABLE}')"),
    ),
    *_glimpses(
        "chance",
        ("import random", "random.random()"),
        ("from random import randint", "randint(0, 10**9)"),
        ("import random as dice", "dice.choice('abcdefgh')"),
        ("import numpy as np", "int(np.random.randint(10**9))"),
        ("from numpy import random", "int(random.randint(10**9))"),
        ("from numpy.random import randint", "int(randint(10**9))"),
    ),
    *_glimpses(
        "zone",
        ("import time", "time.localtime(0).tm_hour"),
        ("import time", "time.strftime('%d %H', time.localtime(86400))"),
        ("import time", "time.timezone"),
        ("from time import mktime", "mktime((2024, 1, 1, 0, 0, 0, 0, 1, 0))"),
        ("", "datetime.fromtimestamp(86400).hour"),
        ("", "date.fromtimestamp(86400).isoformat()"),
        ("", "datetime(2024, 1, 1).timestamp()"),
        ("", "datetime(2024, 1, 1, tzinfo=timezone.utc).astimezone().hour"),
        ("", "datetime(2024, 1, 1).astimezone().isoformat()"),
        ("", "datetime.now().date().isoformat()"),
        ("", "date.today().isoformat()"),
        ("import email.utils", "email.utils.localtime().date().isoformat()"),
        ("from email.utils import localtime", "localtime().date().isoformat()"),
    ),
)
PACKED: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@contextmanager
def entered(world: OuterWorld, kind: str, path: str) -> Iterator[None]:
    """Set the world within the context. Its side file is at `path`."""
    text = b"%d\n" % world.number if kind == "numbers" else b"[side]\nvalue = %d\n" % world.number
    for name, data in ((path, PACKED.get(kind, bytes)(text)), (path + ".py", text.partition(b"\n")[2])):
        with open(name, "wb") as file:
            file.write(data)
    before = {name: os.environ.get(name) for name in (VARIABLE, "TZ")}
    state = random.getstate()
    os.environ[VARIABLE] = str(world.number)
    if kind == "zone":
        os.environ["TZ"] = ZONES[world.number % 2]
    time.tzset()
    random.seed(world.number)
    if kind == "chance" and find_spec("numpy") is not None:
        importlib.import_module("numpy").random.seed(world.number)
    try:
        yield
    finally:
        random.setstate(state)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        time.tzset()
