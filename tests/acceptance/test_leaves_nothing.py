"""Runs in a row, some of them interrupted or killed: five seconds later there is nothing left of any.

The moments are random over the whole life of a run, the start of Python and the last clean-up included. `make chaos`
does the same with a hundred runs.
"""

import os
import random
import signal
import statistics
import subprocess
import sys

import chaos
import pytest
from chaos import SAMPLES, Run

JOB = ["status_codes", SAMPLES / "access.log", "-q"]
LOCAL = [*JOB, "--engine", "local", "--nodes", "2", "--split-bytes", "10000"]


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """(the answer's bytes, how long a run that nobody disturbs takes)."""
    folder = tmp_path_factory.mktemp("usual")
    inline = Run(folder / "inline", *JOB, "--engine", "inline").to_its_end()
    runs = [Run(folder / f"local-{n}", *LOCAL).to_its_end() for n in range(3)]
    assert [run.err for run in (inline, *runs)] == [""] * 4
    assert {run.out for run in runs} == {inline.out}
    assert inline.out.count(b"\n") > 3
    return inline.out, statistics.median(run.took_s for run in runs)


def disturbed(folder, how, moments):
    """A run that got a signal while it ran: those that are quicker than their moment are run again."""
    number, run = 0, Run(folder / f"{how}-0", *LOCAL)
    while not run.runs_for(next(moments)):
        number += 1
        run = Run(folder / f"{how}-{number}", *LOCAL)
    return getattr(run, how)()


def check_ending(run, how, answer):
    """Whether it ended as it must: rightly, or as whoever interrupted or killed it expects."""
    if how == "to_its_end" or run.code == 0:
        assert (run.code, run.out, run.err) == (0, answer, "")
    elif how == "kill":
        assert run.code == -signal.SIGKILL
        assert run.out in (b"", answer)
    elif run.code == 130:
        assert "Traceback" not in run.err
        assert run.out in (b"", answer)
    elif "Traceback" in run.err:  # Python was still at its own start, or at ours
        assert run.code in (-signal.SIGINT, 1)
        assert "in run_to_exit_code" not in run.err
    else:  # before Python minds signals, or at its own end
        assert (run.code, run.err) == (-signal.SIGINT, "")
        assert run.out in (b"", answer)


def in_a_row(folder, usual, seed, *, plain, interrupted, killed):
    answer, life_s = usual
    fates = ["to_its_end"] * plain + ["interrupt"] * interrupted + ["kill"] * killed
    random.Random(seed).shuffle(fates)
    moments = chaos.moments(seed, life_s)
    runs = []
    for number, how in enumerate(fates):
        (place := folder / f"run-{number}").mkdir()
        never = how == "to_its_end"
        runs.append((how, Run(place / "run", *LOCAL).to_its_end() if never else disturbed(place, how, moments)))
    left = {f"{run.folder.parent.name} {how} {run.code}": there for how, run in runs if (there := run.left())}
    assert left == {}
    for how, run in runs:
        check_ending(run, how, answer)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_left_of_runs_in_a_row(tmp_path, usual, seed):
    in_a_row(tmp_path, usual, seed, plain=1, interrupted=3, killed=3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nothing_is_left_of_a_hundred_runs(tmp_path, usual):
    in_a_row(tmp_path, usual, 2026, plain=60, interrupted=20, killed=20)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_left_of_many_that_are_disturbed(tmp_path, usual, seed):
    in_a_row(tmp_path, usual, seed, plain=0, interrupted=50, killed=50)


def at_once(folder, usual, seed, rounds):
    """Four runs at a time share a temporary directory, where each sweeps what dead ones may have left."""
    answer, life_s = usual
    moments = chaos.moments(seed, life_s)
    shared = folder / "tmp"
    for number in range(rounds):
        runs = [Run(folder / f"{number}-{n}", *LOCAL, tmp=shared) for n in range(4)]
        moment = next(moments) * 2  # they share the machine as well
        killed = [run for run in runs[:2] if run.runs_for(moment)]
        for run in killed:
            run.kill()
        for run in [*runs[2:], *(run for run in runs[:2] if run not in killed)]:
            check_ending(run.to_its_end(), "to_its_end", answer)
    assert run.left() == []


def test_runs_at_once_clean_up_after_dead_ones_and_after_no_other(tmp_path, usual):
    at_once(tmp_path, usual, 3, 1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_runs_at_once_clean_up_after_dead_ones_and_after_no_other(tmp_path, usual):
    at_once(tmp_path, usual, 4, 25)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_repeated_ctrl_c_still_cleans_up(tmp_path, usual, part):
    """People press it more than once."""
    run = Run(tmp_path / "run", *LOCAL)
    run.runs_for(usual[1] * part)
    while run.runs_for(chaos.LOOK_S):
        os.killpg(run.process.pid, signal.SIGINT)
    assert run.left() == []
    assert run.code in (130, -signal.SIGINT, 0, 1)


def test_leftovers_would_be_found(tmp_path):
    """A living run has processes, sockets that listen and a scratch directory; all of them are seen."""
    run = Run(tmp_path / "run", *LOCAL, "--split-bytes", "200")
    while len(run.pids("exec")) < 2:
        assert run.runs_for(chaos.LOOK_S), run.err
    run.note_sockets()
    titles = sorted(run.processes().values())
    assert titles == ["client", "exec 1", "exec 1", "keeper", "master", "node-1", "node-2", "warm", "warm"]
    assert sum(" 0A " in line for line in chaos._open_sockets(run.sockets)) == 3, "master and nodes listen"
    run.ended_s = run.started_s
    assert {line.split()[0] for line in run.remains(0)} == {"process", "socket", "in"}
    run.kill()
    assert run.left() == []


STUBBORN = """
import signal, subprocess
from mrframe import Job, count, text

def forever(line):
    subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass
    yield line, 1

job = Job(read=text, map=forever, reduce=count)
"""


@pytest.mark.parametrize("how", ["interrupt", "kill", "master"])
def test_endless_code_and_its_child_processes_end_with_the_run(tmp_path, how):
    job = tmp_path / "stubborn.py"
    job.write_text(STUBBORN)
    run = Run(tmp_path / "run", job, *sorted(SAMPLES.glob("*.txt")), "--engine", "local", "--nodes", "2", "-q")
    while len(run.pids("sleep")) < 2:
        assert run.runs_for(chaos.LOOK_S), run.err
    if how == "master":  # the next one has the attempts of this one discarded
        before = set(run.pids("exec"))
        os.kill(run.pids("master")[0], signal.SIGKILL)
        while before & set(run.pids("exec")):
            assert run.runs_for(chaos.LOOK_S), run.err
        how = "interrupt"
    getattr(run, how)()
    assert run.left() == []
    assert run.code == {"interrupt": 130, "kill": -signal.SIGKILL}[how]


MANY = """
import gc, os, sys, tracemalloc
import mrframe
path, engine, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = mrframe.RunOptions(engine=engine, nodes=2, split_bytes=40_000, partitions=3)

def state():
    gc.collect()
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), tracemalloc.get_traced_memory()[0]

def some(count):
    for _ in range(count):
        with mrframe.run("status_codes", [path], options) as result:
            assert len(list(result)) > 3

tracemalloc.start()
some(2)
before = state()
some(runs)
after = state()
print(after[0] - before[0], after[1] - before[1], (after[2] - before[2]) // runs)
"""


@pytest.mark.parametrize(("engine", "runs"), [("inline", 50), ("local", 5)])
def test_many_runs_in_one_process_keep_no_file_open_no_thread_and_no_memory(engine, runs):
    command = [sys.executable, "-c", MANY, str(SAMPLES / "access.log"), engine, str(runs)]
    environment = {**os.environ, "PYTHONPATH": str(chaos.ROOT)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    files, threads, bytes_per_run = map(int, said.split())
    assert (files, threads) == (0, 0)
    assert bytes_per_run < 2000
