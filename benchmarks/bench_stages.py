"""The stages of `stages.py` under pytest-benchmark: the part of `make bench` that compares two versions of the code.

    python -m pytest benchmarks/bench_stages.py --benchmark-autosave           # before a change
    python -m pytest benchmarks/bench_stages.py --benchmark-compare            # and after it

Times are CPU time of this process, since others share the machine. `make test` neither collects this nor needs
pytest-benchmark. Not here: the stages themselves and their ratios to a yardstick (`stages.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import stages
from inputs import folder_of_data

MIB = 4


def pytest_generate_tests(metafunc):
    every = stages.all_stages(MIB, "small", folder_of_data())
    metafunc.parametrize("stage", every, ids=[name.replace(" ", "-") for name, _, _ in every])


@pytest.mark.benchmark(timer=process_time, min_rounds=5, max_time=0.5, disable_gc=True)
def test_stage(benchmark, stage):
    _, records, run = stage
    benchmark.extra_info["records"] = records
    benchmark.group = stage[0].partition(" ")[0].strip(",")
    benchmark(run)
