"""Entries of saved results: whole or not at all, judged when they are read, bounded, and kept while in use."""

from __future__ import annotations

import os
import random

import pytest

from mrframe.errors import NotPrivate
from mrframe.store.results import Results

JOB = "a" * 40


@pytest.fixture
def results(tmp_path):
    return Results(str(tmp_path / "results"))


def save(results, key: str, tmp_path, data: bytes = b"run", report: bytes = b"report") -> bool:
    run = tmp_path / "map.mrf"
    run.write_bytes(data)
    return results.save(JOB, key, report, [str(run)], {"name": "top_urls"})


def test_what_was_saved_is_loaded(results, tmp_path):
    assert not results.knows(JOB)
    assert save(results, "k1", tmp_path, b"x" * 3_000_000)
    assert results.knows(JOB)
    assert results.load(JOB, "k1", str(tmp_path / "copy")) == b"report"
    assert (tmp_path / "copy").read_bytes() == b"x" * 3_000_000
    assert results.load(JOB, "k2", None) is None
    assert results.load("b" * 40, "k1", None) is None


def test_every_flipped_bit_and_every_truncation_is_found(results, tmp_path):
    place = tmp_path / "results" / "jobs" / JOB / "k1"
    chance = random.Random(1)
    save(results, "k1", tmp_path, chance.randbytes(200), b"a report")
    whole = place.read_bytes()
    for bit in range(len(whole) * 8):
        place.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        assert results.load(JOB, "k1", str(tmp_path / "copy")) is None
        assert not (tmp_path / "copy").exists() and not place.exists()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert results.load(JOB, "k1", None) is None


def test_the_least_recently_used_go_first(results, tmp_path):
    for number, key in enumerate(("old", "new", "used")):
        save(results, key, tmp_path, b"x" * 1000)
        place = tmp_path / "results" / "jobs" / JOB / key
        os.utime(place, (1000 + number, 1000 + number))
    os.utime(tmp_path / "results" / "jobs" / JOB / "used", (1, 1))
    results.load(JOB, "used", None)
    freed = results.evict(2500)
    assert 1000 < freed < 1100
    assert sorted(os.listdir(tmp_path / "results" / "jobs" / JOB)) == ["about", "new", "used"]


def test_nothing_goes_while_another_run_uses_it(results, tmp_path):
    save(results, "k", tmp_path)
    other = Results(results.path)
    other.use()
    assert results.clear() == 0
    assert results.load(JOB, "k", None) is not None
    other.close()
    assert results.clear() > 0
    assert results.jobs() == []


def test_jobs_are_listed_with_their_names(results, tmp_path):
    save(results, "k1", tmp_path)
    save(results, "k2", tmp_path)
    (job,) = results.jobs()
    assert (job.job, job.about, job.entries) == (JOB, {"name": "top_urls"}, 2)


def test_what_a_killed_process_left_is_evicted_like_the_rest(results, tmp_path):
    save(results, "k1", tmp_path)
    (tmp_path / "results" / "jobs" / JOB / ".new-0123").write_bytes(b"half")
    results.use()
    assert results.clear() > 4
    assert not results.knows(JOB)


def test_a_disk_that_will_not_have_it_is_no_error(results, tmp_path):
    (tmp_path / "results").write_bytes(b"no folder")
    with pytest.raises(NotPrivate):
        results.use()
    assert results.load(JOB, "k", None) is None
    assert results.evict(0) == 0
