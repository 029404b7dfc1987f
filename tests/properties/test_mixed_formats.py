"""A run over files of several formats against runs over each file alone: the same pairs and figures, added up."""

from __future__ import annotations

import gzip
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count

LINE = '{} - - [17/May/2026:10:05:03 +0000] "GET /{} HTTP/1.1" {} {} "-" "curl"'
RECORDS = st.tuples(st.sampled_from(["192.0.2.1", "::1"]), st.sampled_from("ab"), st.sampled_from([200, 404]))
FORMS = {
    "common": lambda host, path, status: LINE.format(host, path, status, 7).removesuffix(' "-" "curl"'),
    "combined": lambda host, path, status: LINE.format(host, path, status, 7),
    "nginx_main": lambda host, path, status: LINE.format(host, path, status, 7) + ' "-"',
    "vhost": lambda host, path, status: "www.example.org:80 " + LINE.format(host, path, status, 7),
    "traefik": lambda *of: LINE.format(*of, 7) + ' 7 "web@docker" "http://10.0.0.3:80" 4ms',
    "json": lambda host, path, status: f'{{"host": "{host}", "path": "/{path}", "status": {status}}}',
}
ODD = "something else"
JOB = Job(key=("host", "path", "status"), reduce=count)
FIGURES = ("records", "lines", "malformed", "bytes_in")


@st.composite
def files(draw):
    """(name, bytes) of files, each of one format, with some lines that are of none."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        form = FORMS[draw(st.sampled_from(sorted(FORMS)))]
        lines = [form(*record) for record in draw(st.lists(RECORDS, min_size=4, max_size=9))]
        if draw(st.booleans()):
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from([ODD, ""])))
        data = "".join(line + "\n" for line in lines).encode()
        packed = draw(st.booleans())
        made.append((f"{number}.log{'.gz' if packed else ''}", gzip.compress(data) if packed else data))
    return made


def run(paths, **options):
    with mrframe.run(JOB, paths, RunOptions(engine="inline", max_bad="100%", **options)) as result:
        return Counter(dict(result)), Counter({name: getattr(result.summary, name) for name in FIGURES})


@settings(max_examples=40, deadline=None)
@given(files(), st.sampled_from([1, 100, None]))
def test_a_run_over_all_files_is_the_sum_of_runs_over_each(made, split_bytes):
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name, _ in made]
        for path, (_, data) in zip(paths, made, strict=True):
            Path(path).write_bytes(data)
        rows, figures = run(paths, split_bytes=split_bytes)
        saved = {"cache": "on", "cache_dir": str(Path(folder, "cache"))}
        alone = [run([path], **saved) for path in paths]
        assert rows == sum((one for one, _ in alone), Counter())
        assert figures == sum((one for _, one in alone), Counter())
        assert (rows, figures) == run(paths, **saved) == run(paths[::-1], **saved)
        assert rows.total() == figures["records"] > 0
