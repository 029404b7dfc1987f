"""The package's place on disk is worked out in one module."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import mrframe
from mrframe import paths


def test_the_package_dir_is_the_folder_that_python_imports():
    assert Path(paths.PACKAGE_DIR).samefile(Path(mrframe.__file__).parent)
    assert Path(paths.PROJECT_DIR) / "mrframe" == Path(paths.PACKAGE_DIR)


def test_python_path_lets_a_new_process_import_the_same_package(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert paths.python_path().split(os.pathsep) == [paths.PROJECT_DIR, str(tmp_path)]
    monkeypatch.delenv("PYTHONPATH")
    assert paths.python_path() == paths.PROJECT_DIR
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import mrframe.paths as p; print(p.PACKAGE_DIR)"],
        env={"PYTHONPATH": paths.python_path()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == paths.PACKAGE_DIR


def test_no_other_module_derives_the_package_dir_from_its_own_file():
    """A module that counts folders upwards from itself goes wrong, silently, when it is moved."""
    from_a_file = re.compile(r"dirname\(.*(?<!\bos\.)__file__|__file__.*\bparents?\b")  # os.__file__ is Python's
    found = [
        path.relative_to(paths.PACKAGE_DIR).as_posix()
        for path in sorted(Path(paths.PACKAGE_DIR).rglob("*.py"))
        if from_a_file.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["paths.py"]
