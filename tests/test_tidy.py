"""The house rules that a machine can hold. A rule that is in the way is changed here, with its reason."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_FILES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}


def files_of(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PRODUCT = files_of("mrframe")
ALL = files_of("mrframe", "jobs", "sample_logs", "benchmarks", "tests")
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in ALL}
NAMES = [path.relative_to(ROOT).as_posix() for path in ALL]


def place(path: Path, node: ast.AST | int) -> str:
    line = node if isinstance(node, int) else getattr(node, "lineno", 0)
    return f"{path.relative_to(ROOT)}:{line}"


def nodes(paths: list[Path], *kinds: type):
    for path in paths:
        for node in ast.walk(TREES[path]):
            if isinstance(node, kinds):
                yield path, node


def calls(paths: list[Path]):
    """(path, node, dotted name) of each call of a plain or dotted name."""
    for path, node in nodes(paths, ast.Call):
        yield path, node, ast.unparse(node.func)


def test_files_are_short():
    long = [f"{place(path, 1)} has {len(path.read_text().splitlines())} lines" for path in PRODUCT + files_of("jobs")]
    assert not [text for text in long if int(text.split()[-2]) > FILE_LINES_MAX]


def test_functions_are_short():
    found = [
        f"{place(path, node)} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path, node in nodes(PRODUCT, ast.FunctionDef, ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not found


def test_no_two_modules_import_each_other():
    command = [sys.executable, ROOT / "benchmarks" / "source_measures.py", ROOT / "mrframe"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^circles +none$", table, re.MULTILINE), table


def test_every_file_says_what_it_is():
    silent = [place(path, 1) for path in ALL if not ast.get_docstring(TREES[path]) and path.read_text().strip()]
    assert not silent


def test_every_file_has_a_name_that_says_something():
    assert not [place(path, 1) for path in ALL if path.name in VAGUE_FILES]


def test_nothing_is_left_to_do():
    word = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
    found = [
        place(path, number)
        for path in ALL
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert not found


def test_exceptions_are_caught_by_name():
    """All are caught only to clean up and raise again, or at a boundary, and then the line says which."""
    found = []
    for path, node in nodes(PRODUCT, ast.ExceptHandler):
        caught = ast.unparse(node.type) if node.type is not None else ""
        raised_again = isinstance(node.body[-1], ast.Raise)
        explained = "#" in path.read_text().splitlines()[node.lineno - 1]
        if not caught or (re.search(r"\b(Base)?Exception\b", caught) and not raised_again and not explained):
            found.append(place(path, node))
    assert not found


def test_nobody_sleeps():
    """What is waited for has a condition; waiting for it is faster and cannot be too short."""
    assert not [place(path, node) for path, node, name in calls(PRODUCT) if re.fullmatch(r"(\w+\.)?sleep", name)]


SPEAKERS = {
    "mrframe/cli/show/streams.py": "the one place where a command writes",
    "mrframe/task/isolation/process_log.py": "the one place where other processes write",
    "mrframe/task/isolation/stdout.py": "keeps a job's prints apart from the data",
    "mrframe/task/isolation/print_limit.py": "passes on a job's prints",
}
"""Modules that may touch the standard streams. The first two escape whatever they write."""
PRINTING = re.compile(
    r"print|input|breakpoint|(\w+\.)?pprint|"
    r"click\.(echo\w*|secho|prompt|confirm|progressbar|pause|edit|clear|get_(text|binary)_stream)|"
    r"traceback\.print_\w+|warnings\.warn\w*|logging\.\w+|sys\.(__)?(excepthook|unraisablehook|displayhook)(__)?|os\.write|(os\.fdopen|open)"
)
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__", "stdin"}


def is_printing(node: ast.Call) -> bool:
    """Whether a call prints: also one that opens or writes to the descriptors 1 and 2."""
    name = ast.unparse(node.func)
    if not PRINTING.fullmatch(name):
        return False
    if name not in ("os.write", "os.fdopen", "open"):
        return True
    return bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value in (1, 2)


def speaking() -> set[str]:
    """Places that print, name a standard stream, or import one."""
    found = set()
    for path, node in nodes(
        [p for p in PRODUCT if "testing" not in p.parts], ast.Call, ast.Attribute, ast.ImportFrom
    ):
        if isinstance(node, ast.Call):
            speaks = is_printing(node)
        elif isinstance(node, ast.Attribute):
            speaks = node.attr in STREAMS - {"stdin"} and ast.unparse(node.value) == "sys"
        else:
            names = {alias.name for alias in node.names}
            speaks = (node.module == "sys" and bool(names & STREAMS)) or (
                node.module == "click" and any(PRINTING.fullmatch(f"click.{name}") for name in names)
            )
        if speaks:
            found.add(place(path, node))
    return found


def test_one_module_writes_to_the_terminal():
    """Text from logs, names and exceptions is escaped there, so no other place can forget it."""
    found = speaking()
    assert sorted(one for one in found if one.partition(":")[0] not in SPEAKERS) == []
    assert {one.partition(":")[0] for one in found} == set(SPEAKERS)  # and no exception is left over


@pytest.mark.parametrize(
    "code",
    [
        "print('x')",
        "click.echo(text, err=True)",
        "from click import secho",
        "sys.stderr.write(text)",
        "out = sys.stdout",
        "from sys import stderr",
        "traceback.print_exc()",
        "os.write(2, text)",
        "open(1, 'w')",
        "sys.__excepthook__(*error)",
    ],
)
def test_another_way_to_write_to_the_terminal_is_found(code, monkeypatch):
    path = ROOT / "mrframe/cli/last_id.py"
    monkeypatch.setitem(TREES, path, ast.parse(code))
    assert "mrframe/cli/last_id.py:1" in speaking()


def test_the_hash_of_python_is_never_used():
    """It differs from process to process; `shuffle/partition.py` has the one hash."""
    used = [place(path, node) for path, node, name in calls(PRODUCT) if name == "hash"]
    assert [one.partition(":")[0] for one in used] == [
        "mrframe/core/fast_dataclass.py"
    ]  # the `__hash__` of dataclasses


def test_every_dataclass_takes_the_fast_decorator():
    """But for those of `mrframe/testing`, which no command loads; `core/fast_dataclass.py` has the reason."""
    excepted = (ROOT / "mrframe/testing", ROOT / "mrframe/core/fast_dataclass.py")
    found = [
        place(path, node)
        for path, node in nodes([p for p in PRODUCT if not p.is_relative_to(excepted[0])], ast.ImportFrom)
        if path != excepted[1]
        and node.module == "dataclasses"
        and "dataclass" in [alias.name for alias in node.names]
    ]
    assert not found


def test_nothing_is_cleaned_up_by_chance():
    assert not [place(path, n) for path, n in nodes(PRODUCT, ast.FunctionDef) if n.name == "__del__"]


def test_jobs_import_nothing_but_mrframe():
    """They are there to be copied; the public names are all that a job may need."""
    found = []
    for path, node in nodes(files_of("jobs"), ast.Import, ast.ImportFrom):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        found += [f"{place(path, node)} {m}" for m in modules if m != "mrframe" and m not in sys.stdlib_module_names]
    assert not found


def test_jobs_are_short_enough_to_be_read_at_once():
    assert not [path.name for path in files_of("jobs") if len(path.read_text().splitlines()) > 60]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:  # an unpacked source archive
        return [*ALL, *ROOT.glob("*.*"), *(ROOT / "docs").rglob("*.md")]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("folder", ["work", "tmp", "home", "root"])
def test_nothing_depends_on_one_machine(folder):
    pattern = re.compile(rf"(?<![\w.}}~/:]){re.escape('/' + folder + '/')}")
    texts = {path: path.read_bytes() for path in tracked_files() if "sample_logs" not in path.parts}
    found = [
        place(path, number)
        for path, data in texts.items()
        if b"\0" not in data
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_the_rules_see_the_house():
    """A rule that looks at nothing holds always."""
    assert len(PRODUCT) > 20
    assert "mrframe/errors.py" in NAMES
    assert len(tracked_files()) > 40
