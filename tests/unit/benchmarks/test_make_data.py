"""The generator of the benchmarks' inputs: the same bytes each time, and a truth that holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import make_data
import pytest
import rows
from inputs import ready

SIZE = 60_000


def made(folder, kind, **more):
    folder.mkdir()
    truth = make_data.make(kind, str(folder), SIZE, files=2, **more)
    return truth, {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", make_data.MAKERS)
def test_a_seed_gives_the_same_bytes_and_another_one_others(tmp_path, kind):
    truth, one = made(tmp_path / "one", kind)
    _, again = made(tmp_path / "again", kind)
    _, other = made(tmp_path / "other", kind, seed=2)
    assert one == again
    assert json.loads(one["truth.json"]) == truth
    assert other != one
    assert sum(len(data) for name, data in one.items() if name != "truth.json") == pytest.approx(SIZE, rel=0.4)


def test_the_truth_of_logs_is_what_a_plain_loop_finds(tmp_path):
    truth, files = made(tmp_path / "logs", "logs")
    lines = b"".join(data for name, data in sorted(files.items()) if name != "truth.json").split(b"\n")[:-1]
    records = [match.groups() for match in map(rows.RECORD.fullmatch, lines) if match]
    assert len(lines) == truth["lines"]
    assert len(lines) - len(records) == truth["malformed"] > 10
    assert Counter(record[rows.STATUS].decode() for record in records) == truth["status_counts"]
    hits = Counter(record[rows.TARGET].partition(b"?")[0].decode() for record in records)
    assert {path: count for path, count, _ in truth["top_urls"]}.items() <= hits.items()
    assert sum(truth["visitors"].values()) == len({(r[rows.TIME][:14], r[rows.HOST]) for r in records})
    assert any(b"\xff" in line for line in lines)
    assert any(not line for line in lines)
    assert any(rb"\"" in record[-1] for record in records)


def test_a_number_of_lines_may_be_asked_for(data):
    given = ready("lines", "tiny", data)
    assert given.truth["lines"] == 1000 == sum(Path(path).read_bytes().count(b"\n") for path in given.files)


def test_text_has_many_rare_words_and_few_frequent_ones(tmp_path):
    truth, files = made(tmp_path / "text", "text")
    counts = Counter(b"".join(data for name, data in sorted(files.items()) if name != "truth.json").split())
    assert (truth["words"], truth["distinct"]) == (counts.total(), len(counts))
    assert counts.most_common(1)[0][1] > 200 * sorted(counts.values())[len(counts) // 2]
    text = b"".join(b"%b\t%d\n" % pair for pair in sorted(counts.items()))
    assert hashlib.sha256(text).hexdigest() == truth["word_count"]


def test_records_are_as_long_as_promised_and_all_different(tmp_path):
    truth, files = made(tmp_path / "records", "records")
    lines = [line for name, data in files.items() if name != "truth.json" for line in data.splitlines(keepends=True)]
    assert {len(line) for line in lines} == {make_data.RECORD_BYTES}
    assert all(re.fullmatch(rb"[0-9A-Za-z+-]{10} \d{11} -+\n", line) for line in lines)
    assert len(set(lines)) == len(lines) == truth["records"]


def test_an_input_is_made_once(data):
    one = ready("records", "tiny", data)
    assert ready("records", "tiny", data) == one
