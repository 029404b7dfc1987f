"""The fingerprint of a job: everything that its map results can depend on, except the input.

It covers the text of the job file and of the local modules it imports, the options the job was made with, the reader,
the settings that shape a run file, Python's version, mrframe's own code, the versions of the installed packages that
are imported, and surroundings such as the local zone (`surroundings.py`). For a job without a file (made by
`mrframe count`, a script, a notebook) it covers the byte code of its functions with their constants, closures, and
the globals they name. It never looks at pickled bytes, as they differ for equal objects. A job without a fingerprint
raises Unsaved with the reason. So does code that is not known to be pure (`purity.py`, `bytecode.py`), unless the job
says `pure=True`.

Not covered: data that a function reaches without naming it, for example through an installed package.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Any

from mrframe.core.job.job import Job, Reducer, Top
from mrframe.core.model.reader import Reader
from mrframe.formats.registry import code_of
from mrframe.paths import PACKAGE_DIR
from mrframe.task.cache import pure_names
from mrframe.task.cache.bytecode import check_code, modules_of
from mrframe.task.cache.purity import REMEDY, Unsaved, check_sources, imported
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation import effects, surroundings

VERSION = 2
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_FOR_PEOPLE = {"columns"}  # parts of a job on which no task depends


def fingerprint(job: Job, settings: TaskSettings, file: JobFile | None, options: Mapping[str, Any]) -> str:
    """Return the fingerprint in hex. Raises Unsaved with the reason if the results of this job cannot be saved."""
    described, packages = _described(job, file, options)
    seen = _Described(check=False)
    plain = [
        VERSION,
        own_code(),
        sys.implementation.name,
        sys.version,
        surroundings.digest(),
        [
            [f.name, seen.of(getattr(settings, f.name))]
            for f in dataclasses.fields(settings)
            if not f.metadata.get("not_of_results")
        ],
        described,
        packages,
        [code_of(one) for one in readers_of(settings.reader)],
    ]
    text = repr(plain)
    if "zoneinfo" in text:
        text += surroundings.zone_database()
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def readers_of(reader: Reader | Mapping[str, Reader]) -> list[Reader]:
    """Return the readers of a job's inputs: one, or that of each source of a join."""
    return [reader] if isinstance(reader, Reader) else list(reader.values())


def unsaved_because(job: Job, file: JobFile | None, options: Mapping[str, Any]) -> str:
    """Return why the results of this job cannot be saved, or "" if they can."""
    try:
        _described(job, file, options)
    except Unsaved as error:
        return str(error)
    return ""


def _described(job: Job, file: JobFile | None, options: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
    """Return the job described, and the packages that it uses with their versions. Raises Unsaved."""
    if job.pure is False:
        raise Unsaved("the job says pure=False")
    if job.key_order == "total":
        raise Unsaved('key_order="total" cuts the keys into ranges that depend on all of the input')
    seen = _Described(check=job.pure is None)
    if file is not None:
        described: Any = [_sources(file, seen), file.attribute, seen.of(dict(options))]
    else:
        described = seen.of(job)
    if job.pure is None and effects.noted():
        raise Unsaved(f"{effects.noted()}, which is not known to be pure{REMEDY}")
    return described, sorted(seen.packages.items())


def _sources(file: JobFile, seen: _Described) -> list[Any]:
    local = {source.name.split(".")[0] for source in file.sources.modules}
    if seen.check:
        check_sources(file.sources.modules)
    for source in file.sources.modules:
        for name in imported(source):
            if name not in local:
                seen.package(name)
    return [[source.name, source.is_package, source.text] for source in file.sources.modules]


class _Described:
    """Describes values as nested lists of plain ones, equal if the values are, and notes the packages they use."""

    def __init__(self, *, check: bool) -> None:
        self.check = check
        self.packages: dict[str, str] = {}
        self._met: dict[int, int] = {}  # functions described already or in progress

    def of(self, value: Any) -> Any:
        """Describe a value. Raises Unsaved if it cannot be described."""
        kind = type(value)  # exact: a subclass has methods of its own, which could change unseen
        if kind in _PLAIN:
            return [kind.__name__, repr(value)]
        if kind in (list, tuple):
            return [kind.__name__, [self.of(item) for item in value]]
        if kind in (set, frozenset):
            return [kind.__name__, sorted(repr(self.of(item)) for item in value)]
        if kind is dict:
            return ["dict", [[self.of(key), self.of(item)] for key, item in value.items()]]
        if isinstance(value, (Job, Reader, Top)):
            parts = [f.name for f in dataclasses.fields(value) if f.name not in _FOR_PEOPLE]
            return [type(value).__name__, [[name, self.of(getattr(value, name))] for name in parts]]
        if isinstance(value, Reducer):
            return ["Reducer", repr(value), sorted((k, repr(v)) for k, v in vars(value).items())]
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, ModuleType) and not self.check:
            return self._module(value)
        return self._other(value)

    def _other(self, value: Any) -> Any:
        """Describe a class or built-in function by its name in an installed module, a compiled pattern by text."""
        if isinstance(value, ModuleType):
            raise Unsaved(f"it passes on the module {value.__name__}, which is not known to be pure{REMEDY}")
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if type(value).__name__ == "Pattern":
            return ["Pattern", self.of(value.pattern), value.flags]
        if module and name and "<locals>" not in name:
            found = sys.modules.get(module)
            if found is not None and (module == "builtins" or not _is_local(found)):
                self.package(module.split(".")[0])
                self._check_named(module, name)
                return ["named", module, name]
        raise Unsaved(f"it uses {value!r:.80}, which cannot be recognized as the same in a later run")

    def _check_named(self, module: str, name: str) -> None:
        """Raise Unsaved for a function or class of an installed module that is not known to be pure."""
        if not self.check:
            return
        own = module.split(".", maxsplit=1)[0] == "mrframe"
        public = "mrframe" if own else module.removeprefix("_")  # `bisect` is defined in `_bisect`
        if (name in pure_names.BUILTINS) if module == "builtins" else not pure_names.fault_of(f"{public}.{name}"):
            return
        raise Unsaved(f"it uses {module}.{name}, which is not known to be pure{REMEDY}")

    def _function(self, function: FunctionType) -> Any:
        if _is_installed(function):
            return self._other(function)
        if id(function) in self._met:
            return ["again", self._met[id(function)]]
        self._met[id(function)] = len(self._met)
        closure = [cell.cell_contents for cell in function.__closure__ or ()]
        cells = dict(zip(function.__code__.co_freevars, closure, strict=True))
        if self.check and (function.__module__ or "").split(".")[0] != "mrframe":
            check_code(function.__code__, {**function.__globals__, **cells})
        for module in modules_of(function.__code__):
            self.package(module.split(".")[0])
        names = sorted(set(_names(function.__code__)) & function.__globals__.keys())
        return [
            "function",
            self._code(function.__code__),
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            [self._asked(value) for value in closure],
            [[name, self._asked(function.__globals__[name])] for name in names],
            self.of(vars(function)),  # attributes that were set on it, `__wrapped__` among them
        ]

    def _asked(self, value: Any) -> Any:
        """Describe a value that a function names. Attributes that it uses of a module are judged already."""
        return self._module(value) if isinstance(value, ModuleType) else self.of(value)

    def _code(self, code: CodeType) -> Any:
        return [
            "code",
            code.co_code.hex(),
            [self.of(constant) if constant is not ... else "..." for constant in code.co_consts],
            list(code.co_names),
            list(code.co_varnames),
            list(code.co_freevars),
            code.co_flags,
        ]

    def _module(self, module: ModuleType) -> Any:
        if _is_local(module):
            raise Unsaved(f"it uses the local module {module.__name__}, and the job has no file of its own")
        self.package(module.__name__.split(".")[0])
        return ["module", module.__name__]

    def package(self, name: str) -> None:
        """Note the version of an installed package. Raises Unsaved if it has none."""
        if name in self.packages or name in sys.stdlib_module_names or name in ("mrframe", "builtins", "__main__"):
            return
        self.packages[name] = _version(name)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_installed(function: FunctionType) -> bool:
    """Return whether a function is Python's or an installed package's, and so identified by its name."""
    module = sys.modules.get(function.__module__ or "")
    if module is None or _is_local(module):
        return False
    return getattr(module, function.__qualname__, None) is function


def _is_local(module: ModuleType) -> bool:
    from mrframe.task.code.pickled import is_local

    return module.__name__ == "__main__" or is_local(module)


def _version(name: str) -> str:
    from importlib import metadata

    for distribution in _distributions(name):
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    raise Unsaved(f"it imports {name}, whose version is not known")


def _distributions(package: str) -> Iterator[str]:
    """Yield the likely distributions of a package: first its own name, since a look at all installed takes 40 ms."""
    from importlib import metadata

    yield package
    yield from metadata.packages_distributions().get(package, ())


@lru_cache(maxsize=1)
def own_code(root: str = PACKAGE_DIR) -> str:
    """Return a digest of the names, sizes and times of mrframe's own files. A change of code voids saved results."""
    digest = sha256()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".py", ".so")):  # the compiled kernel makes results, too
                state = os.stat(f"{folder}/{name}")
                digest.update(f"{folder[len(root) :]}/{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
