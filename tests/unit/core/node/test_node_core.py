"""Single decisions of a node, each from the events that lead to it."""

from __future__ import annotations

import pytest

from mrframe.core.model import actions as a
from mrframe.core.model import events as e
from mrframe.core.model.limits import BLOCKS_AHEAD_MAX, NodeLimits
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import DecodeOrder, Failure, FatalPosition, MapOrder, ReduceOrder, Split
from mrframe.core.node.node_core import NodeCore

FILE = Split("file", "access.log", "logs/access.log", 0, 100, (0, 0))
M0, M1, R0, D0 = "job-1/m0000.1.1", "job-1/m0001.1.1", "job-1/r0000.1.1", "job-1/d0000.1.1"


class ManualNode:
    """A node that has joined epoch 1; `handle` gives the actions of an event."""

    def __init__(self, slots: int = 1, **limits: float) -> None:
        self.core = NodeCore("node-1", "node-1#1", slots, NodeLimits(**limits))
        self.now_s = 0.0
        self.handle(e.Tick())
        for number in range(1, slots + 1):
            self.handle(e.ExecutorReady(number))
        self.handle(e.Welcome("node-1", 1, "node-1#1"))

    def handle(self, event) -> list[a.NodeAction]:
        return self.core.handle(event, self.now_s)

    def sent(self, event, kind: type) -> list:
        """The messages of this kind that the event makes it send."""
        sent = [x.message for x in self.handle(event) if isinstance(x, a.SendMaster)]
        return [message for message in sent if isinstance(message, kind)]

    def wait(self, seconds: float, kind: type, *, unheard: bool = False) -> list:
        self.now_s += seconds
        if not unheard and self.core.welcome:
            self.handle(e.Welcome("node-1", self.core.epoch, "node-1#1"))
        return self.sent(e.Tick(), kind)

    def map(self, attempt: str, split: Split = FILE) -> list[a.NodeAction]:
        return self.handle(e.StartAttempt(attempt, "job-1", 0, 2, split))

    def reduce(self, *sources: tuple[str, str]) -> list[a.NodeAction]:
        return self.handle(e.StartAttempt(R0, "job-1", 0, 2, partition=1, sources=sources))


@pytest.fixture
def node():
    return ManualNode()


def test_damaged_input_counts_as_a_failed_fetch_from_its_holder(node):
    node.reduce(("job-1/m0000.1.1", "node-1"), ("job-1/m0001.1.1", "node-2"))
    node.handle(e.Fetched(R0, ("/here/map.mrf", "/fetched/map.mrf")))
    damaged = Failure("io", "it is damaged", error_slug="corrupt", source="/fetched/map.mrf")
    (failed,) = node.sent(e.ExecutorFailed(1, R0, damaged), e.AttemptFailed)
    assert (failed.failure.kind, failed.failure.lost) == ("fetch", ("job-1/m0001.1.1", "node-2"))


# ---- hello ------------------------------------------------------------------------------------------


def test_it_starts_its_executors_and_repeats_its_hello_until_the_welcome():
    core = NodeCore("node-1", "x", 2, held=("job-1/m0003.1.1",))
    hello = a.SendMaster(e.NodeJoined("node-1", "x", 2, ("job-1/m0003.1.1",)))
    assert core.handle(e.Tick(), 5.0) == [hello, a.SpawnExecutor(1), a.SpawnExecutor(2)]
    assert core.handle(e.Tick(), 5.1) == []
    assert core.handle(e.Tick(), 5.6) == [hello]
    (beat,) = core.handle(e.Welcome("node-1", 1, "x"), 5.7)
    assert beat == a.SendMaster(e.NodeBeat("node-1", "x", held=("job-1/m0003.1.1",)))


def test_it_sends_another_hello_to_a_master_that_does_not_know_it(node):
    assert node.sent(e.Welcome("node-1", 2), e.NodeJoined)
    assert node.wait(1.0, e.NodeJoined), "until it is accepted"
    node.handle(e.Welcome("node-1", 2, "node-1#1"))
    assert not node.wait(1.0, e.NodeJoined)
    assert node.sent(e.Welcome("node-1", 2, "another one"), e.NodeJoined)


def test_it_sends_another_hello_without_a_reply(node):
    assert not node.wait(2.9, e.NodeJoined, unheard=True)
    node.handle(e.Welcome("node-1", 1, "node-1#1"))
    assert not node.wait(2.9, e.NodeJoined, unheard=True)
    assert node.wait(0.6, e.NodeJoined, unheard=True)
    assert node.map(M0) == [], "until it is accepted it does nothing new"
    node.handle(e.Welcome("node-1", 1, "node-1#1"))
    assert node.map(M0)


def test_it_does_not_listen_to_an_older_master(node):
    node.handle(e.Welcome("node-1", 2, "node-1#1"))
    assert node.handle(e.Welcome("node-1", 1)) == []
    assert node.map(M0) == []


# ---- attempts ---------------------------------------------------------------------------------------


def test_a_map_over_a_file_is_run_at_once(node):
    (execute,) = node.map(M0)
    assert execute == a.Execute(1, "job-1", (MapOrder(M0, 0, FILE, 2, M0),))
    assert node.handle(e.ExecutorSealed(1, M0, TaskReport())) == [
        a.SendMaster(e.AttemptSealed("node-1", "node-1#1", M0, TaskReport()))
    ]


def test_an_executor_gets_one_attempt_at_a_time(node):
    assert node.map(M0)
    assert node.map(M1) == []
    actions = node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert [x.orders[0].attempt for x in actions if isinstance(x, a.Execute)] == [M1]


def test_a_start_that_arrives_twice_is_one_attempt(node):
    node.map(M0)
    assert node.map(M0) == []
    node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert node.sent(e.StartAttempt(M0, "job-1", 0, 2, FILE), e.AttemptSealed), "its report may have been lost"


def test_the_inputs_of_a_reduce_are_fetched_while_another_attempt_runs(node):
    node.map(M0)
    sources = (("job-1/m0001.1.1", "node-1"), ("job-1/m0002.1.1", "node-2"))
    assert node.reduce(*sources) == [a.Fetch(R0, tuple((*source, "map.mrf") for source in sources), 1, 2)]
    assert node.handle(e.Fetched(R0, ("p1", "p2"))) == []
    actions = node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert a.Execute(1, "job-1", (ReduceOrder(R0, 0, 1, ("p1", "p2"), R0, 2),)) in actions


def test_an_attempt_with_local_inputs_overtakes_one_that_still_fetches(node):
    node.reduce(("job-1/m0009.1.1", "node-2"))
    assert [x.orders[0].attempt for x in node.map(M0) if isinstance(x, a.Execute)] == [M0]


def test_a_reduce_of_nothing_needs_no_fetching(node):
    assert [x.orders[0].sources for x in node.reduce() if isinstance(x, a.Execute)] == [()]


def test_a_block_is_fetched_and_read_from_where_it_is_now(node):
    held = Split("held", "a.gz", "block-00003", 300, 100, (0, 300), held_by=((D0, "node-2"),))
    assert node.map(M0, held) == [a.Fetch(M0, ((D0, "node-2", "block-00003"),), -1)]
    (execute,) = node.handle(e.Fetched(M0, ("here/block",)))
    assert execute.orders[0].split.path == "here/block"
    assert execute.orders[0].sources == ()


def test_pairs_are_read_from_all_that_hold_them(node):
    pairs = Split(
        "pairs", "step 0", "part.mrf", 0, 9, (0, 0), held_by=(("job-1/r0000.1.1", "node-1"), ("b", "node-2"))
    )
    (fetch,) = node.map(M0, pairs)
    assert [name for _, _, name in fetch.sources] == ["part.mrf", "part.mrf"]
    (execute,) = node.handle(e.Fetched(M0, ("p", "q")))
    assert execute.orders[0].sources == ("p", "q")


def test_a_source_that_cannot_be_fetched_is_named(node):
    node.reduce(("job-1/m0009.1.1", "node-2"))
    (failed,) = node.sent(e.FetchFailed(R0, "job-1/m0009.1.1", "node-2", "connection refused"), e.AttemptFailed)
    assert failed.failure.kind == "fetch"
    assert failed.failure.lost == ("job-1/m0009.1.1", "node-2")
    assert "connection refused" in failed.failure.message


def test_a_failure_is_passed_on_and_the_executor_replaced(node):
    node.map(M0)
    failure = Failure("raised", "ValueError: no", traceback_text="…")
    actions = node.handle(e.ExecutorFailed(1, M0, failure))
    (failed,) = [x.message for x in actions if isinstance(x, a.SendMaster)]
    assert failed.failure == failure
    assert a.KillExecutor(1) in actions
    assert not node.map(M1)
    assert a.SpawnExecutor(2) in node.handle(e.ExecutorDied(1, "killed"))
    assert [x.executor for x in node.handle(e.ExecutorReady(2)) if isinstance(x, a.Execute)] == [2]


def test_an_executor_runs_attempts_of_one_job_only(node):
    node.map(M0)
    node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert [x.executor for x in node.map(M1) if isinstance(x, a.Execute)] == [1]
    node.handle(e.ExecutorSealed(1, M1, TaskReport()))
    other = e.StartAttempt("job-2/m0000.1.1", "job-2", 0, 2, FILE)
    assert node.handle(other) == [a.KillExecutor(1)]
    node.handle(e.ExecutorDied(1, "killed"))
    assert [x.executor for x in node.handle(e.ExecutorReady(2)) if isinstance(x, a.Execute)] == [2]


def test_executors_of_a_job_that_is_forgotten_are_replaced_at_once(node):
    node.map(M0)
    node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert a.KillExecutor(1) in node.handle(e.ForgetJob("job-1"))


def test_the_position_of_a_dead_isolated_attempt_is_reported(node):
    node.map(M0)
    position = FatalPosition(0, 100, 7)
    (failed,) = node.sent(e.ExecutorDied(1, "killed by SIGKILL", position), e.AttemptFailed)
    assert failed.failure.position == position


# ---- answers ----------------------------------------------------------------------------------------


def test_a_seal_is_repeated_with_growing_pauses_until_it_is_committed(node):
    node.map(M0)
    node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert not node.wait(0.4, e.AttemptSealed)
    assert node.wait(0.2, e.AttemptSealed)
    assert not node.wait(0.8, e.AttemptSealed)
    assert node.wait(0.3, e.AttemptSealed)
    node.handle(e.CommitAttempt(M0))
    assert not node.wait(60, e.AttemptSealed)
    assert node.wait(1, e.NodeBeat)[0].held == (M0,)


def test_a_discarded_attempt_is_deleted_and_not_started_again(node):
    node.map(M0)
    node.handle(e.ExecutorSealed(1, M0, TaskReport()))
    assert node.handle(e.DiscardAttempt(M0)) == [a.DeleteAttempt(M0)]
    assert node.handle(e.DiscardAttempt(M0)) == []
    assert node.map(M0) == []
    assert not node.wait(60, e.AttemptSealed)


def test_the_directory_of_a_running_attempt_is_deleted_after_its_executor(node):
    node.map(M0)
    assert node.handle(e.DiscardAttempt(M0)) == [a.KillExecutor(1)]
    assert node.handle(e.ExecutorSealed(1, M0, TaskReport())) == [], "it finished while it was being killed"
    assert node.handle(e.ExecutorDied(1, "killed")) == [a.DeleteAttempt(M0), a.SpawnExecutor(2)]


def test_files_fetched_for_a_discarded_attempt_are_deleted(node):
    node.reduce(("job-1/m0009.1.1", "node-2"))
    assert node.handle(e.DiscardAttempt(R0)) == [a.DeleteAttempt(R0)]
    assert node.handle(e.Fetched(R0, ("p",))) == [a.DeleteAttempt(R0)]


def test_a_forgotten_job_leaves_nothing_and_does_not_come_back(node):
    node.map(M0)
    node.map(M1)
    assert node.handle(e.ForgetJob("job-1")) == [a.KillExecutor(1), a.DeleteJob("job-1")]
    assert node.handle(e.ExecutorDied(1, "killed")) == [a.DeleteJob("job-1"), a.SpawnExecutor(2)]
    node.handle(e.ExecutorReady(2))
    assert node.map(M0) == []
    assert node.wait(1, e.NodeBeat)[0] == e.NodeBeat("node-1", "node-1#1")


# ---- decoding ---------------------------------------------------------------------------------------


def test_blocks_are_repeated_until_acknowledged_and_the_seal_waits_for_them(node):
    gzip = Split("gzip", "a.gz", "a.gz", 0, 500, (0, 0))
    beside, execute = node.handle(e.StartAttempt(D0, "job-1", 0, 2, gzip, block_bytes=77))
    assert beside == a.SpawnExecutor(2)
    assert execute.orders[0] == DecodeOrder(D0, gzip, 77, D0, BLOCKS_AHEAD_MAX)
    block = Split("held", "a.gz", "block-00000", 0, 77, (0, 0))
    (sent,) = node.sent(e.ExecutorBlock(1, D0, block), e.BlockSealed)
    assert sent.split.held_by == ((D0, "node-1"),)
    assert not node.sent(e.ExecutorSealed(1, D0, TaskReport()), e.AttemptSealed)
    assert node.wait(1, e.BlockSealed)
    assert node.sent(e.AcknowledgeBlock(D0, (0, 0)), e.AttemptSealed)


def test_another_attempt_uses_the_slot_of_a_decode_attempt_that_pauses(node):
    gzip = Split("gzip", "a.gz", "a.gz", 0, 500, (0, 0))
    blocks = [Split("held", "a.gz", f"block-{n:05}", n, 1, (0, n)) for n in range(BLOCKS_AHEAD_MAX)]
    node.handle(e.StartAttempt(D0, "job-1", 0, 2, gzip, block_bytes=1))
    node.handle(e.ExecutorReady(2))
    assert node.map(M0) == node.map(M1) == [], "the slot is taken"
    for block in blocks[:-1]:
        node.sent(e.ExecutorBlock(1, D0, block), e.BlockSealed)
        assert node.handle(e.AcknowledgeBlock(D0, block.order)) == []
    given = node.handle(e.ExecutorBlock(1, D0, blocks[-1]))
    assert [(x.executor, x.orders[0].attempt) for x in given if isinstance(x, a.Execute)] == [(2, M0)]
    assert node.handle(e.AcknowledgeBlock(D0, (0, 0), mapped=True)) == [a.DeleteBlock(D0, "block-00000", 1)]
    for block in blocks[1:]:
        node.handle(e.AcknowledgeBlock(D0, block.order, mapped=True))
    sealed = node.handle(e.ExecutorSealed(1, D0, TaskReport()))
    assert a.KillExecutor(1) in sealed
    assert node.handle(e.ExecutorDied(1, "killed")) == []
    (execute,) = [x for x in node.handle(e.ExecutorSealed(2, M0, TaskReport())) if isinstance(x, a.Execute)]
    assert (execute.executor, execute.orders[0].attempt) == (2, M1)


def test_decode_attempts_run_before_maps(node):
    gzip = Split("gzip", "a.gz", "a.gz", 0, 500, (0, 0))
    node.map(M0)
    assert node.map(M1) == []
    assert node.handle(e.StartAttempt(D0, "job-1", 0, 2, gzip, block_bytes=77)) == [a.SpawnExecutor(2)]
    assert node.handle(e.ExecutorReady(2)) == [], "the slot is taken"
    (execute,) = [x for x in node.handle(e.ExecutorSealed(1, M0, TaskReport())) if isinstance(x, a.Execute)]
    assert execute.orders[0].attempt == D0


def test_a_block_that_is_mapped_is_deleted_once_and_asked_for_until_then(node):
    gzip = Split("gzip", "a.gz", "a.gz", 0, 500, (0, 0))
    node.handle(e.StartAttempt(D0, "job-1", 0, 2, gzip, block_bytes=77))
    node.sent(e.ExecutorBlock(1, D0, Split("held", "a.gz", "block-00000", 0, 77, (0, 0))), e.BlockSealed)
    node.handle(e.AcknowledgeBlock(D0, (0, 0)))
    assert not node.wait(1, e.BlockSealed), "the answer may well be on its way"
    for _ in range(3):
        assert len(node.wait(5, e.BlockSealed)) == 1
    mapped = e.AcknowledgeBlock(D0, (0, 0), mapped=True)
    assert node.handle(mapped) == [a.DeleteBlock(D0, "block-00000", 1)]
    assert node.handle(mapped) == []
    assert not node.wait(30, e.BlockSealed)


# ---- executors --------------------------------------------------------------------------------------


def test_an_executor_that_dies_is_replaced_and_its_attempt_has_failed(node):
    node.map(M0)
    actions = node.handle(e.ExecutorDied(1, "killed by SIGSEGV"))
    (message,) = [x.message for x in actions if isinstance(x, a.SendMaster)]
    assert message.failure.kind == "died"
    assert "killed by SIGSEGV" in message.failure.message
    assert actions[-1] == a.SpawnExecutor(2)


def test_executors_that_die_before_they_are_up_are_replaced_more_and_more_slowly():
    core = NodeCore("node-1", "x", 1)
    core.handle(e.Tick(), 0.0)
    now_s, pauses = 0.0, []
    for number in range(1, 9):
        assert core.handle(e.ExecutorDied(number, "no module"), now_s) == []
        begun = now_s
        while not any(isinstance(x, a.SpawnExecutor) for x in core.handle(e.Tick(), now_s)):
            now_s += 0.01
        pauses.append(now_s - begun)
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], abs=0.011)


def test_an_executor_is_replaced_after_its_number_of_attempts():
    node = ManualNode(executor_attempts_max=2)
    for attempt, last in ((M0, False), (M1, True)):
        node.map(attempt)
        actions = node.handle(e.ExecutorSealed(1, attempt, TaskReport()))
        assert (a.KillExecutor(1) in actions) is last
    assert node.handle(e.ExecutorDied(1, "as told")) == [a.SpawnExecutor(2)]


# ---- heartbeats -------------------------------------------------------------------------------------


def test_a_heartbeat_names_the_running_attempts_and_their_progress(node):
    node.map(M0)
    node.map(M1)
    node.handle(e.ExecutorBeat(1, M0, 12, 345))
    (beat,) = node.wait(0.6, e.NodeBeat)
    assert beat.working == (M0, M1)
    assert beat.progress == ((M0, 12, 345),)


def test_a_heartbeat_names_all_attempts_without_a_reply_and_the_rest_in_turn():
    held = [f"job-1/m{i:04d}.1.1" for i in range(10)]
    core = NodeCore("node-1", "x", 1, NodeLimits(held_per_beat=4), held)
    core.handle(e.Tick(), 0.0)
    core.handle(e.ExecutorReady(1), 0.0)
    core.handle(e.Welcome("node-1", 1, "x"), 0.0)
    named = set(held[:4])  # in the heartbeat that follows the welcome
    core.handle(e.StartAttempt("job-1/m0099.1.1", "job-1", 0, 1, FILE), 0.0)
    core.handle(e.ExecutorSealed(1, "job-1/m0099.1.1", TaskReport()), 0.0)
    for second in (1, 2):
        beats = [x.message for x in core.handle(e.Tick(), float(second)) if isinstance(x, a.SendMaster)]
        (beat,) = [message for message in beats if isinstance(message, e.NodeBeat)]
        assert beat.held[0] == "job-1/m0099.1.1"
        assert len(beat.held) == 5
        named |= set(beat.held[1:])
    assert named == set(held)
