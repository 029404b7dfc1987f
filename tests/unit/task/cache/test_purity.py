"""What is taken for pure by its names, with a file and without: all else is refused, with function, line and name."""

from __future__ import annotations

import gzip
import math
import random
import re
import sys
import types
from pathlib import Path
from typing import NamedTuple

import pytest

import mrframe
from mrframe import Job, increment, run, text, total
from mrframe.api.questions.where import compile_where
from mrframe.task.cache import pure_names
from mrframe.task.cache.fingerprint import unsaved_because
from mrframe.task.cache.purity import Unsaved, check_sources
from mrframe.task.code.job_file import find
from mrframe.task.code.modules import Source

ROOT = Path(__file__).parents[4]

IMPURE = """
import gzip
def f(): return gzip.open('x').read()
---
import codecs
def f(): return codecs.open('x').read()
---
from configparser import ConfigParser
def f(): return ConfigParser().read('x')
---
import numpy
def f(): return numpy.loadtxt('x')
---
import numpy as np
def f(): return np.random.randint(3)
---
from numpy import random
def f(): return random.randint(3)
---
from urllib.request import urlopen
def f(): return urlopen('x')
---
import urllib.request
def f(): return urllib.request.urlopen('x')
---
import http.client
def f(): return http.client.HTTPConnection('x')
---
import datetime as d
def f(): return d.datetime.now()
---
from datetime import datetime
def f(): return datetime.today()
---
import os
def f(): return os.environ['x']
---
from os import environ
def f(): return environ['x']
---
import os.path as p
def f(): return p.exists('x')
---
def f(): return hash('x')
---
def f(x): return id(x)
---
def f(x): return eval(x)
---
def f(x): return getattr(x, x)
---
def f(x): return getattr(x, 'now')()
---
import operator
def f(x): return operator.methodcaller('now')(x)
---
from operator import methodcaller as m
def f(x): return m(x)(x)
---
import importlib
def f(): return importlib.import_module('os')
---
def f(): return __import__('os')
---
def f(): return f.__globals__
---
def f(): return f.__builtins__
---
def f(): return globals()
---
def f(): return __file__
---
import json
def f(): return json.codecs.open('x')
---
import statistics
def f(): return statistics.random.random()
---
import sys
def f(): return sys.modules
---
from math import *
x = 1
---
x = 0
def f():
    global x
    x += 1
---
S = set()
def f(x): S.add(x)
---
S = {}
def f(x): S[x] = 1
---
def f(x, seen=[]): seen.append(x)
---
import itertools
C = itertools.count()
def f(x): return next(C)
---
import uuid
def f(x): return uuid.uuid4()
---
import time
def f(x): return time.tzname
---
import decimal
def f(x): decimal.getcontext().prec = 3
---
import requests
---
import pandas as pd
---
TABLE = open('x').read()
---
import pathlib
def f(): return pathlib.Path('x').read_text()
---
import pickle
def f(x): return pickle.loads(x)
---
import secrets
def f(): return secrets.token_hex()
---
import threading
def f(): return threading.get_ident()
---
import mrframe
def f(): return mrframe.run(1, 2)
---
def f(x): return [open for y in x]
---
class A:
    def g(self): return open('x')
---
f = lambda: open('x')
---
import locale
def f(): return locale.getlocale()
---
import linecache, io
def f(): return io.open('x')
---
def f(x):
    match x:
        case A(now=y): return y
---
import fileinput
def f(): return list(fileinput.input('x'))
---
import zipfile
def f(): return zipfile.ZipFile('x')
---
import pyarrow.csv as c
def f(): return c.read_csv('x')
---
import pyarrow
def f(): return pyarrow.memory_map('x')
---
import pyarrow.compute as pc
def f(): return pc.random(3)
---
import logging
def f(): logging.info('x')
---
import re
r = re
def f(): return r.sys
---
def job():
    n = 0
    def f(x):
        nonlocal n
        n += 1
    return f
---
def job():
    seen = set()
    def f(x):
        if x in seen: return
        seen.add(x)
    return f
---
import html
def f(): return html.__loader__
---
import os
def f(): return os.path.os.environ
---
from string import Formatter
def f(x): return vars(x)
---
try:
    import ujson
except ImportError:
    pass
"""

PURE = """
import re
P = re.compile('x')
def f(x): return P.sub('', x), re.match('x', x).group(0)
---
import json
def f(x):
    try: return json.loads(x)['a'].get('b')
    except json.JSONDecodeError as e: return None
---
from datetime import datetime, timedelta, timezone
def f(t):
    return (
        t.astimezone(timezone.utc) - timedelta(hours=1),
        datetime.fromtimestamp(3, timezone.utc),
        datetime.strptime('x','%Y'),
    )
---
from collections import Counter, defaultdict
def f(x):
    c = defaultdict(list)
    c[x].append(1)
    c.setdefault(x, []).append(3)
    return Counter(x)
---
import itertools, functools, operator
@functools.lru_cache(maxsize=None)
def g(x): return sorted(x, key=operator.itemgetter(1))
def f(x): return list(itertools.chain.from_iterable(x))
---
from urllib.parse import urlsplit, parse_qs
def f(x): return parse_qs(urlsplit(x).query)
---
import urllib.parse
def f(x): return urllib.parse.unquote(x)
---
import ipaddress
N = ipaddress.ip_network('10.0.0.0/8')
def f(h): return ipaddress.ip_address(h) in N
---
import base64, hashlib, zlib, binascii, struct
def f(x):
    return (
        hashlib.sha256(base64.b64decode(x)).hexdigest(),
        zlib.crc32(x),
        struct.unpack('<I', x),
        binascii.hexlify(x),
    )
---
import statistics
from decimal import Decimal, localcontext
from fractions import Fraction
def f(x): return statistics.mean(x), Decimal(x).quantize(Decimal('0.1')), Fraction(1, 3)
---
import textwrap, unicodedata, html, bisect, heapq, string
def f(x):
    return (
        textwrap.shorten(x, 3),
        unicodedata.normalize('NFC', x),
        html.unescape(x),
        bisect.bisect([1], 2),
        heapq.nlargest(3, x),
        string.ascii_letters,
    )
---
from enum import Enum
class C(Enum):
    A = 1
def f(x): return C(x).name, C.A.value
---
from dataclasses import dataclass, field
@dataclass(frozen=True)
class R:
    a: int = 0
    b: list = field(default_factory=list)
    def add(self, x):
        self.b.append(x)
def f(x): return R(x)
---
from typing import NamedTuple, TYPE_CHECKING
if TYPE_CHECKING:
    import pandas
class T(NamedTuple):
    a: int
def f(x): return T(x).a
---
import os
def f(x): return os.path.basename(x), os.path.splitext(x)[1]
---
def f(x):
    out = []
    for w in x.split():
        out.append(w)
    return out
---
def id(x): return 1
def f(x): return id(x)
---
def f(open, hash): return open + hash
---
import sys
from mrframe import Job, count, main, text
job = Job(read=text, key='line', reduce=count)
if __name__ == '__main__':
    sys.exit(main(job))
---
import csv, io
def f(x): return next(csv.reader(io.StringIO(x)))
---
from zoneinfo import ZoneInfo
Z = ZoneInfo('Europe/Berlin')
def f(t): return t.astimezone(Z).hour
---
import math
def f(x): return math.floor(math.log2(x))
---
import time, calendar
def f(x): return calendar.timegm(time.strptime(x, '%Y'))
---
from contextlib import suppress
def f(x):
    with suppress(ValueError):
        return int(x)
---
T = {c: i for i, c in enumerate('abc')}
T.update(d=4)
def f(x): return T.get(x), T[x]
---
import pyarrow as pa, pyarrow.compute as pc
def f(t): return pa.table({'k': pc.utf8_lower(t['path'])})
---
import numpy as np
def f(t): return np.asarray(t).sum(), np.unique(t)
---
def f(x): return getattr(x, 'real', None), hasattr(x, 'imag')
---
def outer(n):
    def f(x): return x * n
    return f
---
class P:
    def __init__(self): self.n = 0
    def feed(self, x):
        self.n += 1
        return type(x).__name__
def f(x): return P().feed(x)
---
from __future__ import annotations
import copy
def f(x: int) -> int: return copy.deepcopy(x)
---
def f(x):
    match x.split():
        case [a, *rest]: return a, rest
        case {'k': v, **r}: return v
        case str() as s: return s
---
def f(x): return (y := x.strip()) and [z for z in y if z]
---
import email.utils
def f(x): return email.utils.parsedate_to_datetime(x)
---
import gzip
def f(x): return gzip.decompress(x)
---
class A:
    limit = 3
    other = limit + 1
    def f(self): return super().__init__()
"""


def snippets(text: str) -> list[str]:
    return [part.strip("\n") for part in text.split("\n---\n")]


def judged(*texts: str) -> str:
    """Why a job of these modules (`job`, `one`, `two` …) is not saved; "" when it is."""
    names = ("job", "one", "two")
    try:
        check_sources([Source(name, f"{name}.py", text) for name, text in zip(names, texts, strict=False)])
    except Unsaved as error:
        return str(error)
    return ""


ROUNDABOUT = """
import numpy as np
def f(): return str(np.datetime64('now'))
---
import numpy as np
def f(): return np.array(['now'], dtype='datetime64[ms]')
---
import numpy as np
def f(x): return np.array('today').astype('<M8[D]')
---
import numpy
def f(): return numpy.ndarray((4,))
---
class C:
    from os import environ as e
def f(): return C.e['WORLD']
---
class C:
    import os
def f(): return C().os.environ
---
import gzip
def f(x): return gzip.compress(x)
---
def f(x): return x.__hash__()
---
import operator
f = operator.methodcaller('__hash__')
---
def f(g): return '{0.__globals__[os].environ[WORLD]}'.format(g)
---
import os
def f(a: os.environ['WORLD']): return f.__annotations__
---
import os
def f():
    a: (W := os.environ['WORLD']) = 1
    return W
---
TYPE_CHECKING = True
if TYPE_CHECKING:
    import os
    W = os.environ['WORLD']
---
from datetime import datetime
class D(datetime):
    __match_args__ = ('now',)
def f(x):
    match x:
        case D(now): return now()
---
def f(x, s=[]):
    s += [x]
    return len(s)
"""


@pytest.mark.parametrize("code", snippets(ROUNDABOUT))
def test_a_way_round_the_names_is_refused(code):
    assert judged(code).startswith("job.py:")


def test_annotations_of_later_versions_are_not_evaluated_and_not_judged():
    code = "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n"
    assert judged(code + "def f(x: os.PathLike[str]) -> str: return x") == ""


@pytest.mark.parametrize("code", snippets(IMPURE))
def test_code_that_is_not_known_to_be_pure_is_refused(code):
    assert judged(code).startswith("job.py:")


@pytest.mark.parametrize("code", snippets(PURE))
def test_code_that_is_known_to_be_pure_is_accepted(code):
    assert judged(code) == ""


def test_the_reason_names_function_line_and_name():
    code = "import gzip\nclass Table:\n    def load(self):\n        return gzip.open('t.gz')\n"
    assert judged(code).startswith("job.py:4 (Table.load) uses gzip.open, which is not known to be pure; ")
    assert "pure=True" in judged(code)


@pytest.mark.parametrize(
    ("job", "one"),
    [
        ("import one\ndef f(): return one.os.environ", "import os"),
        ("from one import os\ndef f(): return os.environ", "import os"),
        ("from one import *\ndef f(): return os.environ", "import os"),
        ("import one\ndef f(): return one.gzip.open('x')", "import gzip"),
        ("from one import read", "from gzip import open as read"),
        ("import one\ndef f(x): one.SEEN.add(x)\n", "import time\nSEEN = time.time()"),
        ("import one\ndef f(x): one.limit = x", "limit = 1"),
        ("import one\ndef f(x): return g(one)", ""),
    ],
)
def test_a_local_module_hides_nothing(job, one):
    assert judged(job + "\ndef use(): return read\n" * ("read" in one), one) != ""


def test_a_star_replaces_nothing_that_the_module_binds_itself():
    job = "from one import *\nfrom os import getenv as get\ndef f(): return get('WORLD')"
    assert "os.getenv" in judged(job, "def get(name): return name")


def test_a_star_of_a_star_is_followed():
    job = "from one import *\ndef f(): return print('WORLD')"
    assert "os.getenv" in judged(job, "from two import *", "from os import getenv as print")


def test_code_that_is_nested_too_deeply_is_refused():
    assert "nested too deeply" in judged("x = " + "+".join(["1"] * 900))


def test_names_of_local_modules_are_as_pure_as_these():
    job = "import one\nfrom one import weight, json\nfrom two import *\n"
    job += "def f(x): return weight(x), one.LIMIT, json.loads(x), half(x)"
    assert judged(job, "import json\nLIMIT = 3\ndef weight(x): return len(x)", "def half(x): return x / 2") == ""


@pytest.mark.parametrize("module", sorted(pure_names.MODULES))
def test_every_name_that_is_taken_for_pure_exists_in_some_version_of_python(module):
    found = pytest.importorskip(module)
    names = {name.removeprefix("-") for name in pure_names.MODULES[module]} - {"*", ""}
    newer = {"UTC", "StrEnum", "HTTPMethod", "QUOTE_NOTNULL", "QUOTE_STRINGS", "PatternError", "replace"}
    older = {"error", "splitdrive"}
    newer |= {"evaluate_forward_ref"}
    assert names - set(dir(found)) <= newer | older


READY = [path for folder in ("jobs", "benchmarks/jobs") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", READY, ids=lambda path: path.stem)
def test_every_ready_job_is_saved(path):
    check_sources(find(str(path)).sources.modules)


# ---- jobs without a file ----------------------------------------------------------------------------

SCALE = 3
PATTERN = re.compile("x")
SEEN = 0


def uses_gzip(line):
    yield line, len(gzip.open(line).read())  # noqa: SIM115


def uses_chance(line):
    yield line, random.random()


def imports_inside(line):
    import os

    yield line, os.environ[line]


def imports_from_inside(line):
    from time import time as now

    yield line, now()


def imports_a_package_inside(line):
    import requests

    yield line, requests


def calls_a_built_in(line):
    yield line, hash(line)


def opens(line):
    yield line, [open(name) for name in line.split()]  # noqa: SIM115


def asks_for_a_clock(line, when=math):
    yield line, when.now()


def keeps(line):
    global SEEN  # noqa: PLW0603
    SEEN += 1
    yield line, SEEN


def helped(line):
    yield line, helper()


def helper():
    return random.random()


def passes_a_module(line):
    yield line, vars(gzip)


TABLE: dict = {}


def counts(line):
    TABLE[line] = TABLE.get(line, 0) + 1
    yield line, TABLE[line]


def closed_over(module, seen):
    def by_line(line):
        yield line, module.open(line)

    def handed_on(line, given=module):
        yield line, given.open(line)

    def collected(line):
        seen.append(line)
        yield line, len(seen)

    return [by_line, handed_on, collected]


def runs_a_job(line):
    yield line, mrframe.run(line, [line])


def runs_a_job_by_name(line):
    yield line, run(line, [line])


class Rule(NamedTuple):
    limit: int

    def applies(self, line):
        return len(line) > self.limit


RULE = Rule(3)


def asks_an_object(line):
    yield line, RULE.applies(line)


def asks_a_clock_by_type(line):
    import numpy

    yield line, str(numpy.array("now", dtype="datetime64[s]"))


def imports_in_a_class(line):
    class C:
        from os import environ as e

    yield line, C.e


def imports_from_two_places(line):
    if line:
        from json import dumps
    else:
        from os import environ as dumps
    yield line, dumps


def formats(line):
    yield line, "{0.__globals__}".format(formats)  # noqa: UP030, UP032


def has_an_attribute(line):
    yield line, has_an_attribute.opened


has_an_attribute.opened = gzip.open


@pytest.mark.parametrize(
    "function",
    [
        asks_a_clock_by_type,
        imports_in_a_class,
        imports_from_two_places,
        formats,
        has_an_attribute,
        counts,
        runs_a_job,
        runs_a_job_by_name,
        *closed_over(gzip, []),
        uses_gzip,
        uses_chance,
        imports_inside,
        imports_from_inside,
        imports_a_package_inside,
        calls_a_built_in,
        opens,
        asks_for_a_clock,
        keeps,
        helped,
        passes_a_module,
    ],
)
def test_a_function_without_a_file_is_refused(function):
    assert "pure" in unsaved_because(Job(read=text, map=function, reduce=total), None, {})


def test_methods_of_an_object_are_not_known_to_stay_as_they_are():
    job = Job(read=text, map=asks_an_object, reduce=total)
    assert "cannot be recognized as the same in a later run" in unsaved_because(job, None, {})


def words(line):
    import json
    from urllib import parse
    from urllib.parse import unquote

    for word in PATTERN.sub("", unquote(line)).split():
        yield json.dumps([word, math.floor(SCALE)]), len(parse.quote(word)) * weight(word)


def weight(word):
    increment("words")
    known_words = {}
    known_words[word] = 1
    return max(len(word), SCALE)


def test_a_function_without_a_file_is_saved_when_it_is_known_to_be_pure():
    assert unsaved_because(Job(read=text, map=words, reduce=total), None, {}) == ""
    minimum = 3
    job = Job(read=text, where=lambda line: len(line) > minimum and "x" in line, key="line", reduce=mrframe.count)
    assert unsaved_because(job, None, {}) == ""
    where, _ = compile_where("status >= 500 and path.startswith('/a')")
    assert (
        unsaved_because(Job(read=mrframe.logs.access, where=where, key="path", reduce=mrframe.count), None, {}) == ""
    )


def test_a_function_that_was_imported_is_judged_by_its_name():
    def read(line, opened=gzip.open):
        yield line, opened(line)

    assert "gzip.open" in unsaved_because(Job(read=text, map=read, reduce=total), None, {})
    namespace = types.FunctionType(uses_chance.__code__, {"random": sys.modules["random"]})
    assert "random" in unsaved_because(Job(read=text, map=namespace, reduce=total), None, {})
