"""The fingerprint of a job: everything but the input that the results of its maps can depend on.

It covers the text of the job file and of the local modules it imports, the options the job was made with, the reader,
the settings that shape a run file, Python's minor version, mrframe's own code, and the versions of the installed
packages that are imported. Of a job without a file (made by `mrframe count`, a script, a notebook) it covers the byte
code of its functions with their constants, closures, and the globals they name. It never looks at pickled bytes, for
they differ for equal things. What has no fingerprint raises Unsaved with the reason; so does code that names what may
be different tomorrow (`purity.py`), unless the job says `pure=True`.

What escapes it: data that a function reaches without naming it, through an installed package, say.
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

from mrframe.core.job import Job, Reader, Reducer, Top
from mrframe.task.jobfile import JobFile
from mrframe.task.package import TaskSettings
from mrframe.task.purity import Unsaved, check_code, check_source, imported

VERSION = 1
_NOT_OF_RESULTS = frozenset(  # settings that change nothing in a sealed map attempt that may be saved
    {"keep_rejects", "keep_quarantine", "max_failed", "stall_s", "memory_limit_bytes", "saving", "sampling", "cuts"}
    | {"scratch_bytes_max"}
)
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def fingerprint(job: Job, settings: TaskSettings, file: JobFile | None, options: Mapping[str, Any]) -> str:
    """The fingerprint in hex; Unsaved when the results of this job cannot be saved, and why."""
    if job.pure is False:
        raise Unsaved("the job says pure=False")
    if job.key_order == "total":
        raise Unsaved('key_order="total" cuts the keys into ranges that depend on all of the input')
    seen = _Described(check=job.pure is None)
    if file is not None:
        described: Any = [_sources(file, seen), file.attribute, seen.of(dict(options))]
    else:
        described = seen.of(job)
    plain = [
        VERSION,
        own_code(),
        sys.implementation.name,
        list(sys.version_info[:2]),
        [
            [f.name, seen.of(getattr(settings, f.name))]
            for f in dataclasses.fields(settings)
            if f.name not in _NOT_OF_RESULTS
        ],
        described,
        sorted(seen.packages.items()),
    ]
    return sha256(repr(plain).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _sources(file: JobFile, seen: _Described) -> list[Any]:
    local = {source.name.split(".")[0] for source in file.sources.modules}
    for source in file.sources.modules:
        if seen.check:
            check_source(source)
        for name in imported(source):
            if name not in local:
                seen.package(name)
    return [[source.name, source.is_package, source.text] for source in file.sources.modules]


class _Described:
    """Values as nested lists of plain ones, equal when the values are; and the packages met on the way."""

    def __init__(self, *, check: bool) -> None:
        self.check = check
        self.packages: dict[str, str] = {}
        self._met: dict[int, int] = {}  # functions that are described already, or are just being

    def of(self, value: Any) -> Any:
        """Unsaved for what cannot be described."""
        if isinstance(value, _PLAIN):
            return [type(value).__name__, repr(value)]
        if isinstance(value, (list, tuple)):
            return [type(value).__name__, [self.of(item) for item in value]]
        if isinstance(value, (set, frozenset)):
            return [type(value).__name__, sorted(repr(self.of(item)) for item in value)]
        if isinstance(value, Mapping) and type(value) is dict:
            return ["dict", [[self.of(key), self.of(item)] for key, item in value.items()]]
        if isinstance(value, (Job, Reader, Top)):
            parts = dataclasses.fields(value)
            return [type(value).__name__, [[f.name, self.of(getattr(value, f.name))] for f in parts]]
        if isinstance(value, Reducer):
            return ["Reducer", repr(value), sorted((k, repr(v)) for k, v in vars(value).items())]
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, CodeType):
            return self._code(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        return self._other(value)

    def _other(self, value: Any) -> Any:
        """What has a name in an installed module: a class, a built-in function, a compiled pattern's text."""
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if type(value).__name__ == "Pattern":
            return ["Pattern", self.of(value.pattern), value.flags]
        if module and name and "<locals>" not in name:
            found = sys.modules.get(module)
            if found is not None and (module == "builtins" or not _is_local(found)):
                self.package(module.split(".")[0])
                return ["named", module, name]
        raise Unsaved(f"it uses {value!r:.80}, of which it cannot be told whether it is the same tomorrow")

    def _function(self, function: FunctionType) -> Any:
        if id(function) in self._met:
            return ["again", self._met[id(function)]]
        self._met[id(function)] = len(self._met)
        if self.check:
            check_code(function.__code__)
        names = sorted(set(_names(function.__code__)) & function.__globals__.keys())
        return [
            "function",
            self._code(function.__code__),
            self.of(function.__defaults__),
            self.of(function.__kwdefaults__),
            [self.of(cell.cell_contents) for cell in function.__closure__ or ()],
            [[name, self.of(function.__globals__[name])] for name in names],
            self.of(getattr(function, "__wrapped__", None)),
        ]

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
        """Note the version of an installed package; Unsaved when it has none."""
        if name in self.packages or name in sys.stdlib_module_names or name in ("mrframe", "builtins", "__main__"):
            return
        self.packages[name] = _version(name)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_local(module: ModuleType) -> bool:
    from mrframe.task.travel import is_local

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
    """What may have brought a package: most are named alike, and to ask all that are installed takes 40 ms."""
    from importlib import metadata

    yield package
    yield from metadata.packages_distributions().get(package, ())


@lru_cache(maxsize=1)
def own_code() -> str:
    """A digest of the names, sizes and times of mrframe's own files: whoever changes the code starts anew."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    digest = sha256()
    for room in ("core", "formats", "shuffle", "task"):
        with os.scandir(os.path.join(root, room)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    state = entry.stat()
                    digest.update(f"{room}/{entry.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
