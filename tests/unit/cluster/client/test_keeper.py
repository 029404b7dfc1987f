"""A keeper imports its modules before it forks. Tests of its processes are in tests/integration/cluster."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("storage", [False, True])
def test_a_keeper_imports_what_its_children_need_and_no_more(storage):
    """OpenSSL alone takes a run of 1,000 lines 3 ms, and only a node with storage hashes."""
    code = (
        "import gc, sys\n"
        "gc.set_threshold(100_000)\n"
        "from mrframe.cluster.client import keeper\n"
        f"keeper._preload('mrframe.task.attempt:run_attempt', storage={storage})\n"
        "before = set(sys.modules)\n"
        "keeper._main_of('master'), keeper._main_of('node-1')\n"
        "import mrframe.task.attempt\n"
        "assert set(sys.modules) == before\n"
        "assert gc.get_freeze_count() and gc.get_threshold() == (700, 10, 10)\n"
        "print(*('mrframe.cluster.node.block_service' in before, '_hashlib' in before, 'sqlite3' in before))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"{storage} {storage} False\n", done.stderr
