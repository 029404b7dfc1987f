"""What in a job's code says that its map may give something else tomorrow: clock, chance, environment, file, socket.

It is a reading of names, not a proof. A name is enough: whoever imports `random` is taken to use it, whoever declares
a variable `global` is taken to carry state from one record to the next. What it cannot see is said in docs/saved.md.
A job that knows better says `pure=True`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import CodeType

from mrframe.task.sources import Source

MODULES = frozenset(
    (
        "aiohttp",
        "asyncio",
        "boto3",
        "builtins",
        "ctypes",
        "dbm",
        "fileinput",
        "ftplib",
        "gc",
        "getpass",
        "glob",
        "httpx",
        "importlib",
        "inspect",
        "io",
        "linecache",
        "locale",
        "mmap",
        "multiprocessing",
        "os",
        "pathlib",
        "pickle",
        "platform",
        "psycopg2",
        "pymongo",
        "queue",
        "random",
        "redis",
        "requests",
        "resource",
        "secrets",
        "select",
        "selectors",
        "shelve",
        "shutil",
        "signal",
        "smtplib",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib3",
        "uuid",
        "weakref",
    )
)
"""Modules of which any use is one too many; `MAY` has what is allowed all the same."""
MAY = {
    "http": {"HTTPStatus", "HTTPMethod"},
    "os": {"path.basename", "path.dirname", "path.join", "path.normpath", "path.split", "path.splitext", "sep"},
    "os.path": {"basename", "dirname", "join", "normpath", "split", "splitext"},
    "sys": {"byteorder", "intern", "maxsize", "maxunicode", "version_info"},
    "urllib": {"parse"},
    "time": {"strptime"},
}
"""Of these modules only these names are pure."""
NAMES = frozenset(
    (
        "breakpoint",
        "compile",
        "eval",
        "exec",
        "globals",
        "hash",
        "id",
        "input",
        "locals",
        "open",
        "vars",
        "__import__",
    )
)
"""Built-in functions whose result is not of their arguments alone."""
METHODS = frozenset({"now", "today", "utcnow"})


class Unsaved(Exception):
    """The results of a job cannot be saved, and why; it runs all the same, so this is no error of a user's."""


def check_source(source: Source) -> None:
    """Raise Unsaved for the first thing in a module that is not pure, with its line."""
    tree = ast.parse(source.text)
    bound = _bound(tree)
    modules: dict[str, str] = {}  # name in the file: module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update({a.asname or a.name.split(".")[0]: a.name for a in node.names})
    allowed = {id(node) for node in ast.walk(tree) for node in _allowed(node, modules)}
    for node in ast.walk(tree):
        said = _impure(node, modules, bound, allowed)
        if said:
            raise Unsaved(f"{source.path}:{getattr(node, 'lineno', 1)} {said}")


def _impure(node: ast.AST, modules: dict[str, str], bound: set[str], allowed: set[int]) -> str:
    match node:
        case ast.ImportFrom(module=str(module), names=names, level=0):
            top = module.split(".")[0]
            may = MAY.get(module, MAY.get(top) if module == top else None)
            wrong = [a.name for a in names if may is not None and a.name not in may]
            if may is None and (top in MODULES or module in MODULES):
                wrong = [a.name for a in names]
            if module == "urllib.parse" or not wrong:
                return ""
            return f"imports {wrong[0]} from {module}"
        case ast.Name(id=name, ctx=ast.Load()):
            module = modules.get(name, "")
            if (
                module
                and (module.split(".")[0] in MODULES or module.split(".")[0] in MAY)
                and id(node) not in allowed
            ):
                return "" if module == "urllib.parse" else f"uses {module}"
            return f"calls {name}" if name in NAMES and name not in bound else ""
        case ast.Attribute(attr=name) if name in METHODS:
            return f"asks for {name}()"
        case ast.Global(names=names):
            return f"keeps {names[0]} from one record to the next"
    return ""


def _allowed(node: ast.AST, modules: dict[str, str]) -> Iterator[ast.AST]:
    """The name of a module where only a pure part of it is used: `os.path.basename`, `time.strptime`."""
    if not isinstance(node, ast.Attribute):
        return
    chain: list[str] = []
    inner: ast.AST = node
    while isinstance(inner, ast.Attribute):
        chain.insert(0, inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name) and inner.id in modules:
        may = MAY.get(modules[inner.id].split(".")[0], set())
        if any(".".join(chain[:length]) in may for length in (1, 2)):
            yield inner


def _bound(tree: ast.AST) -> set[str]:
    """Names that the module gives a meaning of its own anywhere: parameters such as `id`, say."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
    return bound


def check_code(code: CodeType) -> None:
    """The same of a function whose source is not at hand, by the names in its byte code: it suspects more."""
    suspects = MODULES | NAMES | METHODS | {"sys"}
    for name in code.co_names:
        if name in suspects:
            raise Unsaved(f"the function {code.co_name} ({code.co_filename}:{code.co_firstlineno}) names {name}")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            check_code(constant)


def imported(source: Source) -> Iterator[str]:
    """Top names of the modules that a module imports and that are not of the standard library."""
    for node in ast.walk(ast.parse(source.text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names:
                yield top
