"""How a map folds its pairs before they travel, and which pairs it refuses: for map tasks, checks and `why`.

Not here: the buffers themselves (`shuffle/buffers.py`), which of them a map gets (`path.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.job.job import Job
from mrframe.shuffle.buffers import buffer_for
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import Fold, as_fold


def map_fold(job: Job) -> Fold | None:
    """The ready reducer that folds pairs on the map side. None for other jobs, and where values are to be sorted."""
    return None if job.sort_values else as_fold(job.reduce)  # a fold sees values in the order of their arrival


def check_pairs(fold: Fold | None, keys: Sequence[Any], values: Sequence[Any]) -> None:
    """Check that a buffer, and the run file behind it, takes these pairs. Raises KeyRefused or TypeError."""
    buffer_for(fold).add(keys, values)
    for key in keys if fold is None else ():
        canonical(key)
