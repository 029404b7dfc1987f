"""Entries of saved results: whole or not at all, judged when they are read, bounded, and kept while in use."""

from __future__ import annotations

import errno
import os
import random
import struct
from zlib import crc32

import pytest

from mrframe.errors import NotPrivate
from mrframe.store.result_store import ResultStore

JOB = "a" * 40
K1, K2, OLD, NEW, USED = (digit * 40 for digit in "12345")


@pytest.fixture
def results(tmp_path):
    return ResultStore(str(tmp_path / "results"))


def save(results, key: str, tmp_path, data: bytes = b"run", report: bytes = b"report") -> str:
    run = tmp_path / "map.mrf"
    run.write_bytes(data)
    return results.save(JOB, key, report, [str(run)], {"name": "top_urls"})


def test_a_saved_result_is_loaded(results, tmp_path):
    assert not results.knows(JOB)
    assert not save(results, K1, tmp_path, b"x" * 3_000_000)
    assert results.knows(JOB)
    assert results.load(JOB, K1, str(tmp_path / "copy")) == b"report"
    assert (tmp_path / "copy").read_bytes() == b"x" * 3_000_000
    assert results.load(JOB, K2, None) is None
    assert results.load("b" * 40, K1, None) is None


def test_every_flipped_bit_and_every_truncation_is_found(results, tmp_path):
    place = tmp_path / "results" / "jobs" / JOB / K1
    chance = random.Random(1)
    save(results, K1, tmp_path, chance.randbytes(200), b"a report")
    whole = place.read_bytes()
    for bit in range(len(whole) * 8):
        place.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        assert results.load(JOB, K1, str(tmp_path / "copy")) is None
        assert not (tmp_path / "copy").exists()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert results.load(JOB, K1, None) is None


def test_the_least_recently_used_go_first(results, tmp_path):
    for number, key in enumerate((OLD, NEW, USED)):
        save(results, key, tmp_path, b"x" * 1000)
        place = tmp_path / "results" / "jobs" / JOB / key
        os.utime(place, (1000 + number, 1000 + number))
    os.utime(tmp_path / "results" / "jobs" / JOB / USED, (1, 1))
    results.load(JOB, USED, None)
    freed = results.evict(2500)
    assert 1000 < freed < 1100
    assert sorted(os.listdir(tmp_path / "results" / "jobs" / JOB)) == [NEW, USED, "about"]


def test_nothing_is_evicted_while_another_run_uses_it(results, tmp_path):
    save(results, K1, tmp_path)
    other = ResultStore(results.path)
    other.use()
    assert results.clear() == 0
    assert results.load(JOB, K1, None) is not None
    other.close()
    assert results.clear() > 0
    assert results.jobs() == []


def test_jobs_are_listed_with_their_names(results, tmp_path):
    save(results, K1, tmp_path)
    save(results, K2, tmp_path)
    (job,) = results.jobs()
    assert (job.job, job.about, job.entries) == (JOB, {"name": "top_urls"}, 2)


def test_unfinished_entries_of_a_killed_process_are_evicted(results, tmp_path):
    save(results, K1, tmp_path)
    (tmp_path / "results" / "jobs" / JOB / ".new-0123456789abcdef").write_bytes(b"half")
    results.use()
    assert results.clear() > 4
    assert not results.knows(JOB)


def test_a_disk_that_refuses_is_no_error(results, tmp_path):
    (tmp_path / "results").write_bytes(b"no folder")
    with pytest.raises(NotPrivate):
        results.use()
    assert results.load(JOB, K1, None) is None
    assert results.evict(0) == 0
    assert "no plain directory" in save(results, K1, tmp_path)


def test_an_entry_moved_to_another_key_is_ignored(results, tmp_path):
    other_job = "b" * 40
    for job in (JOB, other_job):
        for key in (K1, K2, f"{K1}-0"):
            results.save(job, key, f"{job} {key}".encode(), [], {})
    folder = tmp_path / "results" / "jobs"
    places = [folder / job / key for job in (JOB, other_job) for key in (K1, K2, f"{K1}-0")]
    entries = {place: place.read_bytes() for place in places}
    for place in places:
        for other in places:
            place.write_bytes(entries[other])
            report = results.load(place.parent.name, place.name, str(tmp_path / "copy"))
            assert report == (f"{place.parent.name} {place.name}".encode() if place == other else None)
            (tmp_path / "copy").unlink(missing_ok=True)


def test_content_that_has_the_same_crc_is_noticed(results, tmp_path):
    save(results, K1, tmp_path, b"x" * 100)
    place = tmp_path / "results" / "jobs" / JOB / K1
    whole = place.read_bytes()
    polynomial = (0x104C11DB7).to_bytes(5)  # a multiple of it changes no CRC-32
    reflected = bytes(int(f"{byte:08b}"[::-1], 2) for byte in polynomial)
    changed = whole[:-50] + bytes(a ^ b for a, b in zip(whole[-50:-45], reflected, strict=True)) + whole[-45:]
    assert crc32(changed) == crc32(whole) and changed != whole
    place.write_bytes(changed)
    assert results.load(JOB, K1, None) is None


def test_an_entry_of_an_older_form_is_ignored_and_evicted(results, tmp_path):
    save(results, K1, tmp_path)
    place = tmp_path / "results" / "jobs" / JOB / K1
    place.write_bytes(struct.pack("<16sIIQ", b"mrframe-saved 1\n", crc32(b"report"), 6, 0) + b"report")
    assert results.load(JOB, K1, None) is None
    assert results.clear() > 0
    assert not place.exists()


def test_other_files_are_never_deleted(results, tmp_path):
    save(results, K1, tmp_path)
    jobs = tmp_path / "results" / "jobs"
    foreign = [jobs / "notes.txt", jobs / JOB / "notes.txt", jobs / "photos" / K1, tmp_path / "results" / "notes.txt"]
    (jobs / "photos").mkdir()
    for path in foreign:
        path.write_text("mine")
    (jobs / JOB / K2).mkdir()
    (jobs / JOB / NEW).symlink_to(foreign[0])
    assert results.clear() > 0
    assert [path.read_text() for path in foreign] == ["mine"] * 4
    assert (jobs / JOB / K2).is_dir() and (jobs / JOB / NEW).is_symlink()
    assert not (jobs / JOB / K1).exists()


def test_an_entry_is_used_also_where_its_time_cannot_be_noted(results, tmp_path, monkeypatch):
    save(results, K1, tmp_path)

    def refused(*_args):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refused)
    assert results.load(JOB, K1, None) == b"report"
