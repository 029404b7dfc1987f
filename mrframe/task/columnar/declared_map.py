"""Maps that only pick: `yield hour, host` says no more than `key="hour", value="host"` does.

Such a function is not called. This is not guessed: the pair that its bytecode seems to yield is written down as a
function again and compiled, and only if that is the same code, constants and all, are columns picked in its place.
A function that reads a clock, counts, decides or calls has other code. Not here: making the columns (`emit.py`).
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
"""One of the fields that the map is given, by its index, a constant, or a tuple of picks."""
_PROLOGUE = {"RETURN_GENERATOR", "POP_TOP", "RESUME", "NOP"}


def declared_picks(job: Job) -> tuple[Pick, Pick] | None:
    """The key and the value that a job of the first two grains declares, or that its map only picks. Else None."""
    if job.key is None:
        return None if job.map is None else picks_of(job.map, len(job.map_fields()))
    keys = 1 if isinstance(job.key, str) else len(job.key)
    columns = tuple(range(len(job.map_fields())))
    key = columns[0] if isinstance(job.key, str) else columns[:keys]
    if job.value is None:
        return key, Constant(None)
    return key, columns[keys] if isinstance(job.value, str) else columns[keys:]


def picks_of(function: Callable[..., Any], fields: int) -> tuple[Pick, Pick] | None:
    """The pair that a function of so many fields yields, once, for every record. None when it does anything else."""
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return None
    return _proven(function.__code__, function.__doc__) if function.__code__.co_argcount == fields else None


@lru_cache(maxsize=64)  # each task asks
def _proven(code: CodeType, doc: str | None) -> tuple[Pick, Pick] | None:
    pair = _pair(code)
    again = None if pair is None else _compiled(code, doc, pair)
    return pair if again is not None and _as_if(again, code) == code else None


def _pair(code: CodeType) -> tuple[Pick, Pick] | None:
    """The first pair that the code yields, if it only loads parameters and constants before that."""
    parameters = code.co_varnames[: code.co_argcount]
    stack: list[Pick] = []
    for step in dis.get_instructions(code):
        names = step.argval if isinstance(step.argval, tuple) else (step.argval,)  # from 3.13 on two at a time
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
    """A function of the same parameters that yields this pair and does nothing else."""
    names = code.co_varnames[: code.co_argcount]
    head = "" if doc is None else f"{doc!r}; "
    text = f"def again({', '.join(names)}): {head}yield {_written(pair, names)}\n"
    try:
        flags = code.co_flags & annotations.compiler_flag  # the code says so, though it is the same without
        module = compile(text, code.co_filename, "exec", flags, dont_inherit=True)
    except SyntaxError:  # a constant that cannot be written down
        return None
    return next((one for one in module.co_consts if isinstance(one, CodeType)), None)


def _written(pick: Pick, names: Sequence[str]) -> str:
    if isinstance(pick, tuple):
        return f"({' '.join(_written(one, names) + ',' for one in pick)})"
    return repr(pick.value) if isinstance(pick, Constant) else names[pick]


def _as_if(code: CodeType, other: CodeType) -> CodeType:
    """The code with the name and the lines of the other."""
    return code.replace(
        co_name=other.co_name,
        co_qualname=other.co_qualname,
        co_firstlineno=other.co_firstlineno,
        co_linetable=other.co_linetable,
    )
