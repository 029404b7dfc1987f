"""Every call of a function of the job stands in a `try` with `except BaseException`, which attributes the exception.

A call outside of it lets the job's SystemExit end the command with exit code 0, and shows its ZeroDivisionError as a
bug in mrframe. The test reads the source: a hook is an attribute of a job (`job.combine`), a name that was assigned
from one, or a parameter called `function`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mrframe

HOOKS = {"map", "where", "map_split", "map_batch", "combine", "reduce", "partition"}
JOBS = {"job", "self._job", "step", "order.step"}
INSPECT = {
    *("isinstance", "callable", "getattr", "describe", "as_fold", "spread", "picks_of", "parameter_fields"),
    *(
        "no_pairs",
        "stop_iteration_of",
        "self._mask",
        "self._kept",
        "self._call",
        "self._check_end",
        "self._take",
        "wraps",
    ),
}
"""Functions that take a hook and do not call it, or are checked themselves: their parameter is called `function`."""
BY_CALLERS = {
    "task/map/map_batch.py": ["self._function(table)"],  # `feed_batches`, `feed_arrays` and `culprit` guard it
    "task/map/map_split.py": ["job.map_split(iter(given))"],  # the sample of keys guards it
    "task/reduce/join.py": ["function(key, *columns)"],  # `ReduceTask._call` guards it
}
"""Calls that are guarded one function further out."""
ROOT = Path(mrframe.__file__).parent
FILES = sorted(
    path for room in ("task/map", "task/reduce", "task/isolation", "shuffle") for path in (ROOT / room).rglob("*.py")
)


def is_hook(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in HOOKS and ast.unparse(node.value) in JOBS:
        return True
    return isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in names


def hook_names(tree: ast.AST) -> set[str]:
    names = {"function"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_hook(node.value, set()):
            names |= {ast.unparse(target) for target in node.targets}
    return names


def catches_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Try) and any(
        handler.type is not None and "BaseException" in ast.unparse(handler.type) for handler in node.handlers
    )


def unguarded(source: str) -> list[str]:
    """The calls of hooks outside of a `try` that catches BaseException."""
    tree = ast.parse(source)
    names, found = hook_names(tree), []

    def visit(node: ast.AST, *, guarded: bool) -> None:
        if isinstance(node, ast.Call):
            hooks = [one for one in (node.func, *node.args) if is_hook(one, names)]
            if hooks and not guarded and ast.unparse(node.func) not in INSPECT:
                found.append(f"{node.lineno}: {ast.unparse(node)}")
        for name, value in ast.iter_fields(node):
            inside = guarded or (name == "body" and catches_all(node))
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, guarded=inside)

    visit(tree, guarded=False)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_call_of_the_jobs_code_is_guarded(path):
    found = [call.partition(": ")[2] for call in unguarded(path.read_text(encoding="utf-8"))]
    assert found == BY_CALLERS.get(str(path.relative_to(ROOT)), [])


@pytest.mark.parametrize(
    "call",
    [
        "job.combine(key, values)",
        "list(map(job.map, column))",
        "fold = job.reduce; fold(key, values)",
        "def f(function, key):\n function(key)",
    ],
)
def test_an_unguarded_call_is_found(call):
    assert len(unguarded(call)) == 1
    body = call.replace("; ", "\n").replace("\n", "\n ")
    assert unguarded(f"try:\n {body}\nexcept BaseException as error:\n raise Failed from error") == []
    assert len(unguarded(f"try:\n {body}\nexcept Exception as error:\n raise Failed from error")) == 1
