"""Comparing two revisions: which tree a run imports, and what the table says."""

from contestants import contestants
from inputs import ROOT
from table import Run
from versions import Pair, on_tree, row_of


def run(wall_s, cpu_s, verdict="right"):
    return Run("sort", "mrframe: record", 1, wall_s, cpu_s, 0, verdict)


def test_a_contestant_imports_mrframe_from_the_tree_that_it_is_put_on(tmp_path):
    form = contestants("status_counts", ("a.log",))["mrframe: record"]
    moved = on_tree(form, tmp_path)
    assert form.env["PYTHONPATH"].split(":")[0] == str(ROOT)
    assert moved.env["PYTHONPATH"].split(":")[0] == str(tmp_path)
    assert moved.command == form.command


def test_a_row_has_the_median_of_the_ratios_and_their_range():
    pairs = [Pair(run(2, 4), run(1, 4)), Pair(run(3, 4), run(3, 2)), Pair(run(3, 4), run(2, 4))]
    assert row_of("sort", pairs) == "| sort | 3.00 | 1.500 (1.00–2.00) | 1.000 (1.00–2.00) | right |"


def test_a_wrong_answer_of_either_tree_is_shown():
    assert "wrong" in row_of("sort", [Pair(run(1, 1), run(1, 1, "wrong: 3 rows"))])
