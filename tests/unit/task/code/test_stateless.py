"""Which jobs can keep nothing from one attempt to the next, and so need not be made anew for each."""

from __future__ import annotations

import sys

import pytest

from mrframe.core.model.reader import Reader
from mrframe.task.code import package
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.modules import collect
from mrframe.task.code.settings import TaskSettings
from mrframe.task.code.stateless import keeps_nothing

IMPORTS = "import contextlib, dataclasses, functools, itertools, random, re, types\n"
HEAD = IMPORTS + "from collections import Counter\nfrom mrframe import *\n"
KEEP = {
    "an iterator": "C = iter(range(9))\ndef m(line):\n    yield sum(C), 1\n",
    "a list": "C = []\ndef m(line):\n    C.append(line)\n    yield len(C), 1\n",
    "a list under another name": "C = []\ndef m(line):\n    d = C\n    d += [1]\n    yield len(d), 1\n",
    "a list in a tuple": "C = ([],)\ndef m(line):\n    c, = C\n    c.append(1)\n    yield len(c), 1\n",
    "a table": "C = {}\ndef m(line):\n    yield C.setdefault(line, len(C)), 1\n",
    "a default": "def m(line, c=[]):\n    c.append(1)\n    yield len(c), 1\n",
    "a default by name": "def m(line, *, c=[]):\n    c.append(1)\n    yield len(c), 1\n",
    "a cache": "@functools.lru_cache\ndef f(x):\n    return x\ndef m(line):\n    yield f(line), 1\n",
    "a global": "n = 0\ndef m(line):\n    global n\n    n += 1\n    yield n, 1\n",
    "a closure": (
        "def mk():\n    n = 0\n    def m(line):\n        nonlocal n\n        n += 1\n        yield n, 1\n"
        "    return m\nm = mk()\n"
    ),
    "a list in a closure": "def mk():\n    c = []\n    return lambda line: [(c.append(1), len(c))]\nm = mk()\n",
    "a class": "class A:\n    n = 0\ndef m(line):\n    A.n += 1\n    yield A.n, 1\n",
    "an object": "class A:\n    n = 0\nA = A()\ndef m(line):\n    A.n += 1\n    yield A.n, 1\n",
    "an attribute of a function": "def m(line):\n    m.n = getattr(m, 'n', 0) + 1\n    yield m.n, 1\n",
    "names of the module": "def m(line):\n    globals()['n'] = 1\n    yield line, 1\n",
    "a function's own table": "def m(line):\n    m.__dict__['n'] = 1\n    yield line, 1\n",
    "modules by name": "import sys\ndef m(line):\n    sys.modules['x'] = 1\n    yield line, 1\n",
    "a method of the job": "class A:\n    def f(self, line):\n        yield line, 1\nm = A().f\n",
    "a partial": "c = []\nm = functools.partial(lambda line, c: [(line, 1)], c=c)\ndel c\n",
    "a counter": "C = Counter()\ndef m(line):\n    C.update(line)\n    yield len(C), 1\n",
    "an inner function": "n = 0\ndef m(line):\n    def f():\n        global n\n        n += 1\n    yield f(), 1\n",
    "a count": "C = itertools.count()\ndef m(line):\n    yield next(C), 1\n",
    "a method of a list": "pop = list(range(9)).pop\ndef m(line):\n    yield pop(), 1\n",
    "a generator of random numbers": "r = random.Random(3).random\ndef m(line):\n    yield r(), 1\n",
    "a function that a library has wrapped": (
        "@contextlib.contextmanager\ndef f(c=[]):\n    c.append(1)\n    yield len(c)\n"
        "def m(line):\n    with f() as n:\n        yield n, 1\n"
    ),
    "a function with names of its own": (
        "names = {}\nexec('C = []\\ndef m(line):\\n    C.append(1)\\n    yield len(C), 1\\n', names)\n"
        "m = names['m']\ndel names\n"
    ),
    "a class in another module's name": (
        "class A:\n    __module__ = 'json'\n    c = []\ndef m(line):\n    A.c.append(1)\n    yield len(A.c), 1\n"
    ),
    "a class that a library has made": (
        "A = dataclasses.make_dataclass('A', [], namespace={'c': []})\n"
        "def m(line):\n    A.c.append(1)\n    yield len(A.c), 1\n"
    ),
    "a reducer of its own": (
        "class R(type(total)):\n    __module__ = 'mrframe.r'\n    c = []\nr = R()\ndel R\n"
        "def m(line):\n    r.c.append(1)\n    yield len(r.c), 1\n"
    ),
    "a module of its own": (
        "C = types.ModuleType('c')\nC.c = []\ndef m(line):\n    C.c.append(1)\n    yield len(C.c), 1\n"
    ),
    "a deleted name of a closure": (
        "def mk():\n    n = 0\n    def m(line):\n        nonlocal n\n        del n\n        yield 1, 1\n"
        "    return m\nm = mk()\n"
    ),
    "names of a frame": "def m(line):\n    (i for i in line).gi_frame.f_globals['n'] = 1\n    yield line, 1\n",
    "a far-reaching function under another name": "put = setattr\ndef m(line):\n    put(m, 'n', 1)\n    yield 1, 1\n",
    "a far-reaching function as a default": "def m(line, g=globals):\n    g()['n'] = 1\n    yield line, 1\n",
    "a far-reaching class under another name": (
        "from operator import attrgetter as g\ndef m(line):\n    g('__globals__')(m)['n'] = 1\n    yield line, 1\n"
    ),
    "a far-reaching module under another name": (
        "import gc as g\ndef m(line):\n    g.get_referents(m)[0]['n'] = 1\n    yield line, 1\n"
    ),
}
NOTHING = {
    "a plain map": "def m(line):\n    yield line, 1\n",
    "fixed values": "A, B = (1, frozenset('ab')), re.compile('x')\ndef m(line, a=A):\n    yield B.sub('', line), a\n",
    "its own tables": "def m(line):\n    c = Counter(line)\n    c['x'] = 1\n    yield from c.items()\n",
    "a helper": "def f(x):\n    return [y for y in x if y]\ndef m(line):\n    yield len(f(line)), 1\n",
    "what is installed": (
        "from math import sqrt\nfrom json import dumps\nf, join = dict.fromkeys, ', '.join\n"
        "def m(line):\n    yield join([dumps(sqrt(len(f(line))))]), 1\n"
    ),
    "a closure over a number": "def mk(n):\n    def m(line):\n        yield line[:n], 1\n    return m\nm = mk(3)\n",
}


def made(tmp_path, body: str) -> JobFile:
    path = tmp_path / "own_job.py"
    path.write_text(HEAD + body + "job = Job(read=text, map=m, reduce=count)\n")
    return JobFile(collect(str(path)), "")


def judged(tmp_path, body: str) -> bool:
    file = made(tmp_path, body)
    job = file.make({})
    try:
        return keeps_nothing(sys.modules[file.sources.modules[0].name], job)
    finally:
        file.sources.forget()


@pytest.mark.parametrize("what", KEEP)
def test_what_can_change_is_made_anew(tmp_path, what):
    assert not judged(tmp_path, KEEP[what])


@pytest.mark.parametrize("what", NOTHING)
def test_what_cannot_change_is_kept(tmp_path, what):
    assert judged(tmp_path, NOTHING[what])


@pytest.mark.parametrize("what", KEEP)
def test_each_attempt_gives_what_the_first_has_given(tmp_path, what):
    file = made(tmp_path, KEEP[what])
    packed = package.pack(file.make({}), TaskSettings(Reader("text"), 1 << 20), file, {})
    given = []
    for _ in range(6):
        job = package.unpack(packed)
        given.append(mapped(job.steps[0].map))
        job.close()
    assert given == given[:1] * 6


def mapped(function) -> str:
    try:
        return repr(list(function("a line")))
    except Exception as error:  # some have nothing left at the second call
        return repr(error)


@pytest.mark.parametrize(("what", "once"), [("a list", False), ("a plain map", True)])
def test_attempts_share_a_job_only_if_it_keeps_nothing(tmp_path, what, once):
    file = made(tmp_path, (NOTHING if once else KEEP)[what])
    packed = package.pack(file.make({}), TaskSettings(Reader("text"), 1 << 20), file, {})
    jobs = []
    for _ in range(6):
        jobs.append(package.unpack(packed))
        jobs[-1].close()
    assert (jobs[4] is jobs[5]) == once
    if not once:
        assert len({id(job.steps[0].map.__globals__["C"]) for job in jobs}) == 6
    other = package.unpack(package.pack(file.make({}), TaskSettings(Reader("text"), 2 << 20), file, {}))
    assert other is not jobs[5], "another package is another job"
