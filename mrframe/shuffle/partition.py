"""Maps a key to its slot and its partition: one hash, the same in every process, for ever.

Not here: the legal keys (`keys.py`).

The hash is the CRC-32 (as of zlib) of the canonical bytes of the key, 32 bits. With a seed other than 0 it is their
BLAKE2b, keyed with the seed and cut to 32 bits, for logs that might aim keys at one partition. The slot is
its top bits, so that slots and partitions are ranges of the hash.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import partial
from itertools import repeat
from typing import Any

from mrframe.shuffle.keys import canonical_bodies

SLOTS = 256  # slots of a run file, unless there are more partitions
SLOTS_MANY = 65_536


def slots_for(partitions: int) -> int:
    """Return the number of slots of a run file for this many partitions.

    Raises ValueError beyond 65,536 partitions.
    """
    if not 1 <= partitions <= SLOTS_MANY:
        raise ValueError(f"{partitions} partitions: there can be 1 to {SLOTS_MANY}")
    return SLOTS if partitions <= SLOTS else SLOTS_MANY


def slot_column(keys: list[Any], kind: str, slots: int, seed: int = 0) -> list[int]:
    """Return the slot of each key. `kind` is `kind_of(keys)`, `slots` a power of two up to 65,536."""
    if slots == 1:
        return [0] * len(keys)
    shift = 32 - slots_bits(slots)
    tag, bodies = canonical_bodies(keys, kind)
    hashes: Iterable[int]
    if seed == 0:
        hashes = map(zlib.crc32, bodies, repeat(zlib.crc32(tag)))
    else:
        hashes = map(partial(_keyed_hash, seed.to_bytes(8, "big"), tag), bodies)
    return [value >> shift for value in hashes]


def slots_bits(slots: int) -> int:
    """Return the bits of the hash in a slot. Raises ValueError unless `slots` is a power of two up to 65,536."""
    if not 1 <= slots <= SLOTS_MANY or slots & (slots - 1):
        raise ValueError(f"{slots} slots: a run file has a power of two, at most {SLOTS_MANY}")
    return slots.bit_length() - 1


def partition_of(slot: int, slots: int, partitions: int) -> int:
    """Return the partition of a slot."""
    return slot * partitions // slots


def slot_range(partition: int, slots: int, partitions: int) -> range:
    """Return the slots of a partition: all with `partition_of(slot, …) == partition`."""
    return range(-(-partition * slots // partitions), -(-(partition + 1) * slots // partitions))


def _keyed_hash(secret: bytes, tag: bytes, body: bytes) -> int:
    from hashlib import blake2b  # loads OpenSSL, and a seed is rare

    return int.from_bytes(blake2b(tag + body, digest_size=4, key=secret).digest(), "big")
