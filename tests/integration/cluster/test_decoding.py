"""A compressed input on a real cluster: decoded beside the slots, and never far ahead of what is mapped."""

from __future__ import annotations

import gzip

import pytest

import mrframe
from mrframe import RunOptions
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX

LINES = 1200
JOB = """
import glob
from mrframe import Job, count, largest, text

def blocks(line):
    yield line[:1], len(glob.glob({pattern!r}, recursive=True))

job = Job(read=text, map=blocks, reduce={{"lines": count, "blocks": largest}})
"""


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_decoding_waits_until_its_blocks_are_mapped(tmp_path, slots, shuffle):
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"".join(b"%d" % (n % 7) * 4000 + b"\n" for n in range(LINES))))
    job, scratch = tmp_path / "job.py", tmp_path / "scratch"
    job.write_text(JOB.format(pattern=f"{scratch}/**/block-*"))
    scratch.mkdir()
    options = RunOptions(
        engine="local", nodes=2, slots=slots, split_bytes=40_000, scratch_dir=str(scratch), shuffle=shuffle
    )
    with mrframe.run(str(job), [str(tmp_path / "log.gz")], options) as result:
        rows = dict(result)
        assert result.summary.tasks > LINES * 4000 / 40_000 > 5 * BLOCKS_AHEAD_MAX
    assert sum(row["lines"] for row in rows.values()) == LINES
    most = max(row["blocks"] for row in rows.values())
    assert BLOCKS_AHEAD_MAX // 2 < most <= BLOCKS_AHEAD_MAX + 1  # one more is being written
