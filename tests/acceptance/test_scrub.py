"""Rot at rest, with real processes: nodes read their blocks by themselves, and nobody has to ask for it."""

from __future__ import annotations

import json
import os
import time

from standing import ROOT
from test_fs import BLOCK, LOG, flip, store
from test_pauses import SEAM

__all__ = ["store"]  # the fixture

SCRUB_S = 1.0
PATIENCE_S = 40.0


def test_scrubbing_finds_and_repairs_a_damaged_block_that_is_not_read(store):
    store.environment["PYTHONPATH"] = f"{SEAM}{os.pathsep}{ROOT}"
    store.environment["SEAM_LIMITS"] = json.dumps({"NodeLimits": {"scrub_s": SCRUB_S}})
    store.start("--nodes", 2, "--slots", 1)
    store.put("access", LOG)
    blocks = store.blocks("access")
    assert len(blocks) == -(-LOG.stat().st_size // BLOCK)
    for number, (block, nodes) in enumerate(blocks):  # of each block one replica, on one node or the other
        file = store.file(nodes[number % 2], block)
        sound = file.read_bytes()
        flip(file, number)
        assert file.read_bytes() != sound
        given_up_s = time.monotonic() + PATIENCE_S
        while not file.exists() or file.read_bytes() != sound:
            assert time.monotonic() < given_up_s, f"{file} is still not what it was"
            store.cluster("status")
    assert b" 0 damaged" in store.fs("fsck").stdout
    assert store.fs("cat", "access").stdout == LOG.read_bytes()
    store.cluster("stop")
