"""Windows of time against plain Python: every record in one class, whatever the cutting, the grain and the engine."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, logs

BEGIN = datetime(2026, 5, 17, 9, 50, tzinfo=UTC)
LINE = '1.2.3.4 - - [{}] "GET /{} HTTP/1.1" 200 10\n'
ZONES = [timezone(timedelta(minutes=east)) for east in (0, 120, -570, 345)]


def line_of(seconds: int, zone: timezone, path: str) -> tuple[datetime, str]:
    time = (BEGIN + timedelta(seconds=seconds)).astimezone(zone)
    return time, LINE.format(time.strftime("%d/%b/%Y:%H:%M:%S %z"), path)


times = st.tuples(st.integers(0, 1800), st.sampled_from(ZONES), st.sampled_from("abc"))
broken = st.sampled_from(["torn\n", LINE.format("31/Feb/2026:10:00:00 +0000", "a"), "\n"])
grains = st.sampled_from(("record", "split", "declared", "times"))
ends = st.one_of(st.none(), st.integers(0, 1800).map(lambda s: BEGIN + timedelta(seconds=s)))


def by_path(path):
    yield path, 1


def by_split(records):
    for record in records:
        yield record.path, 1


JOBS = {
    "record": Job(read=logs.common, map=by_path, reduce=count),
    "split": Job(read=logs.common, map_split=by_split, fields=("path",), reduce=count),
    "declared": Job(read=logs.common, key="path", reduce=count),
    "times": Job(read=logs.common, key=("path", "time"), reduce=count),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(times, broken), min_size=1, max_size=60), ends, ends, st.integers(1, 5), grains)
def test_a_window_is_what_plain_python_says(drawn, since, until, splits, grain):
    if since is not None and until is not None and until <= since:
        since, until = until, since
    if since == until:
        until = None
    records, lines = [], []
    for one in drawn:
        time, line = (None, one) if isinstance(one, str) else line_of(*one)
        lines.append(line)
        if time is not None:
            records.append((time, f"/{one[2]}"))
    inside = [
        (time, path) for time, path in records if (since is None or time >= since) and (until is None or time < until)
    ]
    asked = since is not None or until is not None
    undated = sum("Feb" in line for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.log").write_text("".join(lines))
        options = RunOptions(
            engine="inline",
            splits=splits,
            max_bad="100%",
            since=since and since.isoformat(),
            until=until and until.astimezone(ZONES[1]).isoformat(),
        )
        with mrframe.run(JOBS[grain], [f"{folder}/x.log"], options) as result:
            rows = dict(result)
    wanted = Counter((path, time) if grain == "times" else path for time, path in inside)
    if not asked:
        wanted.update({("/a", None) if grain == "times" else "/a": undated} if undated else {})
    assert rows == wanted
    ledger = result.summary.ledger
    assert result.summary.records == len(inside) + (0 if asked else undated)
    assert ledger.get("outside_time", 0) == (len(records) - len(inside) if asked else 0)
    assert ledger.get("without_time", 0) == (undated if asked else 0)
    assert result.summary.malformed == sum(line in ("torn\n", "\n") for line in lines)


def test_both_engines_give_the_same_rows_and_window(tmp_path):
    lines = [line_of(second, ZONES[second % 4], "abc"[second % 3])[1] for second in range(0, 1800, 3)]
    (tmp_path / "x.log").write_text("".join(lines))
    window = {"since": "2026-05-17T10:00", "until": "2026-05-17T10:10", "splits": 5}
    found = []
    for engine in ("inline", "local"):
        with mrframe.run(JOBS["declared"], [str(tmp_path / "x.log")], RunOptions(engine=engine, **window)) as result:
            found.append((list(result), result.summary.ledger, result.summary.window))
    assert found[0] == found[1]
    assert found[0][2] == {
        "since": "2026-05-17T10:00:00+00:00",
        "until": "2026-05-17T10:10:00+00:00",
        "timezone": "UTC",
    }
    assert sum(number for _, number in found[0][0]) == 200
