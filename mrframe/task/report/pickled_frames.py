"""Gives the frames of a job without a file their file and source line back.

cloudpickle names the file of all code that it pickles `<dynamic-code>`, so a traceback from another process says
neither where a function of a notebook or a script stands, nor the line. The process that made the job knows both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

_FRAME = re.compile(r'^(  File )"<dynamic-code>"(, line (\d+), in (.+))$', re.MULTILINE)


def with_files(traceback_text: str, functions: Iterable[Callable[..., Any]]) -> str:
    """Return a traceback with file and source line of each frame of these functions, and of those that they call."""
    if "<dynamic-code>" not in traceback_text:
        return traceback_text
    import linecache

    codes = list(_codes(functions))

    def located(match: re.Match[str]) -> str:
        number, name = int(match[3]), match[4]
        for code in codes:
            if code.co_name == name and any(line == number for _, _, line in code.co_lines()):
                text = linecache.getline(code.co_filename, number).strip()
                return f'{match[1]}"{code.co_filename}"{match[2]}' + (f"\n    {text}" if text else "")
        return match[0]

    return _FRAME.sub(located, traceback_text)


def _codes(functions: Iterable[Callable[..., Any]]) -> Iterator[CodeType]:
    """Yield the code of functions, of those inside them, and of those that they name."""
    waiting: list[Any] = list(functions)
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, CodeType):
            yield one
            waiting += [const for const in one.co_consts if isinstance(const, CodeType)]
        elif isinstance(one, FunctionType):
            waiting.append(one.__code__)
            waiting += [cell.cell_contents for cell in one.__closure__ or () if _is_full(cell)]
            waiting += [one.__globals__[name] for name in one.__code__.co_names if name in one.__globals__]
        elif isinstance(one, type) or hasattr(one, "__func__"):
            waiting += list(vars(one).values()) if isinstance(one, type) else [one.__func__]


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (an empty cell raises)
    except ValueError:
        return False
    return True
