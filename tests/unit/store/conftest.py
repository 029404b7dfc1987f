"""What the tests of the store share: the order in which files are synced and get their names."""

import os

import pytest


@pytest.fixture
def disk_calls(monkeypatch):
    """[("fsync", path) or ("replace", new path)] in order, of all that follows."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_sync(fd):
        done.append(("fsync", os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def note_replace(old, new):
        done.append(("replace", new))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    return done
