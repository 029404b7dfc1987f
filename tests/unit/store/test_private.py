"""A private file is whole and on the disk, under its name, when it was written."""

from __future__ import annotations

import os

from mrframe.cluster.home import Home
from mrframe.store.private import write_private


def noted(monkeypatch):
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


def test_content_then_name_are_on_the_disk_before_it_is_written(tmp_path, monkeypatch):
    done = noted(monkeypatch)
    path = str(tmp_path / "record")
    write_private(path, b"content")
    assert [what for what, _ in done] == ["fsync", "replace", "fsync"]
    assert done[0][1].startswith(f"{path}.")  # while it has its private name
    assert done[1:] == [("replace", path), ("fsync", str(tmp_path))]


def test_a_submission_is_on_the_disk_with_its_directory_before_it_has_an_id(tmp_path, monkeypatch):
    home = Home(str(tmp_path / "cluster"))
    home.make()
    done = noted(monkeypatch)
    job = home.add_submission(b"record", b"package")
    synced = [path for what, path in done if what == "fsync"]
    assert synced[-1] == home.submissions
    assert synced.count(os.path.join(home.submissions, job)) == 2
