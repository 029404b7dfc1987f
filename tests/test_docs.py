"""What exists is documented, and what the docs name exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest

import mrframe
from mrframe import errors
from mrframe.cli import main
from mrframe.core.settings.options import setting_fields
from mrframe.wire.codec import BadMessage

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in PAGES}
ALL_TEXT = "\n".join(DOCS.values())


def commands(group: click.Command, path: str = "mrframe"):
    """(path, command) of a command and of all below it."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(main.group))


def leaves(kind: type[errors.MrframeError]):
    below = kind.__subclasses__()
    yield kind
    for each in below:
        yield from leaves(each)


assert issubclass(BadMessage, errors.MrframeError)  # the leaf that errors.py does not define is loaded
ERRORS = [  # an error without a slug of its own is only another way to raise its parent
    kind for kind in leaves(errors.MrframeError) if kind is not errors.MrframeError and "slug" in vars(kind)
]


def test_the_page_of_commands_is_what_the_commands_say():
    """When this fails: make docs."""
    spec = importlib.util.spec_from_file_location("make_cli", ROOT / "docs" / "make_cli.py")
    make_cli = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_cli)
    assert make_cli.page() == DOCS["cli.md"]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_is_in_the_page_of_commands(path):
    page = DOCS["cli.md"]
    assert path in page
    for option in COMMANDS[path].params:
        for name in option.opts if isinstance(option, click.Option) else ():
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page), f"{path} {name}"


@pytest.mark.parametrize("field", setting_fields(), ids=lambda field: field.name)
def test_every_setting_is_documented_with_its_flag_and_its_variable(field):
    page = DOCS["cli.md"]
    assert f"--{field.name.replace('_', '-')}" in page
    assert f"MRFRAME_{field.name.upper()}" in page


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.slug)
def test_every_error_is_explained_with_its_exit_code_and_blame(kind):
    section = re.search(rf"^### {kind.slug}\n\n(.*?)(?=^##|\Z)", DOCS["messages.md"], re.MULTILINE | re.DOTALL)
    assert section, f"docs/messages.md has no heading ### {kind.slug}"
    assert section[1].startswith(f"Exit {kind.exit_code}, blame {kind.blame}.")


def test_no_error_is_explained_that_does_not_exist():
    headings = set(re.findall(r"^### (.+)$", DOCS["messages.md"], re.MULTILINE))
    assert headings - {kind.slug for kind in ERRORS} <= {"bug"}


def test_each_error_has_a_slug_of_its_own():
    slugs = [kind.slug for kind in ERRORS]
    assert len(set(slugs)) == len(slugs)


# the words that the project's design fixes; the glossary may have more
WORDS = """
job submission split task attempt partition partitioner combiner spill merge shuffle seal commit discard block replica
dataset node executor master heartbeat lease epoch fact event action capsule keeper ledger counter reader projection
"""


@pytest.mark.parametrize("word", [*WORDS.split(), "run file", "speculative attempt"])
def test_every_word_is_in_the_glossary(word):
    entries = re.findall(r"^\| ([^|]+) \|", DOCS["glossary.md"], re.MULTILINE)
    assert word in {part.strip() for entry in entries for part in entry.split(",")}


@pytest.mark.parametrize("name", sorted(mrframe.__all__))
def test_every_public_name_is_documented(name):
    assert re.search(rf"\b{name}\b", ALL_TEXT)
    assert getattr(mrframe, name) is not None


def linked_files(path: Path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if not re.match(r"\w+:", target):
            yield path.parent / target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    assert not [target for target in linked_files(page) if not target.exists()]


ROOMS = sorted(path.parent.name for path in (ROOT / "mrframe").glob("*/__init__.py"))
FOLDERS = ["mrframe", "tests", "docs", "jobs", "sample_logs", "benchmarks", *ROOMS]


def test_every_room_is_looked_for_in_the_docs():
    assert {"cli", "cluster", "core", "engines", "formats", "shuffle", "store", "task", "testing", "wire"} <= {*ROOMS}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_of_the_project_that_are_named_exist(page):
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w/.-]+)", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / "mrframe" / name).exists()]
    assert not [name for name in missing if not (ROOT / "mrframe" / f"{name}.py").exists()]


def test_tests_that_hold_a_promise_exist():
    held = re.findall(r"`(tests/[\w/.]+)::(\w+)`", DOCS["guarantees.md"] + DOCS["threats.md"])
    assert held
    missing = [f"{path}::{name}" for path, name in held if f"def {name}(" not in (ROOT / path).read_text()]
    assert not missing


def test_make_targets_that_are_named_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", ALL_TEXT, re.MULTILINE))
    assert {"demo", "test", "lint", "bench", "simulate", "chaos"} <= targets
    assert named <= targets


def test_commands_that_are_named_exist():
    known = {path.split()[1] for path in COMMANDS if " " in path} | {"help"}
    named = set(re.findall(r"(?:`|^    |^\$ )mrframe ([a-z]+)", ALL_TEXT, re.MULTILINE))
    assert {"run", "count", "init", "check"} <= named <= known


BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_job_of_the_readme_runs(tmp_path):
    """As it stands there: the job, the job with options, its test's lines, and the call from Python."""
    first, second, test, from_python = BLOCKS
    log = tmp_path / "access.log"
    log.write_text(
        (ROOT / "sample_logs" / "access.log").read_text("utf-8", "surrogateescape"), "utf-8", "surrogateescape"
    )
    names: dict = {}
    exec(compile(first, "first", "exec"), names)
    with mrframe.run(names["job"], [str(log)]) as result:
        failures = dict(result.rows())
    (tmp_path / "my_errors.py").write_text(second)
    with mrframe.run(str(tmp_path / "my_errors.py"), [str(log)], job_options={"limit": 1}) as result:
        ((path, count),) = result.rows()
    assert failures[path] == count == max(failures.values())
    assert "def test_failures_are_counted(mr_run)" in test
    assert "mrframe.run(" in from_python


def test_the_test_of_the_readme_passes(tmp_path, monkeypatch):
    _, second, test, _ = BLOCKS
    (tmp_path / "my_errors.py").write_text(second)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict = {}
    exec(compile(test, "test", "exec"), names)

    def mr_run(job, lines, job_options):
        log = tmp_path / "input.log"
        log.write_text("".join(f"{line}\n" for line in lines))
        with mrframe.run(job, [str(log)], job_options=job_options) as result:
            return list(result.rows())

    names["test_failures_are_counted"](mr_run)


def test_python_of_the_readme_runs_from_the_project(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    exec(compile(BLOCKS[3], "python", "exec"), {})
    assert "3 malformed lines" in capsys.readouterr().out


def test_the_reader_in_the_docs_is_the_toy_that_the_tests_run():
    code = (ROOT / "tests" / "plugins" / "mrframe_toy" / "reader.py").read_text()
    assert f"```python\n{code}```" in DOCS["plugins.md"]
