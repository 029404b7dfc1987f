"""What travels by value: the user's own modules, and nothing that is installed."""

from __future__ import annotations

from types import ModuleType

from mrframe.task.code.pickled import is_local


def test_what_is_installed_in_another_environment_is_not_the_users(tmp_path):
    module = ModuleType("reached_by_a_pth_file")
    module.__file__ = str(tmp_path / "lib" / "site-packages" / "reached.py")
    assert not is_local(module)
    module.__file__ = str(tmp_path / "jobs" / "mine.py")
    assert is_local(module)
