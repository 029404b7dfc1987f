"""`mrframe.increment`: the user's own counters, counted once per committed attempt.

One attempt runs at a time in a process, so its counters are this module's state. `take` moves them to its report.
Outside a task the counts are discarded.
"""

from __future__ import annotations

_counters: dict[str, int] = {}

NAMES_MAX = 1000  # different counter names per attempt: more suggests a key used as a name


def increment(name: str, by: int = 1) -> None:
    """Add `by` to the counter `name` of this job. Raises TypeError or ValueError on misuse."""
    if type(name) is not str or type(by) is not int:
        raise TypeError(f"increment({name!r}, {by!r}): a counter has a name (str) and counts whole numbers (int)")
    if name not in _counters and len(_counters) >= NAMES_MAX:
        raise ValueError(
            f"increment({name!r}): a job may have {NAMES_MAX} counters; to count by key, yield (key, 1) and reduce it"
        )
    _counters[name] = _counters.get(name, 0) + by


def snapshot() -> dict[str, int]:
    """Return a copy of the counters, for `restore`."""
    return dict(_counters)


def restore(before: dict[str, int]) -> None:
    """Return to a snapshot."""
    _counters.clear()
    _counters.update(before)


def take() -> dict[str, int]:
    """Return the counters since the last call, and reset them."""
    global _counters
    taken, _counters = _counters, {}
    return taken
