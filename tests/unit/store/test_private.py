"""A private file is whole and on the disk, under its name, when it was written."""

from __future__ import annotations

import os

from mrframe.cluster.client.cluster_dir import ClusterDir
from mrframe.store.private import write_private


def test_content_and_then_name_are_synced_before_write_private_returns(tmp_path, disk_calls):
    path = str(tmp_path / "record")
    write_private(path, b"content")
    assert [what for what, _ in disk_calls] == ["fsync", "replace", "fsync"]
    assert disk_calls[0][1].startswith(f"{path}.")  # while it has its private name
    assert disk_calls[1:] == [("replace", path), ("fsync", str(tmp_path))]


def test_a_submission_and_its_directory_are_synced_before_it_has_an_id(tmp_path, disk_calls):
    home = ClusterDir(str(tmp_path / "cluster"))
    home.make()
    disk_calls.clear()
    job = home.add_submission(b"record", b"package")
    synced = [path for what, path in disk_calls if what == "fsync"]
    assert synced[-1] == home.submissions
    assert synced.count(os.path.join(home.submissions, job)) == 2
