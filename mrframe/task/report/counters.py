"""`mrframe.increment`: counters of the user's own, counted once per committed attempt.

One attempt runs at a time in a process, so the counters of the attempt are this module's state. `take`
empties them into its report. Outside a task they count into nothing that anybody reads.
"""

from __future__ import annotations

_counters: dict[str, int] = {}

NAMES_MAX = 1000  # different counter names per attempt; more is a key mistaken for a name


def increment(name: str, by: int = 1) -> None:
    """Add `by` to the counter `name` of this job. TypeError or ValueError when it is misused."""
    if type(name) is not str or type(by) is not int:
        raise TypeError(f"increment({name!r}, {by!r}): a counter has a name (str) and counts whole numbers (int)")
    if name not in _counters and len(_counters) >= NAMES_MAX:
        raise ValueError(
            f"increment({name!r}): a job may have {NAMES_MAX} counters; to count by key, yield (key, 1) and reduce it"
        )
    _counters[name] = _counters.get(name, 0) + by


def snapshot() -> dict[str, int]:
    """The counters as they are now, for `restore`."""
    return dict(_counters)


def restore(before: dict[str, int]) -> None:
    """Back to a snapshot."""
    _counters.clear()
    _counters.update(before)


def take() -> dict[str, int]:
    """The counters since the last call, and a fresh start."""
    global _counters
    taken, _counters = _counters, {}
    return taken
