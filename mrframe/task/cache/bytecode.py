"""Checks by byte code that a function without a source file is pure: depends on its arguments alone.

For jobs of notebooks, scripts and `mrframe count`. Their names are bound already, so the check looks at the objects
themselves: a module must be followed by attributes that `pure_names.py` lists, and `fingerprint.py` describes, and so
judges, all other objects. Not here: jobs with a file, whose source says more (`purity.py`).
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

from mrframe.task.cache import pure_names
from mrframe.task.cache.purity import REMEDY, Unsaved

_OPTIMIZED = 1  # a flag that code of functions has and code of classes lacks
_NOISE = {"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "RESUME", "PRECALL", "SWAP", "POP_TOP", "NOT_TAKEN"}
_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_MUTABLE = (list, dict, set, bytearray)


def check_code(code: CodeType, names: Mapping[str, Any], imports: Mapping[str, str] | None = None) -> None:
    """Raise Unsaved for the first thing in the code that is not known to be pure. `names` are its globals."""
    _Code(code, names, dict(imports or {})).check()


def modules_of(code: CodeType) -> Iterator[str]:
    """Yield the names of modules that the code imports when it runs."""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from modules_of(constant)


class _Code:
    """One code object. `imports` are the modules that its own and enclosing variables stand for."""

    def __init__(self, code: CodeType, names: Mapping[str, Any], imports: dict[str, str]) -> None:
        self._code = code
        self._names = names
        self._imports = imports
        self._steps = [step for step in dis.get_instructions(code) if step.opname not in _NOISE]
        self._line = code.co_firstlineno
        self._stores = any(step.opname in ("STORE_SUBSCR", "DELETE_SUBSCR") for step in self._steps)

    def check(self) -> None:
        for at in range(len(self._steps)):
            self._note_import(at)
        at = 0
        while at < len(self._steps):
            at = self._checked(at)
        for constant in self._code.co_consts:
            if isinstance(constant, CodeType):
                check_code(constant, self._names, self._imports)
            fault = pure_names.fault_of_text(constant) if isinstance(constant, str) else ""
            if fault:
                self._refuse(fault)

    def _refuse(self, fault: str) -> None:
        where = f"{self._code.co_filename}:{self._line} ({self._code.co_name})"
        raise Unsaved(f"{where} {fault}, which is not known to be pure{REMEDY}")

    def _checked(self, at: int) -> int:
        """Judge the instruction at an index. Returns the index of the next one."""
        step = self._steps[at]
        positions = step.positions
        if positions is not None and positions.lineno is not None:
            self._line = positions.lineno
        if step.opname in _GLOBAL:
            return self._global(at, str(step.argval))
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            self._refuse(f"keeps {step.argval} from one record to the next")
        if step.opname in _ATTRIBUTE and not pure_names.is_attribute_known(str(step.argval)):
            self._refuse(f"asks for {step.argval}")
        if step.opname == "IMPORT_NAME":
            self._imported(str(step.argval))
        if step.opname.startswith("LOAD_FAST") or step.opname == "LOAD_DEREF":
            names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
            for name in names[:-1]:
                self._module_as_value(str(name))
            if names[-1] in self._imports:
                return self._dotted(at, self._imports[names[-1]])
            if step.opname == "LOAD_DEREF" and step.argval in self._code.co_freevars:
                return self._global(at, str(step.argval))
        return at + 1

    def _global(self, at: int, name: str) -> int:
        if name in self._names:
            value = self._names[name]
            if isinstance(value, ModuleType):
                return self._dotted(at, value.__name__)
            if self._changes(at, value):
                self._refuse(f"may keep {name} from one record to the next")
            return at + 1
        if name in self._code.co_freevars:
            return at + 1  # of an enclosing function, whose code is judged
        if name not in pure_names.BUILTINS or name in pure_names.BY_NAME:
            self._refuse(f"uses {name}")
        return at + 1

    def _changes(self, at: int, value: object) -> bool:
        """Return whether the function may change a value from outside of it."""
        after = self._steps[at + 1] if at + 1 < len(self._steps) else None
        called = after is not None and after.opname in _ATTRIBUTE and after.argval in pure_names.MUTATORS
        return isinstance(value, _MUTABLE) and (called or self._stores)

    def _dotted(self, at: int, module: str) -> int:
        """Judge a module, or a name imported from one, with the attributes that follow it."""
        chain = [module]
        at += 1
        while at < len(self._steps) and self._steps[at].opname in _ATTRIBUTE:
            chain.append(str(self._steps[at].argval))
            at += 1
        dotted = ".".join(chain)
        fault = f"uses {dotted}" if dotted in pure_names.BY_NAME else pure_names.fault_of(dotted)
        if fault:
            self._refuse(fault)
        return at

    def _module_as_value(self, name: str) -> None:
        if name in self._imports and (fault := pure_names.fault_of(self._imports[name])):
            self._refuse(fault)

    def _imported(self, module: str) -> None:
        import sys

        top = module.split(".", maxsplit=1)[0]
        if not self._code.co_flags & _OPTIMIZED:
            self._refuse(f"imports {module} as an attribute of a class")
        if top not in sys.stdlib_module_names and top not in pure_names.PACKAGES:
            self._refuse(f"imports {module}")

    def _note_import(self, at: int) -> None:
        """Note the variables that an import binds, and the modules they stand for."""
        step = self._steps[at]
        if step.opname != "IMPORT_NAME":
            return
        module = str(step.argval)
        wanted = self._steps[at - 1].argval
        for one, after in _pairs(self._steps[at + 1 :]):
            if one.opname.startswith("STORE_"):
                self._note(str(one.argval), module if wanted else module.split(".", maxsplit=1)[0])
                return
            if one.opname != "IMPORT_FROM":
                return
            if after is not None and after.opname.startswith("STORE_"):
                of = f"{module}.{one.argval}" if wanted else module
                self._note(str(after.argval), of)

    def _note(self, name: str, target: str) -> None:
        if self._imports.setdefault(name, target) != target:
            self._refuse(f"imports {name} from two places")


def _pairs(steps: Sequence[dis.Instruction]) -> Iterator[tuple[dis.Instruction, dis.Instruction | None]]:
    """Yield each instruction, except stores after an IMPORT_FROM, with the one after it."""
    at = 0
    while at < len(steps):
        after = steps[at + 1] if at + 1 < len(steps) else None
        yield steps[at], after
        at += 2 if steps[at].opname == "IMPORT_FROM" and after and after.opname.startswith("STORE_") else 1
