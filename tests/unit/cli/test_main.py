"""The group: lazy subcommands, what --help costs, completion, and the settings in force."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mrframe import api
from mrframe.cli.main import COMMANDS, group

ROOT = Path(__file__).parents[3]


def run_command(*words):
    return CliRunner().invoke(group, words, prog_name="mrframe")


@pytest.mark.parametrize(("name", "short"), COMMANDS.items(), ids=COMMANDS.keys())
def test_the_help_of_the_group_shows_the_first_line_of_each_command(name, short):
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").splitlines()[0] == short


def test_help_imports_click_and_next_to_nothing():
    code = (
        "import sys; before = set(sys.modules); import click; click_alone = set(sys.modules)\n"
        "from mrframe.cli.main import group\n"
        "from click.testing import CliRunner\n"
        "loaded = {m for m in sys.modules if m.startswith('mrframe')}\n"
        "wanted = {'mrframe', 'mrframe.api', 'mrframe.cli', 'mrframe.cli.main', 'mrframe.cli.parse',\n"
        "          'mrframe.cli.parse.command_group', 'mrframe.cli.show',\n"
        "          'mrframe.cli.show.exit', 'mrframe.cli.show.streams', 'mrframe.core', 'mrframe.core.safe_text',\n"
        "          'mrframe.errors', 'mrframe.task', 'mrframe.task.isolation', 'mrframe.task.isolation.stdout'}\n"
        "assert loaded == wanted, loaded\n"
        "heavy = {'zmq', 'importlib.metadata', 'msgpack', 'cloudpickle', 'asyncio', 'json'}\n"
        "assert not heavy & (set(sys.modules) - click_alone)\n"
        "text = CliRunner().invoke(group, ['--help']).stdout\n"
        "assert 'doctor' in text\n"
        "assert {m for m in sys.modules if m.startswith('mrframe')} == loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [[], ["fs"], ["cluster"], ["cache"], ["config"], ["formats"]], ids=" ".join)
def test_a_group_alone_prints_its_help_and_succeeds(words):
    shown = run_command(*words)
    assert shown.exit_code == 0
    assert shown.stdout == run_command(*words, "--help").stdout
    assert shown.stdout.startswith(f"Usage: {' '.join(['mrframe', *words])} ")


@pytest.mark.parametrize("words", [["run"], ["fs", "put"], ["cluster"]], ids=" ".join)
def test_help_shows_the_help_of_a_command(words):
    *groups, last = words
    assert run_command(*groups, "help", last).stdout == run_command(*words, "--help").stdout


def test_the_help_of_a_group_cuts_no_description_off():
    shown = " ".join(run_command("fs").stdout.split())
    assert "..." not in shown.partition("Commands:")[2]
    assert "Read every replica on every node, and name those that are damaged or missing." in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cuont"], "mrframe has no command 'cuont'; did you mean 'count'?"),
        (["cluster", "strat"], "mrframe cluster has no command 'strat'; did you mean 'start'?"),
        (["zzzzzz"], f"mrframe has no command 'zzzzzz'; known are {', '.join(COMMANDS)}"),
    ],
    ids=["near", "in a group", "nothing like it"],
)
def test_an_unknown_command_is_named_with_the_nearest(words, message):
    shown = run_command(*words)
    assert shown.exit_code == 2
    assert f"Error: {message}\n" in shown.stderr


def test_run_lists_the_ready_jobs_with_their_descriptions():
    shown = run_command("run", "--list")
    assert shown.exit_code == 0
    rows = dict(line.split(None, 1) for line in shown.stdout.splitlines())
    assert list(rows) == api.ready_names()
    assert rows["status_codes"] == "How many requests ended in each HTTP status?"


def test_the_help_of_a_job_begins_with_its_description_and_its_options():
    shown = " ".join(run_command("run", "latency", "--help").stdout.split())
    head, options = shown.split(" Options: ")
    assert "The job latency: How long did each service take? From JSON lines with the fields" in head
    for earlier, later in itertools.pairwise(["The result:", "How logs are read:", "How it runs:", "For tests:"]):
        assert options.index(earlier) < options.index(later)


HEAVY = (
    *("_hashlib", "asyncio", "click.shell_completion", "cloudpickle", "concurrent", "http", "logging"),
    *("numpy", "pyarrow", "sqlite3", "subprocess", "traceback"),
)


@pytest.mark.parametrize(("engine", "more"), [("inline", ("ctypes", "zmq")), ("local", ())])
def test_a_small_run_imports_nothing_heavy(tmp_path, engine, more):
    """What the command has loaded by its end; the processes of a local run are forked from it."""
    code = (
        "import sys\n"
        "from mrframe.cli import main\n"
        f"main.leave = lambda code: main.say(str((code, *sorted({{*{HEAVY + more}}} & set(sys.modules)))))\n"
        "main.run_as_command(sys.argv[1:])\n"
    )
    words = ["run", "status_codes", str(ROOT / "sample_logs" / "access.log"), "-q", "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--engine", engine, "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(0,)\n", done.stderr


def test_a_small_run_walks_over_no_garbage(tmp_path):
    """A collection takes time and finds nothing, since imports leave no garbage."""
    code = (
        "import gc; gc.collect(); before = sum(one['collections'] for one in gc.get_stats())\n"
        "from mrframe import __main__\n"
        "from mrframe.cli import main\n"
        "during = lambda: sum(one['collections'] for one in gc.get_stats()) - before\n"
        "main.leave = lambda code: main.say(str((code, gc.get_freeze_count() > 10_000, during() < 20)))\n"
        "__main__.command()\n"
    )
    words = ["run", "status_codes", str(ROOT / "sample_logs" / "access.log"), "-q", "-o", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--no-cache"], capture_output=True, text=True, check=False
    )
    assert done.stdout == "(0, True, True)\n", done.stderr


def test_a_file_that_the_code_of_a_job_leaves_open_is_written_at_exit(tmp_path):
    """Also one that a global of the job holds: the last collection ends it."""
    job, left = tmp_path / "job.py", tmp_path / "left"
    job.write_text(
        "from mrframe import Job, count, text\n"
        f"left = open({str(left)!r}, 'w')\n"
        "def f(line):\n    left.write('x'); yield 1, 1\n"
        "job = Job(read=text, map=f, reduce=count)\n"
    )
    (tmp_path / "in.txt").write_text("a\nb\n")
    words = ["run", str(job), str(tmp_path / "in.txt"), "--engine", "inline", "--no-cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mrframe", *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert left.read_text() == "xx"


def test_an_unknown_command_names_the_nearest(mrframe):
    result = mrframe("runn")
    assert result.exit_code == 2
    assert "no command 'runn'; did you mean 'run'?" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["grep"], "mrframe has no command 'grep'; known are "),
        (["cluster", "restart"], "mrframe cluster has no command 'restart'; did you mean 'start'?"),
        (["fs", "lst"], "mrframe fs has no command 'lst'; did you mean 'ls'?"),
        (["formats", "zzz"], "mrframe formats has no command 'zzz'; known are "),
    ],
)
def test_a_suggestion_is_near_or_there_is_none(mrframe, words, said):
    result = mrframe(*words)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_command(mrframe, shell):
    script = mrframe("completion", shell).stdout
    assert f"_MRFRAME_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("words", "index", "expected"),
    [
        ("mrframe do", 1, "doctor"),
        ("mrframe run x --engine i", 4, "inline"),
        ("mrframe run --split", 2, "--split-bytes"),
    ],
)
def test_completion_completes(words, index, expected):
    environment = {"_MRFRAME_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    done = subprocess.run(
        [sys.executable, "-m", "mrframe"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert expected in done.stdout, done.stderr


def test_config_show_says_where_values_come_from(mrframe, fake_api, tmp_path, monkeypatch):
    (tmp_path / "mrframe.toml").write_text("nodes = 3\n")
    monkeypatch.setenv("MRFRAME_SPLITS", "7")
    text = mrframe("config", "show", "--origin").stdout
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["nodes"].split(None, 2)[1:] == ["3", "nodes = 3 in ./mrframe.toml"]
    assert lines["splits"].endswith("MRFRAME_SPLITS=7 in the environment")
    assert lines["memory_bytes"].split() == ["memory_bytes", "256MiB", "default"]
