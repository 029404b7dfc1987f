"""A packed job gives the same settings again, also from a package that the version before has written."""

import dataclasses
import sys

import msgpack
import pytest

from mrframe import Job, Reader, count, text
from mrframe.errors import CorruptData
from mrframe.shuffle.columns import encode
from mrframe.task.code import pickled
from mrframe.task.code.package import pack, unpack
from mrframe.task.code.settings import Saving, TaskSettings

JOB = Job(read=text, key="line", reduce=count)
SAVING = Saving("/saved", "ab" * 20, "name", known=True, verify=0.5, windowed=True, watched=True, surroundings="cd")
OTHERS = {
    "reader": Reader("access", "common \udce9"),
    "memory_bytes": 1,
    "keep_rejects": True,
    "cuts": encode(["a", "b"]),
    "sampling": True,
    "fast": False,
    "max_failed": 0.5,
    "stall_s": 5,
    "memory_limit_bytes": 7,
    "keep_quarantine": True,
    "saving": SAVING,
    "window": ("2024-01-01T00:00:00+00:00", "", "UTC"),
    "hash_seed": 2**64 - 1,
    "scratch_bytes_max": 9,
    "pass_env": ("A", "B"),
}


def test_every_setting_has_another_value_here():
    assert OTHERS.keys() == {field.name for field in dataclasses.fields(TaskSettings)}
    assert not any(getattr(TaskSettings(text), name) == value for name, value in OTHERS.items())


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_travels_with_the_job(name):
    settings = dataclasses.replace(TaskSettings(text), **{name: OTHERS[name]})
    assert unpack(pack(JOB, settings, None, {})).settings == settings


def test_settings_that_are_none_of_these_are_refused():
    plain = msgpack.unpackb(pack(JOB, TaskSettings(text), None, {}), unicode_errors="surrogateescape")
    plain["settings"] = plain["settings"][:-2]
    with pytest.raises(CorruptData):
        unpack(msgpack.packb(plain))


def in_version_5(job, settings):
    """The package that mrframe wrote before settings travelled by the codec."""
    reader = settings.reader
    plain = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    plain["reader"] = (
        [reader.kind, reader.format]
        if isinstance(reader, Reader)
        else [[name, one.kind, one.format] for name, one in reader.items()]
    )
    plain["saving"] = settings.saving and list(dataclasses.astuple(settings.saving))
    plain["cuts"] = settings.cuts or encode([])
    plain |= {"version": 5, "path": sys.path, "pickle": pickled.dump(job)}
    return msgpack.packb(plain, unicode_errors="surrogateescape")


@pytest.mark.parametrize("settings", [TaskSettings(text), TaskSettings(**OTHERS)], ids=["default", "others"])
def test_a_package_of_version_5_gives_the_same_settings(settings):
    loaded = unpack(in_version_5(JOB, settings))
    expected = dataclasses.replace(settings, pass_env=())  # it was added later
    assert dataclasses.replace(loaded.settings, cuts=settings.cuts) == expected
    assert loaded.settings.cuts == (settings.cuts or encode([]))
    assert loaded.steps[0].key == "line"


def joined(key, users, hits):
    yield key, (list(users), list(hits))


def test_a_join_in_version_5_has_its_readers_in_order():
    readers = {"users": text, "hits": Reader("access", "common")}
    job = Job(read=readers, key={"users": "line", "hits": "host"}, reduce=joined)
    found = unpack(in_version_5(job, TaskSettings(readers))).settings.reader
    assert list(found.items()) == list(readers.items())
