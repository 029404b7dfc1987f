"""Garbage collection while tasks run: rare, since columns of plain data make no cycles.

With Python's usual thresholds, collections walk over millions of buffered pairs again and again. Measured, they cost
up to a third of a map task. The user's own code may make cycles, so collections are not turned off.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (2_000_000, 20, 100)
USUAL = (700, 10, 10)
"""Those of Python, for a process that serves: one that was forked from a command has inherited the command's."""


@contextmanager
def few_collections() -> Iterator[None]:
    """Collect rarely inside the block, and as before after it."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
