"""Whether a job can keep nothing from one attempt to the next, so that it need not be loaded anew for each.

It can keep nothing if no value that its module's names or its own parts lead to can change, and its functions hold no
code that changes what always can: names of the module, attributes of functions. Only known kinds of values count, so
a module with a table, a class or a cache of its own is loaded anew. All attempts share what is installed anyway, but
not what an installed function has made for the job, such as the wrapper of a decorator or a method of an object.

Not here: whether results may be saved (`task/cache/purity.py`). A map that uses up an iterator of its module depends
on its input alone if the module is new for each attempt, and keeps state if it is not.
"""

from __future__ import annotations

import dataclasses
import opcode
import re
import sys
from datetime import date, time, timedelta
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from mrframe.core.job.job import Job, Reducer, Top
from mrframe.core.model.reader import Reader
from mrframe.formats.registry import logs

_FIXED = (
    *(str, bytes, int, float, complex, bool, type(None), type(...), range, re.Pattern, date, time, timedelta),
    *(Reader, type(logs), Top),
)
_REACHES_FAR = frozenset(
    (
        *("setattr", "delattr", "getattr", "globals", "vars", "locals", "exec", "eval", "attrgetter", "methodcaller"),
        *("update_wrapper", "wraps", "sys", "gc", "inspect", "importlib", "ctypes", "operator", "Formatter"),
        *("f_globals", "f_locals", "f_back"),
    )
)
"""Names by which code may change what it does not name. Under another name they do not count as fixed either."""
_CHANGES = frozenset(opcode.opmap[name] for name in ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"))
_CHANGES_OUTER = frozenset(opcode.opmap[name] for name in ("STORE_DEREF", "DELETE_DEREF"))


def keeps_nothing(module: ModuleType, job: Job) -> bool:
    """Return whether a job and the only module of its own can keep nothing from one attempt to the next."""
    own = vars(module)
    values = [value for name, value in own.items() if not (name.startswith("__") and name.endswith("__"))]
    try:
        return all(_is_fixed(value, own) for value in (*values, job))
    except (ValueError, TypeError, RecursionError):  # an empty cell, a `__module__` of any kind, a loop of closures
        return False


def _is_fixed(value: Any, own: dict[str, Any]) -> bool:
    """Return whether this value of a module with these names cannot change."""
    kind = type(value)
    if kind is FunctionType:
        return _is_fixed_function(value, own) if value.__globals__ is own else _is_installed(value, own)
    if kind is BuiltinFunctionType:  # also a method that is bound to an object: `[].pop`
        return value.__name__ not in _REACHES_FAR and (value.__self__ is None or _is_fixed(value.__self__, own))
    if kind is ModuleType:
        return value.__name__ not in _REACHES_FAR and sys.modules.get(value.__name__) is value
    if kind in (tuple, frozenset):
        return all(_is_fixed(one, own) for one in value)
    if kind is Job:
        return all(_is_fixed(getattr(value, part.name), own) for part in dataclasses.fields(value))
    if kind is type:
        return _is_installed(value, own)
    if isinstance(value, Reducer):
        return kind.__module__.startswith("mrframe.") and _is_installed(kind, own)
    return kind in _FIXED


def _is_installed(value: FunctionType | type, own: dict[str, Any]) -> bool:
    """Return whether another module has this function or class under its own name."""
    if value.__module__ == own["__name__"] or value.__name__ in _REACHES_FAR:
        return False
    found: Any = sys.modules.get(value.__module__)
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def _is_fixed_function(function: FunctionType, own: dict[str, Any]) -> bool:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if function.__dict__ or not all(_is_fixed(value, own) for value in (*cells, *defaults)):
        return False
    return _changes_nothing(function.__code__)


def _changes_nothing(code: CodeType) -> bool:
    """Return whether a code object and those within it change only what they have made themselves."""
    names = frozenset(code.co_names)
    if names & _REACHES_FAR or any(name.startswith("__") for name in names):
        return False
    operations = frozenset(code.co_code[::2])
    if operations & _CHANGES or (code.co_freevars and operations & _CHANGES_OUTER):
        return False
    return all(_changes_nothing(one) for one in code.co_consts if isinstance(one, CodeType))
