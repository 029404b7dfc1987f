"""An answer that a program saves takes the form of the file's ending, whole or not at all."""

from __future__ import annotations

import pytest

import mrframe
from mrframe.errors import OutputError


@pytest.fixture
def result(tmp_path):
    (tmp_path / "log").write_text("a b a\n")
    with mrframe.run("word_count", [str(tmp_path / "log")], mrframe.RunOptions(engine="inline")) as result:
        yield result


@pytest.mark.parametrize(
    ("name", "text"),
    [("answer.csv", "word,count\na,2\nb,1\n"), ("answer.jsonl", '{"key": "a", "value": 2}\n')],
)
def test_the_ending_says_the_form(result, tmp_path, name, text):
    result.save(str(tmp_path / name))
    assert (tmp_path / name).read_bytes().decode().startswith(text)


def test_columns_have_names(result):
    assert result.columns == ("word", "count")
    assert "<th>word</th><th>count</th>" in result._repr_html_()
    assert "<td>a</td><td>2</td>" in result._repr_html_()


def test_a_tuple_is_a_column_for_each_item_in_a_notebook(tmp_path):
    (tmp_path / "log").write_text("a\n")

    def places(file, offset, line):
        yield (offset, line), None

    job = mrframe.Job(read=mrframe.text, map=places, reduce=mrframe.each)
    with mrframe.run(job, [str(tmp_path / "log")], mrframe.RunOptions(engine="inline")) as result:
        assert "<th>key1</th><th>key2</th><th>value</th>" in result._repr_html_()
        assert "<td>0</td><td>a</td><td></td>" in result._repr_html_()


def test_a_file_that_exists_is_replaced_only_when_asked(result, tmp_path):
    path = tmp_path / "answer.csv"
    path.write_text("mine")
    with pytest.raises(OutputError):
        result.save(str(path))
    assert path.read_text() == "mine"
    result.save(str(path), overwrite=True)
    assert path.read_text().startswith("word,count")


def test_a_folder_holds_parts(result, tmp_path):
    result.save(f"{tmp_path}/answer/", "tsv")
    assert [path.name for path in sorted((tmp_path / "answer").iterdir())][-1] == "part-00000.tsv"
