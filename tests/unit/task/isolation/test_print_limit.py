"""What executors show of what user code prints: bounded by bytes, by time, and by nobody who does not read."""

import os
import time

import pytest

from mrframe.task.isolation.print_limit import (
    PRINT_BYTES_MAX,
    PRINT_BYTES_PER_S,
    REPORT_S,
    WAIT_S_MAX,
    PrintBudget,
    PrintLimit,
)

LINE = b"z" * 999 + b"\n"


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    with open(tmp_path / "shown", "w+b", buffering=0) as file:
        file.write(b"before")
        yield file


def content(file):
    return os.pread(file.fileno(), 1 << 24, 0)


def attempt(limit, count, name="job-1/m0000.1.1", data=LINE):
    for _ in range(count):
        assert limit.write(data) == len(data)
    return limit.end(name)


def test_an_attempt_shows_so_much_and_the_next_one_begins_anew(file, clock):
    limit = PrintLimit(PrintBudget(clock), file.fileno())
    assert attempt(limit, 10) == 0
    assert content(file) == b"before" + LINE * 10
    clock.now_s += 100
    assert attempt(limit, 2000) == 2_000_000 - PRINT_BYTES_MAX
    clock.now_s += 100
    assert attempt(limit, 10) == 0


def test_attempts_of_two_executors_share_the_output_limit_of_their_node(file, clock):
    budget = PrintBudget(clock)
    limits = [PrintLimit(budget, file.fileno()) for _ in range(2)]
    cut = 0
    for number in range(1000):
        clock.now_s += 0.03
        cut += attempt(limits[number % 2], 100, data=LINE * 10)
    shown, notes = 1_000_000_000 - cut, content(file).count(b"mrframe: ")
    assert 30 * PRINT_BYTES_PER_S < shown <= PRINT_BYTES_MAX + 30 * PRINT_BYTES_PER_S
    assert notes == 30 // REPORT_S
    assert shown <= len(content(file)) < shown + 1000


def test_truncated_output_is_reported_once_with_all_bytes_before(file, clock):
    limit = PrintLimit(PrintBudget(clock), file.fileno())
    attempt(limit, 2000)
    attempt(limit, 50)  # too soon to be told
    clock.now_s += REPORT_S
    attempt(limit, 2000, "job-1/m0002.1.1")
    first, second = content(file).split(b"mrframe: ")[1:]
    assert first.startswith(f"{2_000_000 - PRINT_BYTES_MAX:,} bytes".encode())
    assert second.startswith(f"{2_050_000 - PRINT_BYTES_MAX:,} bytes".encode())
    assert b"job-1/m0002.1.1" in second


def test_truncated_output_is_reported_once_if_two_executors_finish_together(file, clock, monkeypatch):
    budget = PrintBudget(clock)
    one, other = (PrintLimit(budget, file.fileno()) for _ in range(2))
    write = one._write

    def slowly(data):
        if isinstance(data, bytes):  # the note, not what is printed
            assert attempt(other, 50) == 50_000
        return write(data)

    monkeypatch.setattr(one, "_write", slowly)
    attempt(one, 2000)
    assert content(file).count(b"mrframe: ") == 1
    clock.now_s += REPORT_S
    attempt(other, 5000)
    assert content(file).count(b"mrframe: ") == 2


def test_a_report_that_could_not_be_written_is_made_up_for_by_the_next(file, clock, monkeypatch):
    limit = PrintLimit(PrintBudget(clock), file.fileno())
    with monkeypatch.context() as patch:
        patch.setattr(limit, "_write", lambda _data: 0)
        assert attempt(limit, 3) == 3000
    clock.now_s += 1  # so that there is room again; it is too soon for another note, had the first been told
    attempt(limit, 2000)
    assert f"{2_003_000 - PRINT_BYTES_MAX:,} bytes that".encode() in content(file)


def test_a_forked_child_spends_and_counts_with_its_parent(file, clock):
    """As that of a careful attempt does, or what user code forks."""
    limit = PrintLimit(PrintBudget(clock), file.fileno())
    pid = os.fork()
    if pid == 0:
        for _ in range(2000):
            limit.write(LINE)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert attempt(limit, 1) == 2_001_000 - PRINT_BYTES_MAX


def test_a_reader_that_does_not_read_delays_an_attempt_only_briefly():
    readable, writable = os.pipe()
    budget = PrintBudget()
    limit = PrintLimit(budget, writable)
    began_s = time.monotonic()
    shown = 0
    for _ in range(20):
        shown += 1_000_000 - attempt(limit, 1000)
    assert time.monotonic() - began_s < 3 * WAIT_S_MAX  # without a limit: for ever
    assert 0 < shown <= 1 << 17
    assert os.get_blocking(writable)  # it is others' too
    os.close(readable)
    assert attempt(limit, 10) == 10_000  # and nobody who has gone makes a print fail
    os.close(writable)


def test_a_slow_reader_gets_all_of_an_attempt():
    readable, writable = os.pipe()
    limit = PrintLimit(PrintBudget(), writable)
    pid = os.fork()
    if pid == 0:
        os.close(writable)
        total = 0
        while some := os.read(readable, 4096):
            total += len(some)
        os._exit(total != 500_000)
    assert attempt(limit, 500) == 0
    limit.close()
    os.close(writable)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(readable)
