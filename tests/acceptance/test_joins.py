"""A join as people run it: by the command, as a script, checked, planned, in a test of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mrframe.cli.main import group
from mrframe.testing import plugin

ROOT = Path(__file__).parents[2]
mr_run = plugin.mr_run  # as the plugin gives it where mrframe is installed
JOB = '''"""Which plan do the users have whose requests are slow?"""

from mrframe import Job, json_lines, main, text


def slow(user, ms):
    if ms > 10:
        yield user, ms


def plans(line):
    user, plan = line.split()
    yield user, plan


def join(user, plan, requests):
    """An inner join: users without a plan are left out."""
    for ms in requests:
        if plan:
            yield plan[0], ms


job = Job(read={"plan": text, "requests": json_lines}, map={"plan": plans, "requests": slow}, reduce=join)

if __name__ == "__main__":
    main(job)
'''
ROWS = [{"key": "free", "value": 30}, {"key": "gold", "value": 20}, {"key": "gold", "value": 40}]
INPUTS = ("requests=day-*.jsonl", "plan=plans.txt")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(JOB)
    (tmp_path / "plans.txt").write_text("ann gold\nbob free\ncyd gold\n")
    days = [[("ann", 20), ("bob", 30), ("eve", 99)], [("ann", 40), ("cyd", 5)]]
    for number, rows in enumerate(days):
        text = "".join(json.dumps({"user": user, "ms": ms}) + "\n" for user, ms in rows)
        (tmp_path / f"day-{number}.jsonl").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    return tmp_path


def mrframe(*args: str):
    return CliRunner().invoke(group, list(args), prog_name="mrframe")


def rows_of(output):
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_join_gives_its_rows_and_figures_by_source(folder, engine):
    done = mrframe("run", "slow.py", *INPUTS, "--engine", engine)
    assert done.exit_code == 0, done.stderr
    assert rows_of(done.stdout) == ROWS
    assert "8 records · 0 malformed · 3 rows" in done.stderr
    assert "\n  plan: 3 records · 0 malformed · 27 B\n  requests: 5 records · 0 malformed · " in done.stderr


def test_a_script_takes_one_source_from_a_pipe(folder):
    command = [sys.executable, "slow.py", "plan=plans.txt", "requests=-", "-q"]
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("day-*")))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=data, capture_output=True, check=True, env=environment)
    assert rows_of(done.stdout) == ROWS


def test_check_runs_a_join_and_refuses_standard_input(folder):
    done = mrframe("check", "slow.py", *INPUTS)
    assert done.exit_code == 0, done.output
    assert "the same bytes in all" in done.stdout
    with pytest.raises(Exception, match="standard input cannot be one"):
        CliRunner().invoke(group, ["check", "slow.py", "plan=plans.txt", "requests=-"], catch_exceptions=False)


def test_the_plan_shows_the_sources(folder):
    plan = json.loads(mrframe("run", "slow.py", *INPUTS, "--dry-run", "--json").stdout)["plan"]
    assert plan["format"] == "plan: text, requests: json"
    assert plan["fields"] == ["plan.line", "requests.user", "requests.ms"]
    assert [(file["name"], file["splits"]) for file in plan["files"]] == [
        ("plans.txt", 1),
        ("day-0.jsonl", 1),
        ("day-1.jsonl", 1),
    ]


def command(*args: str):
    """The command in a process of its own, as its errors are shown."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "mrframe", *args]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


def test_inputs_without_a_name_are_explained(folder):
    done = command("run", "slow.py", "plans.txt")
    assert done.returncode == 2
    assert "such as plan=plans.txt requests=PATH" in done.stderr


def test_a_failure_names_its_line_and_how_to_repeat_it(folder):
    (folder / "plans.txt").write_text("ann gold\nbob\n")
    done = command("run", "slow.py", "plan=plans.txt", "requests=day-0.jsonl")
    assert done.returncode == 1
    assert "plans.txt:2 (byte 9)" in done.stderr
    assert "sed -n 2p plans.txt | mrframe run slow.py requests=day-0.jsonl plan=-\n" in done.stderr.replace(
        f"{ROOT}/mrframe/__main__.py", "mrframe"
    ).replace("python mrframe", "mrframe")


def test_mr_run_takes_the_sources_of_a_join_by_name(folder, mr_run):
    data = {"plan": "ann gold\n", "requests": [json.dumps({"user": "ann", "ms": ms}) for ms in (11, 10)]}
    assert mr_run("slow.py", data, partitions=3) == [("gold", 11)]
    assert mr_run("slow.py", {"plan": folder / "plans.txt", "requests": sorted(folder.glob("day-*"))}) == [
        (row["key"], row["value"]) for row in ROWS
    ]


def test_the_job_of_the_docs_runs(tmp_path, mr_run):
    """As it stands there, also for users and accounts that the other source does not know."""
    page = (ROOT / "docs" / "joins.md").read_text()
    (tmp_path / "plans.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    line = '192.0.2.1 - {} [02/Mar/2026:10:00:00 +0000] "GET {} HTTP/1.1" 200 12 "-" "-"'
    hits = [line.format(*hit) for hit in (("ann", "/a"), ("bob", "/b"), ("-", "/c"), ("ann", "/d"))]
    accounts = [json.dumps({"name": name, "plan": plan}) for name, plan in (("ann", "gold"), ("cyd", "free"))]
    rows = mr_run(str(tmp_path / "plans.py"), {"accounts": accounts, "hits": hits})
    assert rows == [((None, "/b"), "bob"), (("gold", "/a"), "ann"), (("gold", "/d"), "ann")]
