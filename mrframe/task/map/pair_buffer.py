"""Chooses the fold of map output, and checks pairs: shared by map tasks and `why`.

Not here: the buffers themselves (`shuffle/buffers.py`), and choosing one for a map (`path.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mrframe.core.job.job import Job
from mrframe.shuffle.buffers import buffer_for
from mrframe.shuffle.fold import Fold
from mrframe.shuffle.keys import canonical
from mrframe.shuffle.reducers import as_fold


def map_fold(job: Job) -> Fold | None:
    """Return the ready reducer that folds pairs on the map side, or None for other jobs and for sorted values."""
    return None if job.sort_values else as_fold(job.reduce)  # a fold takes values in the order of arrival


def compresses(job: Job) -> bool:
    """Return whether compressing the job's run files may pay: of pairs that are folded, there are few.

    Other pairs are about as many as the input, and deflating takes longer than writing, sending and reading them.
    """
    return as_fold(job.reduce) is not None or job.combine is not None


def check_pairs(fold: Fold | None, keys: Sequence[Any], values: Sequence[Any]) -> None:
    """Check that a buffer and its run file accept these pairs. Raises KeyRefused or TypeError."""
    buffer_for(fold).add(keys, values)
    for key in keys if fold is None else ():
        canonical(key)
