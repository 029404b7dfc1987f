"""Makes the helpers of these tests importable by their names, and gives each test a standing cluster of its own."""

import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.append(HERE)

from standing import StandingCluster  # noqa: E402 -- found by the path above


@pytest.fixture
def standing(tmp_path):
    """A directory for a standing cluster whose processes end with the test."""
    cluster = StandingCluster(tmp_path)
    yield cluster
    cluster.kill_all()
