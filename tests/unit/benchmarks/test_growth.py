"""How memory and time grow is told from links to the same logs, and a job that fails is no figure."""

from __future__ import annotations

import sys

import pytest


def run(monkeypatch, *arguments):
    import growth

    monkeypatch.setattr(sys, "argv", ["growth.py", *arguments])
    monkeypatch.setattr(growth, "adopt_orphans", lambda: None)
    return growth.main()


def test_each_size_is_a_row(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.txt").write_text("one two\n" * 100)
    assert run(monkeypatch, "word_count", str(tmp_path / "a.txt"), "--times", "1", "3") == 0
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert [int(row[0]) for row in rows] == [1, 3]
    assert all(float(row[4]) > 1 for row in rows)


def test_a_job_that_fails_is_said(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"mrframe ended with [1-9]"):
        run(monkeypatch, "no_such_job", str(tmp_path))
