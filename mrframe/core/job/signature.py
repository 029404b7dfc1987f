"""The fields that a function reads: its parameters are a projection of the reader's fields.

Signatures follow `__wrapped__`. Parameters that are bound or have a default are not fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from mrframe.core.safe_text import safe_repr
from mrframe.errors import JobError


def parameter_fields(function: Callable[..., Any], role: str) -> tuple[str, ...]:
    """Return the names of the parameters of `function` that are fields. `role` ("map", "where") is for messages.

    Raises JobError for *args, **kwargs and parameters that can only be given by position.
    """
    if type(function) is FunctionType and not function.__dict__:
        names = _plain_parameters(function)
        if names is not None:
            return names
    return _signature_fields(function, role)


def _plain_parameters(function: FunctionType) -> tuple[str, ...] | None:
    """Return the same for an undecorated function, from its code object. None if it takes *args or **kwargs.

    Each attempt rebuilds its job and asks several times. Reading a whole signature is ten times as slow.
    """
    code = function.__code__
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return None
    positional = code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]
    if not code.co_kwonlyargcount:
        return positional
    by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = function.__kwdefaults__ or {}
    return (*positional, *(name for name in by_name if name not in given))


def _signature_fields(function: Callable[..., Any], role: str) -> tuple[str, ...]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise JobError(
            f"the signature of {role}={describe(function)} cannot be read ({error}); name its fields with fields=(…)"
        ) from None
    names = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            star = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise JobError(
                f"{role}={describe(function)} takes {star}{name}: its parameters name the fields to extract, "
                "so each must be named; write them out, or give fields=(…)"
            )
        if parameter.default is parameter.empty:
            names.append(name)
    return tuple(names)


def describe(function: Callable[..., Any]) -> str:
    """Return a function's name and location, for messages: `by_path (jobs/top_urls.py:8)`."""
    target = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
    name = getattr(target, "__qualname__", None) or safe_repr(target)
    code = getattr(target, "__code__", None)
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code is not None else name
