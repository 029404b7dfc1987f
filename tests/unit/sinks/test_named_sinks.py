"""Sinks and output formats by target, ending and name; those of another package (`tests/plugins`) among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mrframe.cli.main import group
from mrframe.errors import OutputError, PluginBroken, UsageError
from mrframe.formats.output import named_outputs
from mrframe.formats.output.named_outputs import FORMATS, output_format
from mrframe.sinks.file_sinks import FileSink, FolderSink
from mrframe.sinks.named_sinks import form_for, sink_for
from mrframe.sinks.result_sink import Delivery, deliver

PLUGINS = str(Path(__file__).parents[2] / "plugins")


class Rows:
    """An answer of these rows; `fails` is raised behind them."""

    columns = ()

    def __init__(self, rows, fails=None):
        self._rows = rows
        self._fails = fails

    def rows(self):
        yield from self._rows
        if self._fails is not None:
            raise self._fails

    def write(self, stream, form, *, text=None):
        from mrframe.formats.output.writing import write_rows

        write_rows(self.rows(), stream, form, text=text)


ABOUT = {"job": "toy", "hash_seed": 0}
ROWS = [("a", 1), ("b", 2)]


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.syspath_prepend(PLUGINS)


@pytest.fixture
def committed(toys):
    from mrframe_toy.output import COMMITTED

    COMMITTED.clear()
    return COMMITTED


def test_the_shape_of_a_target_picks_its_sink(tmp_path):
    assert isinstance(sink_for(str(tmp_path / "a.csv"), Delivery()), FileSink)
    assert isinstance(sink_for(str(tmp_path / "a") + "/", Delivery()), FolderSink)
    assert isinstance(sink_for(str(tmp_path), Delivery()), FolderSink)


@pytest.mark.parametrize("target", ["out", "out/"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_file_or_folder_is_there_whole(tmp_path, target, form):
    deliver(Rows(ROWS), sink_for(f"{tmp_path}/{target}", Delivery(form)), ABOUT)
    files = [path for path in [tmp_path / "out", *tmp_path.glob("out/part-*")] if path.is_file()]
    assert len(files) == 1 and len(files[0].read_bytes()) > 5
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("target", ["out", "out/"])
@pytest.mark.parametrize("fault", [ValueError("of a row"), KeyboardInterrupt()])
def test_an_answer_that_fails_leaves_nothing(tmp_path, target, fault):
    with pytest.raises(type(fault)):
        deliver(Rows(ROWS, fault), sink_for(f"{tmp_path}/{target}", Delivery()), ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_a_sink_of_another_package_gets_the_rows(committed):
    deliver(Rows(ROWS), sink_for("list://here", Delivery()), ABOUT)
    assert committed == [["toy", *ROWS]]


def test_a_sink_of_another_package_is_aborted_when_the_answer_fails(committed):
    with pytest.raises(ValueError, match="of a row"):
        deliver(Rows(ROWS, ValueError("of a row")), sink_for("list://here", Delivery()), ABOUT)
    assert committed == ["aborted"]


def test_the_command_delivers_to_a_sink_of_another_package(committed, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("b\na\n")
    done = CliRunner().invoke(group, ["run", "sort", str(log), "-o", "list://here", "-q"])
    assert done.exit_code == 0, done.output
    assert [row[0] for row in committed[0][1:]] == ["a", "b"]
    refused = CliRunner().invoke(group, ["run", "sort", str(log), "-o", "list://refused", "-q"])
    assert isinstance(refused.exception, OutputError) and len(committed) == 1


@pytest.mark.usefixtures("toys")
def test_an_unknown_scheme_is_refused_with_the_nearest_and_the_group():
    with pytest.raises(UsageError, match=r"lists://here.*did you mean 'list'.*mrframe\.sinks"):
        sink_for("lists://here", Delivery())


@pytest.mark.usefixtures("toys")
def test_a_form_of_another_package_is_known_by_its_name_and_its_ending(tmp_path):
    target = str(tmp_path / "a.pairs")
    assert form_for(target, None, terminal=False) == "pairs"
    deliver(Rows(ROWS), sink_for(target, Delivery("pairs")), ABOUT)
    assert Path(target).read_text() == "a=1\nb=2\n"
    log = tmp_path / "a.log"
    log.write_text("b\na\n")
    done = CliRunner().invoke(group, ["run", "sort", str(log), "--format", "pairs", "-q"])
    assert done.stdout == "a=None\nb=None\n"


@pytest.mark.usefixtures("toys")
def test_a_broken_output_format_is_refused_with_its_package():
    with pytest.raises(PluginBroken, match=r"'no_form' in .*mrframe\.outputs of the package mrframe-toy"):
        output_format("no_form")
    with pytest.raises(UsageError, match=r"'pair'.*did you mean 'pairs'"):
        output_format("pair")


def test_endings_belong_to_one_form_each():
    endings = named_outputs.known_endings()
    assert len(set(endings)) == len(endings)
    assert {form_for(f"a{ending}", None, terminal=False) for ending in endings} == {
        *("jsonl", "csv", "tsv", "text", "markdown", "parquet", "arrow")
    }
    with pytest.raises(OutputError, match=r"\.docx.*\.jsonl, \.ndjson, \.csv"):
        form_for("a.docx", None, terminal=False)
