"""The scripts of `benchmarks/` as modules, and inputs that are made in a moment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS / "peers")]


@pytest.fixture(scope="session", autouse=True)
def _small_pools():
    """A vocabulary of millions takes seconds to make; the rest of the generator is as it is."""
    import make_data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_data, "VOCABULARY", 20_000)
        patch.setattr(make_data, "HOSTS", 5_000)
        patch.setattr(make_data, "PATHS", 2_000)
        patch.setattr(make_data, "MALFORMED_SHARE", 0.05)
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of inputs, shared: they are only read."""
    return tmp_path_factory.mktemp("bench-data")
