"""Random jobs give what plain Python gives, a case is made again by its seed, and differences are shown whole.

Planted faults are in `test_differential_mutants.py`.
"""

from __future__ import annotations

import ast
import inspect

import pytest

from mrframe.testing.differential import differential, reference, reference_readers, reference_values
from mrframe.testing.differential.differential import Differs, Player, described, main, play_many, shown
from mrframe.testing.differential.random_cases import LOCAL_EVERY, case
from mrframe.testing.differential.random_worlds import GLIMPSES

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # random jobs leave files open


def report(failed) -> str:
    return "\n".join(f"seed {one.seed}: {one.why}\n{described(case(one.seed))}" for one in failed)


def test_five_hundred_random_jobs_give_what_plain_python_gives():
    player, failed = play_many(range(500))
    assert not failed, report(failed)
    assert player.results > 350 and player.errors > 80 and player.rows > 1500


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_thousand_random_jobs_give_what_plain_python_gives():
    player, failed = play_many(range(10_000, 15_000))
    assert not failed, report(failed)
    assert player.results > 3500


@pytest.mark.parametrize("module", [reference, reference_readers, reference_values])
def test_the_reference_imports_nothing_that_it_judges(module):
    tree = ast.parse(inspect.getsource(module))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert not [
        name for name in imported if "mrframe" in name and "mrframe.testing.differential.reference" not in name
    ]


def test_a_case_is_a_function_of_its_seed():
    assert [case(seed) for seed in range(50)] == [case(seed) for seed in range(50)]


def test_the_cases_have_all_that_is_to_be_tried():
    cases = [case(seed) for seed in range(2000)]
    text = "\n".join(one.job for one in cases)
    for piece in (
        *(
            "read=text",
            "read=words",
            "read=logs.combined",
            "read=json_lines",
            "read={'left'",
            "map_split=",
            "map_batch=",
        ),
        *(
            "key=",
            "where=",
            "combine=",
            "partition=",
            'key_order="total"',
            "sort_values=True",
            "top(",
            ".then(",
            "fold=1",
        ),
        *("sys.exit", "StopIteration", "GeneratorExit", "next(", "print(", "increment(", 'float("nan")', "-0.0"),
        *("ud800", "2**63", "tzinfo=BERLIN", "Point(1, 2)", "reduce={", "return None", "fields={'item'"),
    ):
        assert piece in text, piece
    assert {one.kind for one in cases} == {"", *(glimpse.kind for glimpse in GLIMPSES)}
    assert {name for one in cases for name in one.options} >= {
        *("split_bytes", "splits", "partitions", "memory_bytes", "max_bad", "max_failed", "hash_seed", "order_seed"),
        *("fast", "since", "until", "cache", "cache_bytes_max"),
    }
    assert sum(one.local for one in cases) == 2000 // LOCAL_EVERY
    for name in ("tight", "rejects", "command"):
        assert sum(getattr(one, name) for one in cases) > 100, name


def test_values_that_only_python_takes_for_equal_differ():
    values = [1, True, 1.0, -0.0, 0.0, "1", b"1", (1,), [1], None, {1: True}, {1: 1}, {1}, frozenset({1})]
    assert len(set(map(shown, values))) == len(values)


def test_a_failing_case_is_shown_in_full(capsys, monkeypatch):
    def differs(self, one):
        raise Differs("it is not so", silently=True)

    monkeypatch.setattr(Player, "play", differs)
    assert main(["--cases", "3", "--seed", "40", "--failures", "1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("==== seed 40 differs silently: it is not so\n---- job.py\n")
    assert "job = Job(" in said and "---- inputs\n  in-0.log" in said and "---- mrframe run job.py" in said
    assert said.endswith("1 failed, 1 of them without an error message\n")


def test_the_command_says_what_it_did(capsys, monkeypatch):
    monkeypatch.setattr(differential, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(Player, "play", lambda self, one: None)
    assert main(["--cases", "3"]) == 0
    assert capsys.readouterr().out.startswith(
        "3 cases from seed 0 in 0.0 s: 0 answers of 0 rows, 0 errors as expected"
    )
