"""Keeps mrframe's own frames out of the tracebacks of errors that a program gets.

An error raised on purpose tells what is wrong by itself, and a failing job shows its own frames as the cause. The
frames between them are mrframe's. They stay in `error.frames`, which `mrframe -v` shows. MRFRAME_DEBUG=1 leaves them
where they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from mrframe.errors import MrframeError

P = ParamSpec("P")
R = TypeVar("R")


def trimmed(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the errors of mrframe that this function raises have none of the frames below it."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True  # of pytest and IPython
        try:
            return function(*args, **kwargs)
        except MrframeError as error:
            if os.environ.get("MRFRAME_DEBUG"):
                raise
            error.frames = error.frames or error.__traceback__
            failed = error.with_traceback(None)
        raise failed from failed.__cause__

    return call
