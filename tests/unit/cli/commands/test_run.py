"""`mrframe run`: what is parsed, what the API is asked for, and where the answer goes."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Literal

import pytest

from mrframe.core.job.job import WORDS, Job
from mrframe.core.settings.options import RunOptions
from mrframe.errors import JobError, MrframeError, OutputError, UsageError
from mrframe.shuffle.reducers import count


def with_options(
    limit: int = 20,
    *,
    share: float = 0.5,
    name: str | None = None,
    deep: bool = False,
    grain: Literal["day", "hour"] = "day",
):
    """A job whose signature has one parameter of each kind."""


@pytest.fixture
def top(fake_api):
    fake_api.jobs["top"] = with_options
    return fake_api


def test_rows_go_to_standard_output_and_figures_to_standard_error(fake_api, mrframe):
    result = mrframe("run", "plain", "access.log")
    assert result.stdout == '{"key": "/a", "value": 2}\n{"key": "/b", "value": 1}\n'
    assert (fake_api.call.job, fake_api.call.inputs) == ("plain", ("access.log",))
    assert fake_api.call.options == RunOptions()
    assert "10,000 records · 0 malformed · 2 rows · 2.4 MB in 0.30 s · inline" in result.stderr


def test_quiet_writes_no_figures(fake_api, mrframe):
    assert mrframe("run", "plain", "access.log", "-q").stderr == ""


@pytest.mark.parametrize(
    "args",
    [
        ["top", "x.log", "--limit", "3", "--splits", "2"],
        ["--limit", "3", "--splits", "2", "top", "x.log"],
        ["--splits=2", "--limit=3", "top", "x.log"],
        ["-q", "--splits", "2", "top", "--limit", "3", "x.log"],
        ["--splits", "2", "top", "x.log", "--limit=3", "-qo", "-"],
        ["--limit", "3", "--splits", "2", "--", "top", "x.log"],
    ],
)
def test_options_stand_anywhere(top, mrframe, args):
    result = mrframe("run", *args)
    assert result.exit_code == 0, result.output
    assert top.call.job_options == {"limit": 3, "share": 0.5, "name": None, "deep": False, "grain": "day"}
    assert (top.call.options.splits, top.call.job, top.call.inputs) == (2, "top", ("x.log",))


def test_the_jobs_options_have_the_types_of_its_signature(top, mrframe):
    mrframe("run", "top", "x.log", "--share", "0.1", "--name", "7", "--deep", "--grain", "hour")
    assert top.call.job_options == {"limit": 20, "share": 0.1, "name": "7", "deep": True, "grain": "hour"}


def test_annotations_may_be_postponed_and_a_parameter_without_default_is_required(fake_api, mrframe):
    def job(pattern: str, many: int | None = None, plain=5):
        """Annotations as texts, as `from __future__ import annotations` leaves them."""

    fake_api.jobs["find"] = job
    missing = mrframe("run", "find", "x.log")
    assert missing.exit_code == 2
    assert "--pattern" in missing.stderr
    mrframe("run", "find", "x.log", "--pattern", "a", "--many", "4", "--plain", "6")
    assert fake_api.call.job_options == {"pattern": "a", "many": 4, "plain": 6}


def test_help_shows_the_jobs_options_first(top, mrframe):
    text = mrframe("run", "top", "--help").stdout
    assert text.index("Options of the job:") < text.index("--limit INTEGER") < text.index("The result:")
    assert "--deep / --no-deep" in text
    assert text.index("The result:") < text.index("How it runs:") < text.index("--split-bytes")


def test_help_of_a_job_that_cannot_be_loaded_is_the_general_help(fake_api, mrframe):
    assert "How it runs:" in mrframe("run", "nowhere", "--help").stdout


def test_an_option_that_mrframe_has_itself_is_refused(fake_api, mrframe):
    fake_api.jobs["clash"] = lambda splits=3: None
    result = mrframe("run", "clash", "x.log")
    assert isinstance(result.exception, JobError)
    assert "'splits' would be the option --splits" in str(result.exception)


def test_a_parameter_that_no_text_can_give_is_refused(fake_api, mrframe):
    fake_api.jobs["odd"] = lambda table=(1, 2): None
    result = mrframe("run", "odd", "x.log")
    assert "'table' has the type tuple" in str(result.exception)


def test_settings_come_from_environment_and_file_too(fake_api, mrframe, tmp_path, monkeypatch):
    (tmp_path / "mrframe.toml").write_text('nodes = 3\nsplit_bytes = "1MiB"\n')
    monkeypatch.setenv("MRFRAME_NODES", "4")
    mrframe("run", "plain", "x.log", "--engine", "local", "--max-bad", "0")
    assert fake_api.call.options == RunOptions(engine="local", nodes=4, split_bytes=1 << 20, max_bad="0")


def test_a_wrong_value_names_its_flag(fake_api, mrframe):
    result = mrframe("run", "plain", "x.log", "--nodes", "abc")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith("--nodes abc: a whole number")


def test_an_unknown_option_names_the_nearest(fake_api, mrframe):
    result = mrframe("run", "plain", "x.log", "--nodez", "3")
    assert result.exit_code == 2
    assert "--nodes" in result.stderr


def test_without_input_nothing_runs(fake_api, mrframe):
    assert mrframe("run", "plain").exit_code == 2
    assert not fake_api.calls


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--format", "csv"], "key,value\n/a,2\n/b,1\n"),
        (["--csv-safe"], "key,value\n/a,2\n/b,1\n"),
        (["--format", "tsv"], "key\tvalue\n/a\t2\n/b\t1\n"),
        (["--format", "table"], "key  value\n/a       2\n/b       1\n"),
        (["--format", "text"], "/a\t2\n/b\t1\n"),
        (["-o", "-", "--format", "jsonl"], '{"key": "/a", "value": 2}\n{"key": "/b", "value": 1}\n'),
    ],
)
def test_a_form_that_is_asked_for_is_written_to_standard_output(fake_api, mrframe, args, text):
    assert mrframe("run", "plain", "x.log", *args).stdout == text


@pytest.mark.parametrize(("name", "start"), [("a.csv", "key,value"), ("a.jsonl", '{"key"'), ("a", '{"key"')])
def test_a_file_gets_the_form_of_its_ending(fake_api, mrframe, tmp_path, name, start):
    assert mrframe("run", "plain", "x.log", "-o", name).stdout == ""
    assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize("flag", ["-o", "--summary", "--rejects"])
def test_an_existing_file_is_refused_before_the_job_runs(fake_api, mrframe, tmp_path, flag):
    (tmp_path / "a.csv").write_text("mine")
    result = mrframe("run", "plain", "x.log", flag, "a.csv")
    assert isinstance(result.exception, OutputError)
    assert "--overwrite" in str(result.exception)
    assert not fake_api.calls
    assert (tmp_path / "a.csv").read_text() == "mine"


def test_an_existing_file_is_replaced_with_overwrite(fake_api, mrframe, tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    mrframe("run", "plain", "x.log", "-o", "a.csv", "--overwrite")
    assert (tmp_path / "a.csv").read_text() == "key,value\n/a,2\n/b,1\n"


def test_an_answer_that_fails_halfway_leaves_nothing(fake_api, mrframe, tmp_path):
    def broken():
        yield "/a", 1
        raise OutputError("the disk is gone")

    fake_api.rows = broken()
    assert mrframe("run", "plain", "x.log", "-o", "a.csv").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_holds_parts_and_a_manifest(fake_api, mrframe, tmp_path):
    mrframe("run", "plain", "x.log", "-o", "out/")
    assert (tmp_path / "out" / "part-00000.jsonl").read_text().count("\n") == 2
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["format"], manifest["rows"], len(manifest["parts"])) == ("jsonl", 2, 1)


def test_the_summary_file_is_one_json_object(fake_api, mrframe, tmp_path):
    mrframe("run", "plain", "x.log", "--summary", "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["schema_version"], figures["records"], figures["seconds"]) == (
        1,
        10_000,
        {"map": 0.2, "reduce": 0.1},
    )


def test_json_is_one_object_with_answer_and_figures(fake_api, mrframe):
    answer = json.loads(mrframe("run", "plain", "x.log", "--json").stdout)
    assert answer["answer"] == [{"key": "/a", "value": 2}, {"key": "/b", "value": 1}]
    assert (answer["schema_version"], answer["summary"]["records"]) == (1, 10_000)
    fake_api.rows = []
    assert json.loads(mrframe("run", "plain", "x.log", "--json").stdout)["answer"] == []


def test_json_beside_a_file_holds_the_figures_only(fake_api, mrframe, tmp_path):
    answer = json.loads(mrframe("run", "plain", "x.log", "--json", "-o", "a.csv").stdout)
    assert answer["output"] == "a.csv"
    assert "answer" not in answer
    assert (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--json", "--format", "csv"], "--json prints JSON"),
        (["--json", "--csv-safe"], "--csv-safe is for CSV, and the result is written as JSON"),
        (["--format", "tsv", "--csv-safe"], "the result is written as tsv"),
        (["-o", "a.jsonl", "--csv-safe"], "the result is written as jsonl"),
        (["-q", "-v"], "contradict"),
        (["-o", "same", "--rejects", "same"], "the same file"),
        (["-o", "none/a.csv"], "none does not exist"),
    ],
)
def test_flags_that_cannot_be_together(fake_api, mrframe, flags, said):
    result = mrframe("run", "plain", "x.log", *flags)
    assert said in (result.stderr + str(result.exception))
    assert result.exit_code != 0
    assert not fake_api.calls


def test_rejects_are_asked_of_the_run(fake_api, mrframe):
    mrframe("run", "plain", "x.log", "--rejects", "bad.log")
    assert fake_api.call.rejects == "bad.log"


def test_malformed_lines_are_shown_with_their_place_and_without_control_characters(fake_api, mrframe):
    vars(fake_api.summary).update(
        malformed=5,
        bad_fields={"size": 3},
        counters={"odd": 2},
        samples=[SimpleNamespace(source="a.log", line=8899, offset=7, text="x\x1b[31m\udcff\x9b", reason="no quote")],
    )
    text = mrframe("run", "plain", "x.log", "-v").stderr
    assert "5 malformed" in text
    assert "a.log:8899: x\\x1b[31m\\xff\\x9b  (no quote)" in text
    assert "and 4 more" in text
    assert "fields without a usable value: size 3" in text
    assert "counter odd 2" in text


def test_dry_run_runs_nothing_and_prints_the_plan(fake_api, mrframe, tmp_path, monkeypatch):
    from mrframe import api
    from mrframe.api.run_plan import plan_run

    job = Job(read=WORDS, key="word", reduce=count)
    monkeypatch.setattr(api, "plan_run", lambda _job, *asked, **_options: plan_run(job, *asked))
    (tmp_path / "x.txt").write_text("one two\n" * 100)
    plan = json.loads(mrframe("run", "plain", "x.txt", "--dry-run", "--json", "--splits", "4").stdout)["plan"]
    assert (plan["bytes"], plan["engine"], plan["map_tasks"], plan["reduce_tasks"]) == (800, "inline", 4, 1)
    text = mrframe("run", "plain", "x.txt", "--dry-run", "--engine", "local", "--nodes", "2").stdout
    assert "local, on a cluster" in text
    assert "1 map task, 1 reduce task" in text
    assert not fake_api.calls


def test_an_error_of_the_run_goes_through(fake_api, mrframe):
    fake_api.raises = MrframeError("no")
    assert mrframe("run", "plain", "x.log").exception is fake_api.raises
