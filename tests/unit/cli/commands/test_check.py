"""What `mrframe check` says beside the comparison: whether results of the job are saved, and why not."""

from __future__ import annotations

import json

import pytest

from mrframe.api import Trial
from mrframe.cli.commands.check import conclude
from mrframe.core.settings.options import RunOptions

JOB = """
import gzip
from mrframe import Job, count, logs
def known(path):
    return {use}
job = Job(read=logs.access, where=known, key="path", reduce=count)
"""


@pytest.mark.parametrize("use", ["path in gzip.open('known.gz').read()", "path in gzip.decompress(b'')"])
def test_check_says_why_results_are_not_saved(tmp_path, capsys, use):
    (tmp_path / "job.py").write_text(JOB.format(use=use))
    trial = Trial(str(tmp_path / "job.py"), [], RunOptions())
    said = f"{tmp_path}/job.py:5 (known) uses gzip.open, which is not known to be pure"
    conclude(trial, [], as_json=False)
    assert (f"its results are not cached: {said}" in capsys.readouterr().out) is ("open" in use)
    conclude(trial, [], as_json=True)
    answer = json.loads(capsys.readouterr().out)
    assert answer["safe"]
    assert (answer["not_saved"] or "").startswith(said) is ("open" in use)
