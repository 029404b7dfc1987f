"""Garbage collection: rare while a process starts, while tasks run, and in the master, since little of it is garbage.

With Python's usual thresholds, collections walk over millions of buffered pairs again and again. Measured, they cost
up to a third of a map task and a tenth of a start. The user's own code may make cycles, so collections are not turned
off.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (2_000_000, 20, 100)
STARTING = 100_000
"""The first threshold of a process that starts: more objects than it makes. Imports leave no garbage to find."""
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


LONG_LIVED = (100_000, 20, 100)


def collect_long_lived() -> None:
    """Collect as suits a process that keeps many objects for long, and leave out those that it has now.

    A master keeps some objects for each task until its job is released, and none of them are in cycles after that. By
    Python's usual thresholds they are all visited again and again, which stops the master for longer the more tasks
    there are. So the old ones are hardly ever visited. The young ones still are, once for every few thousand tasks.
    """
    gc.freeze()
    gc.set_threshold(*LONG_LIVED)
