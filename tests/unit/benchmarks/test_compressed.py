"""Compressed logs beside plain ones: what is compared, and that answers that differ are found out."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace

import compressed
import pytest
from inputs import ready
from measuring import Measured

JOB = str(Path(compressed.__file__).parent / "jobs" / "status_counts.py:declared")


def test_each_log_and_all_in_one_have_the_same_lines(tmp_path, data):
    logs = list(ready("logs", "tiny", data).files)
    whole = b"".join(Path(log).read_bytes() for log in logs)
    plain, packed = compressed._one(logs, str(tmp_path))
    assert Path(plain).read_bytes() == whole == gzip.decompress(Path(packed).read_bytes())
    plain, packed = compressed._each(logs, str(tmp_path))
    assert b"".join(path.read_bytes() for path in sorted(Path(plain).iterdir())) == whole
    assert b"".join(gzip.decompress(path.read_bytes()) for path in sorted(Path(packed).iterdir())) == whole


def test_a_row_tells_the_ratios_of_rounds_and_other_answers_end_it(tmp_path, data, monkeypatch):
    log = ready("logs", "tiny", data).files[0]
    plain, packed = compressed._one([log], str(tmp_path))
    run = compressed.Compared(SimpleNamespace(job=JOB, nodes=1), str(tmp_path), {})
    monkeypatch.setattr(compressed, "measure", lambda command, **_: pretend(command))
    answers = {plain: b"1", packed: b"1"}

    def pretend(command):
        path = next(part for part in command if part in answers)
        Path(f"{path}.answer").write_bytes(answers[path])
        return Measured(3.0 if path == packed else 2.0, 4.5 if path == packed else 3.0, 0, 0)

    run.round(plain, packed, swapped=False)
    run.round(plain, packed, swapped=True)
    assert run.row("x").split("|")[2:7] == ["   2.00 ", "   3.00 ", " 1.50 (1.50 to 1.50) ", "     4.50 ", "  1.50 "]
    answers[packed] = b"2"
    with pytest.raises(SystemExit, match="differ"):
        run.round(plain, packed, swapped=False)
