"""Total order: the slots of a run file are ranges of keys, between cuts that come from a sample.

Not here: taking the sample (`task/map/key_sample.py`), and hashing (`partition.py`), which ranges replace.

Range j holds the keys from cut j - 1 (included) to cut j (excluded), in the order of `keys.order`. Every partition
has the same number of ranges, in its first slots. So slots in ascending order are keys in ascending order, and a
reduce task has its partition in pieces that fit the cache. Cuts may be equal: the range between them is empty, and
keys before and after a frequent one still spread over the other partitions. The cuts decide which task does the work,
never the output.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from mrframe.shuffle.keys import kind_of, normal, order, sorts_natively
from mrframe.shuffle.partition import slot_range, slots_for

RANGES_EACH = 8  # ranges of a partition, as far as it has slots
CUT_CHARS = 64  # of text or bytes in a cut, which only has to tell neighbours apart


def ranges_each(partitions: int) -> int:
    """Return the number of ranges of each of `partitions` partitions."""
    return max(1, min(RANGES_EACH, slots_for(partitions) // partitions))


def choose_cuts(sample: Sequence[tuple[Any, int]], partitions: int) -> list[Any]:
    """Return cuts that give each range about the same share of the (key, weight) pairs, or [] for no pairs.

    The weighted quantiles of the sample (as in D. DeWitt, J. Naughton, D. Schneider, "Parallel sorting on a
    shared-nothing architecture using probabilistic splitting", 1991). Raises KeyRefused for an illegal key.
    """
    if not sample:
        return []
    ordered = sorted(((order(key), key, weight) for key, weight in sample), key=lambda item: item[0])
    until = list(accumulate(weight for _, _, weight in ordered))
    ranges = partitions * ranges_each(partitions)
    return [ordered[bisect_left(until, until[-1] * cut / ranges)][1] for cut in range(1, ranges)]


def short(key: Any) -> Any:
    """Return a key with long text and bytes in it shortened to their beginning: fit for a cut, and cheap to send."""
    if type(key) in (str, bytes):
        return key[:CUT_CHARS]
    return tuple(map(short, key)) if type(key) is tuple else key


class Ranges:
    """The ranges between sorted cuts, for a run file of this many partitions."""

    def __init__(self, cuts: list[Any], partitions: int) -> None:
        slots = slots_for(partitions)
        each = ranges_each(partitions)
        self._kind = kind_of(cuts)
        self._cuts = normal(cuts, self._kind)
        firsts = [slot_range(partition, slots, partitions).start for partition in range(partitions)]
        self.slots = [first + number for first in firsts for number in range(each)]
        """The slot of each range."""

    def text_cuts(self) -> tuple[bytes, ...]:
        """Return the cuts between ranges of text, as the compiled kernel compares them."""
        before = sum(order(cut) < order("") for cut in self._cuts)
        texts: list[bytes] = [cut.encode("utf-8", "surrogatepass") for cut in self._cuts if type(cut) is str]
        return (*[b""] * before, *texts)

    def pieces(self, keys: list[Any], kind: str) -> Iterator[tuple[int, int, int]]:
        """Yield (slot, start, end) of the sorted keys that lie in each range, without the empty ones."""
        native = kind == self._kind and sorts_natively(kind)
        start = 0
        for number, cut in enumerate(self._cuts):
            if start == len(keys):
                return
            end = bisect_left(keys, cut, start) if native else bisect_left(keys, order(cut), start, key=order)
            if end > start:
                yield self.slots[number], start, end
                start = end
        if start < len(keys):
            yield self.slots[len(self._cuts)], start, len(keys)
