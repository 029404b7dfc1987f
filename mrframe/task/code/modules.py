"""A job file and the local modules it imports, as source text to run elsewhere.

`collect` reads them on the client. `Sources.run` executes them from memory in any process. Every call makes new
module objects, so no state leaks from one attempt to the next, and tracebacks still show the user's lines. Only
modules beside the job file are shipped. Installed ones are imported.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from types import CodeType, ModuleType
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import JobError

MODULES_MAX = 500  # local modules shipped with a job
MODULES_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its name for `import`, its path, its text, and whether it is a package."""

    name: str
    path: str
    text: str
    is_package: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """The job's own module, followed by the local modules that it can import."""

    modules: tuple[Source, ...]

    def to_plain(self) -> list[list[Any]]:
        """Return the sources as plain values."""
        return [[s.name, s.path, s.text, s.is_package] for s in self.modules]

    @classmethod
    def from_plain(cls, plain: list[list[Any]]) -> Sources:
        """Return the sources from the values of `to_plain`."""
        return cls(tuple(Source(*row) for row in plain))

    def run(self) -> ModuleType:
        """Execute the job's module with its local modules importable, all new. Raises the errors of the module.

        The modules stay in `sys.modules` until `forget`, since functions may import when they are called.
        """
        self.forget()
        finder = _Finder({s.name: s for s in self.modules})
        sys.meta_path.insert(0, finder)
        main = self.modules[0]
        module = finder.make(main)
        sys.modules[main.name] = module
        exec(_compiled(main), module.__dict__)  # noqa: S102  (a task runs the user's job)
        return module

    def forget(self) -> None:
        """Remove the modules of all runs so far from `sys.modules` and the import path."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
        for source in self.modules:
            sys.modules.pop(source.name, None)


class _Finder:
    """Finder and loader of the shipped modules. Avoids `importlib.abc`, which imports half the standard library."""

    def __init__(self, sources: dict[str, Source]) -> None:
        self._sources = sources

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  (part of the protocol)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        source = self._sources.get(fullname)
        return None if source is None else self._spec(source)

    def _spec(self, source: Source) -> importlib.machinery.ModuleSpec:
        loader: Any = self
        spec = importlib.machinery.ModuleSpec(source.name, loader, origin=source.path, is_package=source.is_package)
        spec.has_location = True
        return spec

    def make(self, source: Source) -> ModuleType:
        module = ModuleType(source.name)
        module.__file__ = source.path
        module.__spec__ = self._spec(source)
        module.__loader__ = module.__spec__.loader
        module.__package__ = source.name if source.is_package else source.name.rpartition(".")[0]
        if source.is_package:
            module.__path__ = []
        return module

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> None:
        return None  # leave it to the usual finders

    def exec_module(self, module: ModuleType) -> None:
        exec(_compiled(self._sources[module.__name__]), module.__dict__)  # noqa: S102  (as in Sources.run)

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname].text


_code: dict[tuple[str, str], CodeType] = {}


def _compiled(source: Source) -> CodeType:
    """Compile a module, once per process, and register its text for tracebacks."""
    key = (source.path, source.text)
    if key not in _code:
        _code[key] = compile(source.text, source.path, "exec", dont_inherit=True)
    lines = source.text.splitlines(keepends=True)
    linecache.cache[source.path] = (len(source.text), None, lines, source.path)
    return _code[key]


def collect(path: str, name: str | None = None, root: str | None = None) -> Sources:
    """Read the sources of the job file at `path`. Raises JobError if it cannot be read or is not Python.

    For a dotted module, `name` is its full name and `root` the folder that holds its top package.
    """
    path = os.path.abspath(path)
    root = root or os.path.dirname(path)
    main = Source(name or _private_name(path), path, _read(path))
    found: dict[str, Source] = {}
    waiting = [main]
    top = (name or "").split(".")[0]
    if "." in (name or ""):
        for source in _local(top, root):
            found[source.name] = source
            waiting.append(source)
    while waiting:
        for wanted in _imported(waiting.pop()):
            if wanted in found or wanted in sys.builtin_module_names or wanted == "mrframe":
                continue
            for source in _local(wanted, root):
                if source.name not in found and source.name != main.name:
                    found[source.name] = source
                    waiting.append(source)
    found.pop(main.name, None)
    if len(found) > MODULES_MAX or sum(len(s.text) for s in found.values()) > MODULES_BYTES_MAX:
        raise JobError(
            f"{path} imports {len(found)} local modules from {root}; at most {MODULES_MAX} modules "
            f"({MODULES_BYTES_MAX} bytes) travel with a job: install them as a package instead"
        )
    return Sources((main, *found.values()))


def _private_name(path: str) -> str:
    return "mrframe_job_" + "".join(c if c.isalnum() else "_" for c in os.path.basename(path).removesuffix(".py"))


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise JobError(f"the job file {path} cannot be read: {error.strerror}") from None
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise JobError(f"the job file {path} is not Python text: {error}") from None


def _imported(source: Source) -> Iterator[str]:
    """Yield the top names of all imports anywhere in a module's text."""
    try:
        tree = ast.parse(source.text, source.path)
    except (SyntaxError, ValueError):
        return  # running it gives the better message, with the line
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def _local(name: str, root: str) -> Iterator[Source]:
    """Yield the module or the whole package `name`, if it lies in `root` and is not installed there."""
    if "site-packages" in root:
        return
    file = os.path.join(root, f"{name}.py")
    if os.path.isfile(file):
        yield Source(name, file, _read(file))
        return
    folder = os.path.join(root, name)
    if not any(entry.endswith(".py") for entry in _listdir(folder)):
        return
    for parent, folders, files in os.walk(folder):
        folders.sort()
        dotted = os.path.relpath(parent, root).replace(os.sep, ".")
        if "__init__.py" not in files:
            yield Source(dotted, os.path.join(parent, "__init__.py"), "", is_package=True)
        for entry in sorted(files):
            if entry == "__init__.py":
                path = os.path.join(parent, entry)
                yield Source(dotted, path, _read(path), is_package=True)
            elif entry.endswith(".py"):
                path = os.path.join(parent, entry)
                yield Source(f"{dotted}.{entry[:-3]}", path, _read(path))


def _listdir(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
