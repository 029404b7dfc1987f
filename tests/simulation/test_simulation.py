"""The real scheduler and nodes against random fault schedules: nothing lost, doubled, altered, stuck or left."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from mrframe.core.scheduling import assignment
from mrframe.core.scheduling.invariants import InvariantBroken
from mrframe.core.scheduling.scheduler import Scheduler
from mrframe.testing.simulation import simulate
from mrframe.testing.simulation.simulated_cluster import run
from mrframe.testing.simulation.world import CALM, Faults, make_faults

SEEDS, BATCH = 500, 50


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_fault_schedule_changes_an_answer(first):
    for seed in range(first, first + BATCH):
        run(seed)


def test_a_pause_within_a_pause_loses_nothing():
    """The second pause once ended the first, so that a seal overtook waiting blocks, as no pipe would allow."""
    run(2957)


def test_the_same_seed_gives_the_same_trace():
    for seed in range(20):
        once, again = run(seed), run(seed)
        assert once.lines == again.lines
        assert once.digest == again.digest
        assert once.lines


def test_other_seeds_give_other_traces():
    assert len({run(seed).digest for seed in range(20)}) == 20


def test_the_weather_is_bad_enough():
    """Were the faults to stop happening, all the other tests would still be green."""
    traces = [run(seed) for seed in range(200)]
    text = "\n".join(line for trace in traces for line in trace.lines)
    for sign in (
        "crashes within a turn",
        "loses its disk",
        "is paused",
        "is cut off",
        "AttemptFailed",
        "NodeGone",
        "keeper   crashes",
    ):
        assert text.count(sign) >= 20, sign
    assert sum(trace.epochs - 1 for trace in traces) >= 100
    again = [line for trace in traces for line in trace.lines if " runs " in line and not line.endswith(".1.1")]
    assert len(again) >= 500
    for outcome in (("raised", ""), ("refused", "too-many-malformed"), ("refused", "cancelled")):
        assert any(outcome in trace.results.values() for trace in traces), outcome


def test_speculation_on_stragglers_ends_a_job_sooner():
    """The only fault: attempts that take twenty times as long as the others. With speculation and without."""
    slow = Faults(until_s=20.0, straggles=0.1)
    speculating = [run(seed, faults=slow) for seed in range(60)]
    without = [run(seed, faults=slow, make_scheduler=_without_speculation) for seed in range(60)]
    second = sum(line.endswith(".1.2") for trace in speculating for line in trace.lines if " runs " in line)
    assert second >= 20
    assert not any(line.endswith(".1.2") for trace in without for line in trace.lines if " runs " in line)
    ended_s = [sum(_ended_s(trace) for trace in traces) for traces in (speculating, without)]
    assert ended_s[0] < 0.8 * ended_s[1], ended_s


def _without_speculation(epoch, limits):
    return Scheduler(epoch, replace(limits, speculative_max=0))


def _ended_s(trace):
    """When the last attempt that counted was sealed."""
    return max((float(line.split()[0]) for line in trace.lines if "AttemptSealed" in line), default=0.0)


def test_without_faults_each_task_is_run_once():
    for seed in range(50):
        lines = run(seed, faults=CALM).lines
        ran = [line.split()[-1] for line in lines if " runs " in line]
        assert all(attempt.endswith(".1.1") for attempt in ran)


def test_one_kind_of_fault_at_a_time():
    alone = (
        {"lose": 0.5},
        {"double": 0.8},
        {"slow": 0.8},
        {"executor_dies": 0.5},
        {"fetch_fails": 0.6},
        {"node_crashes": 6},
        {"master_crashes": 5},
        {"torn_turns": 0.05},
        {"pauses": 4},
        {"cuts": 5},
        {"misreads": 0.6},
        {"doubts": 0.8},
    )
    for fault in alone:
        for seed in range(8):
            run(seed, faults=Faults(until_s=8.0, **fault))


def test_reduces_that_take_one_source_for_another_are_refused_in_any_weather():
    text = ""
    for seed in range(60):
        weather = make_faults(Random(f"weather {seed}"))
        text += "\n".join(run(seed, faults=replace(weather, misreads=0.4)).lines)
    assert text.count("misreads the sources of") >= 20


def test_a_task_that_ends_its_nodes_fails_its_job_alone_after_few_of_them():
    failed = 0
    for seed in range(60):
        weather = make_faults(Random(seed))  # without faults after which nobody knows why a node is silent
        quiet = replace(weather, lose=0.0, slow=0.0, pauses=0, cuts=0, master_crashes=0, torn_turns=0.0)
        trace = run(seed, faults=replace(quiet, node_killer=True))
        ended = sum("is ended by" in line for line in trace.lines)
        assert ended <= 8  # `node_deaths_max`, and one that took longer than a lease is not counted
        failed += trace.results["job-1"] == ("died", "")
        assert trace.results["job-2"] != ("died", "")
    assert failed >= 30


def test_a_broken_invariant_is_reported_with_its_seed_and_the_last_steps(monkeypatch):
    monkeypatch.setattr(assignment, "attempt_id", lambda task, _epoch, _number: f"{task}.1.1")
    with pytest.raises(InvariantBroken, match=r"(?s)I\d+: .*seed \d+, Faults.*\n +\d+\.\d{3} "):
        for seed in range(100):
            run(seed)


def test_the_command_plays_seeds_and_prints_figures(capsys):
    assert simulate.main(["--seeds", "5", "--first", "7"]) == 0
    assert "5 fault schedules" in capsys.readouterr().out
    assert simulate.main(["--seed", "3"]) == 0
    assert "the same when played again" in capsys.readouterr().out


def test_the_command_ends_with_one_when_a_seed_fails(capsys, monkeypatch):
    monkeypatch.setattr(assignment, "_has_room", lambda *_: True)
    assert simulate.main(["--seeds", "30"]) == 1
    assert "failed [" in capsys.readouterr().out
