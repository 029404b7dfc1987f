"""The compiled kernel: reads lines and folds keys in C, where an installation could compile it.

`compiled` gives the extension module, or None where it is missing or turned off. Everything that uses it has a
plain path in Python with the same result, which is the oracle of the tests. The C is a core that knows bytes and
lengths and no Python (`scan.c`, `table.c`), and thin doors. Not here: which jobs use it (`task/map/path.py`), and
the programs made from formats (`formats/grammar/kernel_program.py`).
"""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "MRFRAME_KERNEL"
"""The environment variable that turns the kernel off. It changes no answer."""


def _load() -> Any:
    if os.environ.get(VARIABLE) == "off":
        return None
    try:
        from mrframe.kernel import _kernel
    except ImportError:
        return None
    return _kernel


_compiled: Any = _load()


def compiled() -> Any:
    """Return the module `_kernel` (see `_kernel.pyi`), or None."""
    return _compiled


def turn_off() -> None:
    """Use the plain paths from now on, in this process, so that a line on which compiled code dies is found."""
    global _compiled  # noqa: PLW0603 -- one process, one kernel
    _compiled = None
