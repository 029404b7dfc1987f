"""The reduce in the kernel: its rows, and the pairs that it has read, are those of the path of Python."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe import Job, count, distinct, mean, smallest, text, total
from mrframe.core.model.spec import ReduceOrder
from mrframe.kernel import compiled
from mrframe.shuffle.buffers import FoldBuffer
from mrframe.shuffle.reducers import as_fold
from mrframe.shuffle.run_file.run_writer import RunReader, RunWriter
from mrframe.task.code.settings import TaskSettings
from mrframe.task.reduce import kernel_reduce
from mrframe.task.reduce.reduce_task import ReduceTask
from mrframe.task.reduce.sorted_output import PART_FILE, SortedOutput

pytestmark = pytest.mark.skipif(compiled() is None, reason="no kernel is installed")

REDUCERS: dict[str, Any] = {
    "count": count,
    "total": total,
    "distinct": distinct,
    "smallest": smallest,
    "mean": mean,
    "dict": {"n": count, "sum": total, "least": smallest},
    "dict of one": {"different": distinct},
}
TEXTS = st.sampled_from(["a", "b", "", "é", "\udcff", "more than sixteen bytes"]) | st.text(max_size=3)
KEYS = TEXTS | st.sampled_from(["a\0b", None, 7, ("a", 1)])
NUMBERS = st.integers(-5, 300) | st.sampled_from([None, 1 << 62])
ODD = NUMBERS | st.sampled_from([1 << 70, 1.5])


class Progress:
    def beat(self, records: int, bytes_done: int) -> None:
        """Nobody listens."""


def reduced(reduce: Any, runs: Any, budget_bytes: int, *, fast: bool) -> Any:
    """Return (rows, (pairs read, checksum)) of a reduce of run files with these pairs."""
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for number, pairs in enumerate(runs):
            buffer = FoldBuffer(as_fold(reduce))
            if pairs:
                buffer.add([key for key, _ in pairs], [value for _, value in pairs])
            sources.append(os.path.join(folder, f"{number}.run"))
            with open(sources[-1], "wb") as file:
                writer = RunWriter(file, slots=256)
                buffer.write_runs(writer)
                writer.close()
        job = Job(read=text, map=lambda line: [(line, 1)], reduce=reduce)
        order = ReduceOrder("job-1/r0000.1.1", 0, 0, tuple(sources), folder)
        settings = TaskSettings(job.read, memory_bytes=budget_bytes, fast=fast)
        report = ReduceTask(job, order, 1, settings, Progress()).run()
        with open(os.path.join(folder, PART_FILE), "rb") as file:
            streams = RunReader(file, "part", unpickle=False).streams(0)
            blocks = [block for stream in streams for block in stream]
        rows = [row for _, keys, values in blocks for row in zip(keys, values, strict=True)]
        assert len(rows) == report.records_out
        return sorted(rows, key=repr), report.read


@pytest.mark.parametrize("name", REDUCERS)
@given(st.data())
def test_rows_and_pairs_read_are_those_of_python(name, data):
    keys = data.draw(st.sampled_from([TEXTS, KEYS]))
    values = TEXTS if "dis" in name or name == "dict of one" else data.draw(st.sampled_from([NUMBERS, ODD]))
    runs = data.draw(st.lists(st.lists(st.tuples(keys, values), max_size=60), max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_reduce, "OTHERS_MAX", data.draw(st.sampled_from([0, 2, 1000])))
        patch.setattr(kernel_reduce, "TABLE_BYTES_MIN", data.draw(st.sampled_from([1, 60_000, 130_000, 1 << 20])))
        found = reduced(REDUCERS[name], runs, 1, fast=True)
    assert found == reduced(REDUCERS[name], runs, 1 << 20, fast=False)


def test_a_partition_of_text_is_reduced_in_groups_that_fit_the_budget(monkeypatch):
    written = []
    real = SortedOutput.keep_encoded

    def keep_encoded(self, sections):
        written.append(sum(records for _, _, blocks in sections for records, _, _ in blocks))
        real(self, sections)

    monkeypatch.setattr(SortedOutput, "keep_encoded", keep_encoded)
    runs = [[(f"{n:x}", 1) for n in range(start, start + 60_000)] for start in (0, 30_000)]
    found = reduced(total, [*runs, [(None, 1), (5, 2)]], 8 << 20, fast=True)
    assert sum(written) == 90_000
    assert len(written) > 2
    assert found == reduced(total, [*runs, [(None, 1), (5, 2)]], 256 << 20, fast=False)


def test_a_slot_that_outgrows_the_budget_is_left_to_python(monkeypatch):
    written = []
    monkeypatch.setattr(SortedOutput, "keep_encoded", lambda _, sections: written.extend(sections))
    monkeypatch.setattr(kernel_reduce, "TABLE_BYTES_MIN", 1)
    runs = [[(f"{n:x}", 1) for n in range(1000)]]
    assert reduced(total, runs, 1, fast=True) == reduced(total, runs, 1, fast=False)
    assert written == []
