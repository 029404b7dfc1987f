"""More files than may be open: each reads as if it were."""

import os
import random
import resource

import pytest

from mrframe import Job, api, count, words
from mrframe.api import result as api_result
from mrframe.core.settings.options import RunOptions
from mrframe.store import file_pool
from mrframe.store.file_pool import FilePool

FDS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"


def test_files_read_on_where_they_were_left(tmp_path):
    some = random.Random(3)
    contents = [some.randbytes(500) for _ in range(20)]
    for number, data in enumerate(contents):
        (tmp_path / str(number)).write_bytes(data)
    before = len(os.listdir(FDS))
    with FilePool(open_max=3) as files:
        opened = [files.open(str(tmp_path / str(number))) for number in range(20)]
        places = [0] * 20
        for _ in range(400):
            which = some.randrange(20)
            if some.random() < 0.3:
                places[which] = opened[which].seek(some.randrange(500))
            size = some.randrange(1, 60)
            assert opened[which].read(size) == contents[which][places[which] : places[which] + size]
            places[which] = min(500, places[which] + size)
            assert len(os.listdir(FDS)) <= before + 3
        assert opened[0].seek(0, 2) == 500
    assert len(os.listdir(FDS)) == before


def test_a_file_that_is_not_there_is_told_at_once(tmp_path):
    with FilePool() as files, pytest.raises(FileNotFoundError):
        files.open(str(tmp_path / "gone"))


@pytest.fixture
def few_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    here = len(os.listdir(FDS))  # tests before this one may have left some to the garbage collector
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(here + 100, soft), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_descriptors")
def test_a_job_has_more_map_tasks_and_more_parts_than_descriptors(tmp_path, monkeypatch):
    monkeypatch.setattr(file_pool, "OPEN_MAX", 50)
    monkeypatch.setattr(api_result, "HELD_BYTES_MAX", 0)
    path = tmp_path / "words"
    path.write_text("".join(f"word{i % 700} and again\n" for i in range(1500)))
    job = Job(read=words, key="word", reduce=count)
    with api.run(job, [str(path)], RunOptions(engine="inline", splits=150, partitions=140)) as result:
        rows = dict(result.rows())
    assert result.summary.tasks > 280
    assert rows == {**{f"word{i}": 1500 // 700 + (i < 1500 % 700) for i in range(700)}, "and": 1500, "again": 1500}
