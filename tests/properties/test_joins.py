"""Joins against plain Python: any sources, keys, cutting, partitions and budget give what nested loops give."""

from __future__ import annotations

import gzip
import os
import tempfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, json_lines, text, words
from mrframe.shuffle.group import group
from mrframe.shuffle.keys import canonical, kind_of, normal, order, sort_order
from mrframe.task.reduce.join import joined

SETTINGS = settings(max_examples=15, deadline=None)

line = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=9).map(
    lambda text: text.lstrip("\0\ufeff")  # they do not belong to a line
) | st.sampled_from(["", "a", "b c", "aa"])
lines = st.lists(line, max_size=25)
files = st.lists(st.tuples(lines, st.booleans()), min_size=1, max_size=3)  # the lines of each, and whether compressed
cutting = st.builds(
    lambda splits, partitions, memory: RunOptions(
        engine="inline", split_bytes=splits, partitions=partitions, memory_bytes=memory
    ),
    st.integers(1, 200),
    st.integers(1, 6),
    st.sampled_from([0, 256 << 20]),
)


def odd_key(line: str) -> Any:
    """A key of any type, some equal for Python and different for mrframe."""
    n = len(line) % 3
    return (n, float(n), bool(n), str(n), str(n).encode(), None, (n, line[:1]), (bool(n), line[:1]))[
        len(line) * 3 % 8
    ]


def left(line: str):
    yield odd_key(line), line
    if len(line) % 2:
        yield odd_key(line + "."), len(line)


def middle(line: str):
    if line:
        yield odd_key(line[1:]), (line, len(line))


def right(line: str):
    yield odd_key(line), {"line": line}


def outer(key, lefts, middles, rights):
    assert isinstance(lefts, list)
    assert isinstance(middles, list)
    assert not isinstance(rights, list)
    yield key, (lefts, middles, list(rights))


THREE = Job(
    read={"lefts": text, "middles": text, "rights": text},
    map={"lefts": left, "middles": middle, "rights": right},
    reduce=outer,
)


def plainly(*sources: tuple[Any, list[str]]) -> list[tuple[Any, tuple[list[Any], ...]]]:
    """Return an outer join, written the plain way."""
    groups: dict[bytes, tuple[Any, tuple[list[Any], ...]]] = {}
    for number, (function, some) in enumerate(sources):
        for one in some:
            for key, value in function(one):
                empty: tuple[list[Any], ...] = tuple([] for _ in sources)
                groups.setdefault(canonical(key), (key, empty))[1][number].append(value)
    return sorted(groups.values(), key=lambda row: order(row[0]))


def written(folder: str, name: str, some: list[tuple[list[str], bool]]) -> list[str]:
    paths = []
    for number, (content, packed) in enumerate(some):
        paths.append(os.path.join(folder, f"{name}-{number}"))
        data = "".join(f"{one}\n" for one in content).encode()
        with open(paths[-1], "wb") as file:
            file.write(gzip.compress(data) if packed else data)
    return paths


def answer(job: Job, options: RunOptions, **sources: list[tuple[list[str], bool]]) -> list[tuple[Any, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        inputs = {name: written(folder, name, some) for name, some in sources.items()}
        with mrframe.run(job, inputs, options) as result:
            for name, figures in result.summary.sources.items():
                assert figures["records"] == sum(len(content) for content, _ in sources[name])
            return list(result)


def typed(rows: list[tuple[Any, Any]]) -> list[Any]:
    return [(type(key), key, *values) for key, values in rows]


def flat(some: list[tuple[list[str], bool]]) -> list[str]:
    return [one for content, _ in some for one in content]


@given(files, files, files, cutting)
@SETTINGS
def test_a_join_of_three_sources_gives_what_plain_python_gives(lefts, middles, rights, options):
    expected = plainly((left, flat(lefts)), (middle, flat(middles)), (right, flat(rights)))
    got = answer(THREE, options, lefts=lefts, middles=middles, rights=rights)
    assert typed(got) == typed(expected)


@given(lines, lines)
@settings(max_examples=2, deadline=None)
def test_a_cluster_joins_as_plain_python_does(lefts, rights):
    options = RunOptions(engine="local", nodes=2, partitions=3, split_bytes=40, memory_bytes=0)
    expected = plainly((left, lefts * 2), (middle, []), (right, rights))
    got = answer(
        THREE, options, lefts=[(lefts, False), (lefts, True)], middles=[([], False)], rights=[(rights, True)]
    )
    assert typed(got) == typed(expected)


@given(lines, lines, cutting)
@SETTINGS
def test_a_source_may_be_declared_filtered_and_followed_by_a_step(some, other, options):
    def inner(key, words, lines):
        for line in lines:
            if words:
                yield line, len(words)

    def first_of(line: str):
        yield line[:1], line

    job = Job(
        read={"words": words, "lines": text},
        key={"words": "word"},
        value={"words": "offset"},
        map={"lines": first_of},
        where={"lines": lambda line: line},
        reduce=inner,
    ).then(Job(key="value", reduce=count))
    found: dict[int, int] = {}
    seen = [word for one in some for word in one.encode().split()]
    for one in other:
        if one and (times := seen.count(one[:1].encode())):
            found[times] = found.get(times, 0) + 1
    assert answer_of_words(job, options, some, other) == sorted(found.items())


def answer_of_words(job, options, some, other):
    """Words have no lines, so their records are not counted as lines here."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = {"words": written(folder, "w", [(some, False)]), "lines": written(folder, "l", [(other, False)])}
        with mrframe.run(job, inputs, options) as result:
            return list(result)


@given(files, files, cutting)
@SETTINGS
def test_values_may_come_in_their_own_order(some, other, options):
    def keyed(line: str):
        yield line[:1], len(line)

    def both(key, first, second):
        yield key, (first, list(second))

    job = Job(read={"some": text, "other": text}, map=keyed, reduce=both, sort_values=True)
    expected = [
        (key, tuple(map(sorted, values))) for key, values in plainly((keyed, flat(some)), (keyed, flat(other)))
    ]
    assert answer(job, options, some=some, other=other) == expected


columns = st.lists(st.tuples(st.sampled_from([0, 0.0, False, None, "", "x", b"x", (0,), (0.0, "x")]), st.integers()))


def sorted_blocks(pairs, cut):
    for_all = normal([key for key, _ in pairs], kind_of([key for key, _ in pairs])) if pairs else []
    indexes = sort_order(for_all, kind_of(for_all)) if pairs else []
    for at in range(0, len(indexes), cut):
        keys = [for_all[i] for i in indexes[at : at + cut]]
        yield kind_of(keys), keys, [pairs[i][1] for i in indexes[at : at + cut]]


@given(columns, columns, columns, st.integers(1, 4), st.booleans())
def test_unread_values_of_the_last_source_are_passed_over(first, second, third, cut, lazy):
    """`joined` gives each key once, in order, whether or not the last stream is read."""
    streams = [sorted_blocks(pairs, cut) for pairs in (first, second, third)]
    got = [(canonical(key), a, b, next(last, None) if lazy else list(last)) for key, (a, b, last) in joined(streams)]
    alone = [{canonical(k): list(vs) for k, vs in group(sorted_blocks(p, cut))} for p in (first, second, third)]
    keys = sorted({canonical(key): key for pairs in (first, second, third) for key, _ in pairs}.values(), key=order)
    expected = []
    for key in map(canonical, keys):
        last = alone[2].get(key, [])
        expected.append((key, alone[0].get(key, []), alone[1].get(key, []), next(iter(last), None) if lazy else last))
    assert got == expected


def test_one_key_of_the_last_source_is_a_stream(tmp_path):
    """A key with more values than the budget holds, spilled and merged. A function may stop early."""

    def few(key, people, hits):
        yield key, (people, [next(hits) for _ in range(3)])

    def keyed(line: str):
        yield "k", line

    (tmp_path / "people").write_text("p\n")
    (tmp_path / "hits").write_text("".join(f"{i:0250}\n" for i in range(20_000)))
    job = Job(read={"people": text, "hits": text}, map=keyed, reduce=few)
    inputs = {"people": str(tmp_path / "people"), "hits": [tmp_path / "hits"]}
    with mrframe.run(job, inputs, RunOptions(engine="inline", memory_bytes=0)) as result:
        assert list(result) == [("k", (["p"], [f"{i:0250}" for i in range(3)]))]
        assert result.summary.spills > 0
        assert result.summary.sources["hits"]["records"] == 20_000


def test_of_the_last_source_a_block_is_held_at_a_time():
    pulled = []

    def many(key):
        for number in range(1_000):
            pulled.append(number)
            yield "s", [key] * 2, [number, number]

    (key, (people, hits)), *rest = _first(joined([iter([("s", ["k"], ["p"])]), many("k")]))
    assert (key, people, [next(hits) for _ in range(3)], rest) == ("k", ["p"], [0, 0, 1], [])
    assert len(pulled) <= 3


def _first(iterator):
    return [next(iterator)]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_join_reads_nested_fields_of_json_and_counts_each_source(tmp_path, engine):
    (tmp_path / "h").write_text('{"u": {"id": 1}, "p": "/a"}\n{"u": {"id": 2}, "p": "/b"}\nbad\n')
    (tmp_path / "u").write_text("1 ann\n3 bob\n")

    def of_line(line):
        number, name = line.split()
        yield int(number), name

    def inner(key, names, paths):
        for path in paths:
            for name in names:
                yield path, name

    job = Job(
        read={"names": text, "paths": json_lines},
        map={"names": of_line},
        key={"paths": "id"},
        value={"paths": "p"},
        fields={"paths": {"id": "u.id", "p": "p"}},
        reduce=inner,
    )
    options = RunOptions(engine=engine, nodes=2 if engine == "local" else None, max_bad="50%")
    with mrframe.run(job, [f"names={tmp_path}/u", f"paths={tmp_path}/h"], options) as result:
        assert list(result) == [("/a", "ann")]
        assert result.summary.log_format == "names: text, paths: json"
        assert result.summary.sources["paths"] == {"records": 2, "lines": 3, "malformed": 1, "bytes_in": 60}
