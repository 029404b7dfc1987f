"""Looking up the plug-ins of other packages."""

from __future__ import annotations

import importlib.metadata
import os

import pytest

from mrframe import plugins

GROUP = "mrframe.readers"


def install(folder, name: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = nowhere:Kind\n")
    at_ns = os.stat(folder).st_mtime_ns + 1_000_000  # later than before, however coarse the clock is
    os.utime(folder, ns=(at_ns, at_ns))


def test_packages_are_looked_up_again_only_when_their_folder_has_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "first-toy")
    assert "first-toy" in plugins.plugin_names(GROUP)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "entry_points", lambda **_: pytest.fail("it is known"))
        assert "first-toy" in plugins.plugin_names(GROUP)
    install(tmp_path, "second-toy")
    assert {"first-toy", "second-toy"} <= set(plugins.plugin_names(GROUP))
