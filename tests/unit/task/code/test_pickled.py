"""What travels by value: the user's own modules, and nothing that is installed."""

from __future__ import annotations

import io
from types import ModuleType

import pytest

import mrframe
from mrframe.task.code import pickled
from mrframe.task.code.pickled import is_local

FORMER = [
    *(("mrframe.core.job", name) for name in ("Job", "Reader", "each", "top")),
    ("mrframe.core.options", "RunOptions"),
    *(("mrframe.formats.named", name) for name in ("json_lines", "logs", "text", "words")),
    *(("mrframe.shuffle.reducers", name) for name in ("collect", "count", "distinct", "largest", "mean", "total")),
    ("mrframe.task.counters", "increment"),
]


@pytest.mark.parametrize(("module", "name"), FORMER)
def test_a_pickle_finds_a_public_name_where_an_earlier_revision_defined_it(module, name):
    found = pickled._Unpickler(io.BytesIO(f"c{module}\n{name}\n.".encode())).load()
    assert found is getattr(mrframe, name)


@pytest.mark.parametrize("name", ["Each", "Reducer", "Top"])
def test_a_pickle_finds_the_classes_of_a_job_where_an_earlier_revision_defined_them(name):
    found = pickled._Unpickler(io.BytesIO(f"cmrframe.core.job\n{name}\n.".encode())).load()
    assert found.__name__ == name


def test_a_module_installed_in_another_environment_is_not_the_users(tmp_path):
    module = ModuleType("reached_by_a_pth_file")
    module.__file__ = str(tmp_path / "lib" / "site-packages" / "reached.py")
    assert not is_local(module)
    module.__file__ = str(tmp_path / "jobs" / "mine.py")
    assert is_local(module)
