"""A job of one's own, started from a ready one, where files of these names are there already."""

from __future__ import annotations

import pytest

from mrframe.api import start_job
from mrframe.errors import OutputError


def test_a_file_of_the_ready_job_s_name_does_not_stand_in_the_way(tmp_path, monkeypatch):
    """`mrframe run top_urls` asks which of the two is meant. To start from one, only the ready job can be meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "top_urls.py").write_text("mine")
    assert start_job("busiest", "top_urls") == ("busiest.py", "test_busiest.py")
    assert "# Started from the ready job `top_urls`" in (tmp_path / "busiest.py").read_text()
    assert (tmp_path / "top_urls.py").read_text() == "mine"


@pytest.mark.parametrize("there", ["top_urls.py", "test_top_urls.py"])
def test_a_file_that_exists_is_not_replaced_and_the_command_for_another_name_is_shown(tmp_path, monkeypatch, there):
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).write_text("mine")
    with pytest.raises(OutputError) as caught:
        start_job("top_urls")
    assert str(caught.value) == (
        f"{there} exists already, and init replaces nothing; choose another name: "
        "mrframe init my_top_urls --from top_urls"
    )
    assert [path.name for path in tmp_path.iterdir()] == [there]
