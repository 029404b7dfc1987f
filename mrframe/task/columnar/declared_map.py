"""Recognizes maps that only pick fields: `yield hour, host` means the same as `key="hour", value="host"`.

Not here: making the columns (`map/emit.py`).

How it works. Such a function need not be called: its columns can be picked. To prove that a function is one, read its
picks off its bytecode, write them out as source, compile that, and compare the two code objects, constants included.
Only equal code counts. A function that reads a clock, counts, branches or calls anything compiles to other code.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for every record."""

    value: Any


Pick = int | Constant | tuple[Any, ...]
"""The index of one of the map's fields, a constant, or a tuple of picks."""
_PROLOGUE = {"RETURN_GENERATOR", "POP_TOP", "RESUME", "NOP"}


def declared_picks(job: Job) -> tuple[Pick, Pick] | None:
    """Return the picks of key and value that the job declares or its map amounts to, or None for any other map."""
    if job.key is None:
        return None if job.map is None else picks_of(job.map, len(job.map_fields()))
    keys = 1 if isinstance(job.key, str) else len(job.key)
    columns = tuple(range(len(job.map_fields())))
    key = columns[0] if isinstance(job.key, str) else columns[:keys]
    if job.value is None:
        return key, Constant(None)
    return key, columns[keys] if isinstance(job.value, str) else columns[keys:]


def picks_of(function: Callable[..., Any], fields: int) -> tuple[Pick, Pick] | None:
    """Return the one pair of picks that a function of `fields` fields yields per record, or None if it does more."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return None
    return _proven(function.__code__, function.__doc__) if function.__code__.co_argcount == fields else None


@lru_cache(maxsize=64)  # each task asks
def _proven(code: CodeType, doc: str | None) -> tuple[Pick, Pick] | None:
    pair = _pair(code)
    again = None if pair is None else _compiled(code, doc, pair)
    return pair if again is not None and _as_if(again, code) == code else None


def _pair(code: CodeType) -> tuple[Pick, Pick] | None:
    """Return the first pair that the code yields, or None if it does more than load values before that."""
    parameters = code.co_varnames[: code.co_argcount]
    stack: list[Pick] = []
    for step in dis.get_instructions(code):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)  # since 3.13 one step may load two
        if step.opname.startswith("LOAD_FAST") and set(names) <= set(parameters):
            stack += map(parameters.index, names)
        elif step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            stack.append(Constant(step.argval))
        elif step.opname == "BUILD_TUPLE" and step.arg:
            stack[-step.arg :] = [tuple(stack[-step.arg :])]
        elif step.opname == "YIELD_VALUE":
            found = stack[-1] if stack else None
            return (found[0], found[1]) if isinstance(found, tuple) and len(found) == 2 else None
        elif step.opname not in _PROLOGUE:
            return None
    return None


def _compiled(code: CodeType, doc: str | None, pair: tuple[Pick, Pick]) -> CodeType | None:
    """Compile a function of the same parameters that yields this pair and does nothing else."""
    names = code.co_varnames[: code.co_argcount]
    head = "" if doc is None else f"{doc!r}; "
    text = f"def again({', '.join(names)}): {head}yield {_written(pair, names)}\n"
    try:
        flags = code.co_flags & annotations.compiler_flag  # part of the code object, though without effect here
        module = compile(text, code.co_filename, "exec", flags, dont_inherit=True)
    except SyntaxError:  # a constant that cannot be written down
        return None
    return next((one for one in module.co_consts if isinstance(one, CodeType)), None)


def _written(pick: Pick, names: Sequence[str]) -> str:
    if isinstance(pick, tuple):
        return f"({' '.join(_written(one, names) + ',' for one in pick)})"
    return repr(pick.value) if isinstance(pick, Constant) else names[pick]


def _as_if(code: CodeType, other: CodeType) -> CodeType:
    """Return the code with the name and the line numbers of `other`."""
    return code.replace(
        co_name=other.co_name,
        co_qualname=other.co_qualname,
        co_firstlineno=other.co_firstlineno,
        co_linetable=other.co_linetable,
    )
