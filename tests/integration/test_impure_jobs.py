"""Jobs whose answer changes with the world: asked again with saved results, they say what they say without.

Each is run, the world is changed, and it is run again. What is not known to be pure is not saved, and what slips
through the names is noticed by what it does. Pure jobs are saved; so are those that say so.
"""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, text
from mrframe.store import file_index
from mrframe.task.cache import pure_names
from mrframe.task.code.job_file import ready_names

JOB = """
from mrframe import Job, collect, text
{code}
def by_line(line):
    yield line, value(line)
job = Job(read=text, map=by_line, reduce=collect{more})
"""


class World:
    """A log, a job over it, and what may be another tomorrow: a file in several forms, a variable, a time zone."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        (folder / "a.log").write_bytes(b"one\ntwo\n")
        (folder / "pickled").mkdir()
        self.change("1")

    def change(self, value: str) -> None:
        folder = self.folder
        (folder / "table.txt").write_text(value)
        (folder / "table.ini").write_text(f"[a]\nb = {value}\n")
        (folder / "table.gz").write_bytes(gzip.compress(value.encode()))
        (folder / f"file-{value}").write_text("")
        self._patch.setenv("WORLD", value)
        self._patch.setenv("TZ", f"{'X' * (2 + int(value))}{value}")  # XXX1, XXXX2
        time.tzset()

    def write(self, code: str, more: str = "") -> None:
        code = code.replace("{table}", str(self.folder / "table")).replace("{folder}", str(self.folder))
        (self.folder / "job.py").write_text(JOB.format(code=code, more=more))

    def ask(self, job: Job | None = None, cache: str = "on", **options):
        given = {"engine": "inline", "cache": cache, "cache_dir": str(self.folder / "cache"), **options}
        log = str(self.folder / "a.log")
        with mrframe.run(job or str(self.folder / "job.py"), [log], RunOptions(**given)) as result:
            return list(result), result.summary


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    yield World(tmp_path, monkeypatch)
    monkeypatch.undo()
    time.tzset()


READERS = {
    "gzip": "import gzip\ndef value(x): return gzip.open('{table}.gz').read().decode()",
    "codecs": "import codecs\ndef value(x): return codecs.open('{table}.txt', encoding='utf-8').read()",
    "configparser": """
from configparser import ConfigParser
def value(x):
    parser = ConfigParser()
    parser.read('{table}.ini')
    return parser['a']['b']""",
    "numpy": "import numpy\ndef value(x): return float(numpy.loadtxt('{table}.txt'))",
    "urlopen": """
from urllib.request import urlopen
def value(x):
    with urlopen('file://{table}.txt') as answer: return answer.read().decode()""",
    "urllib.request": """
import urllib.request as web
def value(x):
    with web.urlopen('file://{table}.txt') as answer: return answer.read().decode()""",
    "http.client": """
import http.client
def value(x): return http.client.socket.os.environ['WORLD']""",
    "pathlib": "from pathlib import Path\ndef value(x): return Path('{table}.txt').read_text()",
    "io": "import io\ndef value(x): return io.open('{table}.txt').read()",
    "tarfile": "import tarfile\ndef value(x): return tarfile.bltn_open('{table}.txt').read()",
    "fileinput": "import fileinput\ndef value(x): return list(fileinput.input('{table}.txt'))[0]",
    "linecache": "import linecache\ndef value(x): return linecache.updatecache('{table}.txt')",
    "json.codecs": "import json\ndef value(x): return json.codecs.open('{table}.txt').read()",
    "module level": "import gzip\nTABLE = gzip.open('{table}.gz').read().decode()\ndef value(x): return TABLE",
    "default": "import os\ndef value(x, given=os.environ['WORLD']): return given",
    "environ": "from os import environ as e\ndef value(x): return e['WORLD']",
    "getenv": "import posixpath\ndef value(x): return posixpath.os.getenv('WORLD')",
    "expandvars": "import os\ndef value(x): return os.path.expandvars('$WORLD')",
    "exists": "import os\ndef value(x): return os.path.exists('{folder}/file-2')",
    "glob": "import glob\ndef value(x): return len(glob.glob('{folder}/file-*'))",
    "listdir": "from os import listdir\ndef value(x): return len(listdir('{folder}'))",
    "subprocess": "import subprocess\ndef value(x): return subprocess.check_output(['cat', '{table}.txt']).decode()",
    "importlib": "import importlib\ndef value(x): return importlib.import_module('os').environ['WORLD']",
    "__import__": "def value(x): return __import__('os').environ['WORLD']",
    "eval": "def value(x): return eval('open(\"{table}.txt\").read()')",
    "exec": "def value(x):\n    names = {}\n    exec('import os', names)\n    return names['os'].environ['WORLD']",
    "getattr": "import os\ndef value(x): return getattr(os, 'env' + 'iron')['WORLD']",
    "globals": "import os\ndef value(x): return globals()['os'].environ['WORLD']",
    "builtins": "def value(x): return len.__self__.open('{table}.txt').read()",
    "tzname": "import time\ndef value(x): return time.tzname[0]",
    "localtime": "import time\ndef value(x): return time.strftime('%H', time.localtime(0))",
    "sqlite3": """
import sqlite3
def value(x):
    with sqlite3.connect('{table}.db') as file: return file.execute('pragma user_version').fetchone()[0] + WORLD
from os import environ
WORLD = int(environ['WORLD'])""",
}
ZONED = {
    "astimezone": """
from datetime import datetime, timezone
def value(x): return datetime(2026, 5, 17, tzinfo=timezone.utc).astimezone().hour""",
    "fromtimestamp": "from datetime import datetime\ndef value(x): return datetime.fromtimestamp(0).hour",
    "timestamp": "from datetime import datetime\ndef value(x): return datetime(2026, 5, 17).timestamp()",
    "strftime": "from datetime import datetime\ndef value(x): return datetime(2026, 5, 17).strftime('%s')",
    "mktime": "import time\ndef value(x): return time.mktime(time.strptime('2026', '%Y'))",
    "date": "from datetime import date\ndef value(x): return str(date.fromtimestamp(3600 * 1.5))",
}


@pytest.mark.parametrize("code", READERS.values(), ids=READERS.keys())
@pytest.mark.filterwarnings("ignore")
def test_an_answer_that_depends_on_the_environment_is_not_stale(world, code):
    world.write(code)
    first, summary = world.ask()
    assert summary.not_saved.startswith(str(world.folder / "job.py"))
    world.change("2")
    again, summary = world.ask()
    assert again == world.ask(cache="off")[0] != first
    assert summary.saved_maps == 0


@pytest.mark.parametrize("code", ZONED.values(), ids=ZONED.keys())
def test_an_answer_in_local_time_is_that_of_the_zone_it_is_asked_in(world, code):
    world.write(code)
    first, summary = world.ask()
    assert summary.not_saved == ""
    assert world.ask()[1].saved_maps == 1
    world.change("2")
    again, summary = world.ask()
    assert again == world.ask(cache="off")[0] != first
    assert summary.saved_maps == 0


CHANCE = {
    "numpy.random": "import numpy\ndef value(x): return int(numpy.random.randint(1 << 62))",
    "random": "from random import getrandbits\ndef value(x): return getrandbits(62)",
    "uuid": "import uuid\ndef value(x): return str(uuid.uuid4())",
    "secrets": "import secrets\ndef value(x): return secrets.token_hex()",
    "statistics": "import statistics\ndef value(x): return statistics.NormalDist().samples(1)[0]",
    "clock": "import time\ndef value(x): return time.perf_counter_ns()",
    "now": "from datetime import datetime\ndef value(x): return str(datetime.now())",
    "state": "import itertools\nCOUNT = itertools.count()\ndef value(x): return next(COUNT)",
    "set": "SEEN = set()\ndef value(x):\n    SEEN.add(x)\n    return len(SEEN)",
}


@pytest.mark.parametrize("code", CHANCE.values(), ids=CHANCE.keys())
def test_chance_clocks_and_state_are_not_saved(world, code):
    world.write(code)
    assert world.ask()[1].not_saved.startswith(str(world.folder / "job.py"))
    assert world.ask()[1].saved_maps == 0
    world.write(code, ", pure=True")
    world.ask()
    assert world.ask()[1].saved_maps == 1, "the job says that it knows better"


def test_a_function_without_a_file_is_not_stale(world):
    path = str(world.folder / "table.gz")

    def by_line(line):
        yield line, gzip.open(path).read()  # noqa: SIM115

    job = Job(read=text, map=by_line, reduce=collect)
    first, summary = world.ask(job)
    assert "by_line" in summary.not_saved and "gzip.open" in summary.not_saved
    world.change("2")
    assert world.ask(job)[0] == world.ask(job, cache="off")[0] != first


# ---- what slips through the names --------------------------------------------------------------------


@pytest.fixture
def holes(monkeypatch):
    """The lists of what is pure have a hole: they know `gzip.open`."""
    monkeypatch.setitem(pure_names.MODULES, "gzip", pure_names.MODULES["gzip"] | {"open"})


SLIPS = {
    "in the map": "import gzip\ndef value(x): return gzip.open('{table}.gz').read().decode()",
    "for some records": "import gzip\ndef value(x): return gzip.open('{table}.gz').read().decode() if x > 'p' else x",
    "when the job is loaded": """
import gzip
TABLE = gzip.open('{table}.gz').read().decode()
def value(x): return TABLE""",
    "once, and remembered": """
import functools, gzip
@functools.cache
def table(): return gzip.open('{table}.gz').read().decode()
def value(x): return table()""",
    "in the class of a default": """
import gzip
class Table:
    def __init__(self): self.text = gzip.open('{table}.gz').read().decode()
def value(x, table=Table()): return table.text""",
}


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, "inline") for name in SLIPS), ("in the map", "local"), ("once, and remembered", "local")],
)
@pytest.mark.filterwarnings("ignore")
def test_effects_that_names_do_not_show_are_noticed_at_run_time(world, holes, name, engine):
    world.write(SLIPS[name])
    options = {"engine": engine, "split_bytes": 4, "nodes": 1 if engine == "local" else None}
    first, summary = world.ask(**options)
    assert summary.not_saved.startswith(str(world.folder / "job.py")) and "opens" in summary.not_saved
    world.change("2")
    again, summary = world.ask(**options)
    assert again == world.ask(cache="off")[0] != first
    assert "pure=True" in summary.not_saved


@pytest.mark.filterwarnings("ignore")
def test_a_reduce_that_reads_a_file_makes_no_saved_answer(world, holes):
    code = """
import gzip
def value(x): return 1
def read(key, values): yield key, gzip.open('{table}.gz').read().decode()"""
    world.write(code, "")
    job = (world.folder / "job.py").read_text().replace("reduce=collect", "reduce=read")
    (world.folder / "job.py").write_text(job)
    first, summary = world.ask()
    assert "read" in summary.not_saved
    world.change("2")
    for _ in range(2):
        again, summary = world.ask()
        assert again == world.ask(cache="off")[0] != first
    assert summary.engine == "inline" and summary.saved_maps == 1, "the map itself is pure"


def test_a_map_that_uses_time_zones_is_saved_though_it_reads_their_files(world):
    code = """
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
def value(x): return datetime(2026, 5, 17, tzinfo=timezone.utc).astimezone(ZoneInfo('Europe/Berlin')).hour"""
    world.write(code)
    first, summary = world.ask()
    assert summary.not_saved == ""
    assert world.ask()[0] == first
    assert world.ask()[1].saved_maps == 1


@pytest.mark.parametrize("name", [name for name in ready_names() if name != "sort"])
def test_every_ready_job_is_saved(tmp_path, name, monkeypatch):
    monkeypatch.setattr(file_index, "SETTLED_S", 0.0)
    samples = Path(__file__).parents[2] / "sample_logs"
    log = samples / ("app.jsonl" if name == "latency" else "access.log")
    options = RunOptions(engine="inline", cache="on", cache_dir=str(tmp_path / "cache"))
    with mrframe.run(name, [str(log)], options) as result:
        first = list(result)
        assert result.summary.not_saved == ""
    with mrframe.run(name, [str(log)], options) as result:
        assert list(result) == first
        assert result.summary.saved_maps == 1
    assert os.path.isdir(tmp_path / "cache")
