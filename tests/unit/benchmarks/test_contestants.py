"""Whoever takes part gives the right answer on a small input with malformed lines; who does not is found out."""

from __future__ import annotations

import shutil
import subprocess

import answers
import pytest
from contestants import FORMS, JOBS, PEERS, SLOW, contestants, is_there
from inputs import ready

QUICK = ("plain", "pool", "pool-tuned", "awk", "gnu-sort")
WRONG_ON_ODD_BYTES = {"duckdb", "duckdb-csv"}  # it drops lines that are not UTF-8


def verdict(job, contestant, given, out):
    command = [part.replace("{out}", str(out)) for part in contestant.command]
    subprocess.run(command, check=True, env=None, capture_output=True)
    return answers.judge(job, out, given.truth)


@pytest.mark.parametrize(("job", "name"), [(job, name) for name in QUICK for job in PEERS[name][3]])
def test_a_peer_gives_the_reference_answer(tmp_path, data, job, name):
    given = ready(JOBS[job], "tiny", data)
    taking_part = contestants(job, given.files, "tiny")
    if is_there(PEERS[name][0], PEERS[name][1]):
        assert verdict(job, taking_part[name], given, tmp_path) == answers.OK
    else:
        assert name not in taking_part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "name"), [(job, name) for name in sorted({*PEERS} - {*QUICK}) for job in PEERS[name][3]]
)
def test_a_peer_that_is_installed_gives_it_too(tmp_path, data, job, name):
    given = ready(JOBS[job], "tiny", data)
    taking_part = contestants(job, given.files, "tiny")
    if name in taking_part and name not in WRONG_ON_ODD_BYTES:
        assert verdict(job, taking_part[name], given, tmp_path) == answers.OK


@pytest.mark.parametrize(
    ("job", "form"),
    [(job, form) for job in JOBS if job not in ("latency", "empty_tasks") for form in FORMS[job]],
)
def test_every_form_of_mrframe_gives_the_reference_answer(tmp_path, data, job, form):
    import mrframe
    from mrframe.core.settings.options import RunOptions
    from mrframe.formats.output.writing import write_rows

    given = ready(JOBS[job], "tiny", data)
    target, _, need = FORMS[job][form]
    if not is_there(need, ""):
        pytest.skip(f"{need} is not installed")
    with (
        mrframe.run(str(JOBS_FOLDER / target), list(given.files), RunOptions(engine="inline")) as result,
        (tmp_path / "part-0").open("wb") as file,
    ):
        write_rows(result.rows(), file, "text")
        (tmp_path / ".summary.json").write_text(f'{{"malformed": {result.summary.malformed}}}')
    assert answers.judge(job, tmp_path, given.truth) == answers.OK


def test_a_wrong_answer_is_found_out(tmp_path, data):
    given = ready("logs", "tiny", data)
    taking_part = contestants("status_counts", given.files[:-1], "tiny")
    found = verdict("status_counts", taking_part["plain"], given, tmp_path)
    assert found.startswith("wrong: off by")


@pytest.mark.parametrize(
    ("job", "kind", "text", "expected"),
    [
        ("status_counts", "logs", "200\tmany\n", "cannot be read"),
        ("top_urls", "logs", "/\t1\t1\n", "100 of 100 rows"),
        ("visitors", "logs", "02/Mar/2026:04\t1\n", "rows"),
        ("sort", "records", "x\n", "other rows (1 of"),
        ("empty_tasks", "grains", "x\n", "1 rows"),
    ],
)
def test_each_judge_can_say_no(tmp_path, data, job, kind, text, expected):
    (tmp_path / "part-0").write_text(text)
    assert expected in answers.judge(job, tmp_path, ready(kind, "tiny", data).truth)


def test_rows_out_of_order_are_told_from_other_rows(tmp_path, data):
    given = ready("records", "tiny", data)
    for path in given.files:
        shutil.copy(path, tmp_path)
    assert answers.judge("sort", tmp_path, given.truth) == "wrong: not in order"


def test_malformed_lines_count_when_the_rest_is_right(tmp_path, data):
    truth = ready("logs", "tiny", data).truth
    text = "".join(f"{status}\t{count}\n" for status, count in truth["status_counts"].items())
    (tmp_path / "part-0").write_text(text)
    assert answers.judge("status_counts", tmp_path, truth) == f"wrong: malformed lines off by {-truth['malformed']:+}"


def test_slow_peers_are_peers():
    assert set(PEERS) >= SLOW


JOBS_FOLDER = answers.Path(answers.__file__).parent / "jobs"
