"""A real cluster of processes with a fake work function: jobs, both ways of shuffling, deaths, ends."""

import json
import os
import random
import resource
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import zmq
from processes import alive, answer, descendants, everyone, expected, poll_for, submit, wait_end, wait_gone

from mrframe.cluster.client.client import PACKAGE_BYTES_MAX, LocalCluster
from mrframe.core.model.ids import parse_attempt
from mrframe.core.model.limits import SchedulerLimits
from mrframe.core.model.reports import JobProgress
from mrframe.errors import CannotTravel, ClusterUnreachable


class Starter:
    """Starts clusters in a directory, and in the end looks that nothing of them is left."""

    def __init__(self, folder):
        self.folder = folder
        self.clusters = []
        self.pids = set()

    def __call__(self, **options):
        options = {"nodes": 2, "slots": 1, "shuffle": "auto", "work": "fake_work:run", **options}
        scratch = self.folder / f"cluster-{len(self.clusters)}"
        cluster = LocalCluster.start(scratch=str(scratch), exec_keeper=True, **options)
        self.clusters.append(cluster)
        return cluster

    def note(self, cluster):
        """Remember who is there now."""
        self.pids.update(everyone(cluster))

    def close(self):
        for cluster in self.clusters:
            pid = cluster._tree.keeper_pid if cluster._tree else 0
            self.pids.update([pid, *descendants(pid)] if pid else [])
            cluster.close()
        left = wait_gone(self.pids)
        assert not left, f"{left} are left"
        assert os.listdir(self.folder) == []


@pytest.fixture
def start(tmp_path):
    (tmp_path / "scratch").mkdir()
    starter = Starter(tmp_path / "scratch")
    yield starter
    starter.close()


def package(**settings):
    return json.dumps(settings).encode()


@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
@pytest.mark.parametrize("nodes", [1, 3])
def test_a_job_gives_its_answer(start, shuffle, nodes):
    cluster = start(nodes=nodes, shuffle=shuffle)
    submit(cluster, package(), 7, partitions=3)
    ended = wait_end(cluster)
    assert answer(cluster, ended) == expected(7)
    assert len(ended.reports) == 10
    assert len({node for _, node in ended.outputs}) >= min(nodes, 2) or nodes == 1


def test_with_zmq_no_file_of_another_node_is_read_by_path(start):
    """Each node's directory is hidden from the others' executors, and the answer still comes."""
    cluster = start(nodes=2, shuffle="zmq")
    submit(cluster, package(value_bytes=200_000), 4)
    ended = wait_end(cluster)
    assert answer(cluster, ended) == expected(4)
    assert cluster._fetcher.bytes_fetched > 0
    copies = [cluster.fetch(node, attempt, "part.mrf") for attempt, node in ended.outputs]
    assert all(path.startswith(os.path.join(cluster.scratch, "client")) for path in copies)


def test_jobs_follow_each_other_and_are_forgotten(start):
    cluster = start()
    for number in range(1, 4):
        submit(cluster, package(), number + 2, job=f"job-{number}")
        assert answer(cluster, wait_end(cluster)) == expected(number + 2)
        cluster.forget(f"job-{number}")
    left = [os.path.join(cluster.scratch, node, "job-3") for node in ("node-1", "node-2")]
    deadline = time.monotonic() + 5
    while any(map(os.path.exists, left)) and time.monotonic() < deadline:
        cluster.poll(0.02)
    assert not any(map(os.path.exists, left))


def test_a_job_can_be_forgotten_at_any_moment(start):
    cluster = start()
    chance = random.Random(5)
    for number in range(1, 25):
        submit(cluster, package(), 30, job=f"job-{number}")
        poll_for(cluster, chance.uniform(0.0, 0.05))
        cluster.forget(f"job-{number}")
    submit(cluster, package(), 5, job="job-99")
    while (ended := wait_end(cluster)).job != "job-99":
        pass
    assert answer(cluster, ended) == expected(5)
    assert cluster.restarts == {"node-1": 0, "node-2": 0}


def test_a_job_can_be_cancelled(start, tmp_path):
    cluster = start()
    submit(cluster, package(wait_for=str(tmp_path / "never")), 3)
    assert poll_for(cluster, 0.2) is None
    cluster.cancel("job-1")
    assert wait_end(cluster).failure.error_slug == "cancelled"


def test_a_failure_of_the_work_comes_back_whole(start):
    cluster = start()
    submit(cluster, package(fail=True), 2)
    failure = wait_end(cluster).failure
    assert (failure.kind, failure.traceback_text) == ("raised", "user\udce9")


def test_a_thousand_tasks(start):
    cluster = start()
    begun = time.perf_counter()
    submit(cluster, package(keys=40), 1000)
    ended = wait_end(cluster, 60)
    print(f"1,000 empty tasks on 2 nodes: {time.perf_counter() - begun:.2f} s")
    assert len(ended.reports) == 1002
    assert answer(cluster, ended) == expected(1000)


def test_prints_of_user_code_go_to_standard_error(start, capfd):
    cluster = start()
    submit(cluster, package(print=True), 1)
    wait_end(cluster)
    cluster.close()
    out, err = capfd.readouterr()
    assert out == ""
    assert "printed by user code" in err


def test_a_package_that_is_too_large_is_refused_at_once(start):
    with pytest.raises(CannotTravel, match="at most"):
        start().submit("job-1", (), b"x" * (PACKAGE_BYTES_MAX + 1))


def test_everything_listens_on_loopback_only(start):
    cluster = start()
    submit(cluster, package(), 2)
    wait_end(cluster)
    start.note(cluster)
    inodes = set()
    for pid in everyone(cluster):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            inodes.update([target[8:-1]] if target.startswith("socket:[") else [])
    rows = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert len(listening) == 3  # the master and two nodes
    assert all(address.startswith("0100007F:") for address in listening)
    ports = [int(address.partition(":")[2], 16) for address in listening]
    cluster.close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()


def memory_of(pid):
    """All that a process may write, and its environment."""
    parts = [Path(f"/proc/{pid}/environ").read_bytes()]
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights, *_ = line.split()
            if rights.startswith("rw") and "[v" not in line:
                first, end = (int(text, 16) for text in span.split("-"))
                mem.seek(first)
                parts.append(mem.read(end - first))
    return b"".join(parts)


def test_executors_hold_no_key_and_no_socket_but_their_pipe(start):
    cluster = start(nodes=1)
    submit(cluster, package(), 2)
    wait_end(cluster)
    pid = cluster.pids()["node-1/executor-1"]
    sockets = [
        fd for fd in os.listdir(f"/proc/{pid}/fd") if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    ]
    assert len(sockets) == 1
    secrets = {name: keys.secret for name, keys in cluster._keys.items()}
    known = {name for name, key in secrets.items() if key in memory_of(pid)}
    assert known == set()
    keeper = memory_of(cluster.pids()["keeper"])
    assert {name for name, key in secrets.items() if key in keeper} == set()
    node = memory_of(cluster.pids()["node-1"])
    assert {name for name, key in secrets.items() if key in node} == {"node-1"}


def test_it_works_beside_threads_and_other_contexts(tmp_path, start):
    context = zmq.Context()
    puller = context.socket(zmq.PULL)
    puller.bind("inproc://mine")
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        scratch = str(start.folder / "forked")
        with LocalCluster.start(
            nodes=1, slots=1, scratch=scratch, exec_keeper=False, work="fake_work:run"
        ) as cluster:
            submit(cluster, package(), 3)
            assert answer(cluster, wait_end(cluster)) == expected(3)
    finally:
        stop.set()
        thread.join()
        puller.close(0)
        context.term()


def test_a_report_that_cannot_be_sent_is_a_clear_failure(start):
    cluster = start()
    submit(cluster, package(count=["x"], by=1.5), 2)
    failure = wait_end(cluster).failure
    assert failure.kind == "refused"
    assert "count them in ints" in failure.message


def test_reports_larger_than_a_message_together_arrive(start):
    cluster = start()
    submit(cluster, package(count=[str(i) * 1000 for i in range(1000)], by=1 << 70), 8)
    ended = wait_end(cluster)
    assert ended.failure is None
    assert len(ended.reports) == 10
    assert all(len(report.counters) == 1000 for *_, report in ended.reports)


def test_a_node_requests_a_missing_package(start, tmp_path):
    go = tmp_path / "go"
    cluster = start(nodes=1)
    submit(cluster, package(wait_for=str(go)), 4)
    stored = Path(cluster.scratch) / "node-1" / "job-1" / "package"
    while not stored.exists():
        cluster.poll(0.02)
    stored.unlink()
    go.touch()
    assert answer(cluster, wait_end(cluster)) == expected(4)
    assert stored.exists()


# ---- deaths ---------------------------------------------------------------------------------------


def kill_during(cluster, start, whom, seed, splits=10):
    """A job of about a third of a second, in which one process is killed at a random moment."""
    chance = random.Random(seed)
    submit(cluster, package(busy_s=0.04), splits)
    ended = poll_for(cluster, chance.uniform(0.0, 0.35))
    start.note(cluster)
    pid = whom(cluster, chance)
    if pid:
        os.kill(pid, signal.SIGKILL)
    return ended


def an_executor(cluster, chance):
    pids = [pid for name, pid in cluster.pids().items() if "/" in name]
    return chance.choice(pids) if pids else 0


def a_node(cluster, chance):
    return pid_of(cluster, chance.choice(["node-1", "node-2"]))


def a_warm_parent(cluster, chance):
    below = descendants(a_node(cluster, chance))
    return below[0] if below else 0


def pid_of(cluster, name):
    """The pid of a process, once there is one: between two of them there is none."""
    while name not in (pids := cluster.pids()):
        cluster.poll(0.1)
    return pids[name]


def the_master(cluster, _chance):
    return pid_of(cluster, "master")


def the_keeper(cluster, _chance):
    return pid_of(cluster, "keeper")


@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
@pytest.mark.parametrize("whom", [an_executor, a_node, a_warm_parent, the_master, the_keeper])
@pytest.mark.parametrize("seed", range(2))
def test_a_job_survives_the_death_of(start, whom, shuffle, seed):
    cluster = start(shuffle=shuffle)
    ended = kill_during(cluster, start, whom, seed)
    ended = ended or wait_end(cluster)
    assert answer(cluster, ended) == expected(10)


def test_a_node_that_is_started_again_still_holds_what_it_sealed(start):
    cluster = start(shuffle="zmq")
    submit(cluster, package(), 6, partitions=4)
    ended = wait_end(cluster)
    holder = ended.outputs[0][1]
    before = cluster.pids()[holder]
    os.kill(before, signal.SIGKILL)
    assert poll_for(cluster, 0.7) is None  # nothing was lost, so nothing is done again
    assert cluster.pids()[holder] != before
    assert answer(cluster, ended) == expected(6)


def test_an_executor_that_dies_at_its_work_is_replaced(start, tmp_path):
    cluster = start()
    submit(cluster, package(die_once=str(tmp_path / "died")), 3)
    assert answer(cluster, wait_end(cluster)) == expected(3)
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize("whom", [the_master, the_keeper])
def test_a_sealed_attempt_is_not_repeated(start, whom):
    cluster = start()
    submit(cluster, package(busy_s=0.02), 20)
    while not isinstance(progress := cluster.poll(1), JobProgress) or progress.tasks_done < 5:
        pass
    os.kill(whom(cluster, None), signal.SIGKILL)
    ended = wait_end(cluster)
    assert answer(cluster, ended) == expected(20)
    assert len(ended.reports) == 22
    first = [attempt for attempt, *_ in ended.reports if parse_attempt(attempt).epoch == 1]
    assert len(first) >= progress.tasks_done


@pytest.mark.parametrize("whom", [the_master, the_keeper])
def test_a_job_that_was_over_ends_again_with_the_same_output(start, whom):
    cluster = start()
    submit(cluster, package(), 4)
    ended = wait_end(cluster)
    os.kill(whom(cluster, None), signal.SIGKILL)
    again = wait_end(cluster)
    assert (again.outputs, again.reports) == (ended.outputs, ended.reports)
    assert answer(cluster, again) == expected(4)
    cluster.forget("job-1")
    submit(cluster, package(), 5, job="job-2")
    assert answer(cluster, wait_end(cluster)) == expected(5)


@pytest.mark.parametrize("whom", [the_master, the_keeper])
def test_requests_that_the_dead_did_not_accept_are_made_again(start, whom):
    """A job is submitted while there is no master."""
    cluster = start()
    os.kill(whom(cluster, None), signal.SIGKILL)
    submit(cluster, package(), 6)
    assert answer(cluster, wait_end(cluster)) == expected(6)


@pytest.mark.parametrize(("name", "whom"), [("master", the_master), ("keeper", the_keeper)])
def test_one_that_dies_again_and_again_without_progress_ends_the_cluster(start, name, whom, tmp_path):
    cluster = start(nodes=1)
    submit(cluster, package(wait_for=str(tmp_path / "never")), 2)
    told = f"its {name} process ended 10 times while no task was completed, the last time: killed by SIGKILL; find"
    with pytest.raises(ClusterUnreachable, match=told):
        for _ in range(10):
            pid = whom(cluster, None)
            os.kill(pid, signal.SIGKILL)
            while whom(cluster, None) in (pid, 0):
                cluster.poll(0.1)
    with pytest.raises(ClusterUnreachable):
        cluster.cancel("job-1")


@pytest.mark.parametrize("whom", [the_master, the_keeper])
def test_one_that_dies_as_often_while_tasks_are_completed_does_not(start, whom):
    cluster = start(nodes=1)
    for number in range(1, 13):
        submit(cluster, package(), 1, job=f"job-{number}")
        while (ended := wait_end(cluster)).job != f"job-{number}":
            pass
        assert answer(cluster, ended) == expected(1)
        cluster.forget(f"job-{number}")
        os.kill(whom(cluster, None), signal.SIGKILL)


def test_a_master_that_cannot_write_its_journal_is_started_again(start):
    cluster = start()
    submit(cluster, package(busy_s=0.05), 20)
    while not isinstance(cluster.poll(1), JobProgress):
        pass
    before = the_master(cluster, None)
    resource.prlimit(before, resource.RLIMIT_FSIZE, (1, 1))
    assert answer(cluster, wait_end(cluster)) == expected(20)
    assert the_master(cluster, None) != before


def test_when_the_keeper_is_killed_all_others_end(start, tmp_path):
    """Also what user code has started."""
    cluster = start()
    submit(cluster, package(start=str(tmp_path / "pids"), wait_for=str(tmp_path / "never")), 2)
    while not (tmp_path / "pids").exists():
        cluster.poll(0.02)
    executor, child, daemon = json.loads((tmp_path / "pids").read_text())
    os.kill(daemon, signal.SIGKILL)  # in a session of its own, it would live on
    before = {*everyone(cluster), executor, child} - {daemon}
    start.note(cluster)
    os.kill(the_keeper(cluster, None), signal.SIGKILL)
    cluster.poll(1)
    assert alive(before) == []


def test_a_stopped_node_is_given_up_after_its_lease_and_does_no_harm_later(start):
    cluster = start(scheduler_limits=SchedulerLimits(lease_s=0.7))
    submit(cluster, package(busy_s=0.05), 6)
    assert poll_for(cluster, 0.15) is None
    stopped = cluster.pids()["node-1"]
    os.kill(stopped, signal.SIGSTOP)
    ended = wait_end(cluster)
    assert {node for _, node in ended.outputs} == {"node-2"}
    os.kill(stopped, signal.SIGCONT)
    assert answer(cluster, ended) == expected(6)
    submit(cluster, package(), 4, job="job-2")
    assert answer(cluster, wait_end(cluster)) == expected(4)


def test_processes_started_by_user_code_end_with_it(start, tmp_path):
    """A child goes with its executor, a daemon in a session of its own with the cluster at the latest."""
    written = tmp_path / "pids"
    cluster = start()
    submit(cluster, package(start=str(written), busy_s=0.2), 4)
    while not written.exists():
        cluster.poll(0.02)
    executor, child, daemon = json.loads(written.read_text())
    os.kill(executor, signal.SIGKILL)
    assert wait_gone([executor, child]) == []
    assert answer(cluster, wait_end(cluster)) == expected(4)
    cluster.close()
    assert wait_gone([daemon]) == []


def test_a_cluster_that_cannot_start_says_why(tmp_path, start):
    with pytest.raises(ClusterUnreachable):
        start(work="no_such_module:run")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ClusterUnreachable, match="cannot be made"):
        LocalCluster.start(nodes=1, slots=1, scratch=str(blocked / "x"))


def test_closing_twice_is_fine_and_closing_is_quick(start):
    cluster = start()
    submit(cluster, package(), 2)
    wait_end(cluster)
    begun = time.perf_counter()
    cluster.close()
    assert time.perf_counter() - begun < 1
    cluster.close()
    with pytest.raises(ClusterUnreachable, match="it was closed"):
        cluster.poll(0)


@pytest.mark.parametrize("shuffle", ["auto", "zmq"])
def test_processes_end_before_their_files_when_no_work_follows(start, shuffle):
    cluster = start(shuffle=shuffle)
    submit(cluster, package(), 7)
    ended = wait_end(cluster)
    paths = [cluster.fetch(node, attempt, "part.mrf") for attempt, node in ended.outputs]
    keeper, *others = everyone(cluster)
    cluster.end_work()
    assert wait_gone(others) == []
    assert alive([keeper]) == [keeper]
    assert sum(int(Path(path).read_text()) for path in paths) == expected(7)
    cluster.close()
    assert not os.path.exists(cluster.scratch)
