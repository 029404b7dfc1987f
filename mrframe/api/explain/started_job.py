"""A job of one's own, started from a ready one: a copy, and a test of it.

The test holds a few lines that the job can read and the result that the job gives on them now, so that it passes at
once and fails when the job is changed. Then its owner writes the expected result.
"""

from __future__ import annotations

import keyword
import os

from mrframe.api.found_job import load_job
from mrframe.api.job_run import run
from mrframe.api.units import nearest
from mrframe.core.safe_text import escaped_line
from mrframe.core.settings.options import RunOptions
from mrframe.errors import OutputError, UsageError
from mrframe.formats.registry import kind_of
from mrframe.store.disk import writing
from mrframe.store.output import whole_file
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import ready_jobs

DEFAULT_START = "status_codes"
_HEADER = """\
# Started from the ready job `{start}`. It is yours now: change what it asks.
#   run it                       mrframe run {path} FILE
#   test it                      pytest {test}
#   is it safe to distribute?    mrframe check {path} FILE
"""
_TEST = '''\
"""{name}: the result on a few lines that one can count by hand."""

{imports}

JOB = str(Path(__file__).with_name("{name}.py"))
LINES = r"""
{lines}
""".lstrip()


def test_{name}({fixtures}):
    """Put lines of your own log above, and here what you expect of them."""
{given}    assert rows == [
{rows}    ]
'''
_GIVEN = "    rows = mr_run(JOB, LINES)\n"
_GIVEN_A_FILE = """\
    monkeypatch.chdir(tmp_path)  # the result names the file
    Path("input.log").write_text(LINES)
    rows = mr_run(JOB, Path("input.log"))
"""


def start_job(name: str, start: str | None = None) -> tuple[str, str]:
    """Write NAME.py, a copy of the ready job `start`, and test_NAME.py. Gives their paths.

    `name` may begin with a folder, which is made. Without `start` the ready job of this name is copied, or
    `DEFAULT_START`. Raises UsageError for a name that cannot be, OutputError when one of the files exists.
    """
    ready = ready_jobs()
    folder, base = os.path.split(name.removesuffix(".py"))
    if not base.isidentifier() or keyword.iskeyword(base):
        raise UsageError(f"{base!r} cannot be the name of a Python file to import; use letters, digits and _")
    origin = start or (base if base in ready else DEFAULT_START)
    if origin not in ready:
        raise UsageError(f"there is no ready job {origin!r}{nearest(origin, sorted(ready))}")
    path, test = os.path.join(folder, f"{base}.py"), os.path.join(folder, f"test_{base}.py")
    for target in (path, test):
        if os.path.lexists(target):
            other = os.path.join(folder, f"my_{base}")
            raise OutputError(
                f"{target} exists already, and init replaces nothing; choose another name: "
                f"mrframe init {escaped_line(other)} --from {origin}"
            )
    with open(ready[origin], encoding="utf-8") as file:
        source = file.read()
    tested = _text_of_test(base, ready[origin])
    if folder:
        with writing(folder):
            os.makedirs(folder, exist_ok=True)
    shown = {"path": escaped_line(path), "test": escaped_line(test)}  # else a newline in a name would begin code
    _write(path, _HEADER.format(start=origin, **shown) + source)
    _write(test, tested)
    return path, test


def _text_of_test(name: str, origin: str) -> str:
    """The test of a job that is, so far, the ready job in the file `origin`."""
    lines = kind_of(load_job(origin, {}).read).sample
    with Scratch() as scratch:
        path = os.path.join(scratch.path, "input.log")
        with open(path, "w", encoding="ascii") as file:
            file.write(lines)
        with run(origin, [path], RunOptions(engine="inline"), keep=False) as result:
            rows = "".join(f"        {row!r},\n" for row in result.rows())
    named = path in rows
    return _TEST.format(
        name=name,
        imports=("import datetime\n" if "datetime." in rows else "") + "from pathlib import Path",
        lines=lines.rstrip("\n"),
        fixtures="mr_run, tmp_path, monkeypatch" if named else "mr_run",
        given=_GIVEN_A_FILE if named else _GIVEN,
        rows=rows.replace(path, "input.log"),
    )


def _write(path: str, text: str) -> None:
    with whole_file(path) as sink:
        sink.write(text.encode())
