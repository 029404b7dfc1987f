"""One executor process at the other end of its line."""

from __future__ import annotations

import os
import socket

from mrframe.cluster.node import executor
from mrframe.cluster.transport.pipes import Pipe, make_pair
from mrframe.core.model.events import ExecutorFailed
from mrframe.core.model.spec import MapOrder, Split
from mrframe.task.isolation.print_limit import PrintBudget
from mrframe.wire import channels
from mrframe.wire.messages import BlockDeleted, Work

ATTEMPT, OTHER = "job-1/m0000.1.1", "job-1/m0001.1.1"


def test_a_missing_package_fails_its_attempt_and_none_begins_after_it(tmp_path, capfd):
    here, there = make_pair()
    pid = os.fork()
    if pid == 0:
        here.close()
        executor.serve(there, 1, "mrframe.task.attempt:run_attempt", PrintBudget())
        os._exit(0)
    there.close()
    pipe = Pipe(here, receives=channels.FROM_EXECUTOR, sends=channels.TO_EXECUTOR, blocking=True)
    split = Split("file", "log", "log", 0, 1, (0, 0))
    orders = tuple(MapOrder(name, 0, split, 1, str(tmp_path / "out"), ()) for name in (ATTEMPT, OTHER))
    for _ in range(2):
        pipe.send(BlockDeleted("job-1/d0000.1.1"))  # of an attempt before, and nothing to answer
        pipe.send(Work(str(tmp_path / "package"), orders))
    said = pipe.wait()
    assert isinstance(said, ExecutorFailed)
    assert (said.attempt, said.failure.kind) == (ATTEMPT, "io")
    assert "package" in said.failure.message
    pipe.socket.shutdown(socket.SHUT_WR)
    assert pipe.wait() is None, "the others wait for another executor"
    pipe.close()
    assert os.waitpid(pid, 0)[1] == 0
    assert capfd.readouterr().err == ""
